#include "tls_kit.h"

#include "problem_lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS   5000
#define NAMES_MAX 64

static char folder[64];
static char *names[NAMES_MAX];
static size_t name_count;

/* --- files ------------------------------------------------------------------------------------ */

void kit_start(void)
{
    struct error error;
    ck_assert_msg(tls_start(&error), "%s", "tls_start");
    snprintf(folder, sizeof folder, "/tmp/muxgate-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    name_count = 0;
}

static int remove_one(const char *path, const struct stat *state, int flag, struct FTW *walk)
{
    (void)state;
    (void)flag;
    (void)walk;
    return remove(path);
}

void kit_stop(void)
{
    nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    while (name_count > 0)
        free(names[--name_count]);
}

const char *kit_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    for (size_t i = 0; i < name_count; i++)
        if (strcmp(names[i], path) == 0)
            return names[i];
    ck_assert(name_count < NAMES_MAX);
    names[name_count] = strdup(path);
    ck_assert_ptr_nonnull(names[name_count]);
    return names[name_count++];
}

void kit_write(const char *name, const void *bytes, size_t length)
{
    int fd = open(kit_file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

size_t kit_read(const char *name, char *room, size_t size)
{
    int fd = open(kit_file(name), O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ssize_t count = read(fd, room, size);
    ck_assert(count >= 0 && (size_t)count < size);
    close(fd);
    return (size_t)count;
}

void kit_remove(const char *name)
{
    ck_assert_int_eq(unlink(kit_file(name)), 0);
}

/* --- certificates ----------------------------------------------------------------------------- */

static EVP_PKEY *make_key(enum kit_key kind)
{
    switch (kind) {
    case KIT_RSA:
        return EVP_RSA_gen(2048);
    case KIT_RSA_SMALL:
        return EVP_RSA_gen(1024);
    case KIT_ED25519:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    default:
        return EVP_EC_gen("P-256");
    }
}

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ck_assert_msg(extension != NULL, "extension %s", value);
    ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void set_subject(X509 *certificate, const char *cn)
{
    X509_NAME *subject = X509_NAME_new();
    ck_assert_int_eq(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                                (const unsigned char *)cn, -1, -1, 0),
                     1);
    X509_set_subject_name(certificate, subject);
    X509_NAME_free(subject);
}

struct kit_signer kit_make(const struct kit_spec *spec)
{
    struct kit_signer made = {X509_new(), make_key(spec->key)};
    ck_assert(made.certificate != NULL && made.key != NULL);
    const struct kit_signer *by = spec->by != NULL ? spec->by : &made;
    bool usual = spec->from_days == 0 && spec->to_days == 0;
    uint32_t serial;
    RAND_bytes((unsigned char *)&serial, sizeof serial);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), (long)(serial >> 1));
    X509_time_adj_ex(X509_getm_notBefore(made.certificate), usual ? -1 : spec->from_days, 0, NULL);
    X509_time_adj_ex(X509_getm_notAfter(made.certificate), usual ? 90 : spec->to_days, 60, NULL);
    set_subject(made.certificate, spec->cn != NULL ? spec->cn : "kit");
    X509_set_pubkey(made.certificate, made.key);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(by->certificate));
    if (spec->is_ca)
        add_extension(made.certificate, by->certificate, NID_basic_constraints, "critical,CA:TRUE");
    if (spec->usage != NULL)
        add_extension(made.certificate, by->certificate, NID_ext_key_usage, spec->usage);
    if (spec->ocsp != NULL) {
        char access[160];
        snprintf(access, sizeof access, "OCSP;URI:%s", spec->ocsp);
        add_extension(made.certificate, by->certificate, NID_info_access, access);
    }
    if (spec->must_staple)
        add_extension(made.certificate, by->certificate, NID_tlsfeature, "status_request");
    if (spec->san != NULL)
        add_extension(made.certificate, by->certificate, NID_subject_alt_name, spec->san);
    const EVP_MD *md = EVP_PKEY_get_base_id(by->key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
    ck_assert_int_gt(X509_sign(made.certificate, by->key, md), 0);
    return made;
}

void kit_signer_free(struct kit_signer *signer)
{
    X509_free(signer->certificate);
    EVP_PKEY_free(signer->key);
    *signer = (struct kit_signer){NULL, NULL};
}

static void save(const char *name, BIO *bio)
{
    char *bytes;
    long length = BIO_get_mem_data(bio, &bytes);
    kit_write(name, bytes, (size_t)length);
    BIO_free(bio);
}

void kit_save_certificates(const char *name, X509 *const *certificates, size_t count)
{
    BIO *bio = BIO_new(BIO_s_mem());
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(PEM_write_bio_X509(bio, certificates[i]), 1);
    save(name, bio);
}

void kit_save_key(const char *name, EVP_PKEY *key, const char *passphrase)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_128_cbc() : NULL;
    int length = passphrase != NULL ? (int)strlen(passphrase) : 0;
    ck_assert_int_eq(
        PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, passphrase, length, NULL, NULL), 1);
    save(name, bio);
}

