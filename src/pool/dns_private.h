/* What the files of the resolver share. */
#ifndef POOL_DNS_PRIVATE_H
#define POOL_DNS_PRIVATE_H

#include "base/list.h"
#include "dns.h"

#define CARES_NO_DEPRECATED
#include <ares.h>
#include <ev.h>

struct dns {
    ares_channel channel;
    struct list sockets;  /* struct dns_socket, as c-ares opens and closes them */
    struct ev_loop *loop; /* NULL: not attached */
    ev_timer timer;
    int family;
    size_t asked; /* questions under way */
    bool stopping;
};

/* The next time that c-ares wants to be called is another. */
void dns_set_timer(struct dns *dns);

#endif
