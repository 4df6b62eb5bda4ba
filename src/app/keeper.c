#include "app/keeper.h"

#include "base/log.h"

/* In the ledger's thread. */
static void tell(void *context, enum ledger_event event, const char *file, const char *text,
                 const char *aside)
{
    (void)context;
    switch (event) {
    case LEDGER_DAMAGED:
        log_event(LOG_LEVEL_WARNING, "ledger.damaged", "file=%s reason=\"%s\" kept=%s", file, text,
                  aside);
        break;
    case LEDGER_FAILED:
        log_event(LOG_LEVEL_ERROR, "ledger.failed", "file=%s reason=\"%s\" kept=memory", file,
                  text);
        break;
    case LEDGER_WRITTEN:
        log_event(LOG_LEVEL_INFO, "ledger.written", "file=%s", file);
        break;
    case LEDGER_LOST:
        log_event(LOG_LEVEL_ERROR, "ledger.lost", "file=%s reason=\"%s\"", file, text);
        break;
    }
}

bool keeper_start(struct ledger **ret, const struct model_ledger *model, unsigned producers,
                  struct error *error)
{
    const struct ledger_args args = {.producers = producers, .tell = tell};
    if (!ledger_check(model, error) || !ledger_start(ret, &args, error))
        return false;
    return ledger_adopt(*ret, model) || error_memory(error);
}

void keeper_follow(struct ledger *ledger, const struct model_ledger *model)
{
    if (!ledger_adopt(ledger, model))
        log_event(LOG_LEVEL_ERROR, "ledger.lost", "reason=\"out of memory\"");
}
