#include "app/notify.h"

#include "app/environment.h"
#include "base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* How long the manager may take to hear of an heir. */
#define HEIR_SECONDS 5

/* "/path" or "@name" (abstract). */
static bool connect_to(int *ret, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 || length >= sizeof address.sun_path)
        return false;
    memcpy(address.sun_path, name, length);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (connect(fd, (const struct sockaddr *)&address, size) != 0) {
        (void)close(fd);
        return false;
    }
    *ret = fd;
    return true;
}

void notify_open(struct notifier *notifier)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *notifier = (struct notifier){.fd = -1};
    if (getenv("WATCHDOG_PID") != NULL && environment_number("WATCHDOG_PID") != (uint64_t)getpid())
        (void)unsetenv("WATCHDOG_USEC"); /* another's, and no heir's of ours either */
    if (name != NULL && connect_to(&notifier->fd, name))
        notifier->watchdog_us = environment_number("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID"); /* the rest holds for a process that replaces this one, too */
}

void notify_close(struct notifier *notifier)
{
    if (notifier->fd >= 0)
        (void)close(notifier->fd);
    notifier->fd = -1;
}

static void say(const struct notifier *notifier, const char *format, ...) PRINTF(2, 3);

/* What the manager cannot take now is lost: waiting for it would help nobody. */
static void say(const struct notifier *notifier, const char *format, ...)
{
    char text[256];
    va_list arguments;
    if (notifier->fd < 0)
        return;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof text)
        (void)send(notifier->fd, text, (size_t)length, MSG_NOSIGNAL);
}

void notify_ready(const struct notifier *notifier, uint64_t generation)
{
    say(notifier, "READY=1\nSTATUS=serving, configuration %" PRIu64 "\n", generation);
}

/* With the time, the manager tells this reload's READY from that of one before. */
void notify_reloading(const struct notifier *notifier)
{
    say(notifier, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the configuration\n",
        clock_monotonic_us());
}

void notify_stopping(const struct notifier *notifier, uint64_t sessions)
{
    say(notifier, "STOPPING=1\nSTATUS=draining, %" PRIu64 " sessions are left\n", sessions);
}

void notify_heir(const struct notifier *notifier, long pid)
{
    const struct timeval patience = {.tv_sec = HEIR_SECONDS};
    if (notifier->fd >= 0) {
        (void)setsockopt(notifier->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        (void)fcntl(notifier->fd, F_SETFL, 0);
    }
    say(notifier, "MAINPID=%ld\n", pid);
}

void notify_alive(const struct notifier *notifier)
{
    say(notifier, "WATCHDOG=1\n");
}