void kit_pair(const char *name, const struct kit_spec *spec)
{
    struct kit_signer made = kit_make(spec);
    char file[80];
    snprintf(file, sizeof file, "%s.crt", name);
    kit_save_certificates(file, &made.certificate, 1);
    snprintf(file, sizeof file, "%s.key", name);
    kit_save_key(file, made.key, NULL);
    kit_signer_free(&made);
}

/* --- policies --------------------------------------------------------------------------------- */

char *kit_writable(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    return u.out;
}

void kit_model(struct kit_model *ret, const char *const *pairs, size_t count)
{
    static const char *const paths[] = {"tls.certificates[0]", "tls.certificates[1]",
                                        "tls.certificates[2]", "tls.certificates[3]"};
    memset(ret, 0, sizeof *ret);
    ret->tls.path = kit_writable("tls");
    ret->tls.certificates = ret->certificates;
    ret->tls.certificate_count = count;
    ret->tls.min_version = TLS1_2_VERSION;
    ret->tls.watch = true;
    ret->tls.tickets =
        (struct model_tickets){.lifetime_ms = 12 * 3600000, .rotate_ms = 4 * 3600000, .count = 1};
    for (size_t i = 0; i < count; i++) {
        char file[80];
        ret->certificates[i].path = kit_writable(paths[i]);
        snprintf(file, sizeof file, "%s.crt", pairs[i]);
        ret->certificates[i].cert = kit_writable(kit_file(file));
        snprintf(file, sizeof file, "%s.key", pairs[i]);
        ret->certificates[i].key = kit_writable(kit_file(file));
    }
}

void kit_model_pem(struct kit_model *model, const char *file)
{
    model->certificates[0].cert = model->certificates[0].key = kit_writable(kit_file(file));
    model->certificates[0].pem = true;
}

void kit_model_folder(struct kit_model *model, const char *name)
{
    model->certificates[0].cert = model->certificates[0].key = NULL;
    model->certificates[0].directory = kit_writable(kit_file(name));
}

void kit_pem(const char *name, const struct kit_spec *spec)
{
    static char both[16384];
    kit_pair("kit_pem", spec);
    size_t length = kit_read("kit_pem.crt", both, sizeof both);
    length += kit_read("kit_pem.key", both + length, sizeof both - length);
    kit_write("kit_pem.new", both, length);
    ck_assert_int_eq(rename(kit_file("kit_pem.new"), kit_file(name)), 0);
}

void kit_model_alpn(struct kit_model *model, const char *first, const char *second)
{
    model->alpn[0] = kit_writable(first);
    model->alpn[1] = kit_writable(second);
    model->tls.alpn.item = model->alpn;
    model->tls.alpn.count = second != NULL ? 2 : 1;
}

static struct tls_policy *compile(const struct kit_model *model, const struct tls_policy *previous,
                                  char *text, size_t size)
{
    struct problems *problems;
    struct tls_policy *policy = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    if (!tls_policy_compile(&policy, &model->tls, 2, previous, problems)) {
        policy = NULL;
        ck_assert_uint_ge(problems_errors(problems), 1);
    } else {
        ck_assert_uint_eq(problems_errors(problems), 0);
        ck_assert_int_eq(policy == NULL, model->tls.certificate_count == 0);
    }
    snprintf(text, size, "%s", lines_of(problems));
    problems_free(problems);
    return policy;
}

struct tls_policy *kit_policy(const struct kit_model *model, const struct tls_policy *previous)
{
    char text[4096];
    struct tls_policy *policy = compile(model, previous, text, sizeof text);
    ck_assert_msg(policy != NULL, "%s", text);
    return policy;
}

bool kit_compile(const struct kit_model *model, char *text, size_t size)
{
    struct tls_policy *policy = compile(model, NULL, text, size);
    tls_policy_unref(policy);
    return policy != NULL;
}

/* --- connections ------------------------------------------------------------------------------ */

