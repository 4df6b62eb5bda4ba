#include "fingerprint.h"
#include "form.h"
#include "host.h"
#include "status.h"
#include "tlv.h"

#include "base/clock.h"
#include "base/name.h"
#include "base/units.h"
#include "config/suggest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* "expected WHAT, got VALUE", with a hint in parentheses where there is one. */
static void unexpected(struct form *f, const char *what, const json_t *value, const char *hint)
{
    char shown[FORM_SHOWN_MAX];
    form_show(value, shown);
    form_error(f, hint[0] == '\0' ? "expected %s, got %s%s" : "expected %s, got %s (%s)", what,
               shown, hint);
}

/* A minute is easier told from a millisecond in seconds. */
static void show_duration(uint64_t ms, char text[24])
{
    if (ms == 60 * MS_PER_SECOND)
        snprintf(text, 24, "60s");
    else
        duration_format(ms, text);
}

static void check_duration(struct form *f, const struct key *key, const json_t *value)
{
    char hint[80] = "", low[24], high[24], range[64];
    uint64_t ms;
    if (!json_is_string(value)) {
        if (json_is_integer(value) && json_integer_value(value) > 0)
            snprintf(hint, sizeof hint, "write \"%" JSON_INTEGER_FORMAT "s\"",
                     json_integer_value(value));
        unexpected(f, "a duration", value, hint);
    } else if (!duration_parse(&ms, span_text(json_string_value(value)))) {
        unexpected(f, "a duration", value,
                   "a whole number and one of ms, s, m, h, d, such as \"2s\"");
    } else if (ms < key->min || ms > key->max) {
        show_duration(key->min, low);
        show_duration(key->max, high);
        snprintf(range, sizeof range, "%s to %s", low, high);
        unexpected(f, range, value, "");
    }
}

static void check_size(struct form *f, const struct key *key, const json_t *value)
{
    char hint[80] = "", low[24], high[24], range[64];
    uint64_t bytes;
    if (!json_is_string(value)) {
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;
        if (number > 0 && number % 1024 == 0) {
            size_format((uint64_t)number, low);
            snprintf(hint, sizeof hint, "write \"%s\"", low);
        }
        unexpected(f, "a size", value, hint);
    } else if (!size_parse(&bytes, span_text(json_string_value(value)))) {
        unexpected(f, "a size", value, "a whole number and one of k, m, g, such as \"16k\"");
    } else if (bytes < key->min || bytes > key->max) {
        size_format(key->min, low);
        size_format(key->max, high);
        snprintf(range, sizeof range, "%s to %s", low, high);
        unexpected(f, range, value, "");
    }
}

static void check_rate(struct form *f, const struct key *key, const json_t *value)
{
    char hint[80] = "such as \"20/s\", \"300/m\" or \"5/h\"", range[80];
    struct rate rate;
    if (json_is_integer(value) && json_integer_value(value) > 0)
        snprintf(hint, sizeof hint, "write \"%" JSON_INTEGER_FORMAT "/s\"",
                 json_integer_value(value));
    if (!json_is_string(value) || !rate_parse(&rate, span_text(json_string_value(value)))) {
        unexpected(f, "a rate", value, hint);
    } else if (rate.count < key->min || rate.count > key->max) {
        snprintf(range, sizeof range, "%" PRIu64 " to %" PRIu64 " in a second, minute or hour",
                 key->min, key->max);
        unexpected(f, range, value, "");
    }
}

/* A number in quotes is the usual slip. */
static void hint_at_number(const json_t *value, char *hint, size_t size)
{
    const char *text = json_string_value(value);
    hint[0] = '\0';
    if (text != NULL && text[0] != '\0' && strlen(text) < 10 &&
        strspn(text, "0123456789") == strlen(text))
        snprintf(hint, size, "write %s", text);
}

static void check_number(struct form *f, const struct key *key, const json_t *value,
                         const char *otherwise)
{
    char range[80], hint[32];
    json_int_t number = json_integer_value(value);
    snprintf(range, sizeof range, "%sa number from %" PRIu64 " to %" PRIu64, otherwise, key->min,
             key->max);
    hint_at_number(value, hint, sizeof hint);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < key->min ||
        (uint64_t)number > key->max)
        unexpected(f, range, value, hint);
}

static void check_count(struct form *f, const struct key *key, const json_t *value)
{
    check_number(f, key, value, "");
}

static void check_workers(struct form *f, const struct key *key, const json_t *value)
{
    if (!json_is_string(value) || strcmp(json_string_value(value), "auto") != 0)
        check_number(f, key, value, "\"auto\" or ");
}

