#include "fuzz.h"

#include "inspect/proxy_header.h"

static void check_written(const struct proxy_header *header)
{
    unsigned char room[PROXY_HEADER_MAX];
    for (int version = 1; version <= 2; version++) {
        struct proxy_header again;
        size_t length = version == 1
                            ? proxy_header_write_v1(room, &header->source, &header->destination)
                            : proxy_header_write_v2(room, &header->source, &header->destination);
        PROMISE(proxy_header_parse(&again, span_of(room, length)) == VERDICT_YES);
        PROMISE(again.length == length && again.has_addresses);
        PROMISE(address_equal(&again.source, &header->source));
        PROMISE(address_equal(&again.destination, &header->destination));
    }
}

/* What goes on to a server is a whole header again, whatever came in. */
static void check_passed(const struct proxy_header *header)
{
    static const uint8_t passed[] = {
        PROXY_TLV_ALPN, PROXY_TLV_AUTHORITY, PROXY_TLV_UNIQUE_ID, PROXY_TLV_SSL, 0x30, 0xea};
    unsigned char room[PROXY_HEADER_MAX];
    struct proxy_ssl ssl = {.version = "TLSv1.3"};
    struct proxy_fields fields = {.checksum = true,
                                  .received = header->tlvs,
                                  .passed = passed,
                                  .passed_count = COUNT_OF(passed),
                                  .ssl = &ssl,
                                  .authority = span_text("own")};
    struct proxy_header again;
    size_t length = proxy_header_write_v2(room, &header->source, &header->destination);
    length = proxy_header_add_fields(room, length, &fields);
    PROMISE(length <= sizeof room);
    PROMISE(proxy_header_parse(&again, span_of(room, length)) == VERDICT_YES);
    PROMISE(again.length == length);
    PROMISE(header->authority.data == NULL || span_equal(again.authority, header->authority));
}

static void check_whole(const struct proxy_header *header, struct span bytes)
{
    struct span whole = span_first(bytes, header->length);
    struct proxy_header shorter;
    PROMISE(header->length <= bytes.length && header->length <= PROXY_HEADER_MAX);
    PROMISE(fuzz_inside(header->tlvs, whole) && fuzz_inside(header->ssl, header->tlvs));
    PROMISE(fuzz_inside(header->alpn, header->tlvs));
    PROMISE(fuzz_inside(header->authority, header->tlvs));
    PROMISE(fuzz_inside(header->unique_id, header->tlvs));
    PROMISE(proxy_header_parse(&shorter, span_first(bytes, header->length - 1)) == VERDICT_MORE);
    PROMISE(shorter.need <= header->length);
    if (header->has_addresses)
        check_written(header);
    check_passed(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = span_of(data, size);
    struct proxy_header header;
    enum verdict verdict = proxy_header_parse(&header, bytes);
    PROMISE((proxy_header_probe(bytes) == VERDICT_NO) == (verdict == VERDICT_NO));
    if (verdict == VERDICT_YES)
        check_whole(&header, bytes);
    if (verdict == VERDICT_MORE)
        PROMISE(header.need > size && size < PROXY_HEADER_MAX);
    if (verdict == VERDICT_BROKEN)
        PROMISE(header.reason != NULL);
    return 0;
}
