/* What the tests of the route floor share: models made by hand, facts made by hand. Everything made
 * here lives until the test's process ends. */
#ifndef RULES_SUPPORT_H
#define RULES_SUPPORT_H

#include "problem_lines.h"
#include "route/rules.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define UNUSED __attribute__((unused))

UNUSED static void *keep(void *memory)
{
    static void *kept[200000];
    static size_t count;
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_lt(count, COUNT_OF(kept));
    kept[count++] = memory;
    return memory;
}

UNUSED static char *text_of(const char *text)
{
    return keep(strdup(text));
}

/* "a b" → two strings. */
UNUSED static struct string_list names_of(const char *words)
{
    if (words[0] == '\0')
        return (struct string_list){0};
    struct string_list list = {keep(calloc(strlen(words) + 1, sizeof(char *))), 0};
    char *rest = NULL, *copy = text_of(words);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        list.item[list.count++] = word;
    return list;
}

UNUSED static struct cidr_list networks_of(const char *words)
{
    struct string_list texts = names_of(words);
    struct cidr_list list = {keep(calloc(texts.count + 1, sizeof(struct cidr))), texts.count};
    for (size_t i = 0; i < texts.count; i++)
        ck_assert(cidr_parse(&list.item[i], span_text(texts.item[i]), NULL));
    return list;
}

struct asked {
    const char *protocol, *sni, *alpn, *source, *prefix, *prefix_hex, *regex, *ja4;
    const struct model_fix *fix;
    const char *cn, *san; /* "": client_cert with neither */
    int silent;           /* 0: no such key; 1: true; -1: false */
    const struct asked *negated;
};

UNUSED static struct model_match match_of(const char *path, const struct asked *asked)
{
    struct model_match match = {.path = text_of(path)};
    if (asked == NULL)
        return match;
    match.present = true;
    match.protocol = names_of(asked->protocol == NULL ? "" : asked->protocol);
    match.sni = names_of(asked->sni == NULL ? "" : asked->sni);
    match.alpn = names_of(asked->alpn == NULL ? "" : asked->alpn);
    match.source = networks_of(asked->source == NULL ? "" : asked->source);
    match.prefix = names_of(asked->prefix == NULL ? "" : asked->prefix);
    match.prefix_hex = names_of(asked->prefix_hex == NULL ? "" : asked->prefix_hex);
    match.ja4 = names_of(asked->ja4 == NULL ? "" : asked->ja4);
    match.regex = names_of(asked->regex == NULL ? "" : asked->regex);
    if (asked->fix != NULL)
        match.fix = *asked->fix;
    match.client_cert.present = asked->cn != NULL || asked->san != NULL;
    match.client_cert.cn = names_of(asked->cn == NULL ? "" : asked->cn);
    match.client_cert.san = names_of(asked->san == NULL ? "" : asked->san);
    match.has_silent = asked->silent != 0;
    match.silent = asked->silent == 1;
    if (asked->negated != NULL) {
        char inner[256];
        snprintf(inner, sizeof inner, "%s.not", path);
        match.negated = keep(calloc(1, sizeof *match.negated));
        *match.negated = match_of(inner, asked->negated);
    }
    return match;
}

UNUSED static struct model_rule rule_of(const char *name, enum tls_action tls,
                                        const struct asked *asked)
{
    char path[256];
    snprintf(path, sizeof path, "listeners.l.%s", name);
    struct model_rule rule = {.path = text_of(path), .name = text_of(name), .tls = tls};
    snprintf(path, sizeof path, "listeners.l.%s.match", name);
    rule.match = match_of(path, asked);
    rule.pool = text_of("pool");
    return rule;
}

UNUSED static struct model_listener listener_of(struct model_rule *rules, size_t count)
{
    return (struct model_listener){
        .path = text_of("listeners.l"), .name = text_of("l"), .rules = rules, .rule_count = count};
}

UNUSED static struct problems *no_problems(void)
{
    struct problems *problems = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    return problems;
}

UNUSED static struct rules *compiled(const struct model_listener *listener)
{
    struct problems *problems = no_problems();
    struct rules *rules = NULL;
    bool ok = rules_compile(&rules, listener, problems);
    ck_assert_msg(ok, "%s", lines_of(problems));
    problems_free(problems);
    return rules;
}

/* Plain bytes; nothing is known of their protocol. */
UNUSED static struct facts plain_facts(const char *bytes, bool final)
{
    return (struct facts){.bytes = span_text(bytes), .final = final, .tls = VERDICT_NO};
}

/* A whole hello; `sni` NULL for none; `alpn` is a ProtocolNameList. */
UNUSED static struct facts tls_facts(const char *sni, const char *alpn)
{
    struct facts facts = {.bytes = span_text("\x16\x03"), .tls = VERDICT_YES, .hello = VERDICT_YES};
    if (sni != NULL) {
        facts.client_hello.has_sni = facts.client_hello.sni_is_name = true;
        ck_assert(name_normalise(facts.client_hello.sni, span_text(sni)));
    }
    facts.client_hello.alpn = span_text(alpn);
    return facts;
}

/* Below that; the same numbers on every run. */
UNUSED static unsigned pick(unsigned below)
{
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state % below);
}

/* A rules_step that counts, in an unsigned, how many rules were asked. */
UNUSED static void count_step(void *context, const struct rule *rule, enum verdict answer,
                              const char *key)
{
    unsigned *steps = context;
    (void)rule;
    (void)answer;
    (void)key;
    (*steps)++;
}

#endif
