/* Connecting: from where the kernel likes, from an address of ours, or from somebody else's. */
#include "io/socket.h"

#include "base/clock.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* Ports looked at for one connection: as many as can be tried in well under a millisecond. */
#define PORTS_TRIED_MAX 256u

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value);
}

int socket_open(const struct address *address)
{
    return socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A UNIX socket whose backlog is full says EAGAIN, and there is nothing to wait for: a failure. */
static int begin(int fd, const struct address *to, bool fast_open, bool *ret_done)
{
    if (fast_open && address_is_ip(to))
        set_option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    *ret_done = connect(fd, &to->any, to->length) == 0;
    return *ret_done || errno == EINPROGRESS || errno == EINTR ? 0 : errno;
}

/* --- binding ---------------------------------------------------------------------------------- */

static int make_transparent(int fd, sa_family_t family)
{
    static const int on = 1;
    bool v6 = family == AF_INET6;
    return setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT,
                      &on, sizeof on) == 0
               ? 0
               : errno;
}

/* Port 0 is chosen by connect(), which knows the other end: one port can then serve connections to
 * many servers. A port of our own choosing is shared in the same way, by SO_REUSEADDR. */
static int bind_to(int fd, const struct origin *origin, uint16_t port)
{
    struct address own = origin->address;
    int number = origin->transparent ? make_transparent(fd, own.any.sa_family) : 0;
    if (number != 0)
        return number;
    if (port == 0)
        set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    else
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    address_set_port(&own, port);
    return bind(fd, &own.any, own.length) == 0 ? 0 : errno;
}

/* --- connecting ------------------------------------------------------------------------------- */

enum attempt { ATTEMPT_BEGUN, ATTEMPT_PORT_TAKEN, ATTEMPT_FAILED };

static bool tell(struct error *error, int number, const struct address *to, const char *what)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(to, text);
    return error_system(error, number, "%s %s", what, text);
}

static bool tell_origin(struct error *error, int number, const struct origin *origin)
{
    char own[ADDRESS_TEXT_MAX];
    address_format_ip(&origin->address, own);
    if (own[0] == '\0')
        (void)error_system(error, number, "the client has no IP address to connect with");
    else if (number == EPERM && origin->transparent)
        (void)error_system(error, number, "connecting as %s needs CAP_NET_RAW or CAP_NET_ADMIN",
                           own);
    else
        (void)error_system(error, number, "cannot connect from %s", own);
    return false;
}

static bool tell_no_port(struct error *error, const struct address *to, const struct origin *origin)
{
    char text[ADDRESS_TEXT_MAX], own[ORIGIN_TEXT_MAX] = "";
    address_format(to, text);
    if (origin != NULL)
        origin_format(origin, own);
    (void)error_input(error, "no free port to connect to %s%s%s", text,
                      own[0] == '\0' ? "" : " from ", own);
    if (error != NULL) {
        error->kind = ERROR_SYSTEM;
        error->number = EADDRNOTAVAIL;
    }
    return false;
}

struct errand {
    const struct address *to;
    const struct origin *origin;
    bool fast_open;
};

/* With `origin` NULL not bound at all. A port that is in use shows when it is bound (somebody
 * listens there) or when it is connected (the same two ends are connected already). */
static enum attempt attempt(int *ret, const struct errand *errand, uint16_t port, bool *ret_done,
                            struct error *error)
{
    const struct address *to = errand->to;
    const struct origin *origin = errand->origin;
    int fd = socket_open(to);
    if (fd < 0) {
        (void)tell(error, errno, to, "cannot open a socket for");
        return ATTEMPT_FAILED;
    }
    int number = origin == NULL ? 0 : bind_to(fd, origin, port);
    bool bound = number == 0;
    if (bound)
        number = begin(fd, to, errand->fast_open, ret_done);
    if (number == 0) {
        *ret = fd;
        return ATTEMPT_BEGUN;
    }
    (void)close(fd);
    if (number == EADDRINUSE || (bound && number == EADDRNOTAVAIL))
        return ATTEMPT_PORT_TAKEN;
    if (bound)
        (void)tell(error, number, to, "cannot connect to");
    else
        (void)tell_origin(error, number, origin);
    return ATTEMPT_FAILED;
}

/* IP_LOCAL_PORT_RANGE would leave the choice to the kernel, but only within its own range
 * (net.ipv4.ip_local_port_range), and silently takes that where ours lies outside. */
