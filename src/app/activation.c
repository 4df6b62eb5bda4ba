#include "app/activation.h"

#include "app/environment.h"
#include "base/log.h"
#include "io/socket.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD 3 /* SD_LISTEN_FDS_START */
#define FDS_MAX  1024u

static bool is_option(int fd, int name, int value)
{
    int found = 0;
    socklen_t length = sizeof found;
    return getsockopt(fd, SOL_SOCKET, name, &found, &length) == 0 && found == value;
}

/* Shared with the manager: only what belongs to the open socket may be changed. */
static bool prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
           is_option(fd, SO_TYPE, SOCK_STREAM) && is_option(fd, SO_ACCEPTCONN, 1) &&
           fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static bool add(struct bindings *bindings, int fd, unsigned workers, struct error *error)
{
    if (!prepare(fd)) {
        log_event(LOG_LEVEL_WARNING, "listener.unused",
                  "fd=%d reason=\"no listening stream socket\"", fd);
        (void)close(fd);
        return true;
    }
    socket_set_nodelay(fd);
    if (!binding_inherit(&bindings->item[bindings->count].binding, NULL, &fd, 1, workers, true,
                         error))
        return false;
    bindings->count++;
    return true;
}

/* How many there are, if they are for this process. */
static unsigned count_given(void)
{
    uint64_t count = environment_number("LISTEN_FDS");
    bool ours = environment_number("LISTEN_PID") == (uint64_t)getpid();
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return ours && count <= FDS_MAX ? (unsigned)count : 0;
}

bool activation_expects(void)
{
    return getenv("LISTEN_FDS") != NULL;
}

bool activation_take(struct bindings **bindings, unsigned workers, struct error *error)
{
    unsigned count = count_given();
    if (count == 0)
        return true;
    *bindings = bindings_create(count);
    if (*bindings == NULL)
        return error_memory(error);
    (*bindings)->count = 0;
    for (unsigned i = 0; i < count; i++)
        if (!add(*bindings, FIRST_FD + (int)i, workers, error))
            return false;
    return true;
}

void activation_report_unused(const struct bindings *given, const struct bindings *used)
{
    for (size_t i = 0; given != NULL && i < given->count; i++)
        if (!bindings_have(used, given->item[i].binding))
            log_event(LOG_LEVEL_WARNING, "listener.unused", "address=%s reason=\"no bind has it\"",
                      given->item[i].binding->text);
}
