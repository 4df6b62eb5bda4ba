/* reload, confirm: another configuration. */
#include "ask.h"
#include "base/confirm.h"

#include <stdio.h>
#include <string.h>

/* The lines are what the gateway printed: they are shown as they are. */
static void print_lines(const json_t *body)
{
    const json_t *lines = json_object_get(body, "errors");
    for (size_t i = 0; i < json_array_size(lines); i++)
        (void)fprintf(stderr, "%s\n", json_string_value(json_array_get(lines, i)));
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void print_warnings(const json_t *body)
{
    const json_t *warnings = json_object_get(body, "warnings");
    for (size_t i = 0; i < json_array_size(warnings); i++)
        (void)fprintf(stderr, "%s\n", json_string_value(json_array_get(warnings, i)));
}

static void print_done(const json_t *body)
{
    const char *summary = word(body, "summary");
    const json_t *confirm = json_object_get(body, "confirm");
    print_warnings(body);
    (void)printf("reloaded%s%s\n", summary[0] == '\0' ? "" : "; changes: ", summary);
    if (confirm != NULL)
        (void)printf("generation %lld comes back at %s unless you confirm: muxgatectl confirm\n",
                     (long long)json_integer_value(json_object_get(confirm, "otherwise")),
                     word(confirm, "until"));
}

static void print_preview(const json_t *body)
{
    struct text text = {0};
    print_warnings(body);
    command_draw_preview(body, &text);
    if (!text.failed && text.length > 0)
        (void)fwrite(text.data, 1, text.length, stdout);
    text_release(&text);
}

/* What a change of the configuration was answered with. */
static enum ctl_status tell(const struct ctl *ctl, struct client_answer *answer,
                            void (*print)(const json_t *body), struct error *error)
{
    bool good = answer->status == 200;
    if (!good)
        ask_explain(answer, error);
    if (ctl->json)
        return command_show(&answer->body, error) == CTL_DONE && good ? CTL_DONE : CTL_FAILED;
    json_t *body = json_loadb(answer->body.data == NULL ? "" : answer->body.data,
                              answer->body.length, 0, NULL);
    if (good)
        print(body);
    else
        print_lines(body);
    json_decref(body);
    text_release(&answer->body);
    return good ? CTL_DONE : CTL_FAILED;
}

static enum ctl_status ask_reload(const struct ctl *ctl, const char *path, struct error *error)
{
    struct client_answer answer;
    bool dry = (ctl->given & CTL_DRY_RUN) != 0;
    if (!client_ask(&answer, ctl->socket, "POST", path, NULL, error))
        return CTL_FAILED;
    return tell(ctl, &answer, dry ? print_preview : print_done, error);
}

static bool is_understood(const struct ctl *ctl, struct error *error)
{
    uint64_t ms;
    bool dry = (ctl->given & CTL_DRY_RUN) != 0;
    if (dry && ctl->confirm != NULL)
        return error_input(error, "--dry-run and --confirm do not go together");
    if (!dry && ctl->limit != NULL)
        return error_input(error, "--limit goes with --dry-run");
    if (ctl->limit != NULL && (ctl->limit[0] == '\0' || strlen(ctl->limit) > 18 ||
                               strspn(ctl->limit, "0123456789") != strlen(ctl->limit)))
        return error_input(error, "--limit takes a number");
    if (ctl->confirm == NULL)
        return true;
    if (!duration_parse(&ms, span_text(ctl->confirm)))
        return error_input(error, "--confirm takes a time like 60s or 10m, not \"%.40s\"",
                           ctl->confirm);
    return confirm_may_last(ms) ||
           error_input(error, "--confirm takes a time from 1s to 1d, not \"%.40s\"", ctl->confirm);
}

enum ctl_status command_reload(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    struct text path = {0};
    if (!is_understood(ctl, error))
        return CTL_USAGE;
    text_add(&path, "/v1/reload");
    if (ctl->confirm != NULL)
        text_format(&path, "?confirm=%s", ctl->confirm);
    if ((ctl->given & CTL_DRY_RUN) != 0)
        text_add(&path, "?dry_run=true");
    if (ctl->limit != NULL)
        text_format(&path, "&limit=%s", ctl->limit);
    enum ctl_status status = CTL_FAILED;
    if (path.failed)
        (void)error_memory(error);
    else
        status = ask_reload(ctl, path.data, error);
    text_release(&path);
    return status;
}

static void print_confirmed(const json_t *body)
{
    (void)printf("generation %lld stays\n",
                 (long long)json_integer_value(json_object_get(body, "generation")));
}

enum ctl_status command_confirm(const struct ctl *ctl, const char *name, struct error *error)
{
    (void)name;
    struct client_answer answer;
    if (!client_ask(&answer, ctl->socket, "POST", "/v1/confirm", NULL, error))
        return CTL_FAILED;
    return tell(ctl, &answer, print_confirmed, error);
}
