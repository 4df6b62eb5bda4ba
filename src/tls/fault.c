#include "tls/fault.h"

#include "tls/suites.h"

#include <errno.h>
#include <ev.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULT_MAX 320

void tls_fault_set(struct tls_connection *connection, const char *format, ...)
{
    if (connection->fault != NULL)
        return;
    char line[FAULT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    connection->fault = strdup(line);
}

struct words {
    int number;
    const char *text;
};

static const char *find_words(const struct words *table, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].number == number)
            return table[i].text;
    return NULL;
}

/* Alerts that a client answers our handshake with (RFC 8446 §6.2). */
static const struct words alert_words[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "the client found no common parameters"},
    {SSL_AD_BAD_CERTIFICATE, "the client refuses the certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "the client does not support this kind of certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "the client holds the certificate for revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "the client holds the certificate for expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "the client does not accept the certificate"},
    {SSL_AD_UNKNOWN_CA, "the client does not trust the certificate"},
    {SSL_AD_PROTOCOL_VERSION, "the client does not take this version of TLS"},
    {SSL_AD_INSUFFICIENT_SECURITY, "the client wants better security"},
    {SSL_AD_USER_CANCELLED, "the client gave up"},
    {SSL_AD_DECRYPT_ERROR, "the client could not verify the handshake"},
    {SSL_AD_BAD_RECORD_MAC, "the client could not read a record of ours"},
};

static const struct words reason_words[] = {
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
     "no signature algorithm in common that fits the certificate"},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, "no signature algorithm in common"},
    {SSL_R_NO_SUITABLE_KEY_SHARE, "no key exchange group in common"},
    {SSL_R_NO_SUITABLE_GROUPS, "no key exchange group in common"},
    {SSL_R_NO_APPLICATION_PROTOCOL, "none of the client's ALPN protocols is spoken here"},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client gave no certificate"},
    {SSL_R_HTTP_REQUEST, "plain HTTP on a TLS port"},
    {SSL_R_HTTPS_PROXY_REQUEST, "a plain HTTP proxy request on a TLS port"},
    {SSL_R_WRONG_VERSION_NUMBER, "bytes that are not TLS"},
    {SSL_R_INAPPROPRIATE_FALLBACK, "the client fell back to an older version without need"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record fails its check"},
    {SSL_R_BAD_RECORD_TYPE, "a record of an unknown type"},
    {SSL_R_DIGEST_CHECK_FAILED, "the client's Finished fails its check"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "a record that is too long"},
    {SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "a record that is too long"},
    {SSL_R_DATA_LENGTH_TOO_LONG, "a record that is too long"},
    {SSL_R_TOO_MANY_WARN_ALERTS, "too many warning alerts"},
    {SSL_R_TOO_MANY_KEY_UPDATES, "too many KeyUpdates"},
};

static void blame_version(struct tls_connection *connection)
{
    int offered = SSL_client_version(connection->ssl);
    int least = (int)SSL_get_min_proto_version(connection->ssl);
    if (offered < least)
        tls_fault_set(connection, "the client offers only %s, at least %s is needed",
                      tls_version_name(offered), tls_version_name(least));
    else
        tls_fault_set(connection, "the client offers no version of TLS that is allowed here");
}

static void blame_library(struct tls_connection *connection, unsigned long code)
{
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW) {
        blame_version(connection);
        return;
    }
    const char *text = find_words(reason_words, COUNT_OF(reason_words), reason);
    if (text == NULL)
        text = ERR_reason_error_string(code);
    tls_fault_set(connection, "%s", text != NULL ? text : "a TLS error without a reason");
}

static void blame_client(struct tls_connection *connection)
{
    const char *name = SSL_alert_desc_string_long(connection->alert);
    const char *text = find_words(alert_words, COUNT_OF(alert_words), connection->alert);
    if (text == NULL)
        text = "the client broke off";
    tls_fault_set(connection, "%s (alert %s)", text, name);
}

/* From 3.2 on the library lays this one over what its record layer has said. */
#ifndef SSL_R_RECORD_LAYER_FAILURE
#define SSL_R_RECORD_LAYER_FAILURE 313
#endif

static bool says_nothing(unsigned long code)
{
    return ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_RECORD_LAYER_FAILURE;
}

/* The TLS layer's own error, which lies above the cipher's; 0: none. */
static unsigned long take_error(void)
{
    unsigned long code, found = 0;
    while ((code = ERR_get_error()) != 0) {
        if (found == 0 || !says_nothing(code))
            found = code;
    }
    return found;
}

static enum stream_status condemn(struct tls_connection *connection)
{
    unsigned long code = take_error();
    if (connection->visit != NULL && tls_blame_server(connection, code))
        return STREAM_BROKEN;
    if (connection->alert != 0)
        blame_client(connection);
    else if (code != 0)
        blame_library(connection, code);
    else if (connection->wire.refused || tls_wire_is_reset(connection->wire.error))
        return STREAM_RESET;
    else if (connection->wire.error != 0)
        tls_fault_set(connection, "%s", strerror(connection->wire.error));
    else if (connection->wire.eof)
        return STREAM_EOF;
    tls_fault_set(connection, "a TLS error without a reason");
    return STREAM_BROKEN;
}

void tls_forget_errors(void)
{
    if (ERR_peek_error() != 0)
        ERR_clear_error();
}

enum stream_status tls_judge_socket(struct tls_connection *connection, int number)
{
    struct tls_wire *wire = &connection->wire;
    if (tls_wire_is_reset(number)) {
        wire->reset = wire->refused = true;
        return STREAM_RESET;
    }
    wire->error = (int16_t)number;
    tls_fault_set(connection, "%s", strerror(number));
    return connection->outcome = STREAM_BROKEN;
}

enum stream_status tls_judge(struct tls_connection *connection, int result, uint8_t *ret_waits)
{
    if (connection->outcome != STREAM_OK)
        return connection->outcome;
    enum stream_status status = STREAM_BROKEN;
    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        *ret_waits = EV_READ;
        return STREAM_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *ret_waits = EV_WRITE;
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        /* Once the client has finished, OpenSSL calls a failed write an end, too. */
        status = connection->wire.error != 0 ? condemn(connection) : STREAM_EOF;
        break;
    default:
        status = condemn(connection);
    }
    ERR_clear_error();
    if (status != STREAM_EOF)
        connection->outcome = status;
    return status;
}
