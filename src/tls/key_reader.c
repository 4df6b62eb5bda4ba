#include "tls/key_reader.h"

#include <openssl/decoder.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

struct tls_key_reader {
    OSSL_DECODER_CTX *decoders;
    EVP_PKEY *found; /* where they put what they have read */
};

/* A gateway has no terminal to ask for a passphrase on; notes that one was wanted. */
static int no_passphrase(char *room, int size, int writing, void *wanted)
{
    (void)room;
    (void)size;
    (void)writing;
    if (wanted != NULL)
        *(bool *)wanted = true;
    return -1;
}

struct tls_key_reader *tls_key_reader_create(void)
{
    struct tls_key_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->decoders = OSSL_DECODER_CTX_new_for_pkey(
        &reader->found, "PEM", NULL, NULL,
        OSSL_KEYMGMT_SELECT_KEYPAIR | OSSL_KEYMGMT_SELECT_ALL_PARAMETERS, NULL, NULL);
    if (reader->decoders == NULL ||
        OSSL_DECODER_CTX_set_pem_password_cb(reader->decoders, no_passphrase, NULL) != 1) {
        tls_key_reader_free(reader);
        return NULL;
    }
    return reader;
}

void tls_key_reader_free(struct tls_key_reader *reader)
{
    if (reader == NULL)
        return;
    OSSL_DECODER_CTX_free(reader->decoders);
    free(reader);
}

/* Each call takes one PEM block: certificates and parameters may stand before the key. */
static EVP_PKEY *decode(struct tls_key_reader *reader, BIO *bio)
{
    while (!BIO_eof(bio)) {
        size_t left = BIO_ctrl_pending(bio);
        if (OSSL_DECODER_from_bio(reader->decoders, bio) == 1 && reader->found != NULL) {
            EVP_PKEY *key = reader->found;
            reader->found = NULL;
            return key;
        }
        if (BIO_ctrl_pending(bio) >= left)
            break;
    }
    return NULL;
}

/* What the chosen decoders do not take is given to the library's own way, which knows more forms
 * and can say what it lacks. */
EVP_PKEY *tls_key_read(struct tls_key_reader *reader, const struct tls_file *file,
                       bool *ret_encrypted)
{
    EVP_PKEY *key = NULL;
    BIO *bio = BIO_new_mem_buf(file->bytes, (int)file->length);
    *ret_encrypted = false;
    if (bio == NULL)
        return NULL;
    if (reader != NULL)
        key = decode(reader, bio);
    if (key == NULL && BIO_reset(bio) == 1)
        key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, ret_encrypted);
    BIO_free(bio);
    return key;
}