static void check_boolean(struct form *f, const struct key *key, const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    const char *hint = strcmp(text, "true") == 0    ? "write true"
                       : strcmp(text, "false") == 0 ? "write false"
                                                    : "";
    if (key->type == TYPE_TRUE && !json_is_true(value))
        unexpected(f, "true", value, json_is_false(value) ? "leave it out" : hint);
    else if (key->type == TYPE_FALSE && !json_is_false(value))
        unexpected(f, "false", value, "");
    else if (!json_is_boolean(value))
        unexpected(f, "true or false", value, hint);
}

enum choice { CHOICE_KNOWN, CHOICE_LATER, CHOICE_UNKNOWN };

static enum choice find_choice(const char *values, const char *text, struct suggestion *s)
{
    struct key_value v;
    while (key_next_value(&values, &v)) {
        if (strlen(text) == v.length && memcmp(text, v.text, v.length) == 0)
            return v.supported ? CHOICE_KNOWN : CHOICE_LATER;
        if (v.supported)
            suggest_offer(s, v.text, v.length);
    }
    return CHOICE_UNKNOWN;
}

/* "a", "b" or "c": the values that this version supports. */
static void list_choices(const char *values, char *ret, size_t size)
{
    const char *cursor = values;
    struct key_value v;
    size_t left = 0, at = 0;
    while (key_next_value(&cursor, &v))
        left += v.supported;
    for (cursor = values; at < size && key_next_value(&cursor, &v);) {
        if (!v.supported)
            continue;
        const char *before = at == 0 ? "" : left == 1 ? " or " : ", ";
        at += (size_t)snprintf(ret + at, size - at, "%s\"%.*s\"", before, (int)v.length, v.text);
        left--;
    }
}

static void not_a_choice(struct form *f, const struct key *key, const json_t *value,
                         const char *best)
{
    char what[200] = "", hint[SUGGEST_MAX + 40] = "";
    list_choices(key->values, what, sizeof what);
    if (best[0] != '\0')
        snprintf(hint, sizeof hint, json_is_string(value) ? "did you mean \"%s\"?" : "write \"%s\"",
                 best);
    unexpected(f, what, value, hint);
}

static void check_choice(struct form *f, const struct key *key, const json_t *value)
{
    char shown[FORM_SHOWN_MAX];
    form_show(value, shown);
    const char *text = json_is_string(value) ? json_string_value(value) : shown;
    struct suggestion s = {.word = text};
    enum choice choice = find_choice(key->values, text, &s);
    if (choice == CHOICE_LATER && json_is_string(value))
        form_error(f, "%s is not supported by this version", shown);
    else if (choice == CHOICE_KNOWN && !json_is_string(value))
        not_a_choice(f, key, value, text);
    else if (choice != CHOICE_KNOWN)
        not_a_choice(f, key, value, json_is_string(value) ? s.best : "");
}

/* Whatever has a dot or a slash is meant as a file; other words may be slips. */
static void check_access(struct form *f, const struct key *key, const json_t *value)
{
    char shown[FORM_SHOWN_MAX];
    const char *text = json_string_value(value);
    struct suggestion s = {.word = text == NULL ? "" : text};
    form_show(value, shown);
    if (text == NULL || text[0] == '\0') {
        unexpected(f, "\"stdout\", \"stderr\", \"off\", \"syslog\", \"journald\" or a file", value,
                   "");
        return;
    }
    enum choice choice = find_choice(key->values, text, &s);
    if (choice == CHOICE_LATER)
        form_error(f, "%s is not supported by this version", shown);
    else if (choice == CHOICE_UNKNOWN && s.best[0] != '\0' && strpbrk(text, "./") == NULL)
        form_error(
            f,
            "expected \"stdout\", \"stderr\", \"off\", \"syslog\", \"journald\" or a file, got %s "
            "(did you mean \"%s\"? a file is written \"./%s\")",
            shown, s.best, text);
}

static void check_staple(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    if (!json_is_false(value) && json_string_length(value) == 0)
        unexpected(f, "false, \"auto\" or a file", value,
                   json_is_true(value) ? "write \"auto\"" : "");
}

static void check_text(struct form *f, const struct key *key, const json_t *value)
{
    const char *what = key->type == TYPE_FILE       ? "a file"
                       : key->type == TYPE_PROTOCOL ? "a protocol's name"
                       : key->type == TYPE_ALPN     ? "a protocol's name of 1 to 255 bytes"
                                                    : "a text";
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || (key->type == TYPE_ALPN && length > 255))
        unexpected(f, what, value, "");
    else if (key->type == TYPE_PROTOCOL && strcmp(json_string_value(value), "tls") == 0)
        form_error(f, "\"tls\" is no protocol to match (write \"tls\": \"terminate\" or "
                      "\"passthrough\" in the rule)");
}

