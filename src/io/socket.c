#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Numbers of network devices that there will never be: no packet comes from one. */
#define DEVICE_OF_THE_HIDDEN INT_MAX
#define DEVICE_OF_A_PROBE    (INT_MAX - 1)

/* As many as the kernel allows (net.core.somaxconn cuts it): a burst waits instead of failing. */
#define LISTEN_BACKLOG 65535

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

static int open_socket(const struct address *address)
{
    return socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Where the kernel was built or booted without IPv6, "any address" means any IPv4 address. */
static bool fall_back_to_v4(struct address *address)
{
    if (errno != EAFNOSUPPORT || address->any.sa_family != AF_INET6 ||
        !IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr))
        return false;
    uint16_t port = address_port(address);
    *address = (struct address){.length = sizeof address->v4};
    address->v4.sin_family = AF_INET;
    address_set_port(address, port);
    return true;
}

static bool fail(struct error *error, int fd, const struct address *address, const char *what)
{
    int number = errno;
    char text[ADDRESS_TEXT_MAX];
    address_format(address, text);
    if (fd >= 0)
        (void)close(fd);
    return error_system(error, number, "%s %s", what, text);
}

/* A UNIX socket's file outlives its process. It is in the way only if nobody answers there. Other
 * kinds of files refuse connections too, and are not ours to remove. */
static void remove_dead_path(const struct address *address)
{
    struct stat status;
    if (address->any.sa_family != AF_UNIX || address->local.sun_path[0] == '\0' ||
        lstat(address->local.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    int fd = open_socket(address);
    if (fd < 0)
        return;
    if (connect(fd, &address->any, address->length) != 0 && errno == ECONNREFUSED)
        (void)unlink(address->local.sun_path);
    (void)close(fd);
}

/* Sockets of two devices are not in each other's way, those of any device are in everyone's. One
 * IPv6 address cannot be asked for at a device that is not there: for a moment its hidden sockets
 * are in the way. */
static void overlook_hidden(int fd, const struct address *address)
{
    if (address->any.sa_family == AF_INET || IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr))
        set_option(fd, SOL_SOCKET, SO_BINDTOIFINDEX, DEVICE_OF_A_PROBE);
}

/* Does anybody answer there, or lie in wait? */
static bool probe_local(const struct address *address, struct error *error)
{
    int fd = open_socket(address);
    if (fd < 0)
        return fail(error, fd, address, "cannot open a socket for");
    bool taken = connect(fd, &address->any, address->length) == 0 ||
                 (errno != ECONNREFUSED && errno != ENOENT);
    errno = EADDRINUSE;
    if (taken)
        return fail(error, fd, address, "cannot listen on");
    (void)close(fd);
    return true;
}

bool socket_probe_free(const struct address *wanted, struct error *error)
{
    struct address address = *wanted;
    if (address_port(&address) == 0 && address_is_ip(&address))
        return true;
    if (address.any.sa_family == AF_UNIX)
        return probe_local(&address, error);
    int fd = open_socket(&address);
    if (fd < 0 && fall_back_to_v4(&address))
        fd = open_socket(&address);
    if (fd < 0)
        return fail(error, fd, &address, "cannot open a socket for");
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* leftovers in TIME_WAIT do not count */
    if (address.any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr));
    overlook_hidden(fd, &address);
    if (bind(fd, &address.any, address.length) != 0)
        return fail(error, fd, &address, "cannot listen on");
    (void)close(fd);
    return true;
}

bool socket_look_up(struct address *ret, const char *name, uint16_t port, struct error *error)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *found;
    int failure = getaddrinfo(name, NULL, &hints, &found);
    if (failure != 0)
        return error_input(error, "cannot listen on %s:%u: %s", name, port, gai_strerror(failure));
    *ret = address_of(found->ai_addr, found->ai_addrlen);
    address_set_port(ret, port);
    freeaddrinfo(found);
    return true;
}

/* As many may listen there as like, if they share it. */
static void share(int fd, const struct address *address)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr));
}

