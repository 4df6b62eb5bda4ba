#include "tls/ticket_file.h"

#include "base/hash.h"
#include "tls/policy.h"
#include "tls/report.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 80
#define KEY_TEXT  108 /* 80 bytes in base64, the last of them '=' */

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span line)
{
    while (line.length > 0 && is_blank(line.data[0]))
        line = span_skip(line, 1);
    while (line.length > 0 && is_blank(line.data[line.length - 1]))
        line.length--;
    return line;
}

static bool is_base64(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        bool end = c == '=' && i + 2 >= text.length;
        if (!letter && c != '+' && c != '/' && !end)
            return false;
    }
    return true;
}

/* Nothing of the line may come out in a message: it may be a key with a slip in it. */
static bool decode(struct tls_ticket_key *ret, struct span text, const char **ret_reason)
{
    unsigned char bytes[KEY_BYTES + 1]; /* base64 comes in threes */
    *ret_reason = "not base64";
    if (!is_base64(text))
        return false;
    *ret_reason = "not 80 bytes in base64, which are 108 characters";
    if (text.length != KEY_TEXT || text.data[KEY_TEXT - 1] != '=' ||
        EVP_DecodeBlock(bytes, text.data, KEY_TEXT) != (int)sizeof bytes)
        return false;
    memcpy(ret->name, bytes, 16);
    memcpy(ret->cipher, bytes + 16, 32);
    memcpy(ret->mac, bytes + 48, 32);
    ret->born_us = 0;
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

static bool is_known(const struct tls_ticket_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(keys[i].name, keys[count].name, sizeof keys[i].name) == 0)
            return true;
    return false;
}

static bool add_line(struct tls_ticket_key *keys, size_t *count, struct span line,
                     const char **ret_reason)
{
    struct span text = trim(line);
    if (text.length == 0 || text.data[0] == '#')
        return true;
    *ret_reason = "more keys than are kept";
    if (*count == TICKET_KEYS_MAX || !decode(&keys[*count], text, ret_reason))
        return false;
    *ret_reason = "a key whose first 16 bytes, its name, an earlier one has";
    if (is_known(keys, *count))
        return false;
    ++*count;
    return true;
}

bool tls_ticket_file_parse(struct tls_ticket_key *ret, size_t *ret_count,
                           const struct tls_file *file, struct error *error)
{
    struct span rest = span_of(file->bytes, file->length);
    *ret_count = 0;
    for (unsigned number = 1; rest.length > 0; number++) {
        const unsigned char *end = memchr(rest.data, '\n', rest.length);
        size_t length = end == NULL ? rest.length : (size_t)(end - rest.data);
        const char *reason;
        if (!add_line(ret, ret_count, span_first(rest, length), &reason))
            return error_input(error, "%s:%u: %s", file->name, number, reason);
        rest = span_skip(rest, length + 1);
    }
    if (*ret_count == 0)
        return error_input(error,
                           "%s:1: no key in it (openssl rand -base64 80 | tr -d '\\n' makes one)",
                           file->name);
    return true;
}

/* --- the file --------------------------------------------------------------------------------- */

/* What was read: too large for a stack, and to be cleansed. */
struct reading {
    struct tls_ticket_key keys[TICKET_KEYS_MAX];
    size_t count;
    bool exposed;
    unsigned char digest[32];
};

static enum tls_file_status read_keys(struct reading *ret, const char *name, struct error *error)
{
    struct tls_file file;
    memset(ret->digest, 0, sizeof ret->digest);
    enum tls_file_status status = tls_file_read(&file, name, error);
    if (status != TLS_FILE_OK)
        return status;
    ret->exposed = file.exposed;
    SHA256(file.bytes, file.length, ret->digest);
    if (!tls_ticket_file_parse(ret->keys, &ret->count, &file, error))
        status = TLS_FILE_FAILED;
    tls_file_release(&file);
    return status;
}

static void forget(struct reading *reading)
{
    if (reading != NULL)
        OPENSSL_cleanse(reading, sizeof *reading);
    free(reading);
}

/* --- at start --------------------------------------------------------------------------------- */

static bool report(struct problems *problems, const struct model_tls *model, const char *text)
{
    return tls_report(problems, model->path, "session_tickets", "%s", text);
}

