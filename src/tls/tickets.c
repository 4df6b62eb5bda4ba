#include "tls/tickets.h"

#include "base/clock.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define US_PER_SECOND UINT64_C(1000000)

struct tls_tickets {
    EVP_CIPHER *cipher; /* fetched once: fetching is dear */
    uint64_t lifetime_s;
    uint64_t rotate_us; /* 0: the keys were given */
    uint64_t life_us;   /* of a key: it seals for one rotation, then opens for one lifetime */
    pthread_rwlock_t lock;
    size_t count;
    struct tls_ticket_key keys[TICKET_KEYS_MAX]; /* newest first */
};

static bool make_key(struct tls_ticket_key *key, uint64_t now_us)
{
    key->born_us = now_us;
    return RAND_bytes(key->name, sizeof key->name) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof key->cipher) == 1 &&
           RAND_priv_bytes(key->mac, sizeof key->mac) == 1;
}

static uint64_t key_age_us(const struct tls_ticket_key *key, uint64_t now_us)
{
    return now_us > key->born_us ? now_us - key->born_us : 0;
}

/* Puts a new key in front and drops those that nothing can be opened with any more. */
static void put_key(struct tls_tickets *tickets, const struct tls_ticket_key *fresh)
{
    size_t kept = tickets->count < TICKET_KEYS_MAX ? tickets->count : TICKET_KEYS_MAX - 1;
    memmove(&tickets->keys[1], &tickets->keys[0], kept * sizeof tickets->keys[0]);
    tickets->keys[0] = *fresh;
    size_t count = 1 + kept;
    while (key_age_us(&tickets->keys[count - 1], fresh->born_us) >= tickets->life_us) {
        count--;
        OPENSSL_cleanse(&tickets->keys[count], sizeof tickets->keys[count]);
    }
    tickets->count = count;
}

static bool needs_rotation(const struct tls_tickets *tickets, uint64_t now_us)
{
    return tickets->rotate_us != 0 && key_age_us(&tickets->keys[0], now_us) >= tickets->rotate_us;
}

static bool create(struct tls_tickets **ret, uint64_t lifetime_s, struct error *error)
{
    struct tls_tickets *tickets = calloc(1, sizeof *tickets);
    if (tickets == NULL)
        return error_memory(error);
    tickets->lifetime_s = lifetime_s;
    tickets->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (tickets->cipher == NULL) {
        free(tickets);
        return error_tls(error, "the library has no AES-256-CBC to seal session tickets with");
    }
    if (pthread_rwlock_init(&tickets->lock, NULL) != 0) {
        EVP_CIPHER_free(tickets->cipher);
        free(tickets);
        return error_memory(error);
    }
    *ret = tickets;
    return true;
}

static void inherit(struct tls_tickets *tickets, struct tls_tickets *previous)
{
    if (previous == NULL || previous->rotate_us == 0)
        return;
    pthread_rwlock_rdlock(&previous->lock);
    tickets->count = previous->count;
    memcpy(tickets->keys, previous->keys, previous->count * sizeof previous->keys[0]);
    pthread_rwlock_unlock(&previous->lock);
}

bool tls_tickets_create(struct tls_tickets **ret, const struct tls_ticket_terms *terms,
                        struct tls_tickets *previous, struct error *error)
{
    if (!create(ret, terms->lifetime_s, error))
        return false;
    struct tls_tickets *tickets = *ret;
    tickets->rotate_us = terms->rotate_s * US_PER_SECOND;
    tickets->life_us = tickets->rotate_us + terms->lifetime_s * US_PER_SECOND;
    inherit(tickets, previous);
    if (tickets->count > 0)
        return true;
    tickets->count = 1;
    if (make_key(&tickets->keys[0], clock_monotonic_us()))
        return true;
    tls_tickets_free(tickets);
    return error_tls(error, "no random bytes for session ticket keys");
}

bool tls_tickets_create_given(struct tls_tickets **ret, uint64_t lifetime_s,
                              const struct tls_ticket_key *keys, size_t count, struct error *error)
{
    if (!create(ret, lifetime_s, error))
        return false;
    tls_tickets_give(*ret, keys, count);
    return true;
}

