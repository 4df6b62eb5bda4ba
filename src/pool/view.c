#include "view.h"

#include "core.h"
#include "maglev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void view_free(struct view *view)
{
    if (view == NULL)
        return;
    for (unsigned i = 0; i < view->count; i++)
        server_unref(view->items[i].server);
    maglev_free(view->tables[false]);
    maglev_free(view->tables[true]);
    free(view->items);
    free(view);
}

struct member *view_find(const struct view *view, const char *name)
{
    for (unsigned i = 0; view != NULL && i < view->count; i++) {
        if (strcmp(view->items[i].name, name) == 0)
            return &view->items[i];
    }
    return NULL;
}

/* --- building --------------------------------------------------------------------------------- */

bool view_begin(struct view_draft *draft, struct pool_core *core, const struct model_pool *model)
{
    *draft = (struct view_draft){.core = core, .model = model};
    draft->view = calloc(1, sizeof *draft->view);
    if (draft->view == NULL)
        return false;
    draft->view->balance = model->balance;
    draft->view->hash_on = model->hash_on;
    draft->view->slow_start_us = model->slow_start_ms * 1000;
    return true;
}

static bool make_room(struct view_draft *draft)
{
    struct view *view = draft->view;
    if (view->count < draft->capacity)
        return true;
    unsigned capacity = draft->capacity == 0 ? 8 : 2 * draft->capacity;
    struct member *items = reallocarray(view->items, capacity, sizeof *items);
    if (items == NULL)
        return false;
    view->items = items;
    draft->capacity = capacity;
    return true;
}

/* Takes over the reference to the member's server. */
static bool append(struct view_draft *draft, const struct member *member)
{
    if (!make_room(draft)) {
        server_unref(member->server);
        return false;
    }
    draft->view->items[draft->view->count++] = *member;
    return true;
}

/* The live server goes on where item and address are still the same. */
static struct server *carry_or_create(const struct view_draft *draft, const char *item,
                                      const struct pool_address *found)
{
    struct server *live = core_find(draft->core, item, found);
    if (live == NULL)
        return server_create(draft->core, draft->model->name, item, found);
    server_ref(live);
    return live;
}

static bool add_named(struct view_draft *draft, const struct member *member, struct error *error)
{
    if (view_find(draft->view, member->name) == NULL)
        return append(draft, member) || error_memory(error);
    bool good = error_input(
        error, "the pool already has a server named \"%s\" (give one of them a \"name\")",
        member->name);
    server_unref(member->server);
    return good;
}

/* Without its scratch, which workers may be writing to. */
bool view_add_member(struct view_draft *draft, const struct member *member, struct error *error)
{
    const struct member copy = {.server = member->server,
                                .name = member->name,
                                .item = member->item,
                                .configured = member->configured,
                                .backup = member->backup,
                                .state = member->state,
                                .most = member->most};
    server_ref(copy.server);
    return add_named(draft, &copy, error);
}

static bool add_address(struct view_draft *draft, unsigned item, const struct pool_address *found,
                        struct error *error)
{
    const struct model_server *model = &draft->model->servers[item];
    struct pool_address whole = *found;
    if (whole.host == NULL)
        whole.host = model->address.name;
    struct member member = {
        .server = carry_or_create(draft, model->name, &whole),
        .item = item,
        .configured = found->weight,
        .backup = found->backup,
        .state = model->state,
        .most = model->max_sessions,
    };
    if (member.server == NULL)
        return error_memory(error);
    member.name = server_name_with(member.server, found->suffix);
    if (member.name != NULL)
        return add_named(draft, &member, error);
    server_unref(member.server);
    return error_memory(error);
}

bool view_add_item(struct view_draft *draft, unsigned item, const struct pool_address *found,
                   size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!add_address(draft, item, &found[i], error))
            return false;
    }
    return true;
}

struct view *view_finish(struct view_draft *draft)
{
    struct view *view = draft->view;
    for (unsigned i = 0; i < view->count; i++) {
        struct member *m = &view->items[i];
        m->weight = server_weight_for(m->server, m->configured);
    }
    if (view->balance == BALANCE_HASH && (!maglev_create(&view->tables[false], view, false) ||
                                          !maglev_create(&view->tables[true], view, true)))
        return NULL;
    draft->view = NULL;
    return view;
}

void view_abandon(struct view_draft *draft)
{
    view_free(draft->view);
    draft->view = NULL;
}
