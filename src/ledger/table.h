/* table: the rows of a ledger, in memory. One thread. What it does with keys and when it is full
 * is in ledger/ledger.h. */
#ifndef LEDGER_TABLE_H
#define LEDGER_TABLE_H

#include "base/error.h"
#include "base/text.h"

enum way { WAY_PLAIN, WAY_TLS, WAYS };

/* How whoever it is comes now. */
enum comes {
    COMES_PLAIN, /* the last session was plain */
    COMES_MIXED, /* it was TLS, and a plain one came after the first TLS one, less than a week ago
                  */
    COMES_TLS
};

struct row {
    struct row *next;      /* of the same hash */
    char *source, *sender; /* owned, as all texts here; never NULL */
    char *key, *sni;       /* key: "" in the row that takes plain sessions, else the SNI */
    char *name;            /* of the client; "": not known */
    char tls_version[8];   /* of the last session of which it is known */
    uint64_t first[WAYS], last[WAYS], sessions[WAYS]; /* ms since 1970; 0: never */
    bool surplus;                                     /* while rows are chosen to go */
};

struct table;

bool table_create(struct table **ret, size_t most) MUST_CHECK;
void table_free(struct table *table); /* accepts NULL */
void table_clear(struct table *table);
bool table_set_most(struct table *table, size_t most) MUST_CHECK;
size_t table_count(const struct table *table);
uint64_t table_evicted(const struct table *table); /* ever */

/* Sessions that were seen. */
struct seen {
    const char *source, *sni, *sender, *name, *tls_version; /* "" where not known */
    enum way way;
    uint64_t first, last, sessions;
};

/* In whatever order things are entered, the same is known in the end. false: out of memory. */
bool table_enter(struct table *table, const struct seen *seen) MUST_CHECK;
bool table_merge(struct table *table, const struct table *from) MUST_CHECK;

enum comes table_comes(const struct row *row);

/* All rows: those that still come in plain first, the last seen first. Freed with free(). */
bool table_sort(const struct table *table, struct row ***ret) MUST_CHECK;

#endif
