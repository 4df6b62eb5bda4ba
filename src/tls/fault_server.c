/* What is wrong with a server, in a person's words. */
#include "tls/fault.h"

#include "base/compiler.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>

struct words {
    long number;
    const char *text;
};

static const char *find_words(const struct words *table, size_t count, long number)
{
    for (size_t i = 0; i < count; i++)
        if (table[i].number == number)
            return table[i].text;
    return NULL;
}

/* Alerts that a server answers our handshake with (RFC 8446 §6.2). */
static const struct words alert_words[] = {
    {SSL_AD_HANDSHAKE_FAILURE, "the server found no common parameters"},
    {SSL_AD_BAD_CERTIFICATE, "the server refuses our certificate"},
    {SSL_AD_UNSUPPORTED_CERTIFICATE, "the server does not support our kind of certificate"},
    {SSL_AD_CERTIFICATE_REVOKED, "the server holds our certificate for revoked"},
    {SSL_AD_CERTIFICATE_EXPIRED, "the server holds our certificate for expired"},
    {SSL_AD_CERTIFICATE_UNKNOWN, "the server does not accept our certificate"},
    {SSL_AD_UNKNOWN_CA, "the server does not know who signed our certificate"},
    {SSL_AD_ACCESS_DENIED, "the server denies us access"},
    {SSL_AD_PROTOCOL_VERSION, "the server does not take this version of TLS"},
    {SSL_AD_INSUFFICIENT_SECURITY, "the server wants better security"},
    {SSL_AD_UNRECOGNIZED_NAME, "the server does not know the name that was asked for"},
    {SSL_AD_NO_APPLICATION_PROTOCOL, "the server speaks none of the protocols in alpn"},
    {SSL_AD_CERTIFICATE_REQUIRED, "the server wants a client certificate"},
    {SSL_AD_DECRYPT_ERROR, "the server could not verify the handshake"},
    {SSL_AD_BAD_RECORD_MAC, "the server could not read a record of ours"},
};

bool tls_alert_is_about_us(unsigned char alert)
{
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_DECRYPT_ERROR:
        return true;
    default:
        return false;
    }
}

static const struct words verify_words[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "not valid yet"},
    {X509_V_ERR_CERT_REVOKED, "revoked"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "unknown CA (it is self-signed)"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, "unknown CA"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unknown CA"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "unknown CA"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, "unknown CA (another of the same name)"},
    {X509_V_ERR_INVALID_PURPOSE, "not made for a server"},
};

static const struct words reason_words[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "the server does not speak TLS"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "the server offers no version of TLS that is allowed here"},
    {SSL_R_UNEXPECTED_MESSAGE, "the server sent what does not belong there"},
    {SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "a record fails its check"},
    {SSL_R_TOO_MANY_KEY_UPDATES, "too many KeyUpdates"},
};

static void blame_certificate(struct tls_connection *connection)
{
    long result = SSL_get_verify_result(connection->ssl);
    const char *text = find_words(verify_words, COUNT_OF(verify_words), result);
    if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        tls_fault_set(connection, "certificate verify failed: wrong name (it is not for %s)",
                      connection->expected_sni);
    else
        tls_fault_set(connection, "certificate verify failed: %s",
                      text != NULL ? text : X509_verify_cert_error_string(result));
}

static void blame_alert(struct tls_connection *connection)
{
    const char *text = find_words(alert_words, COUNT_OF(alert_words), connection->alert);
    tls_fault_set(connection, "%s (alert %s)", text != NULL ? text : "the server broke off",
                  SSL_alert_desc_string_long(connection->alert));
}

bool tls_blame_server(struct tls_connection *connection, unsigned long code)
{
    int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    const char *text = find_words(reason_words, COUNT_OF(reason_words), reason);
    if (connection->alert != 0)
        blame_alert(connection);
    else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        blame_certificate(connection);
    else if (text != NULL)
        tls_fault_set(connection, "%s", text);
    else
        return false;
    return true;
}
