#include "match.h"

#include "match_client_cert.h"
#include "match_fix.h"
#include "route/recall.h"

static enum verdict verdict_of(bool yes)
{
    return yes ? VERDICT_YES : VERDICT_NO;
}

/* --- one function per key -------------------------------------------------------------------- */

/* Something of plain bytes is asked that was not noted. Of a silent client there were none. */
static bool is_forgotten(const struct facts *facts)
{
    return facts->recalled != NULL && !facts->silent;
}

/* "silent" is decided by the first byte (no), or by the end of waiting without one (yes). */
static enum verdict ask_silent(const struct match *match, const struct question *question)
{
    const struct facts *facts = question->facts;
    if (facts->silent)
        return verdict_of(match->silent);
    if (facts->bytes.length > 0 || is_forgotten(facts))
        return verdict_of(!match->silent);
    return VERDICT_MORE;
}

/* The bytes of a TLS connection are of no plain protocol. */
static enum verdict ask_protocol(const struct match *match, const struct question *question)
{
    const struct facts *facts = question->facts;
    enum verdict answer = VERDICT_NO;
    if (facts->tls == VERDICT_YES)
        return VERDICT_NO;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if ((match->protocols & UINT64_C(1) << i) == 0)
            continue;
        if (facts->protocol[i] == VERDICT_YES)
            return VERDICT_YES;
        if (facts->protocol[i] == VERDICT_MORE)
            answer = VERDICT_MORE;
    }
    return answer;
}

static enum verdict ask_source(const struct match *match, const struct question *question)
{
    const struct address *source = question->facts->source;
    return verdict_of(source != NULL && cidr_set_contains(match->source, source));
}

static enum verdict ask_sni(const struct match *match, const struct question *question)
{
    return verdict_of(name_index_contains(match->sni, question->sni));
}

static enum verdict ask_alpn(const struct match *match, const struct question *question)
{
    const struct recalled *recalled = question->facts->recalled;
    if (alpn_set_meets(match->alpn, &question->offered))
        return VERDICT_YES;
    return recalled != NULL && recalled->alpn_in_part ? VERDICT_MORE : VERDICT_NO;
}

/* Exact, or everything before a '*' at the end. */
static bool ja4_fits(const char *pattern, const char *text)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncmp(pattern, text, length - 1) == 0;
    return strcmp(pattern, text) == 0;
}

static bool ja4_fits_any(const struct string_list *patterns, const char *text)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (ja4_fits(patterns->item[i], text))
            return true;
    }
    return false;
}

static enum verdict ask_ja4(const struct match *match, const struct question *question)
{
    const char *ja4 = question->facts->ja4;
    return verdict_of(ja4 != NULL && ja4_fits_any(&match->model->ja4, ja4));
}

/* The bytes of a TLS connection are encrypted: what they begin with means nothing here. */
static enum verdict ask_prefixes(const struct prefixes *prefixes, const struct facts *facts)
{
    if (facts->tls == VERDICT_YES)
        return VERDICT_NO;
    return is_forgotten(facts) ? VERDICT_MORE : prefixes_ask(prefixes, facts->bytes);
}

static enum verdict ask_prefix(const struct match *match, const struct question *question)
{
    return ask_prefixes(&match->prefix, question->facts);
}

static enum verdict ask_prefix_hex(const struct match *match, const struct question *question)
{
    return ask_prefixes(&match->prefix_hex, question->facts);
}

static enum verdict ask_fix(const struct match *match, const struct question *question)
{
    return match_fix_ask(&match->model->fix, &question->facts->fix);
}

static enum verdict ask_regex(const struct match *match, const struct question *question)
{
    const struct facts *facts = question->facts;
    enum verdict answer = VERDICT_NO;
    if (facts->tls == VERDICT_YES)
        return VERDICT_NO;
    if (is_forgotten(facts))
        return VERDICT_MORE;
    for (size_t i = 0; i < match->model->regex.count; i++) {
        enum verdict one = pattern_ask(match->patterns[i], facts->bytes, facts->final);
        if (one == VERDICT_YES)
            return VERDICT_YES;
        if (one == VERDICT_MORE)
            answer = VERDICT_MORE;
    }
    return answer;
}

static enum verdict ask_not(const struct match *match, const struct question *question)
{
    enum verdict answer = match_ask(match->negated, question);
    if (answer == VERDICT_MORE)
        return VERDICT_MORE;
    return verdict_of(answer == VERDICT_NO);
}

