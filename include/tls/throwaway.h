/* throwaway: a self-signed certificate for --demo: ECDSA P-256, localhost, ninety days. */
#ifndef TLS_THROWAWAY_H
#define TLS_THROWAWAY_H

#include "base/compiler.h"
#include "base/error.h"

/* Writes both files; the key is readable by its owner only. */
bool tls_write_throwaway(const char *cert_file, const char *key_file,
                         struct error *error) MUST_CHECK;

#endif