void tls_tickets_give(struct tls_tickets *tickets, const struct tls_ticket_key *keys, size_t count)
{
    pthread_rwlock_wrlock(&tickets->lock);
    OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
    memcpy(tickets->keys, keys, count * sizeof keys[0]);
    tickets->count = count;
    pthread_rwlock_unlock(&tickets->lock);
}

/* Nothing lies between the fields. */
_Static_assert(sizeof(struct tls_ticket_key) == 88, "what one version writes the next one reads");

size_t tls_tickets_copy_keys(struct tls_tickets *tickets, unsigned char *ret, size_t size)
{
    pthread_rwlock_rdlock(&tickets->lock);
    size_t length = tickets->count * sizeof tickets->keys[0];
    if (tickets->rotate_us == 0 || length > size)
        length = 0;
    memcpy(ret, tickets->keys, length);
    pthread_rwlock_unlock(&tickets->lock);
    return length;
}

void tls_tickets_take_keys(struct tls_tickets *tickets, const unsigned char *keys, size_t length)
{
    if (tickets->rotate_us == 0 || length == 0 || length > sizeof tickets->keys ||
        length % sizeof tickets->keys[0] != 0)
        return;
    pthread_rwlock_wrlock(&tickets->lock);
    memcpy(tickets->keys, keys, length);
    tickets->count = length / sizeof tickets->keys[0];
    pthread_rwlock_unlock(&tickets->lock);
}

void tls_tickets_free(struct tls_tickets *tickets)
{
    if (tickets == NULL)
        return;
    pthread_rwlock_destroy(&tickets->lock);
    EVP_CIPHER_free(tickets->cipher);
    OPENSSL_cleanse(tickets->keys, sizeof tickets->keys);
    free(tickets);
}

/* The random bytes are drawn before the lock is taken, so that it is held for a copy only. Where
 * readers are in the way the old key serves once more. */
static bool rotate(struct tls_tickets *tickets, uint64_t now_us)
{
    struct tls_ticket_key fresh;
    if (!make_key(&fresh, now_us))
        return false;
    if (pthread_rwlock_trywrlock(&tickets->lock) == 0) {
        if (needs_rotation(tickets, now_us))
            put_key(tickets, &fresh);
        pthread_rwlock_unlock(&tickets->lock);
    }
    OPENSSL_cleanse(&fresh, sizeof fresh);
    return true;
}

/* Copies the newest key; says whether its time is over. */
static bool copy_newest(struct tls_tickets *tickets, uint64_t now_us, struct tls_ticket_key *ret)
{
    pthread_rwlock_rdlock(&tickets->lock);
    bool due = needs_rotation(tickets, now_us);
    *ret = tickets->keys[0];
    pthread_rwlock_unlock(&tickets->lock);
    return due;
}

bool tls_tickets_seal(struct tls_tickets *tickets, uint64_t now_us, struct tls_ticket_key *ret)
{
    if (!copy_newest(tickets, now_us, ret))
        return true;
    if (!rotate(tickets, now_us))
        return false;
    copy_newest(tickets, now_us, ret);
    return true;
}

bool tls_tickets_open(struct tls_tickets *tickets, uint64_t now_us, const unsigned char name[16],
                      struct tls_ticket_key *ret, bool *ret_old)
{
    pthread_rwlock_rdlock(&tickets->lock);
    bool found = false;
    for (size_t i = 0; i < tickets->count && !found; i++) {
        const struct tls_ticket_key *key = &tickets->keys[i];
        if (memcmp(key->name, name, sizeof key->name) != 0)
            continue;
        if (tickets->rotate_us != 0 && key_age_us(key, now_us) >= tickets->life_us)
            break;
        *ret = *key;
        *ret_old = i > 0 || needs_rotation(tickets, now_us);
        found = true;
    }
    pthread_rwlock_unlock(&tickets->lock);
    return found;
}

