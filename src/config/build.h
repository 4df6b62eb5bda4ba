/* build: a checked file into a model. Nothing can be wrong here any more but memory, which is noted
 * once and asked for at the end.
 *
 * In a draft (draft.h) null stands for what could not be used. It is left out, or the fallback of
 * its key takes its place. */
#ifndef CONFIG_BUILD_H
#define CONFIG_BUILD_H

#include "config/model.h"
#include "keys.h"

#include <jansson.h>

struct build {
    const char *folder;
    bool failed; /* memory ran out; sticky */
};

/* `merged` as merge_defaults() made it and draft_prune() left it. NULL when memory is out. */
struct model *build_model(const json_t *merged, const char *file, const char *folder);

void build_listener(struct build *b, struct model_listener *ret, const char *name,
                    const json_t *listener);
void build_rules(struct build *b, struct model_listener *ret, const json_t *listener);
void build_pool(struct build *b, struct model_pool *ret, const char *name, const json_t *pool);
/* `object` may be NULL: all defaults. */
void build_tls(struct build *b, struct model_tls *ret, const json_t *object, const char *path);
void build_keepalive(struct keepalive *ret, const json_t *value);

/* --- values: what the object holds, or the fallback of the key's row --- */

void *build_array(struct build *b, size_t count, size_t size); /* zeroed; NULL for none or failed */
char *build_text(struct build *b, const char *text);           /* NULL gives NULL */
char *build_format(struct build *b, const char *format, ...) PRINTF(2, 3);
const char *build_get_text(const json_t *object, enum key_id id); /* borrowed; NULL for none */
uint64_t build_get_duration(const json_t *object, enum key_id id);
uint64_t build_get_time(const json_t *object, enum key_id id); /* 0 for none */
uint64_t build_get_size(const json_t *object, enum key_id id);
struct rate build_get_rate(const json_t *object, enum key_id id); /* zero for none */
uint64_t build_get_count(const json_t *object, enum key_id id);   /* 0 for none */
bool build_get_boolean(const json_t *object, enum key_id id);
int build_get_choice(const json_t *object,
                     enum key_id id); /* its place in the row's list; -1: none */

/* A value or a list of values, as a list. */
size_t build_count_of(const json_t *one_or_list);
const json_t *build_item(const json_t *one_or_list, size_t index);
void build_strings(struct build *b, struct string_list *ret, const json_t *one_or_list);
/* Each in its place, which is told where later stages find it wrong: "" for what a draft lacks. */
void build_places(struct build *b, struct string_list *ret, const json_t *one_or_list);
void build_cidrs(struct build *b, struct cidr_list *ret, const json_t *one_or_list);
void build_address(struct build *b, struct model_address *ret, const char *text, char *path);

#endif
