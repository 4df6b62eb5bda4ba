/* socket: making, joining and tuning sockets. All are non-blocking and close-on-exec.
 *
 * Options that every accepted connection needs (TCP_NODELAY, keep-alive) are set on the listening
 * socket: Linux lets accepted sockets inherit them, which saves five system calls a connection. */
#ifndef IO_SOCKET_H
#define IO_SOCKET_H

#include "base/keepalive.h"
#include "base/origin.h"

/* Fails when another process (or another socket of ours) already listens there, hidden ones apart.
 * A SO_REUSEPORT group can be joined silently by any process of the same user, so this is tried
 * before the first socket of a group is opened. */
bool socket_probe_free(const struct address *address, struct error *error) MUST_CHECK;

/* A name to listen on ("localhost"): its first address. Waits for the resolver. */
bool socket_look_up(struct address *ret, const char *name, uint16_t port,
                    struct error *error) MUST_CHECK;

/* A listening socket; TCP ones join their SO_REUSEPORT group. [::] takes both families; where the
 * kernel has no IPv6, it becomes 0.0.0.0. A UNIX path that a dead process left behind is replaced.
 */
bool socket_listen(int *ret, const struct address *address, struct error *error) MUST_CHECK;

/* Has this process the right to open a listening socket of this address, which one of its own has
 * now? (ports below 1024; the folder of a UNIX path, and what the path holds) */
bool socket_may_listen(const struct address *address, struct error *error) MUST_CHECK;

/* Before a listening socket is closed, which resets the connections that are still in it: no new
 * client comes to it any more. Whoever else listens there gets them from now on (a less specific
 * address, a new socket of the same one), or they are refused. What it has begun already goes on:
 * handshakes end in its queue.
 *
 * true: it may stay open until they have. false: it cannot be hidden (Linux before 5.7) or has
 * nothing half open (UNIX), and is best emptied and closed at once. */
bool socket_hide(int fd);

/* The address a socket is bound to (the port that was chosen for port 0). */
bool socket_local(int fd, struct address *ret) MUST_CHECK;

/* Begins to connect. Options are for the caller to set: TCP_NODELAY with the second write
 * (stream_outgoing()), keep-alive where the connection lasts. *ret_done: it is connected already,
 * and nothing need be waited for. (TCP says so only when asked again, even within one host.) */
bool socket_connect(int *ret, const struct address *address, bool *ret_done,
                    struct error *error) MUST_CHECK;

/* The same from `origin` (NULL or without an address: from wherever the kernel likes; a UNIX socket
 * always). error->number is EADDRNOTAVAIL where no port is free, EAFNOSUPPORT where the two
 * families differ.
 *
 * `fast_open` is for one who has bytes to send at once: TCP Fast Open (RFC 7413). Where the kernel
 * has the server's cookie, *ret_done, and nothing has gone out yet: the first write begins the
 * connection and sends what fits with it. It stands once the socket is writable. */
bool socket_connect_from(int *ret, const struct address *to, const struct origin *origin,
                         bool fast_open, bool *ret_done, struct error *error) MUST_CHECK;

/* A socket that could be connected to `to`, unbound. -1: errno tells. */
int socket_open(const struct address *to);

/* Connecting to `to` failed with this errno for a reason that lies here: no descriptor, no memory,
 * no port, no right. It says nothing about the server. */
bool socket_fault_is_ours(int number, const struct address *to);

/* May this process connect with addresses of others? (false only where the right is missing) */
bool socket_can_be_transparent(void);

/* Has this host a way to that address, as far as its own routes tell? Nothing is sent. */
bool socket_has_way(const struct address *to);

/* Has this host that address now? (true where it cannot be told) */
bool socket_has_address(const struct address *own);

/* Asks once whether a connection under way stands, which within one host spares the loop a round of
 * watching. false: not yet, or it has failed. */
bool socket_is_connected(int fd);

/* The same with the first bytes in hand: they go out where the connection stands, or with it where
 * fast_open allows for that. (Else TCP refuses them.) FIRST_SEND_FAILED: *ret_number is why the
 * connection came to nothing. */
enum first_send { FIRST_SEND_TAKEN, FIRST_SEND_TOO_EARLY, FIRST_SEND_FAILED };
enum first_send socket_send_first(int fd, const void *bytes, size_t size, size_t *ret_count,
                                  int *ret_number);

/* The ports that this host's kernel chooses from for connections; all, where it does not tell. */
struct port_range {
    uint16_t low, high;
};
struct port_range socket_own_ports(void);

static inline bool port_range_has(struct port_range range, uint16_t port)
{
    return port >= range.low && port <= range.high;
}

/* The outcome of a connection under way: 0 or an errno. */
int socket_connect_result(int fd);

/* The connected socket's own end is `to`: nobody listens there, and we talk to ourselves. That can
 * only be where the server's port is one that our own end may get. */
bool socket_reaches_itself(int fd, const struct address *to);

/* Failure to set an option never ends a session: it is ignored. */
void socket_set_nodelay(int fd);
void socket_set_keepalive(int fd, const struct keepalive *keepalive);

/* SO_RCVLOWAT: wake up only once so many bytes are there. */
void socket_set_low_water(int fd, size_t bytes);

/* The peer has sent its FIN (or is gone), whatever is still unread before it. */
bool socket_peer_finished(int fd);

/* Makes close() send a reset. */
void socket_set_reset(int fd);

#endif
