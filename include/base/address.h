/* address: a socket address (IPv4, IPv6 or UNIX) as a plain value.
 *
 * An IPv4 address that arrives mapped into IPv6 (::ffff:1.2.3.4, from a socket of both families) is
 * turned into IPv4 by address_normalise(): matched, logged and sent on as IPv4. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

/* IP only, and no more of it than tells two apart: 24 bytes, kept in every session. */
struct ip_address {
    union { /* as in sockaddr_in and sockaddr_in6: in the network's order, like the port */
        struct in_addr v4;
        struct in6_addr v6;
    };
    uint32_t scope; /* of a link-local IPv6 address */
    in_port_t port;
    sa_family_t family; /* AF_INET, AF_INET6, AF_UNSPEC */
};

struct address {
    socklen_t length; /* 0: none */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
        struct sockaddr_storage storage;
    };
};

/* Longest text address_format() writes, with its NUL. */
#define ADDRESS_TEXT_MAX 128

/* "1.2.3.4:80", "[::1]:80", "unix:/path", "unix:@abstract". No names. A relative UNIX path stays
 * relative: the caller resolves it. */
bool address_parse(struct address *ret, struct span text, struct error *error) MUST_CHECK;

/* "1.2.3.4", "::1", "[::1]": an IP without a port (port 0 in the result). */
bool address_parse_ip(struct address *ret, struct span text) MUST_CHECK;

void address_format(const struct address *a, char text[ADDRESS_TEXT_MAX]);

/* The address without its port. */
void address_format_ip(const struct address *a, char text[ADDRESS_TEXT_MAX]);

uint16_t address_port(const struct address *a);
void address_set_port(struct address *a, uint16_t port);
void address_normalise(struct address *a);
bool address_is_ip(const struct address *a);
bool address_is_loopback(const struct address *a); /* 127.0.0.0/8, ::1 */
bool address_equal(const struct address *a, const struct address *b);

/* sockaddr as the kernel gave it → normalised address. */
struct address address_of(const struct sockaddr *any, socklen_t length);

struct ip_address address_to_ip(const struct address *a); /* of a UNIX address: AF_UNSPEC */
struct address address_from_ip(const struct ip_address *ip);

#endif
