#include "tls/sessions.h"

#include <stdlib.h>
#include <string.h>

/* A key may lie in any place of its row; of a full row the one that was used least goes. */
#define ROWS  64u
#define PLACE (TLS_SESSIONS_MAX / ROWS)

struct remembered {
    unsigned char key[TLS_SESSION_KEY_BYTES];
    SSL_SESSION *session; /* owned; NULL: free */
    uint64_t verified_us, used;
};

struct tls_sessions {
    struct remembered row[ROWS][PLACE];
    uint64_t now;
};

struct tls_sessions *tls_sessions_create(void)
{
    return calloc(1, sizeof(struct tls_sessions));
}

void tls_sessions_free(struct tls_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < ROWS; i++)
        for (size_t j = 0; j < PLACE; j++)
            SSL_SESSION_free(sessions->row[i][j].session);
    free(sessions);
}

static struct remembered *find(struct tls_sessions *sessions, const unsigned char *key)
{
    struct remembered *row = sessions->row[key[0] % ROWS];
    for (size_t i = 0; i < PLACE; i++)
        if (row[i].session != NULL && memcmp(row[i].key, key, TLS_SESSION_KEY_BYTES) == 0)
            return &row[i];
    return NULL;
}

/* A free place, else that of the one used least recently. */
static struct remembered *make_room(struct tls_sessions *sessions, const unsigned char *key)
{
    struct remembered *row = sessions->row[key[0] % ROWS], *oldest = &row[0];
    for (size_t i = 0; i < PLACE; i++) {
        if (row[i].session == NULL)
            return &row[i];
        if (row[i].used < oldest->used)
            oldest = &row[i];
    }
    return oldest;
}

static bool has_expired(const SSL_SESSION *session)
{
    const X509 *seen = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);
    return seen != NULL && X509_cmp_current_time(X509_get0_notAfter(seen)) <= 0;
}

static void forget(struct remembered *place)
{
    SSL_SESSION_free(place->session);
    place->session = NULL;
}

SSL_SESSION *tls_sessions_take(struct tls_sessions *sessions,
                               const unsigned char key[TLS_SESSION_KEY_BYTES], uint64_t now_us,
                               uint64_t *ret_verified_us)
{
    struct remembered *found = find(sessions, key);
    if (found == NULL)
        return NULL;
    if (now_us - found->verified_us > TLS_SESSION_TRUST_US || has_expired(found->session)) {
        forget(found);
        return NULL;
    }
    SSL_SESSION *session = found->session;
    found->used = ++sessions->now;
    *ret_verified_us = found->verified_us;
    if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION)
        found->session = NULL;
    else if (SSL_SESSION_up_ref(session) != 1)
        return NULL;
    return session;
}

void tls_sessions_put(struct tls_sessions *sessions, const unsigned char key[TLS_SESSION_KEY_BYTES],
                      SSL_SESSION *session, uint64_t verified_us)
{
    struct remembered *place = find(sessions, key);
    if (place == NULL)
        place = make_room(sessions, key);
    SSL_SESSION_free(place->session);
    memcpy(place->key, key, TLS_SESSION_KEY_BYTES);
    place->session = session;
    place->verified_us = verified_us;
    place->used = ++sessions->now;
}
