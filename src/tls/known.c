#include "tls/known.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *a, const void *b)
{
    const struct tls_credential *left = *(struct tls_credential *const *)a;
    const struct tls_credential *right = *(struct tls_credential *const *)b;
    return memcmp(left->digest, right->digest, sizeof left->digest);
}

void tls_known_gather(struct tls_known *ret, const struct tls_store *store)
{
    size_t count = tls_store_count(store);
    *ret = (struct tls_known){.item = calloc(count, sizeof(struct tls_credential *))};
    if (ret->item == NULL)
        return;
    for (; ret->count < count; ret->count++)
        ret->item[ret->count] = tls_store_credential(store, ret->count);
    qsort(ret->item, count, sizeof *ret->item, compare);
}

void tls_known_release(struct tls_known *known)
{
    free(known->item);
    *known = (struct tls_known){NULL, 0};
}

struct tls_credential *tls_known_find(const struct tls_known *known, const unsigned char digest[32],
                                      const char *file, bool key_exposed)
{
    size_t low = 0, high = known->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(known->item[middle]->digest, digest, 32) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < known->count && memcmp(known->item[low]->digest, digest, 32) == 0; low++) {
        struct tls_credential *credential = known->item[low];
        if (credential->key_exposed == key_exposed && strcmp(credential->file, file) == 0)
            return tls_credential_ref(credential);
    }
    return NULL;
}