static bool set_mac_key(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct tls_ticket_key key;
    /* "No ticket" (0) is no answer here: OpenSSL 3.0 then sends a malformed one with TLS 1.3. */
    if (!tls_tickets_seal(tickets, clock_monotonic_us(), &key))
        return -1;
    memcpy(name, key.name, sizeof key.name);
    bool ready = RAND_bytes(iv, EVP_CIPHER_get_iv_length(tickets->cipher)) == 1 &&
                 EVP_EncryptInit_ex2(cipher, tickets->cipher, key.cipher, iv, NULL) == 1 &&
                 set_mac_key(mac, &key);
    OPENSSL_cleanse(&key, sizeof key);
    return ready ? 1 : -1;
}

/* Clients of TLS 1.3 use a ticket once (RFC 8446 §C.4), so they get a new one each time. */
static int unseal(struct tls_tickets *tickets, bool once, const unsigned char *name,
                  unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    struct tls_ticket_key key;
    bool old;
    if (!tls_tickets_open(tickets, clock_monotonic_us(), name, &key, &old))
        return 0;
    bool ready = set_mac_key(mac, &key) &&
                 EVP_DecryptInit_ex2(cipher, tickets->cipher, key.cipher, iv, NULL) == 1;
    OPENSSL_cleanse(&key, sizeof key);
    if (!ready)
        return -1;
    return old || once ? 2 : 1;
}

/* The library's callback for both directions: 1 go on, 0 not ours, 2 opened but seal anew. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int sealing)
{
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (sealing)
        return seal(tickets, name, iv, cipher, mac);
    return unseal(tickets, SSL_version(ssl) >= TLS1_3_VERSION, name, iv, cipher, mac);
}

/* --- which session it goes back to ------------------------------------------------------------ */

/* The time of the full handshake travels in each ticket: of a TLS 1.3 session the library counts
 * from the last ticket only, and would let it be renewed for ever. */
#define ORIGIN_BYTES 8

static uint64_t now_seconds(void)
{
    return clock_wall_ms() / 1000;
}

static int note_origin(SSL *ssl, void *context)
{
    (void)context;
    SSL_SESSION *session = SSL_get_session(ssl);
    unsigned char origin[ORIGIN_BYTES];
    void *there;
    size_t length;
    if (SSL_SESSION_get0_ticket_appdata(session, &there, &length) == 1 && length == sizeof origin)
        return 1;
    uint64_t now = now_seconds();
    for (size_t i = 0; i < sizeof origin; i++)
        origin[i] = (unsigned char)(now >> (8 * (sizeof origin - 1 - i)));
    return SSL_SESSION_set1_ticket_appdata(session, origin, sizeof origin);
}

static bool is_fresh(const struct tls_tickets *tickets, SSL_SESSION *session)
{
    void *there;
    size_t length;
    if (SSL_SESSION_get0_ticket_appdata(session, &there, &length) != 1 || length != ORIGIN_BYTES)
        return false;
    const unsigned char *origin = there;
    uint64_t then = 0, now = now_seconds();
    for (size_t i = 0; i < length; i++)
        then = then << 8 | origin[i];
    return now < then || now - then < tickets->lifetime_s;
}

static bool is_expired(const SSL_SESSION *session)
{
    const X509 *client = SSL_SESSION_get0_peer((SSL_SESSION *)(uintptr_t)session);
    return client != NULL && X509_cmp_current_time(X509_get0_notAfter(client)) <= 0;
}

/* What is not taken leads to a full handshake, which verifies anew and says what is wrong. */
static SSL_TICKET_RETURN judge_session(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                       size_t name_length, SSL_TICKET_STATUS status, void *context)
{
    (void)name;
    (void)name_length;
    (void)context;
    const struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    if (!is_fresh(tickets, session) || is_expired(session))
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

/* --- on a context ----------------------------------------------------------------------------- */

bool tls_tickets_install(struct tls_tickets *tickets, SSL_CTX *context, unsigned count,
                         struct error *error)
{
    if (SSL_CTX_set_app_data(context, tickets) != 1 ||
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket) != 1 ||
        SSL_CTX_set_session_ticket_cb(context, note_origin, judge_session, NULL) != 1 ||
        SSL_CTX_set_num_tickets(context, count) != 1)
        return error_memory(error);
    SSL_CTX_set_timeout(context, (long)tickets->lifetime_s);
    return true;
}

void tls_tickets_forbid(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_num_tickets(context, 0);
}
