/* ask: documents of the gateway as JSON. */
#ifndef CTL_ASK_H
#define CTL_ASK_H

#include "client.h"
#include "commands.h"

#include <jansson.h>

/* Asks, and takes a status of 4xx or 5xx for a failure with the words of the answer. `ret` may be
 * NULL where nothing is to be read. To be released by the caller. */
bool ask(struct text *ret, const struct ctl *ctl, const char *method, const char *path,
         const char *body, struct error *error) MUST_CHECK;

/* The document at `path`; the caller's reference. */
bool ask_json(json_t **ret, const struct ctl *ctl, const char *path,
              struct error *error) MUST_CHECK;

/* As people read them. */
void command_draw_summary(const json_t *status, struct text *ret); /* of the status: the process */
void command_draw_status(const json_t *status, struct text *ret);
void command_draw_sessions(const json_t *sessions, struct text *ret);
void command_draw_pools(const json_t *pools, struct text *ret);
void command_draw_ledger(const json_t *rows, struct text *ret);
void command_draw_unknown(const json_t *unknown, struct text *ret);
void command_draw_certificates(const json_t *certificates, struct text *ret);
void command_draw_preview(const json_t *preview, struct text *ret); /* of a dry run */

/* What an answer that is no success says. */
void ask_explain(const struct client_answer *answer, struct error *error);

#endif
