/* keeper: the process's ledger, and what is told of it in the event log. */
#ifndef APP_KEEPER_H
#define APP_KEEPER_H

#include "ledger/ledger.h"

/* Its thread, with the file of the configuration, if it has one; checked before as the user who
 * will write it. `producers`: the workers. */
bool keeper_start(struct ledger **ret, const struct model_ledger *model, unsigned producers,
                  struct error *error) MUST_CHECK;

/* A new configuration's; that memory is out for it is told. */
void keeper_follow(struct ledger *ledger, const struct model_ledger *model);

#endif
