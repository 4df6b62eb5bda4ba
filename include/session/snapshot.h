/* snapshot: one configuration, compiled: listeners with their rules, TLS policies and pools.
 *
 * Immutable but for the counters in the books. Counted: the control thread holds one reference to
 * the current one, each worker one for as long as a session of its own began with it. The last
 * unref frees it, in whichever thread. A reload builds a new one beside the old; live state (pools'
 * servers, listeners' books, ticket keys) is carried over by name. */
#ifndef SESSION_SNAPSHOT_H
#define SESSION_SNAPSHOT_H

#include "config/config.h"
#include "io/socket.h"
#include "pool/pool.h"
#include "route/networks.h"
#include "route/rules.h"
#include "session/end_reasons.h"
#include "session/limits.h"
#include "session/log_line.h"
#include "tls/tls.h"

#include <stdatomic.h>

/* What a rule leads to, by rule->index. */
struct rule_target {
    struct tls_policy *policy; /* counted; with terminate: the rule's own or the listener's */
    struct pool *pool;         /* borrowed from the set; NULL with reject or nested rules */
};

struct listener {
    const struct model_listener *model; /* borrowed from the snapshot */
    struct rules *rules;                /* owned */
    struct rule_target *targets;        /* owned; rules_count() of them */
    struct tls_policy *policy;          /* counted; NULL: no `tls` */
    struct networks networks;           /* owned */
    bool passes_tlvs;                   /* a pool of its rules has pass_tlvs */
    struct books *books;                /* counted; shared by all generations of this name */
};

struct snapshot {
    _Atomic unsigned references;
    uint64_t generation; /* 1, 2, … one for each configuration taken */
    struct config config;
    struct pool_set *pools;
    struct log_template *log_template; /* owned; NULL without `template` */
    struct listener *listeners;
    size_t listener_count;
    struct port_range own_ports; /* whence the kernel takes ports for our ends */
};

/* Compiles what `config` holds (and takes it over on success). Problems of meaning go to
 * config->problems; on false there is at least one error in it. `previous` may be NULL. */
bool snapshot_compile(struct snapshot **ret, struct config *config, unsigned workers,
                      const struct snapshot *previous) MUST_CHECK;

/* Judges what the configuration itself says: its rules, TLS values, log template. The files that it
 * names are not looked at, and no names are asked for. `model` may be a draft. */
bool snapshot_judge(const struct model *model, struct problems *problems) MUST_CHECK;

struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* accepts NULL; any thread */

/* Calls `each` for every TLS policy of the snapshot, once. */
void snapshot_each_policy(const struct snapshot *snapshot,
                          void (*each)(void *context, struct tls_policy *policy), void *context);

#endif
