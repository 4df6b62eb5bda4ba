/* model: one configuration file as plain values, defaults filled in, form checked.
 *
 * Immutable once read; freed whole by model_free(). Strings are NUL-terminated and owned by the
 * model. Durations are milliseconds, sizes bytes. `path` members name the object for messages
 * ("listeners.combined.rules[1]"). What the values mean (protocol names, ciphers, certificate
 * files, pool names) is checked by each floor's X_compile(). */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include "base/address.h"
#include "base/cidr.h"
#include "base/keepalive.h"
#include "base/log.h"
#include "base/origin.h"
#include "base/units.h"

struct string_list {
    char **item;
    size_t count;
};

struct cidr_list {
    struct cidr *item;
    size_t count;
};

enum host_kind { HOST_ADDRESS, HOST_NAME, HOST_ANY /* "*:80" */, HOST_SRV };

/* An address as configured: a socket address, any ("*:80") or a name still to be resolved. */
struct model_address {
    char *text; /* as written */
    char *path;
    enum host_kind kind;
    struct address address; /* HOST_ADDRESS; HOST_ANY: [::]:port */
    char *name;             /* HOST_NAME, HOST_SRV */
    uint16_t port;
};

/* "fix": fields of a Logon. An empty list is not asked. */
struct model_fix {
    bool present;
    struct string_list sender_comp_id, target_comp_id, sender_sub_id, username, begin_string;
    bool has_valid, valid;
};

/* "client_cert": names of the client. An empty list is not asked. */
struct model_client_cert {
    bool present;
    struct string_list cn, san; /* not yet read */
};

/* Each list value means any of; all keys that are there must hold. */
struct model_match {
    char *path;
    bool present;
    struct string_list protocol; /* names, not yet checked */
    struct string_list sni;      /* patterns in normal form */
    struct string_list alpn;
    struct cidr_list source;
    struct string_list prefix, prefix_hex; /* hexadecimal digits, checked */
    struct string_list ja4;                /* exact, or with a trailing * */
    struct string_list regex;              /* not yet compiled */
    struct model_fix fix;
    struct model_client_cert client_cert;
    bool has_silent, silent;
    struct model_match *negated; /* "not"; NULL for none */
};

enum tls_action { TLS_ACTION_PLAIN, TLS_ACTION_TERMINATE, TLS_ACTION_PASSTHROUGH };

struct model_certificate {
    char *path;
    bool pem;         /* one file holds both: `cert` and `key` are that file */
    char *cert, *key; /* absolute; NULL with a directory, in a draft either may be */
    char *directory;  /* absolute; NULL: a pair */
};

enum client_auth { CLIENT_AUTH_NONE, CLIENT_AUTH_REQUEST, CLIENT_AUTH_REQUIRE };

struct model_client_auth {
    bool present;
    enum client_auth mode;
    char *ca, *crl; /* absolute files; NULL: none */
    unsigned depth;
};

/* "session_tickets" */
struct model_tickets {
    bool off;
    char *keys; /* an absolute file; NULL: they rotate in memory */
    uint64_t lifetime_ms, rotate_ms;
    unsigned count;
};

struct model_tls {
    char *path; /* NULL: there is no policy */
    struct model_certificate *certificates;
    size_t certificate_count;
    bool strict_sni;
    int min_version, max_version;          /* TLS1_2_VERSION …; max 0: the newest */
    char *ciphers, *ciphersuites, *groups; /* NULL: the library's defaults as muxgate sets them */
    bool prefer_server_ciphers;
    struct string_list alpn;
    struct model_client_auth client_auth;
    struct model_tickets tickets;
    bool ocsp_auto;
    char *ocsp_file; /* absolute; NULL: none */
    bool watch;
    bool vague; /* of a draft: min_version or ciphers are not known */
};

struct model_rule {
    char *path, *name;
    struct model_match match;
    enum tls_action tls;
    char *starttls;           /* a dialect's name, not yet checked; NULL: TLS from the first byte */
    struct model_tls *policy; /* "policy" merged over the listener's; NULL: the listener's own */
    char *pool;               /* NULL with reject or rules */
    bool reject;
    bool redirect;        /* to https */
    uint64_t from, until; /* seconds since 1970: holds from, and until before; 0: no such bound */
    struct model_rule *rules; /* nested */
    size_t rule_count;
};

struct model_listener {
    char *path, *name;
    struct model_address *binds;
    size_t bind_count;
    uint64_t inspect_delay_ms;
    bool has_accept_proxy;
    struct cidr_list accept_proxy;
    bool has_allow;
    struct cidr_list allow, deny;
    struct model_tls tls;
    struct model_rule *rules;
    size_t rule_count;
    uint64_t max_sessions; /* 0: no limit; likewise below */
    uint64_t max_sessions_per_source, max_handshakes;
    struct rate accept_rate_per_source;
    uint64_t handshake_timeout_ms, idle_timeout_ms, half_closed_timeout_ms;
    uint64_t max_undecided, max_undecided_per_source, max_inspect_bytes;
    struct keepalive keepalive;
    bool log;
};

