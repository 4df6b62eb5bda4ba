#include "wire.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

static int bounded(size_t length)
{
    return length > INT_MAX ? INT_MAX : (int)length;
}

/* What a TLS call's result that is not a success means to a wire. */
static int tls_outcome(const struct wire *wire, int result)
{
    int error = SSL_get_error(wire->ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return WIRE_AGAIN;
    ERR_clear_error();
    return error == SSL_ERROR_ZERO_RETURN ? WIRE_END : WIRE_BROKEN;
}

static int plain_outcome(void)
{
    return errno == EAGAIN || errno == EINTR ? WIRE_AGAIN : WIRE_BROKEN;
}

ssize_t wire_read(struct wire *wire, void *bytes, size_t room)
{
    if (wire->ssl == NULL) {
        ssize_t count = recv(wire->fd, bytes, room, 0);
        return count >= 0 ? count : plain_outcome();
    }
    int count = SSL_read(wire->ssl, bytes, bounded(room));
    return count > 0 ? count : tls_outcome(wire, count);
}

ssize_t wire_write(struct wire *wire, const void *bytes, size_t length)
{
    if (wire->ssl == NULL) {
        ssize_t count = send(wire->fd, bytes, length, MSG_NOSIGNAL);
        return count >= 0 ? count : plain_outcome();
    }
    int count = SSL_write(wire->ssl, bytes, bounded(length));
    return count > 0 ? count : tls_outcome(wire, count);
}

int wire_handshake(struct wire *wire)
{
    if (wire->ssl == NULL)
        return 1;
    int result = SSL_do_handshake(wire->ssl);
    if (result == 1)
        return 1;
    return tls_outcome(wire, result) == WIRE_AGAIN ? WIRE_AGAIN : WIRE_BROKEN;
}

bool wire_has_more(const struct wire *wire)
{
    return wire->ssl != NULL && SSL_has_pending(wire->ssl) == 1;
}

bool wire_wants_write(const struct wire *wire)
{
    return wire->ssl != NULL && SSL_want_write(wire->ssl);
}

static void send_close_notify(struct wire *wire)
{
    if (wire->ssl == NULL || !SSL_is_init_finished(wire->ssl))
        return;
    if (SSL_shutdown(wire->ssl) < 0)
        ERR_clear_error();
}

void wire_finish(struct wire *wire)
{
    send_close_notify(wire);
    shutdown(wire->fd, SHUT_WR);
}

static void release(struct wire *wire)
{
    SSL_free(wire->ssl);
    close(wire->fd);
    *wire = (struct wire){.fd = -1};
}

void wire_close(struct wire *wire)
{
    send_close_notify(wire);
    release(wire);
}

void wire_reset(struct wire *wire)
{
    const struct linger at_once = {.l_onoff = 1};

    setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    release(wire);
}
