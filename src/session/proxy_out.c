#include "proxy_out.h"

#include "inspect/client_cert.h"
#include "inspect/proxy_header.h"

#include <stdlib.h>

static struct address destination_of(const struct session *s)
{
    struct address destination = {0};
    if (s->notes != NULL && s->notes->destination != NULL)
        return *s->notes->destination;
    if (!socket_local(s->client.fd, &destination))
        destination.length = 0;
    return destination;
}

/* --- v2-tls ----------------------------------------------------------------------------------- */

/* What the texts in struct proxy_fields point into. */
struct told {
    struct proxy_ssl ssl;
    struct tls_served served;
    char id[SESSION_ID_MAX];
};

static void tell_of_tls(const struct session *s, struct told *told, struct proxy_fields *fields)
{
    struct tls_facts facts;
    tls_get_facts(&s->client, &facts);
    tls_get_served(&s->client, &told->served);
    told->ssl = (struct proxy_ssl){.version = facts.version,
                                   .cipher = facts.cipher,
                                   .key_algorithm = told->served.key_algorithm,
                                   .signature_algorithm = told->served.signature_algorithm,
                                   .cn = facts.client_cert == NULL ? NULL : facts.client_cert->cn,
                                   .verified = facts.client_cert != NULL,
                                   .resumed = facts.resumed};
    fields->ssl = &told->ssl;
    fields->alpn = facts.alpn;
}

/* A name that is none in form is shown in the log, but is nothing to go by. */
static void tell_all(const struct session *s, struct told *told, struct proxy_fields *fields)
{
    session_format_id(s, told->id);
    fields->checksum = true;
    fields->unique_id = span_text(told->id);
    if (s->terminates)
        tell_of_tls(s, told, fields);
    else if (s->is_tls && s->notes != NULL)
        fields->alpn = span_text(s->notes->alpn);
    if (s->is_tls && s->notes != NULL && s->notes->sni_is_name)
        fields->authority = span_text(s->notes->sni);
}

/* --- the header ------------------------------------------------------------------------------- */

static size_t add_fields(const struct session *s, const struct model_pool *model,
                         unsigned char *room, size_t length)
{
    struct told told;
    struct proxy_fields fields = {.passed = model->pass_tlvs,
                                  .passed_count = model->pass_tlv_count};
    if (s->notes != NULL)
        fields.received = span_of(s->notes->tlvs, s->notes->tlvs_length);
    if (model->proxy_protocol == PROXY_V2_TLS)
        tell_all(s, &told, &fields);
    return proxy_header_add_fields(room, length, &fields);
}

static size_t write_header(const struct session *s, const struct model_pool *model,
                           unsigned char *room)
{
    struct address source = address_from_ip(&s->client_ip), destination = destination_of(s);
    if (model->proxy_protocol == PROXY_V1)
        return proxy_header_write_v1(room, &source, &destination);
    return add_fields(s, model, room, proxy_header_write_v2(room, &source, &destination));
}

static bool put_in_front(struct buffer *held, struct span header)
{
    struct buffer whole = {0};
    if (!buffer_append(&whole, header) || !buffer_append(&whole, buffer_span(held))) {
        buffer_release(&whole);
        return false;
    }
    buffer_release(held);
    *held = whole;
    return true;
}

struct span proxy_out_write(struct session *s)
{
    const struct model_pool *model = pool_model(s->listener->targets[s->rule->index].pool);
    unsigned char *room = s->engine->scratch;
    if (model->proxy_protocol == PROXY_OFF)
        return span_of(NULL, 0);
    return span_of(room, write_header(s, model, room));
}

void proxy_out_forget(struct session *s)
{
    if (s->notes == NULL)
        return;
    free(s->notes->tlvs);
    s->notes->tlvs = NULL;
    s->notes->tlvs_length = 0;
}

bool proxy_out_put(struct session *s)
{
    struct span header = proxy_out_write(s);
    return header.length == 0 || put_in_front(&s->relay.lane[DIRECTION_UP].held, header);
}
