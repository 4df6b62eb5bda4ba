/* keys: the table of every key (keys.def), and how to find one's way in it. */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
    OBJECT_none,
    OBJECT_top,
    OBJECT_defaults,
    OBJECT_admin,
    OBJECT_limits,
    OBJECT_log,
    OBJECT_ledger,
    OBJECT_listener,
    OBJECT_listener_limits,
    OBJECT_timeouts,
    OBJECT_inspect_limits,
    OBJECT_keepalive,
    OBJECT_rule,
    OBJECT_match,
    OBJECT_fix,
    OBJECT_client_cert,
    OBJECT_tls,
    OBJECT_client_auth,
    OBJECT_session_tickets,
    OBJECT_certificate,
    OBJECT_pool,
    OBJECT_resolve,
    OBJECT_server,
    OBJECT_queue,
    OBJECT_pool_tls,
    OBJECT_health_check,
    OBJECT_KINDS,
};

enum key_type {
    TYPE_DURATION,
    TYPE_SIZE,
    TYPE_COUNT,
    TYPE_RATE, /* a count per second, minute or hour */
    TYPE_BOOLEAN,
    TYPE_TRUE,  /* true and nothing else */
    TYPE_FALSE, /* false and nothing else */
    TYPE_CHOICE,
    TYPE_ACCESS,  /* a choice or a file */
    TYPE_STAPLE,  /* false, "auto" or a file */
    TYPE_WORKERS, /* "auto" or a count */
    TYPE_STRING,
    TYPE_FILE,
    TYPE_SOCKET, /* a file that can be the path of a UNIX socket */
    TYPE_MODE,   /* octal digits in a text */
    TYPE_HOST,   /* a name, without a wildcard */
    TYPE_BIND,
    TYPE_ADDRESS,
    TYPE_RESOLVER, /* the address of a name server */
    TYPE_ORIGIN,   /* an IP address, with or without a range of ports */
    TYPE_TLV,      /* a field of a PROXY v2 header, by name or number */
    TYPE_CIDR,
    TYPE_SNI,
    TYPE_ALPN,
    TYPE_PROTOCOL,
    TYPE_JA4,  /* exact, or ends in a star */
    TYPE_HEX,  /* pairs of hexadecimal digits */
    TYPE_NAME, /* a host name, and no pattern */
    TYPE_HTTP_PATH,
    TYPE_HTTP_HOST,
    TYPE_STATUS, /* "200-299,404" */
    TYPE_TIME,   /* RFC 3339 */
    TYPE_OBJECT, /* of the kind `inner` */
    TYPE_SERVER, /* an address, or an object of the kind `inner` */
    TYPE_LATER,  /* not supported by this version */
};

enum key_flags {
    FLAG_REQUIRED = 1,
    FLAG_LIST = 2,
    FLAG_ONE_OR_LIST = 4,
    FLAG_MAP = 8,     /* an object whose keys are names that the user chose */
    FLAG_FILLED = 16, /* an empty list or map is an error */
    FLAG_OR_FALSE = 32,
    FLAG_PARTIAL = 64, /* nothing is required in the inner object */
};

struct key {
    enum object_kind object;
    const char *name;
    enum key_type type;
    unsigned flags;
    uint64_t min, max;
    const char *fallback; /* as the file would have it, without quotes; NULL for none */
    const char *values;   /* "a|b|c!": '!' marks what this version does not support */
    enum object_kind inner;
    const char *help;
};

/* KEY_listener_bind and so on: an index into the table. */
enum key_id {
#define KEY(object, id, ...) KEY_##object##_##id,
#include "keys.def"
    KEY_COUNT,
};

const struct key *key_at(enum key_id id);

/* The keys of one kind of object: a run of `*ret_count` rows. */
const struct key *keys_of(enum object_kind object, size_t *ret_count);

const struct key *key_find(enum object_kind object, const char *name); /* NULL: unknown */

/* Goes through "a|b|c!": sets value, length and supported; false at the end. `*cursor` begins as
 * the list. */
struct key_value {
    const char *text;
    size_t length;
    bool supported;
};
bool key_next_value(const char **cursor, struct key_value *ret);

#endif
