/* client: one request to the admin socket, and its answer. */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "base/error.h"
#include "base/text.h"

/* Bounds of an answer: what 200,000 sessions take, and how long a reload may. */
#define CLIENT_MOST_BYTES (256u * 1024u * 1024u)
#define CLIENT_SECONDS    150

struct client_answer {
    unsigned status;
    struct text body; /* to be released */
};

/* `body` may be NULL. false: no answer; the error says what to do about it. Whatever the status is,
 * an answer is an answer. */
bool client_ask(struct client_answer *ret, const char *socket, const char *method, const char *path,
                const char *body, struct error *error) MUST_CHECK;

/* The whole answer as it came: status line, headers, body. Pure. false: no such thing. */
bool client_parse(struct client_answer *ret, struct span whole, struct error *error) MUST_CHECK;

/* Percent-encodes a part of a path. */
void client_add_part(struct text *path, const char *part);

#endif
