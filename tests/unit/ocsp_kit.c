#include "ocsp_kit.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void take(struct ocsp_bytes *ret, OCSP_RESPONSE *response)
{
    unsigned char *at = ret->data;
    int length = i2d_OCSP_RESPONSE(response, NULL);
    ck_assert(length > 0 && (size_t)length <= sizeof ret->data);
    ret->length = (size_t)i2d_OCSP_RESPONSE(response, &at);
    OCSP_RESPONSE_free(response);
}

static void sign(OCSP_BASICRESP *basic, const struct ocsp_spec *spec)
{
    STACK_OF(X509) *enclosed = sk_X509_new_null();
    if (spec->enclosed != NULL)
        sk_X509_push(enclosed, spec->enclosed);
    ck_assert_int_eq(OCSP_basic_sign(basic, spec->by->certificate, spec->by->key, EVP_sha256(),
                                     enclosed, OCSP_NOCERTS),
                     1);
    /* OCSP_NOCERTS leaves out the signer's, too. */
    if (spec->enclosed != NULL)
        ck_assert_int_eq(OCSP_basic_add1_cert(basic, spec->enclosed), 1);
    sk_X509_free(enclosed);
}

void ocsp_make(struct ocsp_bytes *ret, const struct ocsp_spec *spec)
{
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id =
        OCSP_cert_to_id(spec->sha256 ? EVP_sha256() : EVP_sha1(), spec->subject, spec->issuer);
    ASN1_TIME *from = X509_gmtime_adj(NULL, spec->from_s);
    ASN1_TIME *until = X509_gmtime_adj(NULL, spec->until_s);
    ASN1_TIME *revoked = spec->status == V_OCSP_CERTSTATUS_REVOKED ? from : NULL;
    ck_assert_ptr_nonnull(OCSP_basic_add1_status(basic, id, spec->status, 0, revoked, from,
                                                 spec->endless ? NULL : until));
    sign(basic, spec);
    take(ret, OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic));
    ASN1_TIME_free(until);
    ASN1_TIME_free(from);
    OCSP_CERTID_free(id);
    OCSP_BASICRESP_free(basic);
}

void ocsp_make_refusal(struct ocsp_bytes *ret, int status)
{
    take(ret, OCSP_response_create(status, NULL));
}

/* --- the responder ---------------------------------------------------------------------------- */

void ocsp_responder_open(struct ocsp_responder *ret, const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_PASSIVE};
    struct addrinfo *address;
    char port[16];
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    memset(ret, 0, sizeof *ret);
    ck_assert_int_eq(getaddrinfo(host, "0", &hints, &address), 0);
    ret->listener = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(ret->listener, 0);
    ck_assert_int_eq(bind(ret->listener, address->ai_addr, address->ai_addrlen), 0);
    ck_assert_int_eq(listen(ret->listener, 8), 0);
    ck_assert_int_eq(getsockname(ret->listener, (struct sockaddr *)&name, &size), 0);
    ck_assert_int_eq(
        getnameinfo((struct sockaddr *)&name, size, NULL, 0, port, sizeof port, NI_NUMERICSERV), 0);
    ret->port = (int)strtol(port, NULL, 10);
    freeaddrinfo(address);
}

static bool write_all(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t count = send(fd, at, length, MSG_NOSIGNAL);
        if (count <= 0)
            return false;
        at += count;
        length -= (size_t)count;
    }
    return true;
}

/* The head, and the body that it says follows: a close with bytes unread would be a reset. */
static void read_request(struct ocsp_responder *responder, int fd)
{
    char *room = responder->asked;
    size_t have = 0, size = sizeof responder->asked - 1, whole = size;
    while (have < whole) {
        ssize_t count = recv(fd, room + have, size - have, 0);
        if (count <= 0)
            break;
        have += (size_t)count;
        room[have] = '\0';
        const char *end = strstr(room, "\r\n\r\n"), *said = strstr(room, "Content-Length: ");
        if (end != NULL && said != NULL)
            whole = (size_t)(end + 4 - room) + (size_t)strtoul(said + 16, NULL, 10);
    }
    room[have] = '\0';
}

static void *answer(void *context)
{
    struct ocsp_responder *responder = context;
    for (unsigned i = 0; i < responder->answers; i++) {
        int fd = accept(responder->listener, NULL, NULL);
        if (fd < 0)
            break;
        read_request(responder, fd);
        if (write_all(fd, responder->head, strlen(responder->head)))
            (void)write_all(fd, responder->body.data, responder->body.length);
        close(fd);
    }
    return NULL;
}

void ocsp_responder_run(struct ocsp_responder *responder, const char *head, unsigned answers)
{
    responder->head = head;
    responder->answers = answers;
    ck_assert_int_eq(pthread_create(&responder->thread, NULL, answer, responder), 0);
}

void ocsp_responder_end(struct ocsp_responder *responder)
{
    pthread_join(responder->thread, NULL);
    close(responder->listener);
}

struct tls_credential *ocsp_load(const char *certificates, const char *key)
{
    struct tls_file files[2];
    struct tls_credential *loaded;
    struct error error;
    enum tls_part part;
    ck_assert_int_eq(tls_file_read(&files[0], kit_file(certificates), &error), TLS_FILE_OK);
    ck_assert_int_eq(tls_file_read(&files[1], kit_file(key), &error), TLS_FILE_OK);
    ck_assert_msg(tls_credential_parse(&loaded, NULL, &files[0], &files[1], &part, &error), "%s",
                  error.text);
    tls_file_release(&files[0]);
    tls_file_release(&files[1]);
    return loaded;
}
