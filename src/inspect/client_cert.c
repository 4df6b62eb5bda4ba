#include "inspect/client_cert.h"

#include "base/address.h"
#include "base/name.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

static bool has_nul(struct span bytes)
{
    return bytes.length > 0 && memchr(bytes.data, 0, bytes.length) != NULL;
}

static bool is_graphic(struct span bytes)
{
    for (size_t i = 0; i < bytes.length; i++)
        if (bytes.data[i] <= ' ' || bytes.data[i] > '~')
            return false;
    return bytes.length > 0;
}

/* --- normal forms: each writes an owned text, or NULL where it is none of its kind ------------ */

static bool copy(char **ret, struct span bytes, struct error *error)
{
    *ret = strndup((const char *)bytes.data, bytes.length);
    return *ret != NULL || error_memory(error);
}

static bool normalise_dns(char **ret, struct span raw, struct error *error)
{
    char normal[NAME_MAX_LENGTH + 3];
    return !name_normalise_pattern(normal, raw) || copy(ret, span_text(normal), error);
}

/* Mailboxes are told apart by case, their hosts are not (RFC 5321 §2.4). */
static bool normalise_email(char **ret, struct span raw, struct error *error)
{
    char domain[NAME_MAX_LENGTH + 1];
    size_t at = raw.length;
    while (at > 0 && raw.data[at - 1] != '@')
        at--;
    if (at < 2 || !is_graphic(raw) || !name_normalise(domain, span_skip(raw, at)))
        return true;
    if (!copy(ret, raw, error))
        return false;
    memcpy(*ret + at, domain, strlen(domain) + 1); /* as long, or a dot shorter */
    return true;
}

static size_t scheme_length(struct span text)
{
    size_t at = 0;
    while (at < text.length) {
        unsigned char c = text.data[at];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool other = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (at == 0 || !other))
            break;
        at++;
    }
    return at < text.length && text.data[at] == ':' ? at : 0;
}

static bool normalise_uri(char **ret, struct span raw, struct error *error)
{
    return scheme_length(raw) == 0 || !is_graphic(raw) || copy(ret, raw, error);
}

static bool format_ip(char **ret, struct address *address, struct error *error)
{
    char text[ADDRESS_TEXT_MAX];
    address_normalise(address);
    address_format_ip(address, text);
    return copy(ret, span_text(text), error);
}

static bool normalise_ip(char **ret, struct span raw, struct error *error)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct address address;
    if (raw.length == sizeof four.sin_addr) {
        memcpy(&four.sin_addr, raw.data, raw.length);
        address = address_of((const struct sockaddr *)(const void *)&four, sizeof four);
    } else if (raw.length == sizeof six.sin6_addr) {
        memcpy(&six.sin6_addr, raw.data, raw.length);
        address = address_of((const struct sockaddr *)(const void *)&six, sizeof six);
    } else {
        return true;
    }
    return format_ip(ret, &address, error);
}

typedef bool normalise_function(char **ret, struct span raw, struct error *error);

static normalise_function *const normalise[] = {
    [SAN_DNS] = normalise_dns,
    [SAN_EMAIL] = normalise_email,
    [SAN_URI] = normalise_uri,
    [SAN_IP] = normalise_ip,
};

/* --- a certificate's names -------------------------------------------------------------------- */

bool client_cert_set_cn(struct client_cert *cert, struct span utf8, struct error *error)
{
    if (has_nul(utf8))
        return error_tls(error, "its common name has a NUL byte in it");
    if (utf8.length > CLIENT_CN_MAX)
        return error_tls(error, "its common name is longer than %u bytes", CLIENT_CN_MAX);
    free(cert->cn);
    cert->cn = NULL;
    return utf8.length == 0 || copy(&cert->cn, utf8, error);
}

bool client_cert_add_san(struct client_cert *cert, enum san_kind kind, struct span raw,
                         struct error *error)
{
    char *text = NULL;
    if (kind != SAN_IP && has_nul(raw))
        return error_tls(error, "one of its names has a NUL byte in it");
    if (!normalise[kind](&text, raw, error))
        return false;
    if (text == NULL)
        return true;
    struct san *grown = realloc(cert->san, (cert->san_count + 1) * sizeof *grown);
    if (grown == NULL) {
        free(text);
        return error_memory(error);
    }
    cert->san = grown;
    cert->san[cert->san_count++] = (struct san){kind, text};
    return true;
}

void client_cert_release(struct client_cert *cert)
{
    for (size_t i = 0; i < cert->san_count; i++)
        free(cert->san[i].text);
    free(cert->san);
    free(cert->cn);
    *cert = (struct client_cert){0};
}

/* --- what a rule asks for --------------------------------------------------------------------- */

static bool is_wildcard(const char *pattern)
{
    return pattern[0] == '*' && pattern[1] == '.';
}

bool client_cert_has_cn(const struct client_cert *cert, const char *pattern)
{
    char name[NAME_MAX_LENGTH + 1], wanted[NAME_MAX_LENGTH + 3];
    if (cert->cn == NULL)
        return false;
    if (!is_wildcard(pattern))
        return strcmp(cert->cn, pattern) == 0;
    return name_normalise(name, span_text(cert->cn)) &&
           name_normalise_pattern(wanted, span_text(pattern)) &&
           name_matches(wanted, span_text(name));
}

bool san_parse(struct san *ret, const char *text, struct error *error)
{
    struct span raw = span_text(text);
    struct address address;
    bool done;
    *ret = (struct san){SAN_DNS, NULL};
    if (address_parse_ip(&address, raw)) {
        ret->kind = SAN_IP;
        done = format_ip(&ret->text, &address, error);
    } else {
        if (scheme_length(raw) > 0)
            ret->kind = SAN_URI;
        else if (raw.length > 0 && memchr(raw.data, '@', raw.length) != NULL)
            ret->kind = SAN_EMAIL;
        done = normalise[ret->kind](&ret->text, raw, error);
    }
    if (done && ret->text == NULL)
        return error_input(error, "no DNS name, e-mail address, URI or IP address");
    return done;
}

bool client_cert_has_san(const struct client_cert *cert, const struct san *wanted)
{
    for (size_t i = 0; i < cert->san_count; i++) {
        const struct san *san = &cert->san[i];
        if (san->kind != wanted->kind)
            continue;
        if (san->kind == SAN_DNS ? name_matches(wanted->text, span_text(san->text))
                                 : strcmp(san->text, wanted->text) == 0)
            return true;
    }
    return false;
}