enum balance { BALANCE_ROUND_ROBIN, BALANCE_LEAST_CONN, BALANCE_RANDOM2, BALANCE_HASH };
enum hash_on { HASH_ON_SOURCE, HASH_ON_SNI, HASH_ON_FIX_SENDER };
enum proxy_protocol { PROXY_OFF, PROXY_V1, PROXY_V2, PROXY_V2_TLS };

enum server_state {
    SERVER_READY,
    SERVER_DRAIN, /* no new sessions, still checked */
    SERVER_MAINT, /* no new sessions, and not checked */
};

struct model_server {
    char *path, *name; /* the name defaults to the address as written */
    struct model_address address;
    unsigned weight; /* 0-256 */
    bool backup;
    enum server_state state; /* how it starts */
    unsigned max_sessions;   /* 0: no limit */
};

enum health_type { HEALTH_TCP, HEALTH_TLS, HEALTH_SCRIPT, HEALTH_HTTP };

/* "200-299,404" */
#define STATUS_RANGES_MAX 16
struct status_list {
    struct {
        uint16_t low, high;
    } range[STATUS_RANGES_MAX];
    unsigned count;
};

struct model_health {
    bool on;
    char *path;
    enum health_type type;
    uint64_t interval_ms, timeout_ms;
    unsigned fall, rise;
    uint16_t port;               /* 0: the server's */
    char *send, *expect;         /* HEALTH_SCRIPT; NULL for none */
    char *send_hex, *expect_hex; /* in their place: digits, checked */
    char *http_path;             /* HEALTH_HTTP */
    char *http_host;             /* NULL: the server's address */
    char *status;                /* as written */
    struct status_list statuses;
};

/* "tls" of a pool. */
struct model_pool_tls {
    char *path; /* NULL: servers are spoken to in plain */
    bool verify;
    char *ca;         /* absolute file; NULL: the system's */
    char *sni;        /* normal form; NULL: the server's host name */
    char *cert, *key; /* absolute files; both or NULL */
    struct string_list alpn;
};

/* "resolve": how names are looked up. */
struct model_resolve {
    uint64_t interval_ms;       /* 0: as long as each answer holds */
    struct string_list servers; /* "1.2.3.4:53", "[::1]:53"; empty: the system's */
};

struct model_pool {
    char *path, *name;
    enum balance balance;
    enum hash_on hash_on;
    struct model_server *servers;
    size_t server_count;
    struct model_health health;
    struct model_pool_tls tls;
    uint64_t connect_timeout_ms;
    unsigned connect_retries;
    bool tcp_fast_open; /* the client's first bytes go with the SYN */
    unsigned queue_max; /* 0: no queue */
    uint64_t queue_timeout_ms;
    uint64_t slow_start_ms; /* 0: none; likewise below */
    uint64_t drain_timeout_ms;
    enum proxy_protocol proxy_protocol;
    uint8_t *pass_tlvs; /* types of received PROXY v2 fields that go on to the server */
    size_t pass_tlv_count;
    bool transparent;     /* connect with the client's own address */
    struct origin source; /* connect from there; without an address: from anywhere */
    struct keepalive keepalive;
    struct model_resolve resolve;
};

enum log_target {
    LOG_TARGET_STDOUT,
    LOG_TARGET_STDERR,
    LOG_TARGET_OFF,
    LOG_TARGET_SYSLOG,
    LOG_TARGET_JOURNALD,
    LOG_TARGET_FILE
};
enum log_format { LOG_FORMAT_JSON, LOG_FORMAT_TEXT };

struct model_log {
    enum log_target access;
    char *file; /* LOG_TARGET_FILE; absolute */
    enum log_format format;
    char *template; /* not yet compiled; NULL: every field that is known */
    enum log_level level;
};

/* "admin". Without `socket` and `http` there is none. */
struct model_admin {
    char *socket; /* absolute; NULL: none */
    unsigned socket_mode;
    bool has_http;
    struct model_address http;
    char *token_file;         /* absolute; NULL: nothing is changed over HTTP */
    struct string_list hosts; /* in normal form */
};

/* "ledger" */
struct model_ledger {
    char *file; /* absolute; NULL: none is kept */
    uint64_t max_entries, interval_ms;
};

struct model {
    char *file, *folder;
    struct model_listener *listeners;
    size_t listener_count;
    struct model_pool *pools;
    size_t pool_count;
    struct model_log log;
    struct model_admin admin;
    struct model_ledger ledger;
    unsigned workers; /* 0: one per core */
    char *user, *group;
    uint64_t max_sessions;     /* of the process; 0: no limit */
    uint64_t drain_timeout_ms; /* 0: none */
};

/* Whether the rule holds at that second. */
static inline bool model_rule_holds(const struct model_rule *rule, uint64_t now)
{
    return now >= rule->from && (rule->until == 0 || now < rule->until);
}

const struct model_pool *model_find_pool(const struct model *model, const char *name);
const struct model_listener *model_find_listener(const struct model *model, const char *name);
void model_free(struct model *model); /* accepts NULL */

#endif
