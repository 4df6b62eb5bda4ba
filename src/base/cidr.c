#include "base/cidr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The address's bytes, big-endian, and its width; 0 for what is no IP. */
static unsigned address_bits(const struct address *a, uint8_t ret[16])
{
    memset(ret, 0, 16);
    if (a->length == 0)
        return 0;
    if (a->any.sa_family == AF_INET) {
        memcpy(ret, &a->v4.sin_addr, 4);
        return 32;
    }
    if (a->any.sa_family != AF_INET6)
        return 0;
    memcpy(ret, &a->v6.sin6_addr, 16);
    return 128;
}

/* Sets every bit behind the prefix to `ones`. */
static void fill_host_bits(uint8_t bytes[16], const struct cidr *network, bool ones)
{
    unsigned at = network->prefix_bits / 8u, kept = network->prefix_bits % 8u;
    if (kept > 0) {
        uint8_t mask = (uint8_t)(0xffu >> kept);
        bytes[at] = (uint8_t)(ones ? bytes[at] | mask : bytes[at] & ~mask);
        at++;
    }
    memset(bytes + at, ones ? 0xff : 0, network->family_bits / 8u - at);
}

static bool parse_prefix(uint8_t *ret, struct span text, unsigned limit)
{
    unsigned value = 0;
    if (text.length == 0 || text.length > 3)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.data[i] - '0');
    }
    *ret = (uint8_t)value;
    return value <= limit;
}

static bool refuse_host_bits(const struct cidr *network, const uint8_t meant[16],
                             struct error *error)
{
    char text[INET6_ADDRSTRLEN];
    (void)inet_ntop(network->family_bits == 32 ? AF_INET : AF_INET6, meant, text, sizeof text);
    return error_input(error, "the network has bits behind its prefix (did you mean \"%s/%u\"?)",
                       text, network->prefix_bits);
}

bool cidr_parse(struct cidr *ret, struct span text, struct error *error)
{
    const unsigned char *slash = text.length == 0 ? NULL : memchr(text.data, '/', text.length);
    size_t address_length = slash == NULL ? text.length : (size_t)(slash - text.data);
    struct address a;
    if (!address_parse_ip(&a, span_first(text, address_length)))
        return error_input(error, "expected a network such as \"10.0.0.0/8\" or \"2001:db8::/32\"");
    struct cidr network = {0};
    network.family_bits = (uint8_t)address_bits(&a, network.network);
    network.prefix_bits = network.family_bits;
    if (slash != NULL && !parse_prefix(&network.prefix_bits, span_skip(text, address_length + 1),
                                       network.family_bits))
        return error_input(error, "the prefix must be from 0 to %u", network.family_bits);
    uint8_t meant[16];
    memcpy(meant, network.network, sizeof meant);
    fill_host_bits(meant, &network, false);
    if (memcmp(meant, network.network, sizeof meant) != 0)
        return refuse_host_bits(&network, meant, error);
    *ret = network;
    return true;
}

bool cidr_of(struct cidr *ret, const struct address *a, unsigned prefix_bits)
{
    unsigned family_bits = address_bits(a, ret->network);
    if (family_bits == 0 || prefix_bits > family_bits)
        return false;
    ret->family_bits = (uint8_t)family_bits;
    ret->prefix_bits = (uint8_t)prefix_bits;
    fill_host_bits(ret->network, ret, false);
    return true;
}

bool cidr_contains(const struct cidr *network, const struct address *a)
{
    uint8_t bytes[16];
    if (address_bits(a, bytes) != network->family_bits)
        return false;
    fill_host_bits(bytes, network, false);
    return memcmp(bytes, network->network, sizeof bytes) == 0;
}

/* A set is sorted ranges per family, with a gap between any two, so that one binary search answers.
 */
struct range {
    uint8_t first[16], last[16];
};

struct cidr_set {
    struct range *v4, *v6; /* owned; one block: v6 lies behind v4 */
    size_t v4_count, v6_count;
};

static int compare_ranges(const void *a, const void *b)
{
    return memcmp(((const struct range *)a)->first, ((const struct range *)b)->first, 16);
}

/* Whether `next` is the address behind `last`. */
static bool is_next(const uint8_t last[16], const uint8_t next[16], unsigned family_bits)
{
    uint8_t bytes[16];
    memcpy(bytes, last, sizeof bytes);
    for (unsigned i = family_bits / 8; i-- > 0;)
        if (++bytes[i] != 0)
            return memcmp(bytes, next, sizeof bytes) == 0;
    return false; /* there is none behind the last of all */
}

/* Networks nest or are apart, never overlap by half: what nests or follows at once becomes one. */
static size_t join(struct range *ranges, size_t count, unsigned family_bits)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct range *before = kept == 0 ? NULL : &ranges[kept - 1];
        if (before == NULL || (memcmp(ranges[i].first, before->last, 16) > 0 &&
                               !is_next(before->last, ranges[i].first, family_bits)))
            ranges[kept++] = ranges[i];
        else if (memcmp(ranges[i].last, before->last, 16) > 0)
            memcpy(before->last, ranges[i].last, 16);
    }
    return kept;
}

static size_t collect(struct range *ranges, const struct cidr *networks, size_t count,
                      unsigned family_bits)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (networks[i].family_bits != family_bits)
            continue;
        memcpy(ranges[found].first, networks[i].network, 16);
        memcpy(ranges[found].last, networks[i].network, 16);
        fill_host_bits(ranges[found].last, &networks[i], true);
        found++;
    }
    if (found > 1)
        qsort(ranges, found, sizeof *ranges, compare_ranges);
    return join(ranges, found, family_bits);
}

bool cidr_set_create(struct cidr_set **ret, const struct cidr *networks, size_t count)
{
    struct cidr_set *set = calloc(1, sizeof *set);
    if (set == NULL)
        return false;
    set->v4 = calloc(count + 1, sizeof *set->v4);
    if (set->v4 == NULL) {
        free(set);
        return false;
    }
    set->v4_count = collect(set->v4, networks, count, 32);
    set->v6 = set->v4 + set->v4_count;
    set->v6_count = collect(set->v6, networks, count, 128);
    *ret = set;
    return true;
}

/* One of the ranges has all from `first` to `last`. */
static bool ranges_contain(const struct range *ranges, size_t count, const uint8_t first[16],
                           const uint8_t last[16])
{
    size_t low = 0,
           high = count; /* the first range that begins behind the address is in low..high */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(ranges[middle].first, first, 16) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && memcmp(last, ranges[low - 1].last, 16) <= 0;
}

bool cidr_set_contains(const struct cidr_set *set, const struct address *a)
{
    if (set == NULL)
        return false;
    uint8_t bytes[16];
    unsigned bits = address_bits(a, bytes);
    if (bits == 32)
        return ranges_contain(set->v4, set->v4_count, bytes, bytes);
    return bits == 128 && ranges_contain(set->v6, set->v6_count, bytes, bytes);
}

bool cidr_set_covers(const struct cidr_set *set, const struct cidr *network)
{
    uint8_t last[16];
    memcpy(last, network->network, sizeof last);
    fill_host_bits(last, network, true);
    return network->family_bits == 32
               ? ranges_contain(set->v4, set->v4_count, network->network, last)
               : ranges_contain(set->v6, set->v6_count, network->network, last);
}

void cidr_set_free(struct cidr_set *set)
{
    if (set == NULL)
        return;
    free(set->v4);
    free(set);
}
