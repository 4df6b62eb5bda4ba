#include "tls/names.h"

#include "base/name.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct names {
    char **item;
    size_t count, capacity;
};

static bool has_nul(const ASN1_STRING *string)
{
    int length = ASN1_STRING_length(string);
    return length > 0 && memchr(ASN1_STRING_get0_data(string), 0, (size_t)length) != NULL;
}

static bool add(struct names *names, const ASN1_STRING *string, struct error *error)
{
    char normal[NAME_MAX_LENGTH + 3];
    struct span raw = span_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
    if (!name_normalise_pattern(normal, raw))
        return true;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 8 : names->capacity * 2;
        char **item = realloc(names->item, capacity * sizeof *item);
        if (item == NULL)
            return error_memory(error);
        names->item = item;
        names->capacity = capacity;
    }
    names->item[names->count] = strdup(normal);
    if (names->item[names->count] == NULL)
        return error_memory(error);
    names->count++;
    return true;
}

/* *ret_any: there was a dNSName, whatever its form. */
static bool add_alternatives(struct names *names, const GENERAL_NAMES *list, const char *file,
                             bool *ret_any, struct error *error)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(list, i);
        if (name->type != GEN_DNS)
            continue;
        *ret_any = true;
        if (has_nul(name->d.dNSName))
            return error_tls(error, "%s: a name of the certificate has a NUL byte in it", file);
        if (!add(names, name->d.dNSName, error))
            return false;
    }
    return true;
}

static const ASN1_STRING *common_name(X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return NULL;
    return X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
}

static bool collect(struct names *names, X509 *certificate, const char *file, struct error *error)
{
    int critical = -1;
    bool any = false, good = true;
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (list == NULL && critical != -1)
        return error_tls(error, "%s: the certificate's subjectAltName cannot be read", file);
    if (list != NULL)
        good = add_alternatives(names, list, file, &any, error);
    GENERAL_NAMES_free(list);
    if (!good || any)
        return good;
    const ASN1_STRING *name = common_name(certificate);
    if (name == NULL)
        return true;
    if (has_nul(name))
        return error_tls(error, "%s: the certificate's common name has a NUL byte in it", file);
    return add(names, name, error);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_once(struct names *names)
{
    if (names->count < 2)
        return;
    qsort(names->item, names->count, sizeof *names->item, compare);
    size_t kept = 1;
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->item[i], names->item[kept - 1]) == 0)
            free(names->item[i]);
        else
            names->item[kept++] = names->item[i];
    }
    names->count = kept;
}

bool tls_names_read(X509 *certificate, const char *file, char ***ret, size_t *ret_count,
                    char **ret_title, struct error *error)
{
    struct names names = {NULL, 0, 0};
    bool good = collect(&names, certificate, file, error);
    if (good) {
        *ret_title = strdup(names.count > 0 ? names.item[0] : "(no name)");
        good = *ret_title != NULL || error_memory(error);
    }
    if (!good) {
        tls_names_free(names.item, names.count);
        return false;
    }
    sort_once(&names);
    *ret = names.item;
    *ret_count = names.count;
    return true;
}

void tls_names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}
