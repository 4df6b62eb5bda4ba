/* The dashboard: files that are compiled in. They hold nothing secret, and ask for all they show.
 */
#include "desk.h"
#include "handlers.h"

#include <string.h>

struct asset {
    const char *name;
    struct span bytes;
};

#include "src/admin/dashboard.inc"

static const char *type_of(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".html", "text/html; charset=utf-8"},
                 {".css", "text/css; charset=utf-8"},
                 {".js", "text/javascript; charset=utf-8"},
                 {".svg", "image/svg+xml"}};
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < COUNT_OF(types); i++)
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    return TYPE_TEXT;
}

static void answer_file(struct http_request *request, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(assets); i++) {
        if (strcmp(assets[i].name, name) != 0)
            continue;
        http_answer(request, &(struct http_answer){.status = 200,
                                                   .type = type_of(name),
                                                   .constant = assets[i].bytes});
        return;
    }
    answer_error(request, 404, "there is nothing at this path");
}

void answer_page(struct admin *admin, struct http_request *request, const struct route_parts *parts)
{
    (void)admin;
    (void)parts;
    answer_file(request, "index.html");
}

void answer_asset(struct admin *admin, struct http_request *request,
                  const struct route_parts *parts)
{
    (void)admin;
    answer_file(request, parts->text[0]);
}
