#include "tls/staples.h"

#include "base/clock.h"
#include "tls/connection.h"
#include "tls/tls.h"

#include <openssl/tls1.h>
#include <stdlib.h>

struct tls_staples {
    atomic_uint references;
    size_t count;
    struct tls_stapled item[]; /* sorted by the certificate's address */
};

static int compare(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct tls_stapled *)a)->credential->leaf;
    uintptr_t right = (uintptr_t)((const struct tls_stapled *)b)->credential->leaf;
    return (left > right) - (left < right);
}

bool tls_staples_create(struct tls_staples **ret, const struct tls_stapled *list, size_t count,
                        struct error *error)
{
    struct tls_staples *staples = calloc(1, sizeof *staples + count * sizeof staples->item[0]);
    if (staples == NULL)
        return error_memory(error);
    atomic_init(&staples->references, 1);
    staples->count = count;
    for (size_t i = 0; i < count; i++) {
        staples->item[i].credential = tls_credential_ref(list[i].credential);
        staples->item[i].staple = tls_staple_ref(list[i].staple);
    }
    if (count > 1)
        qsort(staples->item, count, sizeof staples->item[0], compare);
    *ret = staples;
    return true;
}

struct tls_staples *tls_staples_ref(struct tls_staples *staples)
{
    atomic_fetch_add_explicit(&staples->references, 1, memory_order_relaxed);
    return staples;
}

void tls_staples_unref(struct tls_staples *staples)
{
    if (staples == NULL ||
        atomic_fetch_sub_explicit(&staples->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < staples->count; i++) {
        tls_credential_unref(staples->item[i].credential);
        tls_staple_unref(staples->item[i].staple);
    }
    free(staples);
}

const struct tls_staple *tls_staples_find(const struct tls_staples *staples, const X509 *leaf,
                                          int64_t now)
{
    size_t low = 0, high = staples->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct tls_stapled *item = &staples->item[middle];
        if (item->credential->leaf == leaf)
            return item->staple->next_update > now ? item->staple : NULL;
        if ((uintptr_t)item->credential->leaf < (uintptr_t)leaf)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Called once the certificate is chosen, for clients that ask. Without a response the handshake
 * goes on without. */
static int on_status(SSL *ssl, void *context)
{
    (void)context;
    const struct tls_connection *connection = tls_connection_of(ssl);
    if (connection->staples == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    int64_t now = clock_wall_s();
    const struct tls_staple *staple =
        tls_staples_find(connection->staples, SSL_get_certificate(ssl), now);
    unsigned char *copy = staple != NULL ? OPENSSL_memdup(staple->der, staple->length) : NULL;
    if (copy == NULL || SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->length) != 1) {
        OPENSSL_free(copy);
        return SSL_TLSEXT_ERR_NOACK;
    }
    return SSL_TLSEXT_ERR_OK;
}

void tls_staples_install(SSL_CTX *context)
{
    SSL_CTX_set_tlsext_status_cb(context, on_status);
}
