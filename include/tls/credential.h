/* credential: a certificate, its chain and its private key: one pair of files, verified. For the
 * TLS floor only.
 *
 * Immutable, counted, shared by any threads. Holds what the files said when they were read. */
#ifndef TLS_CREDENTIAL_H
#define TLS_CREDENTIAL_H

#include "base/error.h"
#include "tls/file.h"
#include "tls/key_reader.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

/* What OpenSSL keeps side by side; chosen in the handshake by the client's signature algorithms. */
enum tls_key_type {
    TLS_KEY_RSA,
    TLS_KEY_RSA_PSS,
    TLS_KEY_ECDSA,
    TLS_KEY_ED25519,
    TLS_KEY_ED448,
    TLS_KEY_TYPE_COUNT
};

struct tls_credential {
    atomic_uint references;
    enum tls_key_type type;
    X509 *leaf;
    EVP_PKEY *key;
    STACK_OF(X509) * chain; /* without the leaf; each signs the one before */
    char **names;           /* normal form, sorted, each once; may begin with "*." */
    size_t name_count;
    char *title; /* the first name, else the subject's common name, else "(no name)" */
    int64_t not_before, not_after; /* seconds since 1970 */
    int64_t chain_not_after;       /* the earliest in the chain; INT64_MAX: there is none */
    char *chain_subject;           /* whose that is; NULL for none */
    char *file;                    /* of the certificate, as it was named */
    bool key_exposed;              /* group or others may read the key's file */
    bool must_staple;              /* clients are to insist on an OCSP response (RFC 7633) */
    unsigned char digest[32];      /* of both files */
};

enum tls_part { TLS_PART_CERTIFICATE, TLS_PART_KEY };

/* SHA-256 over the bytes of both files. */
void tls_credential_digest(unsigned char ret[32], const struct tls_file *certificate,
                           const struct tls_file *key);

/* Parses and verifies the pair: the key matches the leaf, each certificate signs the one before (an
 * order that can be repaired is). Does not look at the dates. *ret_part tells which file is at
 * fault; the text of `error` names it. `reader`: see key_reader.h; may be NULL. */
bool tls_credential_parse(struct tls_credential **ret, struct tls_key_reader *reader,
                          const struct tls_file *certificate, const struct tls_file *key,
                          enum tls_part *ret_part, struct error *error) MUST_CHECK;

/* One half of a pair alone, where the other cannot be looked at or keeps from looking at it: reads
 * and parses the file. */
enum tls_file_status tls_credential_check_half(const char *file, enum tls_part part,
                                               struct error *error);

struct tls_credential *tls_credential_ref(struct tls_credential *credential);
void tls_credential_unref(struct tls_credential *credential); /* accepts NULL; cleanses the key */

/* Gives it to a connection before its handshake. */
bool tls_credential_use(const struct tls_credential *credential, SSL *ssl) MUST_CHECK;

/* Does every name of `old` still have a place in `credential`? *ret_missing: the first that has
 * not. */
bool tls_credential_covers(const struct tls_credential *credential,
                           const struct tls_credential *old, const char **ret_missing);

#define TLS_DATE_MAX 32
void tls_date_format(int64_t seconds, char ret[TLS_DATE_MAX]); /* "2026-12-01" */

#endif