static enum verdict ask_client_cert(const struct match *match, const struct question *question)
{
    const struct recalled *recalled = question->facts->recalled;
    if (recalled != NULL && recalled->cert_unknown)
        return VERDICT_MORE;
    return verdict_of(match_client_cert_ask(match, question->facts->client_cert));
}

typedef enum verdict ask_function(const struct match *match, const struct question *question);

static ask_function *const ask_key[MATCH_KEY_COUNT] = {
    [MATCH_SILENT] = ask_silent, [MATCH_PROTOCOL] = ask_protocol,
    [MATCH_SOURCE] = ask_source, [MATCH_SNI] = ask_sni,
    [MATCH_ALPN] = ask_alpn,     [MATCH_JA4] = ask_ja4,
    [MATCH_PREFIX] = ask_prefix, [MATCH_PREFIX_HEX] = ask_prefix_hex,
    [MATCH_FIX] = ask_fix,       [MATCH_REGEX] = ask_regex,
    [MATCH_NOT] = ask_not,       [MATCH_CLIENT_CERT] = ask_client_cert,
};

static const char *const key_names[MATCH_KEY_COUNT] = {
    [MATCH_SILENT] = "silent", [MATCH_PROTOCOL] = "protocol",
    [MATCH_SOURCE] = "source", [MATCH_SNI] = "sni",
    [MATCH_ALPN] = "alpn",     [MATCH_JA4] = "ja4",
    [MATCH_PREFIX] = "prefix", [MATCH_PREFIX_HEX] = "prefix_hex",
    [MATCH_FIX] = "fix",       [MATCH_REGEX] = "regex",
    [MATCH_NOT] = "not",       [MATCH_CLIENT_CERT] = "client_cert",
};

/* What only a ClientHello tells, and what the bytes of a TLS connection never are. */
#define HELLO_KEYS (1u << MATCH_SNI | 1u << MATCH_ALPN | 1u << MATCH_JA4 | 1u << MATCH_CLIENT_CERT)
#define BYTES_KEYS                                                                                 \
    (1u << MATCH_PROTOCOL | 1u << MATCH_PREFIX | 1u << MATCH_PREFIX_HEX | 1u << MATCH_FIX |        \
     1u << MATCH_REGEX)

static enum verdict ask_one(const struct match *match, enum match_key key,
                            const struct question *question)
{
    if (question->before_hello && (HELLO_KEYS & 1u << key) != 0)
        return VERDICT_MORE;
    if (question->before_hello && (BYTES_KEYS & 1u << key) != 0)
        return VERDICT_NO;
    enum verdict answer = ask_key[key](match, question);
    bool at_the_end = question->facts->final && !question->before_hello;
    return answer == VERDICT_MORE && at_the_end ? VERDICT_NO : answer;
}

enum verdict match_ask(const struct match *match, const struct question *question)
{
    enum verdict all = VERDICT_YES;
    for (unsigned key = 0; key < MATCH_KEY_COUNT; key++) {
        if (!match_has(match, (enum match_key)key))
            continue;
        enum verdict one = ask_one(match, (enum match_key)key, question);
        if (one == VERDICT_NO)
            return VERDICT_NO;
        if (one == VERDICT_MORE)
            all = VERDICT_MORE;
    }
    return all;
}

const char *match_decider(const struct match *match, const struct question *question,
                          enum verdict answer)
{
    if (answer == VERDICT_YES)
        return NULL;
    for (unsigned key = 0; key < MATCH_KEY_COUNT; key++) {
        if (match_has(match, (enum match_key)key) &&
            ask_one(match, (enum match_key)key, question) == answer)
            return key_names[key];
    }
    return NULL;
}

/* --- which match is wider -------------------------------------------------------------------- */

static bool spend(uint64_t *budget, uint64_t steps)
{
    if (*budget < steps) {
        *budget = 0;
        return false;
    }
    *budget -= steps;
    return true;
}

static bool covers_source(const struct match *wide, const struct match *narrow, uint64_t *budget)
{
    const struct cidr_list *networks = &narrow->model->source;
    for (size_t i = 0; i < networks->count; i++) {
        if (!spend(budget, 1) || !cidr_set_covers(wide->source, &networks->item[i]))
            return false;
    }
    return true;
}

