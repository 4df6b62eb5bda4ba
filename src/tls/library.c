#include "muxgate-config.h"

#include "base/slab.h"
#include "tls/kernel.h"
#include "tls/tls.h"
#include "tls/wire.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#define VERSION_LEAST 0x30000000ul

/* Looked up once: OpenSSL's search by name costs more than to hash a few hundred bytes. */
static EVP_MD *sha256;

/* --- memory ----------------------------------------------------------------------------------- */

#ifdef MUXGATE_SLAB
static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return slab_allocate(size);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return slab_resize(block, size);
}

static void give_back(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    slab_free(block);
}

/* Too late where the library has memory of malloc()'s already: it then goes on with that. */
static void bring_memory(void)
{
    if (slab_start())
        (void)CRYPTO_set_mem_functions(allocate, resize, give_back);
}
#else
static void bring_memory(void)
{
}
#endif

/* --- start ------------------------------------------------------------------------------------ */

bool tls_start(struct error *error)
{
    bring_memory();
    if (OpenSSL_version_num() < VERSION_LEAST)
        return error_tls(error, "%s is too old: OpenSSL 3.0 or newer is needed",
                         tls_library_version());
    if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) !=
        1)
        return error_tls(error, "OpenSSL does not start (is its configuration file sound?)");
    if (RAND_status() != 1)
        return error_tls(error, "OpenSSL has no random numbers");
    if (sha256 == NULL)
        sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    tls_kernel_start();
    return sha256 != NULL ? tls_wire_start(error) : error_tls(error, "OpenSSL has no SHA-256");
}

const char *tls_library_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

const char *tls_kernel(void)
{
    tls_kernel_start();
    return tls_kernel_words();
}

void tls_sha256(const void *bytes, size_t length, unsigned char digest[32])
{
    const EVP_MD *algorithm = sha256 != NULL ? sha256 : EVP_sha256();
    if (EVP_Digest(bytes, length, digest, NULL, algorithm, NULL) != 1)
        memset(digest, 0, 32);
}

size_t tls_alert_record(unsigned char room[7], unsigned char description)
{
    /* A plaintext record: alert, version 3.3, two bytes: fatal (RFC 8446 §5.1, §6). */
    const unsigned char record[7] = {21, 3, 3, 0, 2, 2, description};
    memcpy(room, record, sizeof record);
    return sizeof record;
}
