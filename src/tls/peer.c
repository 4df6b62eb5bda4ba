#include "tls/peer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static bool read_cn(struct client_cert *ret, const X509_NAME *subject, struct error *error)
{
    int at = -1, last = -1;
    while ((at = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        last = at;
    if (last < 0)
        return true;
    unsigned char *utf8 = NULL;
    int length =
        ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, last)));
    if (length < 0)
        return error_tls(error, "its common name cannot be read");
    bool good = client_cert_set_cn(ret, span_of(utf8, (size_t)length), error);
    OPENSSL_free(utf8);
    return good;
}

/* Kinds that are not compared with anything are passed over. */
static bool add_name(struct client_cert *ret, const GENERAL_NAME *name, struct error *error)
{
    static const struct {
        int type;
        enum san_kind kind;
    } kinds[] = {
        {GEN_DNS, SAN_DNS}, {GEN_EMAIL, SAN_EMAIL}, {GEN_URI, SAN_URI}, {GEN_IPADD, SAN_IP}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (name->type != kinds[i].type)
            continue;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(name, NULL);
        struct span raw = span_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
        return client_cert_add_san(ret, kinds[i].kind, raw, error);
    }
    return true;
}

static bool read_alternatives(struct client_cert *ret, const X509 *certificate, struct error *error)
{
    int critical = -1;
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (list == NULL && critical != -1)
        return error_tls(error, "its subjectAltName cannot be read");
    bool good = true;
    for (int i = 0; good && i < sk_GENERAL_NAME_num(list); i++)
        good = add_name(ret, sk_GENERAL_NAME_value(list, i), error);
    GENERAL_NAMES_free(list);
    return good;
}

bool tls_peer_read(struct client_cert *ret, X509 *certificate, struct error *error)
{
    *ret = (struct client_cert){0};
    bool good = read_cn(ret, X509_get_subject_name(certificate), error) &&
                read_alternatives(ret, certificate, error);
    ERR_clear_error();
    if (!good)
        client_cert_release(ret);
    return good;
}

void tls_peer_show(const X509_NAME *name, char *ret, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    ret[0] = '\0';
    if (bio != NULL &&
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >=
            0) {
        long length = BIO_get_mem_data(bio, &text);
        snprintf(ret, size, "%.*s", (int)length, length > 0 ? text : "");
    }
    BIO_free(bio);
    ERR_clear_error();
}
