#include "tls/client_auth.h"

#include "base/clock.h"
#include "base/hash.h"
#include "tls/connection.h"
#include "tls/credential.h"
#include "tls/fault.h"
#include "tls/peer.h"
#include "tls/policy.h"
#include "tls/report.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRY_NOTICE_SECONDS (INT64_C(30) * 86400)

/* --- in the handshake ------------------------------------------------------------------------- */

/* In place of the library's own verification: against what this connection was set up with. Whoever
 * is let in has been read, so that a certificate without a clear name never gets further. */
static int verify_client(X509_STORE_CTX *context, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_connection *connection = tls_connection_of(ssl);
    char words[320];
    if (connection->trust == NULL) {
        X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    if (tls_trust_verify(connection->trust, context) != 1) {
        tls_trust_blame(context, words, sizeof words);
        tls_fault_set(connection, "%s", words);
        return 0;
    }
    if (!tls_connection_read_client(connection, X509_STORE_CTX_get0_cert(context))) {
        X509_STORE_CTX_set_error(context, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return 1;
}

static void set_up(SSL_CTX *context, const struct model_client_auth *model)
{
    int mode = SSL_VERIFY_PEER;
    if (model->mode == CLIENT_AUTH_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, NULL);
    SSL_CTX_set_verify_depth(context, (int)model->depth);
    SSL_CTX_set_cert_verify_callback(context, verify_client, NULL);
}

/* --- the files -------------------------------------------------------------------------------- */

static const char *key_of(enum tls_trust_part part)
{
    return part == TLS_TRUST_CA ? "client_auth.ca" : "client_auth.crl";
}

/* As tls_source_load(): `digest` is that of the bytes, or zero. What is in use already is not
 * parsed once more: *ret then stays NULL. */
static enum tls_file_status load(const struct tls_client_auth *auth, struct tls_trust **ret,
                                 unsigned char digest[32], enum tls_trust_part *ret_part,
                                 struct error *error)
{
    struct tls_file ca, crl = {0};
    memset(digest, 0, 32);
    *ret_part = TLS_TRUST_CA;
    enum tls_file_status status = tls_file_read(&ca, auth->ca, error);
    if (status != TLS_FILE_OK)
        return status;
    if (auth->crl != NULL) {
        *ret_part = TLS_TRUST_CRL;
        status = tls_file_read_crl(&crl, auth->crl, error);
    }
    if (status == TLS_FILE_OK) {
        const struct tls_file *revoked = auth->crl != NULL ? &crl : NULL;
        tls_trust_digest(digest, &ca, revoked);
        bool known = auth->current != NULL &&
                     memcmp(digest, auth->current->digest, sizeof auth->current->digest) == 0;
        if (!known && !tls_trust_parse(ret, &ca, revoked, ret_part, error))
            status = TLS_FILE_FAILED;
    }
    tls_file_release(&ca);
    tls_file_release(&crl);
    return status;
}

/* --- at start: warnings ----------------------------------------------------------------------- */

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm tm;
    return time != NULL && ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : INT64_MAX;
}

static void warn_of_anchor(const X509 *anchor, const char *path, struct problems *problems)
{
    char name[160], date[TLS_DATE_MAX];
    int64_t until = seconds_of(X509_get0_notAfter(anchor));
    tls_peer_show(X509_get_subject_name(anchor), name, sizeof name);
    tls_date_format(until, date);
    if (until <= clock_wall_s())
        tls_report_warning(problems, path, "client_auth.ca",
                           "the CA %s has expired on %s: its clients are refused", name, date);
    else if (until <= clock_wall_s() + EXPIRY_NOTICE_SECONDS)
        tls_report_warning(problems, path, "client_auth.ca", "the CA %s expires on %s", name, date);
    if (X509_check_ca((X509 *)(uintptr_t)anchor) == 0)
        tls_report_warning(problems, path, "client_auth.ca",
                           "%s is no CA: of it only this very certificate is taken", name);
}

static bool has_crl(const struct tls_trust *trust, const X509_NAME *issuer)
{
    for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++)
        if (X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(trust->crls, i)), issuer) == 0)
            return true;
    return false;
}

