/* difference: what one configuration has other than another, in the terms of whoever wrote them.
 *
 * Both are compared as they are in effect, defaults filled in: what is written in another way but
 * means the same is no difference. What files hold (certificates, keys) is not compared. */
#ifndef CONFIG_DIFFERENCE_H
#define CONFIG_DIFFERENCE_H

#include "base/text.h"
#include "config/model.h"

enum difference_change { DIFFERENCE_ADDED, DIFFERENCE_REMOVED, DIFFERENCE_CHANGED };

/* A rule is one of its listener, with all that is nested in it; of a pool the servers are apart. A
 * setting is any other key of the top level ("log", "admin"). */
enum difference_subject {
    DIFFERENCE_LISTENER,
    DIFFERENCE_RULE,
    DIFFERENCE_POOL,
    DIFFERENCE_SERVER,
    DIFFERENCE_SETTING,
    DIFFERENCE_SUBJECTS
};

struct difference_item {
    enum difference_change change;
    enum difference_subject subject;
    char *path; /* owned; in the newer one, of what is removed in the older one */
    char *name; /* owned */
};

struct difference {
    struct difference_item *items; /* owned */
    size_t count;
};

/* false: out of memory. `ret` is to be released in both cases. */
bool difference_find(struct difference *ret, const struct model *before,
                     const struct model *after) MUST_CHECK;
void difference_release(struct difference *difference);

/* "2 rules changed, 1 server added"; "none". */
void difference_add_summary(const struct difference *difference, struct text *ret);

/* [{"change": "added", "what": "server", "path": "pools.fix.servers[1]", "name": "b"}, …] */
void difference_add_json(const struct difference *difference, struct text *ret);

#endif