static void check_ja4(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    bool star = length > 0 && text[length - 1] == '*';
    size_t begin = length - star;
    if (begin > 0 && strchr("qd", text[0]) != NULL)
        form_error(f, "never one of TLS over TCP: those begin with \"t\"");
    else if (length == 0 || !fingerprint_begins(span_of(text, begin)))
        unexpected(f, "a JA4 fingerprint", value, "such as \"t13d1516h2_*\"");
    else if (!star && begin < FINGERPRINT_LENGTH)
        form_error(f, "a part of a JA4 fingerprint (write \"%s*\" for all that begin so)", text);
}

static void check_hex(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (text == NULL || length == 0 || length % 2 != 0 ||
        strspn(text, "0123456789abcdefABCDEF") != length)
        unexpected(f, "pairs of hexadecimal digits", value, "such as \"0d0a\"");
}

/* Nothing that would end a line of the request, or a word in it. */
static bool is_one_word(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return text != NULL;
}

static void check_http_word(struct form *f, const struct key *key, const json_t *value)
{
    const char *text = json_string_value(value);
    bool path = key->type == TYPE_HTTP_PATH;
    if (!is_one_word(text) || text[0] == '\0' || (path && text[0] != '/'))
        unexpected(f, path ? "a path" : "a host", value,
                   path ? "it begins with / and has no blanks" : "such as \"app.example.com\"");
}

static void check_status(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    struct status_list list;
    const char *text = json_string_value(value);
    if (text == NULL || !status_parse(&list, span_text(text)))
        unexpected(f, "HTTP statuses", value, "such as \"200-299,404\"");
}

static void check_time(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    uint64_t seconds;
    if (!json_is_string(value) || !clock_parse(&seconds, span_text(json_string_value(value))))
        unexpected(f, "a time", value, "such as \"2027-03-31T18:00:00+02:00\"");
}

static void check_socket(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    struct address address;
    const char *text = json_string_value(value);
    char *path = text == NULL || text[0] == '\0' ? NULL : host_resolve_file(f->folder, text);
    if (path == NULL)
        unexpected(f, "a file", value, "");
    else if (strncmp(text, "unix:", 5) == 0)
        unexpected(f, "a file", value, "leave out \"unix:\"");
    else if (strlen(path) >= sizeof address.local.sun_path)
        form_error(f, "too long for a socket: %zu bytes with its folder, at most %zu fit",
                   strlen(path), sizeof address.local.sun_path - 1);
    free(path);
}

static void check_mode(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (text == NULL || length < 3 || length > 4 || strspn(text, "01234567") != length ||
        (length == 4 && text[0] != '0'))
        unexpected(f, "three octal digits in a text", value, "such as \"0660\"");
}

static void check_host(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    char normal[NAME_MAX_LENGTH + 1];
    if (!json_is_string(value) || !name_normalise(normal, span_text(json_string_value(value))))
        unexpected(f, "a host name", value, "without port or *");
}

static void check_sni(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    char normal[NAME_MAX_LENGTH + 3];
    if (!json_is_string(value) ||
        !name_normalise_pattern(normal, span_text(json_string_value(value))))
        unexpected(f, "a host name or \"*.example.com\"", value, "");
}

static void check_name(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    char normal[NAME_MAX_LENGTH + 1];
    struct address address;
    struct span text = span_text(json_string_value(value));
    if (text.length == 0 || address_parse_ip(&address, text) || !name_normalise(normal, text))
        unexpected(f, "a host name", value, "such as \"db.example.com\"");
}

static void check_cidr(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    struct cidr cidr;
    struct error error;
    char shown[FORM_SHOWN_MAX];
    form_show(value, shown);
    if (!json_is_string(value))
        unexpected(f, "a network such as \"10.0.0.0/8\"", value, "");
    else if (!cidr_parse(&cidr, span_text(json_string_value(value)), &error))
        form_error(f, "%s: %s", shown, error.text);
}

static void no_address(struct form *f, const struct key *key, const json_t *value)
{
    char hint[48] = "such as \"10.0.0.5:80\"";
    if (key->type == TYPE_BIND && json_is_integer(value))
        snprintf(hint, sizeof hint, "write \"*:%" JSON_INTEGER_FORMAT "\"",
                 json_integer_value(value));
    unexpected(f, key->type == TYPE_SERVER ? "an address or an object" : "an address", value, hint);
}

