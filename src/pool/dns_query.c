/* One question: a name's addresses, or an SRV name's targets and then theirs. */
#include "dns_private.h"
#include "dns_ttl.h"

#include <arpa/nameser.h>
#include <stdio.h>
#include <stdlib.h>

/* Targets of an SRV name that are looked up; more are left out. */
#define TARGETS_MAX 64u

struct query {
    struct dns *dns;
    dns_done *on_done;
    void *context;
    struct found_list list;
    uint32_t ttl_s; /* UINT32_MAX: none yet */
    unsigned pending;
    bool srv, out_of_memory;
    const char *failure; /* nobody can tell now */
    const char *missing; /* there is no such name */
};

/* One name of the question that is being looked up. */
struct target {
    struct query *query;
    unsigned priority, weight;
    uint16_t port;
    char host[NAME_MAX_LENGTH + 1]; /* of an SRV record; "": of the question itself */
};

/* A name that is not there takes its servers with it, as long as others have some: an SRV record
 * may outlive what it points to. One that cannot be asked spoils the whole answer. */
static void end_query(struct query *q)
{
    struct dns_answer answer = {.list = &q->list, .failure = q->failure};
    found_settle(&q->list, q->srv);
    if (q->out_of_memory)
        answer.failure = "out of memory";
    else if (answer.failure == NULL && q->list.count == 0)
        answer.failure = q->missing == NULL ? "no address" : q->missing;
    answer.ttl_s = q->ttl_s == UINT32_MAX ? 0 : q->ttl_s;
    q->on_done(q->context, &answer);
}

static void release(struct query *q)
{
    if (--q->pending > 0)
        return;
    q->dns->asked--;
    if (!q->dns->stopping)
        end_query(q);
    found_release(&q->list);
    free(q);
}

static void note_status(struct query *q, int status)
{
    if (status == ARES_ENOTFOUND || status == ARES_ENODATA)
        q->missing = ares_strerror(status);
    else
        q->failure = ares_strerror(status);
}

static void note_ttl(struct query *q, uint32_t ttl_s)
{
    q->ttl_s = ttl_s < q->ttl_s ? ttl_s : q->ttl_s;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Names are blocked by answers like these, and Linux would connect to this very host. */
static bool stands_for_any(const struct address *address)
{
    return address->any.sa_family == AF_INET ? address->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                             : IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr);
}

static void add_address(const struct target *t, const struct ares_addrinfo_node *node)
{
    struct found found = {.address = address_of(node->ai_addr, node->ai_addrlen),
                          .weight = t->weight,
                          .priority = t->priority};
    address_set_port(&found.address, t->port);
    memcpy(found.host, t->host, sizeof found.host);
    if (!address_is_ip(&found.address) || stands_for_any(&found.address))
        return;
    if (!found_add(&t->query->list, &found))
        t->query->out_of_memory = true;
    note_ttl(t->query, node->ai_ttl < 0 ? 0 : (uint32_t)node->ai_ttl);
}

static void on_addresses(void *context, int status, int timeouts, struct ares_addrinfo *info)
{
    struct target *t = context;
    struct query *q = t->query;
    (void)timeouts;
    if (status != ARES_SUCCESS)
        note_status(q, status);
    for (const struct ares_addrinfo_node *n = info == NULL ? NULL : info->nodes; n != NULL;
         n = n->ai_next)
        add_address(t, n);
    if (info != NULL)
        ares_freeaddrinfo(info);
    free(t);
    release(q);
}

static void ask_addresses(struct query *q, const char *name, const struct target *what)
{
    const struct ares_addrinfo_hints hints = {
        .ai_family = q->dns->family, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct target *t = malloc(sizeof *t);
    if (t == NULL) {
        q->out_of_memory = true;
        return;
    }
    *t = *what;
    t->query = q;
    q->pending++;
    ares_getaddrinfo(q->dns->channel, name, NULL, &hints, on_addresses, t);
}

/* --- SRV -------------------------------------------------------------------------------------- */

/* RFC 2782: the target "." says that there is no such service. What is no host name cannot be the
 * name of a server either. */
static bool read_target(struct target *ret, const struct ares_srv_reply *record)
{
    *ret = (struct target){
        .priority = record->priority, .weight = record->weight, .port = record->port};
    return record->port != 0 && record->host != NULL && strcmp(record->host, ".") != 0 &&
           name_normalise(ret->host, span_text(record->host));
}

/* The dot at its end keeps it out of the search list: a record's target is a whole name. */
static void ask_target(struct query *q, const struct target *target)
{
    char whole[sizeof target->host + 1];
    (void)snprintf(whole, sizeof whole, "%s.", target->host);
    ask_addresses(q, whole, target);
}

static void ask_targets(struct query *q, const struct ares_srv_reply *record)
{
    for (unsigned i = 0; record != NULL; record = record->next, i++) {
        struct target target;
        if (i == TARGETS_MAX) {
            q->list.cut = true;
            return;
        }
        if (read_target(&target, record))
            ask_target(q, &target);
    }
}

static void on_srv(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
    struct query *q = context;
    struct ares_srv_reply *records = NULL;
    uint32_t ttl_s;
    (void)timeouts;
    if (status == ARES_SUCCESS)
        status = ares_parse_srv_reply(bytes, length, &records);
    if (status != ARES_SUCCESS) {
        note_status(q, status);
    } else if (!q->dns->stopping) {
        if (dns_least_ttl(span_of(bytes, (size_t)length), &ttl_s))
            note_ttl(q, ttl_s);
        ask_targets(q, records);
    }
    if (records != NULL)
        ares_free_data(records);
    release(q);
}

/* --- asking ----------------------------------------------------------------------------------- */

bool dns_ask(struct dns *dns, const struct model_address *what, dns_done *on_done, void *context)
{
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL)
        return false;
    q->dns = dns;
    q->on_done = on_done;
    q->context = context;
    q->srv = what->kind == HOST_SRV;
    q->ttl_s = UINT32_MAX;
    q->pending = 1; /* ours: answers may come while we are asking */
    dns->asked++;
    if (q->srv) {
        q->pending++;
        ares_query(dns->channel, what->name, ns_c_in, ns_t_srv, on_srv, q);
    } else {
        ask_addresses(q, what->name, &(struct target){.weight = 1, .port = what->port});
    }
    release(q);
    dns_set_timer(dns);
    return true;
}
