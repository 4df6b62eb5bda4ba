/* match: one compiled "match" object, and the three-valued logic it is asked with.
 *
 * All keys must hold (AND: a no beats a more), of a list one (OR: a yes beats a more). With
 * facts->final a more is a no, before `not` turns it round. */
#ifndef ROUTE_MATCH_H
#define ROUTE_MATCH_H

#include "alpn_table.h"
#include "base/cidr.h"
#include "config/model.h"
#include "config/problems.h"
#include "inspect/facts.h"
#include "name_index.h"
#include "patterns.h"
#include "prefixes.h"

/* In the order they are asked: the cheap ones first. */
enum match_key {
    MATCH_SILENT,
    MATCH_PROTOCOL,
    MATCH_SOURCE,
    MATCH_SNI,
    MATCH_ALPN,
    MATCH_JA4,
    MATCH_CLIENT_CERT,
    MATCH_PREFIX,
    MATCH_PREFIX_HEX,
    MATCH_FIX,
    MATCH_REGEX,
    MATCH_NOT,
    MATCH_KEY_COUNT
};

struct match {
    const struct model_match *model; /* borrowed */
    unsigned keys;                   /* bits: 1 << enum match_key */
    bool silent;
    uint64_t protocols; /* bits: 1 << enum protocol */
    struct cidr_set *source;
    struct name_index *sni;
    struct alpn_set *alpn;
    struct prefixes prefix, prefix_hex;
    struct pattern **patterns; /* owned; as many as model->regex has; NULL: it did not compile */
    struct san *sans;          /* owned; as many as model->client_cert.san has */
    struct match *negated;
};

/* Where a rule stands, and so what can be asked of a connection there. */
enum match_place { MATCH_PLAIN, MATCH_TLS, MATCH_NESTED };

/* What is asked of: the facts, and what the walk derives from them once. */
struct question {
    const struct facts *facts;
    struct span sni; /* normal form; empty: none */
    struct alpn_set offered;
    bool before_hello; /* what only a ClientHello tells is not known yet */
};

/* Fills `match` from a model in which every ALPN name is known to the table. On false there is an
 * error in the problems; match_release() it all the same. */
bool match_compile(struct match *match, const struct model_match *model, enum match_place place,
                   const struct alpn_table *alpn, struct problems *problems) MUST_CHECK;
void match_release(struct match *match);

enum verdict match_ask(const struct match *match, const struct question *question);

/* The name of the key that gave this answer of match_ask(); NULL for a yes. */
const char *match_decider(const struct match *match, const struct question *question,
                          enum verdict answer);

static inline bool match_has(const struct match *match, enum match_key key)
{
    return (match->keys & 1u << key) != 0;
}

/* Certainly: whatever `narrow` matches, `wide` matches too. False where that is not plain to see.
 * Takes what the comparison costs from *budget and says false when it is used up. */
bool match_covers(const struct match *wide, const struct match *narrow, uint64_t *budget);

#endif
