/* dump: the parts of config_dump(), each writing keys under the names of keys.def. */
#ifndef CONFIG_DUMP_H
#define CONFIG_DUMP_H

#include "config/model.h"
#include "json_writer.h"
#include "keys.h"

void dump_listener(struct json_writer *w, const struct model_listener *listener);

void dump_duration(struct json_writer *w, enum key_id id, uint64_t ms); /* 0: left out */
void dump_size(struct json_writer *w, enum key_id id, uint64_t bytes);
void dump_limit(struct json_writer *w, enum key_id id, uint64_t limit);         /* 0: left out */
void dump_rate(struct json_writer *w, enum key_id id, const struct rate *rate); /* 0: left out */
void dump_text(struct json_writer *w, enum key_id id, const char *text);        /* NULL: left out */
void dump_choice(struct json_writer *w, enum key_id id, unsigned index);
void dump_boolean(struct json_writer *w, enum key_id id, bool value);
void dump_strings(struct json_writer *w, enum key_id id, const struct string_list *list);
void dump_cidrs(struct json_writer *w, enum key_id id, const struct cidr_list *list);
void dump_address(struct json_writer *w, const char *key, const struct model_address *address);
void dump_keepalive(struct json_writer *w, const struct keepalive *k);

#endif
