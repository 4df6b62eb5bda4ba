#include "relations.h"

#include <string.h>

static void missing(struct form *f, const char *key, const char *text)
{
    size_t back = form_enter_key(f, key);
    form_error(f, "missing (%s)", text);
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

static const char *mode_of(const json_t *tls)
{
    const json_t *auth = json_object_get(tls, "client_auth");
    return json_string_value(json_object_get(auth, "mode"));
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