static void warn_of_crls(const struct tls_trust *trust, const char *path, struct problems *problems)
{
    char name[160], date[TLS_DATE_MAX];
    for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
        const X509_CRL *crl = sk_X509_CRL_value(trust->crls, i);
        int64_t until = seconds_of(X509_CRL_get0_nextUpdate(crl));
        tls_peer_show(X509_CRL_get_issuer(crl), name, sizeof name);
        tls_date_format(until, date);
        if (until <= clock_wall_s())
            tls_report_warning(problems, path, "client_auth.crl",
                               "the CRL of %s has expired on %s: its clients are refused", name,
                               date);
    }
    for (int i = 0; trust->crls != NULL && i < sk_X509_num(trust->anchors); i++) {
        X509 *anchor = sk_X509_value(trust->anchors, i);
        const X509_NAME *subject = X509_get_subject_name(anchor);
        tls_peer_show(subject, name, sizeof name);
        if (X509_check_ca(anchor) != 0 && !has_crl(trust, subject))
            tls_report_warning(problems, path, "client_auth.crl",
                               "no CRL of %s: its clients are refused", name);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

static bool copy(char **ret, const char *text)
{
    *ret = text == NULL ? NULL : strdup(text);
    return *ret != NULL || text == NULL;
}

static bool report_failure(const struct model_tls *model, enum tls_trust_part part,
                           enum tls_file_status status, const struct error *error,
                           struct problems *problems)
{
    return tls_report(problems, model->path, key_of(part), "%s",
                      status == TLS_FILE_UNSTABLE
                          ? "the file is being written to just now (try again)"
                          : error->text);
}

/* The CRLs alone, where the CAs cannot be looked at. */
static bool check_crls(const struct tls_client_auth *auth, const struct model_tls *model,
                       struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    struct tls_file file;
    if (auth->crl == NULL)
        return false;
    enum tls_file_status status = tls_file_read_crl(&file, auth->crl, &error);
    if (status == TLS_FILE_OK) {
        status = tls_trust_check_crls(&file, &error) ? TLS_FILE_OK : TLS_FILE_FAILED;
        tls_file_release(&file);
    }
    if (status != TLS_FILE_OK)
        (void)report_failure(model, TLS_TRUST_CRL, status, &error, problems);
    return false;
}

/* They count for nobody now, but whoever turns the mode on again means them. */
static void look_at_unused(const struct model_tls *model, struct problems *problems)
{
    struct tls_client_auth unused = {.ca = model->client_auth.ca, .crl = model->client_auth.crl};
    struct error error = {.kind = ERROR_NONE};
    struct tls_trust *trust = NULL;
    unsigned char digest[32];
    enum tls_trust_part part;
    if (unused.ca != NULL && load(&unused, &trust, digest, &part, &error) == TLS_FILE_FAILED)
        tls_report_warning(problems, model->path, key_of(part), "%s (not used with mode \"none\")",
                           error.text);
    tls_trust_unref(trust);
}

bool tls_client_auth_compile(struct tls_client_auth *ret, SSL_CTX *context,
                             const struct model_tls *model, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_trust_part part;
    *ret = (struct tls_client_auth){.mode = model->client_auth.mode};
    if (ret->mode == CLIENT_AUTH_NONE) {
        look_at_unused(model, problems);
        return true;
    }
    if (!copy(&ret->ca, model->client_auth.ca) || !copy(&ret->crl, model->client_auth.crl))
        return tls_report(problems, model->path, "client_auth", "out of memory");
    if (ret->ca == NULL) /* of a draft */
        return check_crls(ret, model, problems);
    set_up(context, &model->client_auth);
    enum tls_file_status status = load(ret, &ret->current, digest, &part, &error);
    if (status != TLS_FILE_OK) {
        (void)report_failure(model, part, status, &error, problems);
        return part == TLS_TRUST_CA && check_crls(ret, model, problems);
    }
    for (int i = 0; i < sk_X509_num(ret->current->anchors); i++)
        warn_of_anchor(sk_X509_value(ret->current->anchors, i), model->path, problems);
    warn_of_crls(ret->current, model->path, problems);
    return true;
}

void tls_client_auth_release(struct tls_client_auth *auth)
{
    tls_trust_unref(auth->current);
    free(auth->ca);
    free(auth->crl);
    *auth = (struct tls_client_auth){0};
}

/* --- renewal ---------------------------------------------------------------------------------- */

static bool any_crl_expired(const struct tls_trust *trust)
{
    for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++)
        if (seconds_of(X509_CRL_get0_nextUpdate(sk_X509_CRL_value(trust->crls, i))) <=
            clock_wall_s())
            return true;
    return false;
}

