#include "tls/ocsp.h"

#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define SKEW_SECONDS    300   /* how far a responder's clock may be ahead of ours */
#define DEFAULT_SECONDS 86400 /* how long a response holds that does not say */

struct tls_staple *tls_staple_ref(struct tls_staple *staple)
{
    atomic_fetch_add_explicit(&staple->references, 1, memory_order_relaxed);
    return staple;
}

void tls_staple_unref(struct tls_staple *staple)
{
    if (staple == NULL ||
        atomic_fetch_sub_explicit(&staple->references, 1, memory_order_acq_rel) != 1)
        return;
    free(staple->der);
    free(staple);
}

bool tls_ocsp_url_is_plain(const char *url)
{
    for (const char *at = url; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || strchr("\"@\\", *at) != NULL)
            return false;
    return true;
}

char *tls_ocsp_url(const struct tls_credential *credential)
{
    STACK_OF(OPENSSL_STRING) *all = X509_get1_ocsp(credential->leaf);
    char *url = NULL;
    for (int i = 0; url == NULL && i < sk_OPENSSL_STRING_num(all); i++) {
        const char *one = sk_OPENSSL_STRING_value(all, i);
        if (strncasecmp(one, "http://", 7) == 0 && tls_ocsp_url_is_plain(one))
            url = strdup(one);
    }
    X509_email_free(all);
    return url;
}

/* --- requests --------------------------------------------------------------------------------- */

static X509 *issuer_of(const struct tls_credential *credential)
{
    if (sk_X509_num(credential->chain) > 0)
        return sk_X509_value(credential->chain, 0);
    bool own = (X509_get_extension_flags(credential->leaf) & EXFLAG_SS) != 0;
    return own ? credential->leaf : NULL;
}

static bool no_issuer(const struct tls_credential *credential, struct error *error)
{
    return error_tls(error,
                     "the file of the certificate of %s does not hold its issuer's, without which "
                     "no OCSP response can be asked for or checked",
                     credential->title);
}

bool tls_ocsp_request(const struct tls_credential *credential, unsigned char **ret,
                      size_t *ret_length, struct error *error)
{
    X509 *issuer = issuer_of(credential);
    if (issuer == NULL)
        return no_issuer(credential, error);
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, credential->leaf, issuer);
    unsigned char *der = NULL;
    int length = -1;
    if (request != NULL && id != NULL && OCSP_request_add0_id(request, id) != NULL) {
        id = NULL; /* the request's now */
        length = i2d_OCSP_REQUEST(request, &der);
    }
    OCSP_CERTID_free(id);
    OCSP_REQUEST_free(request);
    ERR_clear_error();
    if (length <= 0)
        return error_memory(error);
    *ret = malloc((size_t)length);
    if (*ret != NULL)
        memcpy(*ret, der, (size_t)length);
    *ret_length = (size_t)length;
    OPENSSL_free(der);
    return *ret != NULL || error_memory(error);
}

/* --- responses -------------------------------------------------------------------------------- */

static OCSP_BASICRESP *parse(struct span response, struct error *error)
{
    const unsigned char *at = response.data;
    if (response.length > TLS_OCSP_MAX_BYTES) {
        error_tls(error, "it is larger than %u KB", TLS_OCSP_MAX_BYTES / 1024);
        return NULL;
    }
    OCSP_RESPONSE *outer = d2i_OCSP_RESPONSE(NULL, &at, (long)response.length);
    if (outer == NULL || at != response.data + response.length) {
        OCSP_RESPONSE_free(outer);
        error_tls(error, "it is no OCSP response in DER form");
        return NULL;
    }
    int status = OCSP_response_status(outer);
    OCSP_BASICRESP *basic = NULL;
    if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL)
        error_tls(error, "the responder says \"%s\"", OCSP_response_status_str(status));
    else if ((basic = OCSP_response_get1_basic(outer)) == NULL)
        error_tls(error, "it is of a kind that is not understood");
    OCSP_RESPONSE_free(outer);
    return basic;
}

bool tls_ocsp_parses(struct span response, struct error *error)
{
    OCSP_BASICRESP *basic = parse(response, error);
    bool good = basic != NULL;
    OCSP_BASICRESP_free(basic);
    ERR_clear_error();
    return good;
}

/* The one answer about the certificate; NULL: there is none. Responders choose the hash. */
static OCSP_SINGLERESP *find_answer(OCSP_BASICRESP *basic, const struct tls_credential *credential,
                                    X509 *issuer)
{
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
        OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
        const OCSP_CERTID *theirs = OCSP_SINGLERESP_get0_id(single);
        ASN1_OBJECT *hash = NULL;
        union {
            const OCSP_CERTID *in;
            OCSP_CERTID *out; /* OCSP_id_get0_info() only reads */
        } id = {.in = theirs};
        if (OCSP_id_get0_info(NULL, &hash, NULL, NULL, id.out) != 1)
            continue;
        const EVP_MD *md = EVP_get_digestbyobj(hash);
        OCSP_CERTID *ours = md != NULL ? OCSP_cert_to_id(md, credential->leaf, issuer) : NULL;
        bool same = ours != NULL && OCSP_id_cmp(ours, theirs) == 0;
        OCSP_CERTID_free(ours);
        if (same)
            return single;
    }
    return NULL;
}

