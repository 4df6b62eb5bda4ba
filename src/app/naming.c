#include "app/naming.h"

#include "base/log.h"

void naming_tell(void *context, const struct names_event *event)
{
    (void)context;
    switch (event->kind) {
    case NAMES_CHANGED:
        log_event(LOG_LEVEL_INFO, "resolve.changed",
                  "pool=%s server=\"%s\" servers=%u added=%u removed=%u", event->pool,
                  event->server, event->servers, event->added, event->removed);
        break;
    case NAMES_FAILED:
        log_event(LOG_LEVEL_WARNING, "resolve.failed",
                  "pool=%s server=\"%s\" reason=\"%s\" kept=%u", event->pool, event->server,
                  event->reason, event->servers);
        break;
    case NAMES_RECOVERED:
        log_event(LOG_LEVEL_INFO, "resolve.recovered", "pool=%s server=\"%s\" servers=%u",
                  event->pool, event->server, event->servers);
        break;
    case NAMES_CUT:
        log_event(LOG_LEVEL_WARNING, "resolve.cut",
                  "pool=%s server=\"%s\" servers=%u reason=\"there are more addresses than are "
                  "taken of a name, or of all names of a pool\"",
                  event->pool, event->server, event->servers);
        break;
    }
}
