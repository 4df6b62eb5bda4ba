/* PostgreSQL: SSLRequest is answered with one byte, 'S' (a ClientHello follows) or 'N' (PostgreSQL
 * documentation, "SSL Session Encryption" and "GSSAPI Session Encryption" of the message flow). */
#include "dialects.h"
#include "inspect/postgres.h"

static const unsigned char gssenc_request[POSTGRES_REQUEST_LENGTH] = {0,    0,    0,    8,
                                                                      0x04, 0xd2, 0x16, 0x30};

/* The bytes are the request's, or its beginning. */
static bool could_be(struct span bytes, const unsigned char request[POSTGRES_REQUEST_LENGTH])
{
    struct span whole = span_of(request, POSTGRES_REQUEST_LENGTH);
    return span_begins(whole, span_first(bytes, POSTGRES_REQUEST_LENGTH));
}

/* GSSENCRequest is answered once: a client that asks again goes on as plain. */
struct starttls_turn postgres_starttls_client(struct span bytes, unsigned turns)
{
    bool ssl = could_be(bytes, postgres_ssl_request);
    bool gssenc = turns == 0 && could_be(bytes, gssenc_request);
    if (!ssl && !gssenc)
        return (struct starttls_turn){.step = STARTTLS_NO};
    if (bytes.length < POSTGRES_REQUEST_LENGTH)
        return (struct starttls_turn){.step = STARTTLS_MORE};
    if (ssl)
        return (struct starttls_turn){STARTTLS_TLS, POSTGRES_REQUEST_LENGTH, span_text("S"),
                                      "SSLRequest"};
    return (struct starttls_turn){STARTTLS_SAY, POSTGRES_REQUEST_LENGTH, span_text("N"),
                                  "GSSENCRequest"};
}

struct starttls_turn postgres_starttls_server(struct span bytes, unsigned turns)
{
    if (turns == 0)
        return (struct starttls_turn){
            .step = STARTTLS_SAY,
            .say = span_of(postgres_ssl_request, POSTGRES_REQUEST_LENGTH),
            .what = "nothing",
        };
    if (bytes.length == 0)
        return (struct starttls_turn){.step = STARTTLS_MORE};
    if (bytes.data[0] == 'N')
        return (struct starttls_turn){.step = STARTTLS_NO, .what = "it does not do TLS"};
    if (bytes.data[0] != 'S')
        return (struct starttls_turn){.step = STARTTLS_NO,
                                      .what = "its answer to SSLRequest is neither S nor N"};
    return (struct starttls_turn){.step = STARTTLS_TLS, .take = 1, .what = "answer to SSLRequest"};
}
