#include "tls/store.h"

#include "base/hash.h"
#include "base/name.h"
#include "base/text.h"
#include "tls/tls.h"

#include <openssl/bn.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tls_store {
    atomic_uint references;
    size_t count;
    struct tls_credential **credentials;
    bool *changed;
    size_t dropped;
    char *dropped_title; /* NULL for none */
    struct tls_entry fallback;
    size_t mask;
    struct tls_entry *table; /* open addressing; a power of two, at most half full */
};

static struct tls_entry *slot_of(const struct tls_store *store, const char *name)
{
    size_t at = (size_t)hash_bytes(span_text(name)) & store->mask;
    while (store->table[at].name != NULL && strcmp(store->table[at].name, name) != 0)
        at = (at + 1) & store->mask;
    return &store->table[at];
}

static void claim(struct tls_entry *entry, const struct tls_credential *credential)
{
    if (entry->by_type[credential->type] == NULL)
        entry->by_type[credential->type] = credential;
}

static bool make_table(struct tls_store *store)
{
    size_t names = 0, size = 8;
    for (size_t i = 0; i < store->count; i++)
        names += store->credentials[i]->name_count;
    while (size < 2 * names)
        size *= 2;
    store->table = calloc(size, sizeof *store->table);
    store->mask = size - 1;
    return store->table != NULL;
}

/* Of the demands and, per key type, the names of the certificate. */
static bool identify(struct tls_entry *entry, const unsigned char demands[32])
{
    struct text all = {0};
    text_add_span(&all, span_of(demands, 32));
    for (size_t type = 0; type < TLS_KEY_TYPE_COUNT; type++) {
        const struct tls_credential *credential = entry->by_type[type];
        text_add_char(&all, '\n');
        for (size_t i = 0; credential != NULL && i < credential->name_count; i++) {
            text_add(&all, credential->names[i]);
            text_add_char(&all, ' ');
        }
        if (credential != NULL && credential->name_count == 0)
            text_add_span(&all, span_of(credential->digest, sizeof credential->digest));
    }
    unsigned char digest[SHA256_DIGEST_LENGTH];
    bool good = !all.failed;
    if (good) {
        SHA256((const unsigned char *)all.data, all.length, digest);
        memcpy(entry->identity, digest, sizeof entry->identity);
    }
    text_release(&all);
    return good;
}

static void fill_table(struct tls_store *store)
{
    for (size_t i = 0; i < store->count; i++) {
        const struct tls_credential *credential = store->credentials[i];
        for (size_t n = 0; n < credential->name_count; n++) {
            struct tls_entry *entry = slot_of(store, credential->names[n]);
            entry->name = credential->names[n];
            claim(entry, credential);
        }
    }
}

/* The default is the first certificate, with those of other key types that share its title. */
static void choose_default(struct tls_store *store)
{
    const struct tls_credential *first = store->credentials[0];
    if (first->name_count > 0) {
        store->fallback = *slot_of(store, first->title);
        store->fallback.name = NULL;
    }
    claim(&store->fallback, first);
}

static bool identify_all(struct tls_store *store, const unsigned char demands[32])
{
    for (size_t at = 0; at <= store->mask; at++)
        if (store->table[at].name != NULL && !identify(&store->table[at], demands))
            return false;
    return identify(&store->fallback, demands);
}

bool tls_store_create(struct tls_store **ret, struct tls_credential *const *credentials,
                      size_t count, const bool *changed, const unsigned char demands[32],
                      struct error *error)
{
    struct tls_store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_memory(error);
    atomic_init(&store->references, 1);
    store->credentials = calloc(count, sizeof(struct tls_credential *));
    store->changed = calloc(count, sizeof *store->changed);
    if (store->credentials == NULL || store->changed == NULL)
        goto fail;
    for (size_t i = 0; i < count; i++) {
        store->credentials[i] = tls_credential_ref(credentials[i]);
        store->changed[i] = changed == NULL || changed[i];
    }
    store->count = count;
    if (!make_table(store))
        goto fail;
    fill_table(store);
    choose_default(store);
    if (!identify_all(store, demands))
        goto fail;
    *ret = store;
    return true;
fail:
    tls_store_unref(store);
    return error_memory(error);
}

struct tls_store *tls_store_ref(struct tls_store *store)
{
    atomic_fetch_add_explicit(&store->references, 1, memory_order_relaxed);
    return store;
}

void tls_store_unref(struct tls_store *store)
{
    if (store == NULL ||
        atomic_fetch_sub_explicit(&store->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < store->count; i++)
        tls_credential_unref(store->credentials[i]);
    free(store->credentials);
    free(store->changed);
    free(store->dropped_title);
    free(store->table);
    free(store);
}

void tls_store_note_dropped(struct tls_store *store, size_t count, const char *title)
{
    store->dropped = count;
    free(store->dropped_title);
    store->dropped_title = count > 0 ? strdup(title) : NULL;
}

const struct tls_entry *tls_store_find(const struct tls_store *store, const char *name)
{
    const struct tls_entry *entry = slot_of(store, name);
    if (entry->name != NULL)
        return entry;
    const char *dot = strchr(name, '.');
    if (dot == NULL)
        return NULL;
    char wildcard[NAME_MAX_LENGTH + 3];
    int length = snprintf(wildcard, sizeof wildcard, "*%s", dot);
    if (length < 0 || (size_t)length >= sizeof wildcard)
        return NULL;
    entry = slot_of(store, wildcard);
    return entry->name != NULL ? entry : NULL;
}

const struct tls_entry *tls_store_default(const struct tls_store *store)
{
    return &store->fallback;
}

size_t tls_store_count(const struct tls_store *store)
{
    return store->count;
}

struct tls_credential *tls_store_credential(const struct tls_store *store, size_t i)
{
    return store->credentials[i];
}

bool tls_store_uses(const struct tls_store *store, size_t i)
{
    const struct tls_credential *credential = store->credentials[i];
    if (store->fallback.by_type[credential->type] == credential)
        return true;
    for (size_t n = 0; n < credential->name_count; n++)
        if (slot_of(store, credential->names[n])->by_type[credential->type] == credential)
            return true;
    return false;
}

static void describe_one(const struct tls_credential *credential, struct text *text)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(credential->leaf), NULL);
    char *serial = number != NULL ? BN_bn2hex(number) : NULL;
    char date[TLS_DATE_MAX];
    tls_date_format(credential->not_after, date);
    text_format(text, "%s, serial %s, not after %s", credential->title,
                serial != NULL ? serial : "?", date);
    if (credential->chain_not_after < credential->not_after) {
        tls_date_format(credential->chain_not_after, date);
        text_format(text, ", its chain not after %s", date);
    }
    OPENSSL_free(serial);
    BN_free(number);
}

void tls_store_describe(const struct tls_store *store, char *ret, size_t size)
{
    struct text text = {0};
    size_t more = 0;
    for (size_t i = 0; i < store->count; i++) {
        if (!store->changed[i])
            continue;
        if (text.length == 0)
            describe_one(store->credentials[i], &text);
        else
            more++;
    }
    if (more > 0)
        text_format(&text, " (and %zu more)", more);
    if (store->dropped_title != NULL)
        text_format(&text, "%sno longer %s", text.length > 0 ? "; " : "", store->dropped_title);
    if (store->dropped_title != NULL && store->dropped > 1)
        text_format(&text, " (and %zu more)", store->dropped - 1);
    snprintf(ret, size, "%s", text.length > 0 ? text.data : "");
    text_release(&text);
}
