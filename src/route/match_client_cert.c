#include "match_client_cert.h"

#include "base/name.h"

#include <stdio.h>
#include <stdlib.h>

#define PATH_MAX_LENGTH 512

static bool refuse(const struct match *match, const char *key, size_t item, const char *why,
                   struct problems *problems)
{
    char path[PATH_MAX_LENGTH];
    snprintf(path, sizeof path, "%s.client_cert.%s[%zu]", match->model->path, key, item);
    problems_error(problems, path, "%s", why);
    return false;
}

/* Any text can be a common name; one that begins with a star is meant as a pattern. */
static bool check_cn(const struct match *match, size_t item, struct problems *problems)
{
    char normal[NAME_MAX_LENGTH + 3];
    const char *text = match->model->client_cert.cn.item[item];
    if (text[0] != '*' || /* also what a draft lacks */
        name_normalise_pattern(normal, span_text(text)))
        return true;
    return refuse(match, "cn", item,
                  "a * stands for whole labels of a host name: \"*.example.com\"", problems);
}

bool match_client_cert_compile(struct match *match, struct problems *problems)
{
    const struct model_client_cert *model = &match->model->client_cert;
    bool ok = true;
    match->sans = calloc(model->san.count + 1, sizeof *match->sans);
    if (match->sans == NULL) {
        problems_error(problems, match->model->path, "out of memory");
        return false;
    }
    for (size_t i = 0; i < model->cn.count; i++)
        ok = check_cn(match, i, problems) && ok;
    for (size_t i = 0; i < model->san.count; i++) {
        struct error error;
        if (model->san.item[i][0] != '\0' && /* as a draft lacks it */
            !san_parse(&match->sans[i], model->san.item[i], &error))
            ok = refuse(match, "san", i, error.text, problems);
    }
    return ok;
}

void match_client_cert_release(struct match *match)
{
    for (size_t i = 0; match->sans != NULL && i < match->model->client_cert.san.count; i++)
        free(match->sans[i].text);
    free(match->sans);
}

static bool has_any_cn(const struct match *match, const struct client_cert *cert)
{
    const struct string_list *cns = &match->model->client_cert.cn;
    for (size_t i = 0; i < cns->count; i++)
        if (client_cert_has_cn(cert, cns->item[i]))
            return true;
    return cns->count == 0;
}

static bool has_any_san(const struct match *match, const struct client_cert *cert)
{
    size_t count = match->model->client_cert.san.count;
    for (size_t i = 0; i < count; i++)
        if (client_cert_has_san(cert, &match->sans[i]))
            return true;
    return count == 0;
}

bool match_client_cert_ask(const struct match *match, const struct client_cert *cert)
{
    return cert != NULL && has_any_cn(match, cert) && has_any_san(match, cert);
}

/* --- which one is wider ----------------------------------------------------------------------- */

uint64_t match_client_cert_cover_cost(const struct match *wide, const struct match *narrow)
{
    const struct model_client_cert *w = &wide->model->client_cert, *n = &narrow->model->client_cert;
    return (uint64_t)w->cn.count * n->cn.count + (uint64_t)w->san.count * n->san.count;
}

static bool covers_cns(const struct string_list *wide, const struct string_list *narrow)
{
    if (wide->count == 0)
        return true;
    for (size_t i = 0; i < narrow->count; i++) {
        struct client_cert one = {.cn = narrow->item[i]};
        size_t j = 0;
        while (j < wide->count && strcmp(wide->item[j], narrow->item[i]) != 0 &&
               (narrow->item[i][0] == '*' || !client_cert_has_cn(&one, wide->item[j])))
            j++;
        if (j == wide->count)
            return false;
    }
    return narrow->count > 0;
}

/* A name that is asked for is taken for one that a certificate has. */
static bool covers_sans(const struct match *wide, const struct match *narrow)
{
    if (wide->model->client_cert.san.count == 0)
        return true;
    for (size_t i = 0; i < narrow->model->client_cert.san.count; i++) {
        struct client_cert one = {.san = &narrow->sans[i], .san_count = 1};
        if (!has_any_san(wide, &one))
            return false;
    }
    return narrow->model->client_cert.san.count > 0;
}

bool match_client_cert_covers(const struct match *wide, const struct match *narrow)
{
    return covers_cns(&wide->model->client_cert.cn, &narrow->model->client_cert.cn) &&
           covers_sans(wide, narrow);
}
