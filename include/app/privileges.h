/* privileges: descriptor limits raised, then the user dropped. */
#ifndef APP_PRIVILEGES_H
#define APP_PRIVILEGES_H

#include "base/compiler.h"
#include "base/error.h"

#include <stdint.h>

/* Raises the soft descriptor limit to the hard one; returns it. */
uint64_t privileges_raise_descriptors(void);

/* No core dump holds a private key. */
void privileges_forbid_core_dumps(void);

/* Becomes `user` (and `group`, by default the user's own). NULL user: stays. With `transparent` the
 * right to connect with others' addresses is kept (CAP_NET_RAW, or CAP_NET_ADMIN where there is no
 * other), and nothing else. After binding and before the first thread. */
bool privileges_drop(const char *user, const char *group, bool transparent,
                     struct error *error) MUST_CHECK;

/* --- lending to a process that replaces this one -----------------------------------------------
 */

/* A program that is run by another user than root has no rights but the ambient ones. What this
 * process has kept for `transparent` becomes ambient in the calling thread (only that one has it
 * then), until privileges_end_loan(): run the heir in between. Returns what was lent, 0: nothing;
 * the heir finds the number in LOAN_VARIABLE, and privileges_drop() makes it its own, or gives it
 * up. */
#define LOAN_VARIABLE "MUXGATE_LOAN"
uint32_t privileges_lend(void);
bool privileges_end_loan(uint32_t lent, struct error *error) MUST_CHECK;

#endif
