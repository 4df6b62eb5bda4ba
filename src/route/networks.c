#include "route/networks.h"

static bool compile_set(struct cidr_set **ret, bool is_there, const struct cidr_list *list)
{
    return !is_there || cidr_set_create(ret, list->item, list->count);
}

bool networks_compile(struct networks *ret, const struct model_listener *model)
{
    *ret = (struct networks){0};
    return compile_set(&ret->accept_proxy, model->has_accept_proxy, &model->accept_proxy) &&
           compile_set(&ret->allow, model->has_allow, &model->allow) &&
           compile_set(&ret->deny, model->deny.count > 0, &model->deny);
}

void networks_release(struct networks *n)
{
    cidr_set_free(n->accept_proxy);
    cidr_set_free(n->allow);
    cidr_set_free(n->deny);
    *n = (struct networks){0};
}

enum admission networks_admit(const struct networks *n, const struct address *client)
{
    if (cidr_set_contains(n->deny, client))
        return ADMISSION_DENIED;
    return n->allow == NULL || cidr_set_contains(n->allow, client) ? ADMISSION_GRANTED
                                                                   : ADMISSION_NOT_ALLOWED;
}

bool networks_expect_proxy(const struct networks *n, const struct address *peer)
{
    return cidr_set_contains(n->accept_proxy, peer);
}

bool networks_guard_proxy(const struct networks *n)
{
    return n->accept_proxy != NULL;
}
