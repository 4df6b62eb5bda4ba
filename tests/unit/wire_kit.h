/* A wire over one end of a pair of sockets, for the tests of what lies between it and OpenSSL. */
#ifndef WIRE_KIT_H
#define WIRE_KIT_H

#include "tls/wire.h"

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

static struct tls_wire wire;
static BIO *bio;
static int peer;

static void wire_set_up(void)
{
    struct error error;
    int fds[2];
    ck_assert(tls_wire_start(&error));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    wire = (struct tls_wire){.fd = fds[0]};
    peer = fds[1];
    bio = tls_wire_bio(&wire);
    ck_assert_ptr_nonnull(bio);
}

static void wire_tear_down(void)
{
    BIO_free(bio);
    tls_wire_release(&wire);
    (void)close(wire.fd);
    (void)close(peer);
}

#endif
