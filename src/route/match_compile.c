#include "match.h"
#include "match_client_cert.h"

#include "config/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(PROTOCOL_COUNT <= 64, "match.protocols has a bit per protocol");

#define PATH_MAX_LENGTH 512

/* A list of one may have been written as a bare value: as element 0 that is found, too. */
static void item_path(char ret[PATH_MAX_LENGTH], const struct model_match *model, const char *key,
                      size_t item)
{
    snprintf(ret, PATH_MAX_LENGTH, "%s.%s[%zu]", model->path, key, item);
}

static bool out_of_memory(const struct model_match *model, struct problems *problems)
{
    problems_error(problems, model->path, "out of memory");
    return false;
}

/* Of a draft: there is nothing to judge. */
static bool is_left_out(const char *item)
{
    return item[0] == '\0';
}

/* --- protocol -------------------------------------------------------------------------------- */

static bool refuse_protocol(const char *path, const char *name, struct problems *problems)
{
    if (strcmp(name, "tls") == 0) {
        problems_error(problems, path,
                       "\"tls\" is not a plain protocol (write \"tls\": \"terminate\" or "
                       "\"passthrough\" beside \"match\")");
        return false;
    }
    struct suggestion meant = {.word = name};
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        const char *known = protocol_name((enum protocol)i);
        suggest_offer(&meant, known, strlen(known));
    }
    if (meant.best[0] == '\0')
        problems_error(problems, path, "no protocol named \"%s\"", name);
    else
        problems_error(problems, path, "no protocol named \"%s\" (did you mean \"%s\"?)", name,
                       meant.best);
    return false;
}

static bool compile_protocol(struct match *match, struct problems *problems)
{
    const struct string_list *names = &match->model->protocol;
    bool ok = true;
    for (size_t i = 0; i < names->count; i++) {
        enum protocol protocol;
        char path[PATH_MAX_LENGTH];
        item_path(path, match->model, "protocol", i);
        if (is_left_out(names->item[i]))
            continue;
        if (protocol_find(&protocol, span_text(names->item[i])))
            match->protocols |= UINT64_C(1) << protocol;
        else
            ok = refuse_protocol(path, names->item[i], problems);
    }
    return ok;
}

/* Keys about bytes that only a plain or decrypted stream shows. */
static const struct {
    enum match_key key;
    const char *name;
} byte_keys[] = {
    {MATCH_PROTOCOL, "protocol"}, {MATCH_PREFIX, "prefix"}, {MATCH_PREFIX_HEX, "prefix_hex"},
    {MATCH_FIX, "fix"},           {MATCH_REGEX, "regex"},
};

static void warn_encrypted(const struct match *match, enum match_place place,
                           struct problems *problems)
{
    char path[PATH_MAX_LENGTH];
    if (place != MATCH_TLS)
        return;
    for (size_t i = 0; i < COUNT_OF(byte_keys); i++) {
        if (!match_has(match, byte_keys[i].key))
            continue;
        snprintf(path, sizeof path, "%s.%s", match->model->path, byte_keys[i].name);
        problems_warning(problems, path,
                         "the bytes of a TLS connection are encrypted here (ask for protocols in "
                         "nested \"rules\")");
    }
    if (match_has(match, MATCH_SILENT) && match->silent) {
        snprintf(path, sizeof path, "%s.silent", match->model->path);
        problems_warning(problems, path, "a TLS connection is never silent here");
    }
}

/* Of a draft keys may have been left out: what is empty there says nothing. */
static void warn_never(const struct match *match, struct problems *problems)
{
    char path[PATH_MAX_LENGTH];
    bool silent = match_has(match, MATCH_SILENT) && match->silent;
    for (size_t i = 0; silent && i < COUNT_OF(byte_keys); i++) {
        if (!match_has(match, byte_keys[i].key) || byte_keys[i].key == MATCH_REGEX)
            continue; /* an expression may be content with nothing */
        snprintf(path, sizeof path, "%s.%s", match->model->path, byte_keys[i].name);
        problems_warning(problems, path,
                         "never holds together with \"silent\": true, when there are no bytes");
    }
    if (match->negated != NULL && match->negated->keys == 0 && !problems_are_partial(problems))
        problems_warning(problems, match->negated->model->path,
                         "never holds: an empty \"not\" shuts everything out");
}

/* --- lists ----------------------------------------------------------------------------------- */

static bool compile_source(struct match *match, struct problems *problems)
{
    const struct cidr_list *source = &match->model->source;
    if (!cidr_set_create(&match->source, source->item, source->count))
        return out_of_memory(match->model, problems);
    return true;
}

static bool compile_sni(struct match *match, struct problems *problems)
{
    const struct string_list *names = &match->model->sni;
    struct name_entry *entries = calloc(names->count, sizeof *entries);
    bool ok = entries != NULL;
    for (size_t i = 0; ok && i < names->count; i++)
        entries[i] = (struct name_entry){names->item[i], 0};
    ok = ok && name_index_create(&match->sni, entries, names->count);
    free(entries);
    return ok || out_of_memory(match->model, problems);
}

