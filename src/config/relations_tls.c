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
