/* evidence: what sessions have met with a server, counted by the workers, weighed by the checks.
 *
 * What a client cannot bring about counts like a failed check: a connection that does not stand, a
 * reset before anybody has said a byte. A reset in answer to a client's bytes counts, too, but is
 * never the last straw, or clients could send bytes that take a server away from all others. */
#ifndef POOL_EVIDENCE_H
#define POOL_EVIDENCE_H

#include <stdatomic.h>
#include <stdbool.h>

struct evidence {
    atomic_bool wanted;   /* the server is checked: by health.c alone */
    atomic_uint refusals; /* in a row, until a connection stands */
    atomic_uint resets;   /* in a row, until the server says something; likewise below */
    atomic_uint provoked; /* resets behind a client's bytes */
};

void evidence_clear(struct evidence *evidence);
unsigned evidence_sure(const struct evidence *evidence);
unsigned evidence_doubtful(const struct evidence *evidence);

#endif
