#include "commands.h"

#include "ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- showing ---------------------------------------------------------------------------------- */

enum ctl_status command_show(struct text *text, struct error *error)
{
    bool good = !text->failed || error_memory(error);
    if (good && text->length > 0)
        (void)fwrite(text->data, 1, text->length, stdout);
    text_release(text);
    return good ? CTL_DONE : CTL_FAILED;
}

typedef void drawing(const json_t *document, struct text *ret);

/* With --json the document as it came, else as `draw` has it. */
static enum ctl_status show_document(const struct ctl *ctl, const char *path, drawing *draw,
                                     struct error *error)
{
    struct text text = {0};
    json_t *document;
    if (ctl->json)
        return ask(&text, ctl, "GET", path, NULL, error) ? command_show(&text, error) : CTL_FAILED;
    if (!ask_json(&document, ctl, path, error))
        return CTL_FAILED;
    draw(document, &text);
    json_decref(document);
    return command_show(&text, error);
}

/* --- looking ---------------------------------------------------------------------------------- */

static enum ctl_status run_status(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    return show_document(ctl, "/v1/status", command_draw_status, error);
}

/* Never NULL as long as it has a beginning. */
static void add_argument(struct text *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    text_format(path, "%c%s=", strchr(path->data, '?') == NULL ? '?' : '&', name);
    client_add_part(path, value);
}

static bool is_number(const char *text)
{
    return text == NULL ||
           (text[0] != '\0' && strlen(text) <= 18 && strspn(text, "0123456789") == strlen(text));
}

static enum ctl_status run_sessions(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    struct text path = {0};
    if (!is_number(ctl->generation) || !is_number(ctl->limit)) {
        (void)error_input(error, "--generation and --limit take a number");
        return CTL_USAGE;
    }
    text_add(&path, "/v1/sessions");
    if (!path.failed) {
        add_argument(&path, "generation", ctl->generation);
        add_argument(&path, "contains", ctl->contains);
        add_argument(&path, "limit", ctl->limit);
    }
    enum ctl_status status = CTL_FAILED;
    if (path.failed)
        (void)error_memory(error);
    else
        status = show_document(ctl, path.data, command_draw_sessions, error);
    text_release(&path);
    return status;
}

static enum ctl_status run_pools(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    return show_document(ctl, "/v1/pools", command_draw_pools, error);
}

static enum ctl_status run_certs(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    return show_document(ctl, "/v1/certificates", command_draw_certificates, error);
}

static enum ctl_status run_ledger(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    bool plain = (ctl->given & CTL_PLAIN) != 0;
    return show_document(ctl, plain ? "/v1/ledger?comes=plain" : "/v1/ledger", command_draw_ledger,
                         error);
}

static enum ctl_status run_unknown(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    return show_document(ctl, "/v1/unknown", command_draw_unknown, error);
}

/* --- changes ---------------------------------------------------------------------------------- */

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    return name == NULL ? "" : name;
}

/* POOL/SERVER, either of which may have a slash in it: what is there decides. */
static bool find_server(struct text *ret_path, const json_t *pools, const char *wanted)
{
    struct text whole = {0};
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(pools); i++) {
        const json_t *pool = json_array_get(pools, i), *servers = json_object_get(pool, "servers");
        for (size_t s = 0; !found && s < json_array_size(servers); s++) {
            const char *server = name_of(json_array_get(servers, s));
            text_clear(&whole);
            text_format(&whole, "%s/%s", name_of(pool), server);
            found = !whole.failed && strcmp(whole.data, wanted) == 0;
            if (!found)
                continue;
            text_add(ret_path, "/v1/pools/");
            client_add_part(ret_path, name_of(pool));
            text_add(ret_path, "/servers/");
            client_add_part(ret_path, server);
        }
    }
    text_release(&whole);
    return found;
}

static enum ctl_status change_server(const struct ctl *ctl, const char *body, struct error *error)
{
    struct text path = {0}, answer = {0};
    json_t *pools;
    if (!ask_json(&pools, ctl, "/v1/pools", error))
        return CTL_FAILED;
    bool good = find_server(&path, pools, ctl->words[0]) ||
                error_input(error, "there is no server %s (muxgatectl pools lists POOL/SERVER)",
                            ctl->words[0]);
    json_decref(pools);
    good = good && (!path.failed || error_memory(error)) &&
           ask(&answer, ctl, "PATCH", path.data, body, error);
    text_release(&path);
    if (!good)
        return CTL_FAILED;
    if (ctl->json)
        return command_show(&answer, error);
    text_release(&answer);
    return CTL_DONE;
}

static enum ctl_status run_state(const struct ctl *ctl, const char *name, struct error *error)
{
    char body[64];
    (void)snprintf(body, sizeof body, "{\"state\": \"%s\"}", name);
    return change_server(ctl, body, error);
}

static enum ctl_status run_weight(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    const char *weight = ctl->words[1];
    char body[64];
    if (!is_number(weight) || strtoul(weight, NULL, 10) > 256) {
        (void)error_input(error, "a weight is a number from 0 to 256, not \"%.40s\"", weight);
        return CTL_USAGE;
    }
    (void)snprintf(body, sizeof body, "{\"weight\": %lu}", strtoul(weight, NULL, 10));
    return change_server(ctl, body, error);
}

static enum ctl_status run_kill(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    struct text path = {0};
    text_add(&path, "/v1/sessions/");
    client_add_part(&path, ctl->words[0]);
    bool good = (!path.failed || error_memory(error)) &&
                ask(NULL, ctl, "DELETE", path.data, NULL, error);
    text_release(&path);
    return good ? CTL_DONE : CTL_FAILED;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct command commands[] = {
    {"status", 0, 0, "status",
     "what runs, since when, with how many sessions, and where it listens", run_status},
    {"sessions", 0, CTL_GENERATION | CTL_CONTAINS | CTL_LIMIT,
     "sessions [--generation N] [--contains TEXT] [--limit N]", "the live sessions", run_sessions},
    {"pools", 0, 0, "pools", "pools and their servers", run_pools},
    {"certs", 0, 0, "certs", "the certificates that are served, or shown to servers", run_certs},
    {"ledger", 0, CTL_PLAIN, "ledger [--plain]", "who comes in plain, and who has moved to TLS",
     run_ledger},
    {"unknown", 0, 0, "unknown", "what no rule took, and a rule that would", run_unknown},
    {"drain", 1, 0, "drain POOL/SERVER", "no new sessions for it; it is still checked", run_state},
    {"ready", 1, 0, "ready POOL/SERVER", "new sessions again", run_state},
    {"maint", 1, 0, "maint POOL/SERVER", "no new sessions, no checks", run_state},
    {"weight", 2, 0, "weight POOL/SERVER N", "its share, 0 to 256", run_weight},
    {"kill", 1, 0, "kill ID", "end a session", run_kill},
    {"reload", 0, CTL_DRY_RUN | CTL_LIMIT | CTL_CONFIRM,
     "reload [--dry-run [--limit N] | --confirm TIME]",
     "read the configuration anew, or say what is wrong with it; --dry-run: only say what would be "
     "different; --confirm: the one before comes back after that time, unless",
     command_reload},
    {"confirm", 0, 0, "confirm", "the configuration that waits for it stays", command_confirm},
    {"top", 0, CTL_DELAY | CTL_COUNT, "top [-d SECONDS] [-n COUNT]", "a live view", command_top},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const struct command *command_at(unsigned i)
{
    return i < COUNT_OF(commands) ? &commands[i] : NULL;
}
