/* unknowns: what connections were like that no rule took, over the whole process.
 *
 * Those that are alike are one entry, which counts them. There are UNKNOWNS_MAX; when they are
 * full, the one that was seen least goes, of several the one that was seen longest ago. What is
 * kept of their bytes says inspect/redact.h. Any thread; a short lock per call, taken for nobody
 * whom a rule takes. */
#ifndef SESSION_UNKNOWNS_H
#define SESSION_UNKNOWNS_H

#include "base/address.h"
#include "inspect/redact.h"

#define UNKNOWNS_MAX 64u

struct unknowns;

struct unknown {
    /* What makes two of them alike. Texts are cut where they are long. */
    char listener[64];
    char inside[64]; /* the rule whose nested rules did not take it; "": it was not decrypted */
    const char *protocol;  /* static; as the log has it */
    char sni[256];         /* "": none */
    bool sni_is_name;      /* in normal form */
    char sender[65];       /* of a FIX Logon */
    struct redacted bytes; /* of protocols that are not known by name; else empty */
    /* Of all of them. */
    struct ip_address source;          /* of the last one */
    uint64_t count, first_ms, last_ms; /* wall clock */
};

bool unknowns_create(struct unknowns **ret) MUST_CHECK;
void unknowns_free(struct unknowns *unknowns); /* accepts NULL */

/* One more, at its last_ms. */
void unknowns_note(struct unknowns *unknowns, const struct unknown *seen);

/* The most frequent first; returns how many. */
size_t unknowns_copy(struct unknowns *unknowns, struct unknown ret[UNKNOWNS_MAX]);

#endif
