/* PROXY_HEADER: a connection from a source in accept_proxy must begin with a PROXY header. It may
 * arrive in any number of pieces; it is looked at in place and taken whole. */
#include "inspect/proxy_header.h"
#include "session/session.h"

#include <stdlib.h>
#include <sys/socket.h>

void phase_proxy_begin(struct session *s)
{
    session_set_deadline(s, session_model(s)->inspect_delay_ms);
    phase_proxy_step(s, EV_READ, 0);
}

static void take_addresses(struct session *s, const struct proxy_header *header)
{
    if (!header->has_addresses)
        return;
    s->client_ip = address_to_ip(&header->source);
    struct notes *notes = session_notes(s);
    if (notes == NULL)
        return;
    free(notes->destination);
    notes->destination = malloc(sizeof *notes->destination);
    if (notes->destination != NULL)
        *notes->destination = header->destination;
}

/* Only where a pool of this listener passes fields on; at most PROXY_HEADER_MAX bytes. */
static void keep_fields(struct session *s, const struct proxy_header *header)
{
    if (!s->listener->passes_tlvs || header->tlvs.length == 0)
        return;
    struct notes *notes = session_notes(s);
    unsigned char *tlvs = notes == NULL ? NULL : malloc(header->tlvs.length);
    if (tlvs == NULL)
        return;
    memcpy(tlvs, header->tlvs.data, header->tlvs.length);
    free(notes->tlvs);
    notes->tlvs = tlvs;
    notes->tlvs_length = (uint16_t)header->tlvs.length;
}

static void take_header(struct session *s, const struct proxy_header *header)
{
    take_addresses(s, header);
    keep_fields(s, header);
    peek_done(s);
    /* The bytes are known to be there: this is the header's length exactly, not one byte more. */
    ssize_t taken = recv(s->client.fd, s->engine->scratch, header->length, 0);
    if (taken != (ssize_t)header->length)
        session_fail(s, END_internal, "the PROXY header could not be taken");
    else
        session_enter(s, PHASE_INSPECT);
}

static void refuse(struct session *s, const char *reason)
{
    session_fail(s, END_bad_proxy_header, "%s", reason);
}

void phase_proxy_step(struct session *s, int client_events, int server_events)
{
    (void)client_events;
    (void)server_events;
    struct span bytes;
    enum peek peek = peek_look(s, &bytes);
    if (peek == PEEK_ENDED || peek == PEEK_NOTHING_NEW)
        return;
    struct proxy_header header;
    switch (proxy_header_parse(&header, bytes)) {
    case VERDICT_YES:
        take_header(s, &header);
        break;
    case VERDICT_NO:
        refuse(s, "the connection does not begin with a PROXY header");
        break;
    case VERDICT_BROKEN:
        refuse(s, header.reason);
        break;
    case VERDICT_MORE:
        if (peek == PEEK_FINISHED)
            refuse(s, "the connection ended within the PROXY header");
        else
            peek_wait_for(s, header.need);
        break;
    }
}

void phase_proxy_expire(struct session *s)
{
    refuse(s, "no whole PROXY header within inspect_delay");
}