static void set_non_blocking(int fd)
{
    ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

void kit_socketpair(int *ret_server, int *ret_client)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    *ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(*ret_client, (struct sockaddr *)&address, sizeof address), 0);
    *ret_server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ck_assert_int_ge(*ret_server, 0);
    close(listener);
    setsockopt(*ret_server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(*ret_client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    set_non_blocking(*ret_server);
    set_non_blocking(*ret_client);
}

SSL_CTX *kit_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ck_assert_ptr_nonnull(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    return context;
}

void kit_open(struct kit_link *link, struct tls_policy *policy, const char *expected_sni,
              SSL_CTX *client, const char *sni)
{
    kit_open_at(link, policy, 0, expected_sni, client, sni);
}

void kit_open_at(struct kit_link *link, struct tls_policy *policy, unsigned worker,
                 const char *expected_sni, SSL_CTX *client, const char *sni)
{
    struct error error;
    int server_fd;
    kit_socketpair(&server_fd, &link->client_fd);
    ck_assert(tls_accept(&link->server, policy, worker, server_fd, expected_sni, &error));
    link->server_state = TLS_AGAIN;
    link->client_state = 0;
    link->client = SSL_new(client);
    SSL_set_fd(link->client, link->client_fd);
    SSL_set_connect_state(link->client);
    if (sni != NULL)
        ck_assert_int_eq(SSL_set_tlsext_host_name(link->client, sni), 1);
}

static void step_client(struct kit_link *link)
{
    ERR_clear_error();
    int result = SSL_connect(link->client);
    if (result == 1) {
        link->client_state = 1;
        return;
    }
    int reason = SSL_get_error(link->client, result);
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        link->client_state = -1;
    ERR_clear_error();
}

static bool wait_any(const struct kit_link *link)
{
    struct pollfd both[2] = {
        {.fd = link->server_state == TLS_AGAIN ? link->server.fd : -1, .events = POLLIN},
        {.fd = link->client_state == 0 ? link->client_fd : -1, .events = POLLIN}};
    return poll(both, 2, WAIT_MS) > 0;
}

void kit_run(struct kit_link *link)
{
    for (int turn = 0; turn < 1000; turn++) {
        if (link->client_state == 0)
            step_client(link);
        if (link->server_state == TLS_AGAIN)
            link->server_state = tls_handshake(&link->server);
        bool client_over = link->client_state != 0, server_over = link->server_state != TLS_AGAIN;
        if (client_over && server_over)
            return;
        if (link->client_state == -1 || (server_over && link->server_state != TLS_DONE))
            shutdown(link->client_state == -1 ? link->client_fd : link->server.fd, SHUT_WR);
        ck_assert_msg(wait_any(link), "the handshake hangs");
    }
    ck_abort_msg("the handshake does not end");
}

void kit_handshake(struct kit_link *link)
{
    kit_run(link);
    const char *fault = stream_fault(&link->server);
    ck_assert_msg(link->server_state == TLS_DONE, "server: %d, %s", (int)link->server_state,
                  fault != NULL ? fault : "no fault");
    ck_assert_int_eq(link->client_state, 1);
}

void kit_close(struct kit_link *link)
{
    stream_close(&link->server, false);
    kit_close_client(link, false);
}

void kit_close_client(struct kit_link *link, bool reset)
{
    if (link->client == NULL)
        return;
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (reset)
        setsockopt(link->client_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    /* else OpenSSL holds the session for a broken one and never resumes it */
    SSL_set_shutdown(link->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(link->client);
    close(link->client_fd);
    link->client = NULL;
}

static void wait_for(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};
    ck_assert_msg(poll(&one, 1, WAIT_MS) == 1, "nothing comes");
}

enum stream_status kit_server_read(struct kit_link *link, void *room, size_t size, size_t *ret)
{
    for (;;) {
        enum stream_status status = stream_read(&link->server, room, size, ret);
        if (status != STREAM_AGAIN)
            return status;
        wait_for(link->server.fd, POLLIN);
        stream_ready(&link->server);
    }
}

int kit_client_read(struct kit_link *link, void *room, int size)
{
    for (;;) {
        ERR_clear_error();
        int count = SSL_read(link->client, room, size);
        if (count > 0 || SSL_get_error(link->client, count) != SSL_ERROR_WANT_READ)
            return count;
        wait_for(link->client_fd, POLLIN);
    }
}

void kit_client_write(struct kit_link *link, const char *text)
{
    int length = (int)strlen(text);
    ck_assert_int_eq(SSL_write(link->client, text, length), length);
}

void kit_server_write(struct kit_link *link, const char *text)
{
    size_t count;
    ck_assert_int_eq(stream_write(&link->server, text, strlen(text), &count), STREAM_OK);
    ck_assert_uint_eq(count, strlen(text));
}

void kit_ping(struct kit_link *link)
{
    char room[16];
    size_t count;
    kit_client_write(link, "ping");
    ck_assert_int_eq(kit_server_read(link, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 4);
    ck_assert_mem_eq(room, "ping", 4);
    kit_server_write(link, "pong");
    ck_assert_int_eq(kit_client_read(link, room, sizeof room), 4);
    ck_assert_mem_eq(room, "pong", 4);
}

bool kit_served(const struct kit_link *link, const char *name)
{
    X509 *certificate = SSL_get1_peer_certificate(link->client);
    ck_assert_ptr_nonnull(certificate);
    GENERAL_NAMES *list = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(list); i++) {
        const ASN1_STRING *one = sk_GENERAL_NAME_value(list, i)->d.dNSName;
        found = found || strcmp((const char *)ASN1_STRING_get0_data(one), name) == 0;
    }
    GENERAL_NAMES_free(list);
    X509_free(certificate);
    return found;
}

int kit_served_key(const struct kit_link *link)
{
    X509 *certificate = SSL_get1_peer_certificate(link->client);
    int id = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
    X509_free(certificate);
    return id;
}