/* unlink(2): in a folder with the sticky bit, only who owns the file or the folder. */
static bool is_stuck(const char *folder, const char *path)
{
    struct stat outer, inner;
    uid_t self = geteuid();
    return self != 0 && stat(folder, &outer) == 0 && (outer.st_mode & S_ISVTX) != 0 &&
           outer.st_uid != self && lstat(path, &inner) == 0 && inner.st_uid != self;
}

/* Its file would have to be taken away, and another one be made. */
static bool may_make_path(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    memcpy(folder, path, length);
    folder[length] = '\0';
    if (faccessat(AT_FDCWD, length == 0 ? "." : folder, W_OK | X_OK, AT_EACCESS) != 0)
        return false;
    errno = EPERM;
    return !is_stuck(folder, path);
}

static bool may_share(const struct address *address)
{
    int fd = open_socket(address);
    if (fd < 0)
        return false;
    share(fd, address);
    bool good = bind(fd, &address->any, address->length) == 0 || errno != EACCES;
    int number = errno;
    (void)close(fd);
    errno = number;
    return good;
}

bool socket_may_listen(const struct address *address, struct error *error)
{
    const char *path = address->any.sa_family == AF_UNIX ? address->local.sun_path : NULL;
    bool good = path == NULL ? may_share(address) : path[0] == '\0' || may_make_path(path);
    return good || fail(error, -1, address, "could not listen again on");
}

bool socket_listen(int *ret, const struct address *wanted, struct error *error)
{
    struct address address = *wanted;
    int fd = open_socket(&address);
    if (fd < 0 && fall_back_to_v4(&address))
        fd = open_socket(&address);
    if (fd < 0)
        return fail(error, fd, &address, "cannot open a socket for");
    if (address_is_ip(&address)) {
        share(fd, &address);
        socket_set_nodelay(fd);
    }
    remove_dead_path(&address);
    if (bind(fd, &address.any, address.length) != 0 || listen(fd, LISTEN_BACKLOG) != 0)
        return fail(error, fd, &address, "cannot listen on");
    *ret = fd;
    return true;
}

/* --- leaving ---------------------------------------------------------------------------------- */

/* Linux binds a client to a listening socket with its SYN, and closing one resets all of them:
 * those in the handshake, those in the queue, and any that gets there between the last accept() and
 * the close(). tcp_migrate_req would hand them on, but to the same address only, and is off. There
 * is no un-listen; but a socket that is tied to a device is not found for packets of another, while
 * what it has begun, tied to none, still finds it. */
bool socket_hide(int fd)
{
    struct address own;
    int nowhere = DEVICE_OF_THE_HIDDEN;
    if (!socket_local(fd, &own) || !address_is_ip(&own)) {
        (void)shutdown(fd, SHUT_RD); /* UNIX: connect() is refused, the queue stays */
        return false;
    }
    return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &nowhere, sizeof nowhere) == 0;
}

bool socket_local(int fd, struct address *ret)
{
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) != 0)
        return false;
    *ret = address_of((const struct sockaddr *)&storage, length);
    return true;
}

void socket_set_nodelay(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static int whole_seconds(uint64_t ms)
{
    return ms < 1000 ? 1 : ms > 32767000 ? 32767 : (int)(ms / 1000); /* the kernel's bounds */
}

void socket_set_keepalive(int fd, const struct keepalive *keepalive)
{
    uint64_t patience = keepalive->on ? keepalive->user_timeout_ms : 0;
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, keepalive->on);
    if (patience <= INT32_MAX) /* 0, the kernel's own, also takes back what a listener had before */
        set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)patience);
    if (!keepalive->on)
        return;
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(keepalive->idle_ms));
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(keepalive->interval_ms));
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT,
               (int)(keepalive->count > 127 ? 127 : keepalive->count));
}

void socket_set_low_water(int fd, size_t bytes)
{
    set_option(fd, SOL_SOCKET, SO_RCVLOWAT, (int)bytes);
}

bool socket_peer_finished(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};
    return poll(&state, 1, 0) == 1 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void socket_set_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}