static bool covers_sni(const struct match *wide, const struct match *narrow, uint64_t *budget)
{
    const struct string_list *names = &narrow->model->sni;
    for (size_t i = 0; i < names->count; i++) {
        if (!spend(budget, 1) || !name_index_covers(wide->sni, names->item[i]))
            return false;
    }
    return true;
}

static bool covers_prefixes(const struct prefixes *wide, const struct prefixes *narrow,
                            uint64_t *budget)
{
    return narrow->count > 0 && spend(budget, (uint64_t)wide->count * narrow->count) &&
           prefixes_cover(wide, narrow);
}

/* The same bytes, however they are written. */
static bool covers_prefix(const struct prefixes *wide, const struct match *narrow, uint64_t *budget)
{
    return covers_prefixes(wide, &narrow->prefix, budget) ||
           covers_prefixes(wide, &narrow->prefix_hex, budget);
}

/* A Logon is FIX. */
static bool covers_protocol(const struct match *wide, const struct match *narrow)
{
    bool logon = match_has(narrow, MATCH_FIX) &&
                 (wide->protocols & UINT64_C(1) << PROTOCOL_fix) != 0;
    return logon ||
           (match_has(narrow, MATCH_PROTOCOL) && (narrow->protocols & ~wide->protocols) == 0);
}

static bool covers_fix(const struct model_fix *wide, const struct model_fix *narrow,
                       uint64_t *budget)
{
    return spend(budget, match_fix_cover_cost(wide, narrow)) && match_fix_covers(wide, narrow);
}

/* A pattern fits another as if its '*' were a letter like the others. */
static bool covers_ja4(const struct string_list *wide, const struct string_list *narrow,
                       uint64_t *budget)
{
    for (size_t i = 0; i < narrow->count; i++) {
        if (!spend(budget, wide->count) || !ja4_fits_any(wide, narrow->item[i]))
            return false;
    }
    return true;
}

static bool covers_list(const struct string_list *wide, const struct string_list *narrow,
                        uint64_t *budget)
{
    for (size_t i = 0; i < narrow->count; i++) {
        size_t j = 0;
        if (!spend(budget, wide->count))
            return false;
        while (j < wide->count && strcmp(wide->item[j], narrow->item[i]) != 0)
            j++;
        if (j == wide->count)
            return false;
    }
    return true;
}

/* Whether wide's `key` holds whenever `narrow` does. */
static bool covers_key(const struct match *wide, const struct match *narrow, enum match_key key,
                       uint64_t *budget)
{
    switch (key) {
    case MATCH_SILENT:
        return wide->silent == narrow->silent;
    case MATCH_PROTOCOL:
        return covers_protocol(wide, narrow);
    case MATCH_SOURCE:
        return covers_source(wide, narrow, budget);
    case MATCH_SNI:
        return covers_sni(wide, narrow, budget);
    case MATCH_ALPN:
        return covers_list(&wide->model->alpn, &narrow->model->alpn, budget);
    case MATCH_JA4:
        return covers_ja4(&wide->model->ja4, &narrow->model->ja4, budget);
    case MATCH_CLIENT_CERT:
        return spend(budget, match_client_cert_cover_cost(wide, narrow)) &&
               match_client_cert_covers(wide, narrow);
    case MATCH_PREFIX:
        return covers_prefix(&wide->prefix, narrow, budget);
    case MATCH_PREFIX_HEX:
        return covers_prefix(&wide->prefix_hex, narrow, budget);
    case MATCH_FIX:
        return covers_fix(&wide->model->fix, &narrow->model->fix, budget);
    case MATCH_REGEX:
        return covers_list(&wide->model->regex, &narrow->model->regex, budget); /* the same ones */
    case MATCH_NOT: /* the other way round: what is taken away must be less */
        return match_covers(narrow->negated, wide->negated, budget);
    case MATCH_KEY_COUNT:
        break;
    }
    return false;
}

/* Keys that another can stand for. */
#define INFERRED_KEYS (1u << MATCH_PROTOCOL | 1u << MATCH_PREFIX | 1u << MATCH_PREFIX_HEX)

bool match_covers(const struct match *wide, const struct match *narrow, uint64_t *budget)
{
    if (!spend(budget, 1) || (wide->keys & ~INFERRED_KEYS & ~narrow->keys) != 0)
        return false;
    for (unsigned key = 0; key < MATCH_KEY_COUNT; key++) {
        if (match_has(wide, (enum match_key)key) &&
            !covers_key(wide, narrow, (enum match_key)key, budget))
            return false;
    }
    return true;
}
