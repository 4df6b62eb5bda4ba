/* starttls: how TLS begins inside another protocol. A table of dialects (starttls.def), each two
 * pure functions: the bytes at hand and the number of turns taken give the next turn.
 *
 * Whatever lies behind the bytes of a turn was sent in clear, before the answer was known: it must
 * never be taken for what TLS protects (the class of CVE-2021-23214). The caller aborts then. */
#ifndef INSPECT_STARTTLS_H
#define INSPECT_STARTTLS_H

#include "base/compiler.h"
#include "base/span.h"

enum starttls {
    STARTTLS_NONE, /* TLS from the first byte */
#define STARTTLS(name, help) STARTTLS_##name,
#include "inspect/starttls.def"
#undef STARTTLS
    STARTTLS_COUNT
};

enum starttls_step {
    STARTTLS_NO,   /* of a client: not (or no more) this dialect; of a server: it refuses */
    STARTTLS_MORE, /* more bytes are needed */
    STARTTLS_SAY,  /* take `take` bytes, say `say`, count a turn, ask again */
    STARTTLS_TLS   /* the same, and then TLS begins */
};

struct starttls_turn {
    enum starttls_step step;
    size_t take;      /* SAY, TLS: that many of the bytes belong to the turn */
    struct span say;  /* static; may be empty */
    const char *what; /* static: what was taken, or (of a server's NO) what is wrong */
};

/* What to do with a client that has sent these bytes since the last of `turns` turns. */
struct starttls_turn starttls_client(enum starttls dialect, struct span bytes, unsigned turns);

/* What to do, as a client, with a server that has sent these bytes since the last turn. */
struct starttls_turn starttls_server(enum starttls dialect, struct span bytes, unsigned turns);

const char *starttls_name(enum starttls dialect); /* "postgres"; NULL for none */
bool starttls_find(enum starttls *ret, struct span name) MUST_CHECK;

#endif
