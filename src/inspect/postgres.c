#include "inspect/postgres.h"

#include "base/compiler.h"
#include "probes.h"

/* The server refuses longer first packets (MAX_STARTUP_PACKET_LENGTH in its protocol header). */
#define PACKET_MAX 10000u
#define HEADER     8u

const unsigned char postgres_ssl_request[POSTGRES_REQUEST_LENGTH] = {0,    0,    0,    8,
                                                                     0x04, 0xd2, 0x16, 0x2f};

static const struct form {
    enum postgres_request request;
    uint32_t code, code_mask;
    uint32_t length_min, length_max;
} forms[] = {
    {POSTGRES_SSL, 80877103u, 0xffffffffu, HEADER, HEADER},
    {POSTGRES_GSSENC, 80877104u, 0xffffffffu, HEADER, HEADER},
    /* Process id, then a secret key: 4 bytes, up to 256 since protocol 3.2. */
    {POSTGRES_CANCEL, 80877102u, 0xffffffffu, 16, 268},
    /* Whatever the minor version. "user" is required: name, value, and the list's end. */
    {POSTGRES_STARTUP, 3u << 16, 0xffff0000u, 16, PACKET_MAX},
};

/* Could a big-endian number whose first bytes (at most four) are these lie in [low, high]? */
static bool number_fits(struct span bytes, uint32_t low, uint32_t high)
{
    uint32_t value = 0;
    size_t have = bytes.length < 4 ? bytes.length : 4;
    for (size_t i = 0; i < have; i++)
        value = value << 8 | bytes.data[i];
    unsigned missing = 8u * (4u - (unsigned)have);
    return missing == 32 || (value >= low >> missing && value <= high >> missing);
}

/* The first option's name begins with a letter or, for protocol options, "_pq_.". This also tells
 * the packet from Kafka's Metadata request, whose correlation id is there. */
static enum verdict startup_probe(struct span options)
{
    if (options.length == 0)
        return VERDICT_MORE;
    unsigned char c = options.data[0];
    bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    return name ? VERDICT_YES : VERDICT_NO;
}

static enum verdict form_probe(const struct form *form, struct span bytes)
{
    if (!number_fits(bytes, form->length_min, form->length_max) ||
        !number_fits(span_skip(bytes, 4), form->code, form->code | ~form->code_mask))
        return VERDICT_NO;
    if (bytes.length < HEADER)
        return VERDICT_MORE;
    return form->request == POSTGRES_STARTUP ? startup_probe(span_skip(bytes, HEADER))
                                             : VERDICT_YES;
}

enum verdict postgres_request_read(enum postgres_request *ret, struct span bytes)
{
    enum verdict verdict = VERDICT_NO;
    for (size_t i = 0; i < COUNT_OF(forms) && verdict != VERDICT_YES; i++) {
        enum verdict one = form_probe(&forms[i], bytes);
        if (one == VERDICT_YES)
            *ret = forms[i].request;
        if (one != VERDICT_NO)
            verdict = one;
    }
    return verdict;
}

enum verdict probe_postgres(struct span bytes)
{
    enum postgres_request request;
    return postgres_request_read(&request, bytes);
}