static void check_srv(struct form *f, const char *text)
{
    struct model_address address;
    struct error error;
    char name[256];
    if (!host_parse_srv(&address, name, text, &error))
        form_error(f, "%s", error.text);
}

static void check_resolver(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    struct address address;
    struct error error;
    char shown[FORM_SHOWN_MAX];
    form_show(value, shown);
    if (!json_is_string(value))
        unexpected(f, "the address of a name server", value, "such as \"10.0.0.2:53\"");
    else if (!host_parse_resolver(&address, json_string_value(value), &error))
        form_error(f, "%s is no name server: %s", shown, error.text);
}

static void check_address(struct form *f, const struct key *key, const json_t *value)
{
    struct model_address address;
    struct error error;
    char name[256], shown[FORM_SHOWN_MAX];
    const char *text = json_string_value(value);
    form_show(value, shown);
    if (text == NULL || text[0] == '\0')
        no_address(f, key, value);
    else if (key->type != TYPE_BIND && strncmp(text, SRV_PREFIX, strlen(SRV_PREFIX)) == 0)
        check_srv(f, text);
    else if (!host_parse(&address, name, text, f->folder, &error))
        form_error(f, "%s is no address: %s", shown, error.text);
    else if (key->type != TYPE_BIND && address.kind == HOST_ANY)
        form_error(f, "%s is no address of a server", shown);
    else if (key->type != TYPE_BIND && address.port == 0 && strncmp(text, "unix:", 5) != 0)
        form_error(f, "%s: a server's port must not be 0", shown);
}

static void check_origin(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    struct origin origin;
    struct error error;
    if (!json_is_string(value))
        unexpected(f, "an address", value, "such as \"10.0.0.5\" or \"10.0.0.5:20000-29999\"");
    else if (!origin_parse(&origin, span_text(json_string_value(value)), &error))
        form_error(f, "%s", error.text);
}

static void check_tlv(struct form *f, const struct key *key, const json_t *value)
{
    (void)key;
    static const char known[] = TLV_NAMES;
    const char *cursor = known, *text = json_string_value(value);
    char hint[SUGGEST_MAX + 40] = "such as \"authority\"";
    struct suggestion s = {.word = text == NULL ? "" : text};
    struct key_value v;
    uint8_t type;
    if (text != NULL && tlv_parse(&type, text))
        return;
    while (key_next_value(&cursor, &v))
        suggest_offer(&s, v.text, v.length);
    if (s.best[0] != '\0')
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", s.best);
    unexpected(f, "the name of a PROXY v2 field, or its type as \"0xEA\"", value, hint);
}

typedef void scalar_check(struct form *f, const struct key *key, const json_t *value);

/* The types that are left out are no scalars. */
static scalar_check *const checks[TYPE_LATER + 1] = {
    [TYPE_DURATION] = check_duration,
    [TYPE_SIZE] = check_size,
    [TYPE_RATE] = check_rate,
    [TYPE_COUNT] = check_count,
    [TYPE_WORKERS] = check_workers,
    [TYPE_BOOLEAN] = check_boolean,
    [TYPE_TRUE] = check_boolean,
    [TYPE_FALSE] = check_boolean,
    [TYPE_CHOICE] = check_choice,
    [TYPE_ACCESS] = check_access,
    [TYPE_STAPLE] = check_staple,
    [TYPE_STRING] = check_text,
    [TYPE_FILE] = check_text,
    [TYPE_ALPN] = check_text,
    [TYPE_PROTOCOL] = check_text,
    [TYPE_JA4] = check_ja4,
    [TYPE_HEX] = check_hex,
    [TYPE_HTTP_PATH] = check_http_word,
    [TYPE_HTTP_HOST] = check_http_word,
    [TYPE_STATUS] = check_status,
    [TYPE_TIME] = check_time,
    [TYPE_SOCKET] = check_socket,
    [TYPE_MODE] = check_mode,
    [TYPE_HOST] = check_host,
    [TYPE_SNI] = check_sni,
    [TYPE_NAME] = check_name,
    [TYPE_CIDR] = check_cidr,
    [TYPE_TLV] = check_tlv,
    [TYPE_RESOLVER] = check_resolver,
    [TYPE_ORIGIN] = check_origin,
    [TYPE_BIND] = check_address,
    [TYPE_ADDRESS] = check_address,
    [TYPE_SERVER] = check_address,
};

void form_check_scalar(struct form *f, const struct key *key, const json_t *value)
{
    if (checks[key->type] != NULL)
        checks[key->type](f, key, value);
}
