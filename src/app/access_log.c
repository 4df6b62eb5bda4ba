#include "app/access_log.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

/* Where the sockets of the local logs are, unless the environment says otherwise. */
static const char *log_socket(enum log_target target)
{
    bool journal = target == LOG_TARGET_JOURNALD;
    const char *other = getenv(journal ? "MUXGATE_JOURNAL_SOCKET" : "MUXGATE_SYSLOG_SOCKET");
    return other != NULL && other[0] != '\0' ? other
           : journal                         ? "/run/systemd/journal/socket"
                                             : "/dev/log";
}

static struct line_target target_of(const struct model_log *log)
{
    switch (log->access) {
    case LOG_TARGET_FILE:
        return (struct line_target){.file = log->file};
    case LOG_TARGET_SYSLOG:
        return (struct line_target){.protocol = LINE_SYSLOG, .file = log_socket(log->access)};
    case LOG_TARGET_JOURNALD:
        return (struct line_target){.protocol = LINE_JOURNAL, .file = log_socket(log->access)};
    case LOG_TARGET_STDERR:
        return (struct line_target){.fd = STDERR_FILENO};
    case LOG_TARGET_STDOUT:
    case LOG_TARGET_OFF:
        break;
    }
    return (struct line_target){.fd = STDOUT_FILENO};
}

/* No reason not to start: a log that is started anew, or after us, finds us. */
static void warn_of_absent_log(const struct line_target *target)
{
    struct error error;
    if (!line_target_is_there(target, &error))
        log_event(LOG_LEVEL_WARNING, "log.absent", "reason=\"%s\" lines=dropped", error.text);
}

bool access_log_start(struct line_writer **ret, const struct model_log *log, unsigned producers,
                      struct error *error)
{
    struct line_target target = target_of(log);
    warn_of_absent_log(&target);
    return line_writer_start(ret, &target, producers, error);
}

void access_log_reopen(struct line_writer *writer, const struct model_log *log)
{
    struct error error;
    struct line_target target = target_of(log);
    if (line_writer_reopen(writer, &target, &error))
        log_event(LOG_LEVEL_INFO, "log.reopen", "target=%s",
                  target.file != NULL          ? target.file
                  : target.fd == STDERR_FILENO ? "stderr"
                                               : "stdout");
    else
        log_event(LOG_LEVEL_ERROR, "log.reopen", "failed=true reason=\"%s\" kept=previous",
                  error.text);
    warn_of_absent_log(&target);
}
