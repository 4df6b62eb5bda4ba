/* key_reader: private keys from PEM. For the TLS floor only.
 *
 * OpenSSL 3 spends five times as long on choosing decoders for a key as on decoding it (290 and
 * 60 us), and chooses anew for each. A reader chooses once: with it, ten thousand certificates load
 * in half the time. For one thread at a time. */
#ifndef TLS_KEY_READER_H
#define TLS_KEY_READER_H

#include "tls/file.h"

#include <openssl/evp.h>

struct tls_key_reader;

/* NULL: memory is out, which tls_key_read() takes too. */
struct tls_key_reader *tls_key_reader_create(void);
void tls_key_reader_free(struct tls_key_reader *reader); /* accepts NULL */

/* The first private key in the file; the caller's. NULL: there is none that can be read, and
 * *ret_encrypted tells whether a passphrase was asked for. `reader`: NULL for a single key. */
EVP_PKEY *tls_key_read(struct tls_key_reader *reader, const struct tls_file *file,
                       bool *ret_encrypted);

#endif