static bool compile_alpn(struct match *match, const struct alpn_table *table,
                         struct problems *problems)
{
    const struct string_list *names = &match->model->alpn;
    match->alpn = calloc(1, sizeof *match->alpn);
    if (match->alpn == NULL)
        return out_of_memory(match->model, problems);
    for (size_t i = 0; i < names->count; i++)
        alpn_table_mark(table, span_text(names->item[i]), match->alpn);
    return true;
}

static bool compile_prefixes(struct match *match, struct problems *problems)
{
    if (match_has(match, MATCH_PREFIX) && !prefixes_of_texts(&match->prefix, &match->model->prefix))
        return out_of_memory(match->model, problems);
    if (match_has(match, MATCH_PREFIX_HEX) &&
        !prefixes_of_hex(&match->prefix_hex, &match->model->prefix_hex))
        return out_of_memory(match->model, problems);
    return true;
}

static bool compile_pattern(struct match *match, size_t item, struct problems *problems)
{
    const struct string_list *texts = &match->model->regex;
    char path[PATH_MAX_LENGTH];
    struct error error;
    item_path(path, match->model, "regex", item);
    if (is_left_out(texts->item[item]))
        return true;
    if (!pattern_compile(&match->patterns[item], texts->item[item], &error)) {
        problems_error(problems, path, "%s", error.text);
        return false;
    }
    if (!pattern_is_anchored(match->patterns[item]))
        problems_warning(problems, path,
                         "not anchored: a connection that it does not match waits out the inspect "
                         "delay (begin it with ^)");
    return true;
}

static bool compile_regex(struct match *match, struct problems *problems)
{
    size_t count = match->model->regex.count;
    bool ok = true;
    match->patterns = calloc(count, sizeof(struct pattern *));
    if (match->patterns == NULL)
        return out_of_memory(match->model, problems);
    for (size_t i = 0; i < count; i++)
        ok = compile_pattern(match, i, problems) && ok;
    return ok;
}

static void release_regex(struct match *match)
{
    for (size_t i = 0; match->patterns != NULL && i < match->model->regex.count; i++)
        pattern_free(match->patterns[i]);
    free(match->patterns);
}

static bool compile_not(struct match *match, enum match_place place, const struct alpn_table *alpn,
                        struct problems *problems)
{
    match->negated = calloc(1, sizeof *match->negated);
    if (match->negated == NULL)
        return out_of_memory(match->model, problems);
    return match_compile(match->negated, match->model->negated, place, alpn, problems);
}

/* --- the whole ------------------------------------------------------------------------------- */

static unsigned keys_of(const struct model_match *model)
{
    unsigned keys = 0;
    keys |= model->has_silent ? 1u << MATCH_SILENT : 0;
    keys |= model->protocol.count > 0 ? 1u << MATCH_PROTOCOL : 0;
    keys |= model->source.count > 0 ? 1u << MATCH_SOURCE : 0;
    keys |= model->sni.count > 0 ? 1u << MATCH_SNI : 0;
    keys |= model->alpn.count > 0 ? 1u << MATCH_ALPN : 0;
    keys |= model->ja4.count > 0 ? 1u << MATCH_JA4 : 0;
    keys |= model->prefix.count > 0 ? 1u << MATCH_PREFIX : 0;
    keys |= model->prefix_hex.count > 0 ? 1u << MATCH_PREFIX_HEX : 0;
    keys |= model->fix.present ? 1u << MATCH_FIX : 0;
    keys |= model->client_cert.present ? 1u << MATCH_CLIENT_CERT : 0;
    keys |= model->regex.count > 0 ? 1u << MATCH_REGEX : 0;
    keys |= model->negated != NULL ? 1u << MATCH_NOT : 0;
    return keys;
}

bool match_compile(struct match *match, const struct model_match *model, enum match_place place,
                   const struct alpn_table *alpn, struct problems *problems)
{
    *match = (struct match){.model = model, .keys = keys_of(model), .silent = model->silent};
    bool ok = true;
    if (match_has(match, MATCH_PROTOCOL) && !compile_protocol(match, problems))
        ok = false;
    if (match_has(match, MATCH_SOURCE) && !compile_source(match, problems))
        ok = false;
    if (match_has(match, MATCH_SNI) && !compile_sni(match, problems))
        ok = false;
    if (match_has(match, MATCH_ALPN) && !compile_alpn(match, alpn, problems))
        ok = false;
    if (match_has(match, MATCH_REGEX) && !compile_regex(match, problems))
        ok = false;
    if (match_has(match, MATCH_CLIENT_CERT) && !match_client_cert_compile(match, problems))
        ok = false;
    if (!compile_prefixes(match, problems))
        ok = false;
    if (match_has(match, MATCH_NOT) && !compile_not(match, place, alpn, problems))
        ok = false;
    warn_encrypted(match, place, problems);
    warn_never(match, problems);
    return ok;
}

void match_release(struct match *match)
{
    cidr_set_free(match->source);
    name_index_free(match->sni);
    free(match->alpn);
    release_regex(match);
    match_client_cert_release(match);
    prefixes_release(&match->prefix);
    prefixes_release(&match->prefix_hex);
    if (match->negated != NULL)
        match_release(match->negated);
    free(match->negated);
    *match = (struct match){0};
}
