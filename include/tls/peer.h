/* peer: a client's certificate, read for its names. For the TLS floor only. */
#ifndef TLS_PEER_H
#define TLS_PEER_H

#include "base/error.h"
#include "inspect/client_cert.h"

#include <openssl/x509.h>

/* The last common name (the most specific one, RFC 2818 §3.1) and the subjectAltName. Fails where
 * they cannot be read or could be taken for others; *ret then holds nothing. */
bool tls_peer_read(struct client_cert *ret, X509 *certificate, struct error *error) MUST_CHECK;

/* "CN=desk-1,O=Example", cut to the room, without bytes that could disturb a line. */
void tls_peer_show(const X509_NAME *name, char *ret, size_t size);

#endif