bool tls_ocsp_is_about(const struct tls_credential *credential, struct span response)
{
    X509 *issuer = issuer_of(credential);
    OCSP_BASICRESP *basic = issuer != NULL ? parse(response, NULL) : NULL;
    bool about = basic != NULL && find_answer(basic, credential, issuer) != NULL;
    OCSP_BASICRESP_free(basic);
    ERR_clear_error();
    return about;
}

/* The issuer is trusted as it is, whatever may be above it; a responder that it named has its
 * certificate in the response. */
static bool check_signature(OCSP_BASICRESP *basic, const struct tls_credential *credential,
                            X509 *issuer, struct error *error)
{
    X509_STORE *trusted = X509_STORE_new();
    bool good = trusted != NULL && X509_STORE_add_cert(trusted, issuer) == 1 &&
                X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN) == 1;
    good = good && OCSP_basic_verify(basic, credential->chain, trusted, 0) == 1;
    X509_STORE_free(trusted);
    ERR_clear_error();
    return good || error_tls(error, "its signature is not the issuer's");
}

static bool read_time(int64_t *ret, const ASN1_GENERALIZEDTIME *time)
{
    struct tm tm;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *ret = timegm(&tm);
    return true;
}

static bool read_times(struct tls_staple *staple, const ASN1_GENERALIZEDTIME *from,
                       const ASN1_GENERALIZEDTIME *until)
{
    if (!read_time(&staple->this_update, from))
        return false;
    if (until != NULL)
        return read_time(&staple->next_update, until);
    staple->next_update = staple->this_update + DEFAULT_SECONDS;
    return true;
}

static enum tls_ocsp_verdict check_answer(struct tls_staple *staple, OCSP_SINGLERESP *single,
                                          int64_t now, struct error *error)
{
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    char date[TLS_DATE_MAX];
    int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
    if (!read_times(staple, from, until)) {
        error_tls(error, "its time cannot be read");
        return TLS_OCSP_BAD;
    }
    if (staple->this_update > now + SKEW_SECONDS) {
        error_tls(error, "it is from the future");
        return TLS_OCSP_BAD;
    }
    if (status == V_OCSP_CERTSTATUS_REVOKED) {
        error_tls(error, "it says that the certificate is revoked");
        return TLS_OCSP_REVOKED;
    }
    if (status != V_OCSP_CERTSTATUS_GOOD) {
        error_tls(error, "it says that the certificate is unknown");
        return TLS_OCSP_BAD;
    }
    if (staple->next_update <= now) {
        tls_date_format(staple->next_update, date);
        error_tls(error, "it was good until %s", date);
        return TLS_OCSP_STALE;
    }
    return TLS_OCSP_GOOD;
}

static enum tls_ocsp_verdict check_basic(struct tls_staple *staple, OCSP_BASICRESP *basic,
                                         const struct tls_credential *credential, int64_t now,
                                         struct error *error)
{
    X509 *issuer = issuer_of(credential);
    if (issuer == NULL) {
        no_issuer(credential, error);
        return TLS_OCSP_BAD;
    }
    OCSP_SINGLERESP *single = find_answer(basic, credential, issuer);
    if (single == NULL) {
        error_tls(error, "it is not about the certificate of %s", credential->title);
        return TLS_OCSP_BAD;
    }
    if (!check_signature(basic, credential, issuer, error))
        return TLS_OCSP_BAD;
    if (!read_time(&staple->produced_at, OCSP_resp_get0_produced_at(basic)))
        staple->produced_at = 0; /* shown, and nothing else */
    return check_answer(staple, single, now, error);
}

/* An empty one with room for the response. */
static struct tls_staple *make_staple(struct span response)
{
    struct tls_staple *staple = calloc(1, sizeof *staple);
    if (staple == NULL)
        return NULL;
    atomic_init(&staple->references, 1);
    staple->length = response.length;
    staple->der = malloc(response.length + 1);
    if (staple->der == NULL) {
        tls_staple_unref(staple);
        return NULL;
    }
    memcpy(staple->der, response.data, response.length);
    return staple;
}

enum tls_ocsp_verdict tls_ocsp_check(struct tls_staple **ret,
                                     const struct tls_credential *credential, struct span response,
                                     int64_t now, struct error *error)
{
    enum tls_ocsp_verdict verdict = TLS_OCSP_BAD;
    struct tls_staple *staple = NULL;
    OCSP_BASICRESP *basic = parse(response, error);
    if (basic != NULL && (staple = make_staple(response)) == NULL)
        error_memory(error);
    if (staple != NULL)
        verdict = check_basic(staple, basic, credential, now, error);
    OCSP_BASICRESP_free(basic);
    ERR_clear_error();
    if (verdict == TLS_OCSP_GOOD)
        *ret = staple;
    else
        tls_staple_unref(staple);
    return verdict;
}