static bool take_keys(struct tls_ticket_source *ret, const struct model_tls *model,
                      struct reading *reading, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    uint64_t lifetime = model->tickets.lifetime_ms / 1000;
    switch (read_keys(reading, ret->file, &error)) {
    case TLS_FILE_OK:
        break;
    case TLS_FILE_UNSTABLE:
        return tls_report(problems, model->path, "session_tickets.keys",
                          "the file is being written to just now (try again)");
    default:
        return tls_report(problems, model->path, "session_tickets.keys", "%s", error.text);
    }
    if (reading->exposed)
        tls_report_warning(problems, model->path, "session_tickets.keys",
                           "group or others may read the ticket keys %s (chmod 600)", ret->file);
    memcpy(ret->digest, reading->digest, sizeof ret->digest);
    return tls_tickets_create_given(&ret->tickets, lifetime, reading->keys, reading->count,
                                    &error) ||
           report(problems, model, error.text);
}

static bool make_given(struct tls_ticket_source *ret, const struct model_tls *model,
                       struct problems *problems)
{
    struct reading *reading = calloc(1, sizeof *reading);
    ret->file = strdup(model->tickets.keys);
    bool good = reading != NULL && ret->file != NULL ? take_keys(ret, model, reading, problems)
                                                     : report(problems, model, "out of memory");
    forget(reading);
    return good;
}

static bool make_random(struct tls_ticket_source *ret, const struct model_tls *model,
                        const struct tls_ticket_source *previous, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    struct tls_ticket_terms terms = {.lifetime_s = model->tickets.lifetime_ms / 1000,
                                     .rotate_s = model->tickets.rotate_ms / 1000};
    return tls_tickets_create(&ret->tickets, &terms, previous != NULL ? previous->tickets : NULL,
                              &error) ||
           report(problems, model, error.text);
}

bool tls_ticket_source_compile(struct tls_ticket_source *ret, SSL_CTX *context,
                               const struct model_tls *model,
                               const struct tls_ticket_source *previous, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    *ret = (struct tls_ticket_source){.tickets = NULL};
    if (model->tickets.off) {
        tls_tickets_forbid(context);
        return true;
    }
    bool good = model->tickets.keys != NULL ? make_given(ret, model, problems)
                                            : make_random(ret, model, previous, problems);
    if (!good)
        return false;
    return tls_tickets_install(ret->tickets, context, model->tickets.count, &error) ||
           report(problems, model, error.text);
}

void tls_ticket_source_release(struct tls_ticket_source *source)
{
    tls_tickets_free(source->tickets);
    free(source->file);
    *source = (struct tls_ticket_source){.tickets = NULL};
}

/* --- renewal ---------------------------------------------------------------------------------- */

static enum tls_refresh refuse(struct tls_ticket_source *source, const struct reading *reading,
                               const struct error *reason, struct error *error)
{
    uint64_t of_file = hash_bytes(span_of(reading->digest, sizeof reading->digest));
    uint64_t refusal = (of_file ^ hash_bytes(span_text(reason->text))) | 1u;
    if (source->told == refusal)
        return TLS_REFRESH_SAME;
    source->told = refusal;
    *error = *reason;
    return TLS_REFRESH_REFUSED;
}

static enum tls_refresh renew(struct tls_ticket_source *source, struct reading *reading,
                              size_t *ret_count, struct error *error)
{
    struct error reason = {.kind = ERROR_NONE};
    enum tls_file_status status = read_keys(reading, source->file, &reason);
    bool same = memcmp(reading->digest, source->digest, sizeof source->digest) == 0;
    if (same)
        source->told = 0;
    if (same || status == TLS_FILE_UNSTABLE)
        return TLS_REFRESH_SAME;
    if (status != TLS_FILE_OK)
        return refuse(source, reading, &reason, error);
    tls_tickets_give(source->tickets, reading->keys, reading->count);
    memcpy(source->digest, reading->digest, sizeof source->digest);
    source->told = 0;
    *ret_count = reading->count;
    return TLS_REFRESH_NEW;
}

enum tls_refresh tls_policy_refresh_tickets(struct tls_policy *policy, size_t *ret_count,
                                            struct error *error)
{
    struct tls_ticket_source *source = &policy->tickets;
    struct reading *reading = source->file == NULL ? NULL : calloc(1, sizeof *reading);
    if (reading == NULL)
        return TLS_REFRESH_SAME;
    enum tls_refresh result = renew(source, reading, ret_count, error);
    forget(reading);
    return result;
}