static enum attempt attempt_ports(int *ret, const struct errand *errand, bool *ret_done,
                                  struct error *error)
{
    const struct origin *origin = errand->origin;
    unsigned count = origin->high - origin->low + 1u;
    unsigned tries = count < PORTS_TRIED_MAX ? count : PORTS_TRIED_MAX;
    unsigned first = (unsigned)((clock_monotonic_us() * UINT64_C(2654435761) >> 7) % count);
    enum attempt result = ATTEMPT_PORT_TAKEN;
    for (unsigned i = 0; i < tries && result == ATTEMPT_PORT_TAKEN; i++)
        result =
            attempt(ret, errand, (uint16_t)(origin->low + (first + i) % count), ret_done, error);
    return result;
}

bool socket_connect_from(int *ret, const struct address *to, const struct origin *origin,
                         bool fast_open, bool *ret_done, struct error *error)
{
    bool wanted = origin != NULL && (origin->address.length > 0 || origin->transparent);
    if (!wanted || !address_is_ip(to))
        origin = NULL;
    else if (origin->address.any.sa_family != to->any.sa_family)
        return tell_origin(error, EAFNOSUPPORT, origin);
    const struct errand errand = {to, origin, fast_open};
    enum attempt result = origin != NULL && origin->low != 0
                              ? attempt_ports(ret, &errand, ret_done, error)
                              : attempt(ret, &errand, 0, ret_done, error);
    if (result == ATTEMPT_PORT_TAKEN)
        return tell_no_port(error, to, origin);
    return result == ATTEMPT_BEGUN;
}

bool socket_connect(int *ret, const struct address *address, bool *ret_done, struct error *error)
{
    return socket_connect_from(ret, address, NULL, false, ret_done, error);
}

bool socket_is_connected(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLOUT};
    return poll(&state, 1, 0) == 1 && state.revents == POLLOUT;
}

enum first_send socket_send_first(int fd, const void *bytes, size_t size, size_t *ret_count,
                                  int *ret_number)
{
    ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    *ret_number = count < 0 ? errno : 0;
    *ret_count = count < 0 ? 0 : (size_t)count;
    if (count > 0)
        return FIRST_SEND_TAKEN;
    bool early = count == 0 || *ret_number == EAGAIN || *ret_number == EINTR ||
                 *ret_number == EINPROGRESS; /* fast_open: the connection was begun without them */
    return early ? FIRST_SEND_TOO_EARLY : FIRST_SEND_FAILED;
}

int socket_connect_result(int fd)
{
    int number = 0;
    socklen_t length = sizeof number;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &length) != 0 ? errno : number;
}

bool socket_fault_is_ours(int number, const struct address *to)
{
    switch (number) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
        return true;
    case EADDRNOTAVAIL: /* no free port, or no such address here */
    case EADDRINUSE:
    case EAFNOSUPPORT:
    case EPERM:
    case EACCES:
        return address_is_ip(to); /* of a UNIX socket: its file's rights */
    default:
        return false;
    }
}

bool socket_reaches_itself(int fd, const struct address *to)
{
    struct address own;
    return address_is_ip(to) && socket_local(fd, &own) && address_equal(&own, to);
}

/* --- the kernel's ports ----------------------------------------------------------------------- */

struct port_range socket_own_ports(void)
{
    struct port_range range = {0, UINT16_MAX};
    unsigned low, high;
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    if (file == NULL)
        return range;
    if (fscanf(file, "%u %u", &low, &high) == 2 && low <= high && high <= UINT16_MAX)
        range = (struct port_range){(uint16_t)low, (uint16_t)high};
    (void)fclose(file);
    return range;
}

/* --- asked beforehand ------------------------------------------------------------------------- */

bool socket_can_be_transparent(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int number = fd < 0 ? 0 : make_transparent(fd, AF_INET);
    if (fd >= 0)
        (void)close(fd);
    return number != EPERM;
}

bool socket_has_address(const struct address *own)
{
    int fd = socket_open(own);
    bool there = fd < 0 || bind(fd, &own->any, own->length) == 0 || errno != EADDRNOTAVAIL;
    if (fd >= 0)
        (void)close(fd);
    return there;
}

bool socket_has_way(const struct address *to)
{
    int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    bool way = connect(fd, &to->any, to->length) == 0 ||
               (errno != ENETUNREACH && errno != EADDRNOTAVAIL && errno != EAFNOSUPPORT);
    (void)close(fd);
    return way;
}
