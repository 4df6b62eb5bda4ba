/* json_writer: indented JSON, key by key. */
#ifndef CONFIG_JSON_WRITER_H
#define CONFIG_JSON_WRITER_H

#include "base/text.h"

struct json_writer {
    struct text *text;
    unsigned depth;
    bool filled; /* the container at hand has something in it */
};

/* In an object every value has a key; in a list `key` is NULL. */
void json_open(struct json_writer *w, const char *key, char bracket);
void json_close(struct json_writer *w, char bracket);
void json_put_text(struct json_writer *w, const char *key, const char *value);
void json_put_boolean(struct json_writer *w, const char *key, bool value);
void json_put_number(struct json_writer *w, const char *key, uint64_t value);

#endif