static bool all_anchors_expired(const struct tls_trust *trust)
{
    for (int i = 0; i < sk_X509_num(trust->anchors); i++)
        if (seconds_of(X509_get0_notAfter(sk_X509_value(trust->anchors, i))) > clock_wall_s())
            return false;
    return true;
}

/* What would lock everyone out is not taken while what is in use does not. */
static bool check_renewal(const struct tls_client_auth *auth, const struct tls_trust *fresh,
                          struct error *error)
{
    if (all_anchors_expired(fresh) && !all_anchors_expired(auth->current))
        return error_tls(error, "%s: every CA in it has expired", auth->ca);
    if (any_crl_expired(fresh) && !any_crl_expired(auth->current))
        return error_tls(error, "%s: a CRL in it has expired", auth->crl);
    return true;
}

static uint64_t refusal_of(const unsigned char digest[32], const struct error *error)
{
    return (hash_bytes(span_of(digest, 32)) ^ hash_bytes(span_text(error->text))) | 1u;
}

static enum tls_refresh refuse(struct tls_client_auth *auth, const unsigned char digest[32],
                               const struct error *reason, struct error *error)
{
    uint64_t refusal = refusal_of(digest, reason);
    if (auth->told == refusal)
        return TLS_REFRESH_SAME;
    auth->told = refusal;
    if (error != NULL)
        *error = *reason;
    return TLS_REFRESH_REFUSED;
}

enum tls_refresh tls_policy_refresh_trust(struct tls_policy *policy, struct tls_trust **ret,
                                          struct error *error)
{
    struct tls_client_auth *auth = &policy->client_auth;
    struct tls_trust *fresh = NULL;
    struct error reason = {.kind = ERROR_NONE};
    unsigned char digest[32];
    enum tls_trust_part part;
    if (auth->current == NULL)
        return TLS_REFRESH_SAME;
    enum tls_file_status status = load(auth, &fresh, digest, &part, &reason);
    if (memcmp(digest, auth->current->digest, sizeof digest) == 0) {
        auth->told = 0;
        tls_trust_unref(fresh);
        return TLS_REFRESH_SAME;
    }
    if (status == TLS_FILE_UNSTABLE)
        return TLS_REFRESH_SAME;
    if (status != TLS_FILE_OK || !check_renewal(auth, fresh, &reason)) {
        tls_trust_unref(fresh);
        return refuse(auth, digest, &reason, error);
    }
    tls_trust_unref(auth->current);
    auth->current = fresh;
    auth->told = 0;
    *ret = tls_trust_ref(fresh);
    return TLS_REFRESH_NEW;
}

void tls_policy_set_trust(struct tls_policy *policy, unsigned worker, struct tls_trust *trust)
{
    tls_trust_unref(policy->slots[worker].trust);
    policy->slots[worker].trust = trust;
}

void tls_trust_describe(const struct tls_trust *trust, char *ret, size_t size)
{
    char name[160];
    int count = sk_X509_num(trust->anchors), crls = sk_X509_CRL_num(trust->crls);
    tls_peer_show(X509_get_subject_name(sk_X509_value(trust->anchors, 0)), name, sizeof name);
    int length = snprintf(ret, size, "clients of %s", name);
    if (count > 1 && length > 0 && (size_t)length < size)
        length += snprintf(ret + length, size - (size_t)length, " (and %d more)", count - 1);
    if (crls > 0 && length > 0 && (size_t)length < size)
        snprintf(ret + length, size - (size_t)length, ", %d CRL%s", crls, crls == 1 ? "" : "s");
}
