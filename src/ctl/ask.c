#include "ask.h"

#include <stdio.h>

void ask_explain(const struct client_answer *answer, struct error *error)
{
    json_t *body = json_loadb(answer->body.data == NULL ? "" : answer->body.data,
                              answer->body.length, 0, NULL);
    const char *text = json_string_value(json_object_get(body, "error"));
    if (text != NULL)
        (void)error_input(error, "%s", text);
    else
        (void)error_input(error, "muxgate answers %u", answer->status);
    json_decref(body);
}

bool ask(struct text *ret, const struct ctl *ctl, const char *method, const char *path,
         const char *body, struct error *error)
{
    struct client_answer answer;
    if (!client_ask(&answer, ctl->socket, method, path, body, error))
        return false;
    bool good = answer.status >= 200 && answer.status < 300;
    if (!good)
        ask_explain(&answer, error);
    if (!good && ctl->json && answer.body.length > 0)
        (void)fwrite(answer.body.data, 1, answer.body.length, stdout);
    if (good && ret != NULL)
        *ret = answer.body;
    else
        text_release(&answer.body);
    return good;
}

bool ask_json(json_t **ret, const struct ctl *ctl, const char *path, struct error *error)
{
    struct text body;
    if (!ask(&body, ctl, "GET", path, NULL, error))
        return false;
    *ret = json_loadb(body.data == NULL ? "" : body.data, body.length, 0, NULL);
    text_release(&body);
    return *ret != NULL || error_input(error, "what answers there is no muxgate");
}
