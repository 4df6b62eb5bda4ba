#include "relations.h"

#include "base/units.h"

#include <string.h>

static void missing(struct form *f, const char *key, const char *text)
{
    size_t back = form_enter_key(f, key);
    form_conflict(f, "missing (%s)", text);
    form_leave(f, back);
}

/* A file of CAs without a mode would look like a lock and be none: the mode must be said. */
void relations_check_client_auth(struct relations *r, const json_t *tls, const json_t *own)
{
    struct form *f = r->form;
    const json_t *auth = json_object_get(tls, "client_auth");
    if (!json_is_object(auth) || json_object_get(own, "client_auth") == NULL)
        return;
    const json_t *mode = json_object_get(auth, "mode");
    const char *text = json_string_value(mode);
    size_t back = form_enter_key(f, "client_auth");
    if (mode == NULL)
        missing(f, "mode", "write \"none\", \"request\" or \"require\"");
    else if (text != NULL && strcmp(text, "none") != 0 && json_object_get(auth, "ca") == NULL)
        missing(f, "ca", "whose certificates are to be taken?");
    form_leave(f, back);
}

/* Each key is kept until the last ticket that it sealed has died. */
#define KEYS_AT_ONCE_MAX 100u

static uint64_t ms_of(const json_t *tickets, enum key_id id)
{
    const char *text = json_string_value(json_object_get(tickets, key_at(id)->name));
    uint64_t ms = 0;
    if (draft_is_unknown(tickets, key_at(id)->name) ||
        !duration_parse(&ms, span_text(text == NULL ? key_at(id)->fallback : text)))
        return 0;
    return ms;
}

void relations_check_tickets(struct relations *r, const json_t *tls, const json_t *own)
{
    struct form *f = r->form;
    const json_t *tickets = json_object_get(tls, "session_tickets");
    if (!json_is_object(tickets) || json_object_get(own, "session_tickets") == NULL)
        return;
    uint64_t lifetime = ms_of(tickets, KEY_session_tickets_lifetime);
    uint64_t rotate = ms_of(tickets, KEY_session_tickets_rotate);
    size_t back = form_enter_key(f, "session_tickets");
    bool given = json_object_get(tickets, "keys") != NULL;
    (void)form_enter_key(f, "rotate");
    if (given && json_object_get(json_object_get(own, "session_tickets"), "rotate") != NULL)
        problems_warning(f->problems, f->path.data,
                         "no effect with \"keys\": those rotate by changing the file");
    else if (!given && rotate > 0 && lifetime / rotate > KEYS_AT_ONCE_MAX)
        form_conflict(f, "too short for this lifetime: more than %u keys would be kept",
                      KEYS_AT_ONCE_MAX);
    form_leave(f, back);
}

/* NULL: none is said; "": one that nobody knows. */
static const char *mode_of(const json_t *tls)
{
    const json_t *auth = json_object_get(tls, "client_auth");
    const json_t *mode = json_object_get(auth, "mode");
    return json_is_null(tls) || json_is_null(auth) || json_is_null(mode) ? ""
                                                                         : json_string_value(mode);
}

static void warn_of_match(struct form *f, const json_t *match)
{
    size_t back = form_enter_key(f, "match");
    while (json_is_object(match)) {
        size_t here = form_enter_key(f, "client_cert");
        if (json_object_get(match, "client_cert") != NULL)
            problems_warning(f->problems, f->path.data,
                             "never holds: no client is asked for a certificate here (set mode of "
                             "client_auth)");
        form_leave(f, here);
        match = json_object_get(match, "not");
        (void)form_enter_key(f, "not");
    }
    form_leave(f, back);
}

void relations_warn_client_cert(struct relations *r, const json_t *tls, const json_t *rule)
{
    struct form *f = r->form;
    const json_t *rules = json_object_get(rule, "rules");
    const char *own = mode_of(json_object_get(rule, "policy"));
    const char *mode = own != NULL ? own : mode_of(tls);
    if (mode != NULL && strcmp(mode, "none") != 0)
        return;
    size_t back = form_enter_key(f, "rules");
    for (size_t i = 0; i < json_array_size(rules); i++) {
        size_t list = form_enter_index(f, i);
        warn_of_match(f, json_object_get(json_array_get(rules, i), "match"));
        form_leave(f, list);
    }
    form_leave(f, back);
}
