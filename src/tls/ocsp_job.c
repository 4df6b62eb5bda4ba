#include "tls/ocsp_job.h"

#include "base/clock.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/http.h>
#include <openssl/ocsp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TOTAL_MS     10000u
#define US_PER_MS    UINT64_C(1000)
#define PORT_DEFAULT "80"

struct tls_ocsp_job {
    struct tls_credential *credential;
    char *url;
    unsigned char *request;
    size_t request_length;
    unsigned char *response; /* NULL: nothing came */
    size_t response_length;
    struct error error;
};

bool tls_ocsp_job_create(struct tls_ocsp_job **ret, struct tls_credential *credential,
                         const char *url, struct error *error)
{
    struct tls_ocsp_job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return error_memory(error);
    job->credential = tls_credential_ref(credential);
    job->url = strdup(url);
    bool good = job->url != NULL || error_memory(error);
    good = good && tls_ocsp_request(credential, &job->request, &job->request_length, error);
    if (good)
        *ret = job;
    else
        tls_ocsp_job_free(job);
    return good;
}

void tls_ocsp_job_free(struct tls_ocsp_job *job)
{
    if (job == NULL)
        return;
    tls_credential_unref(job->credential);
    free(job->url);
    free(job->request);
    free(job->response);
    free(job);
}

const struct tls_credential *tls_ocsp_job_credential(const struct tls_ocsp_job *job)
{
    return job->credential;
}

bool tls_ocsp_job_response(const struct tls_ocsp_job *job, struct span *ret, struct error *error)
{
    if (job->response == NULL) {
        *error = job->error;
        return false;
    }
    *ret = span_of(job->response, job->response_length);
    return true;
}

/* The address http://AUTHORITY/PATH, owned; host and port by the library. */
struct address_parts {
    char *host, *port; /* port NULL: none is said */
    char *authority;   /* for the Host header (RFC 9110 §7.2) */
    char *path;        /* with its query */
};

/* --- waiting ---------------------------------------------------------------------------------- */

struct fetch {
    struct tls_ocsp_job *job;
    int stop_fd;
    uint64_t deadline_us;
    int fd; /* -1: none yet */
};

static bool wait_for(const struct fetch *fetch, short events)
{
    struct pollfd fds[] = {{.fd = fetch->fd, .events = events},
                           {.fd = fetch->stop_fd, .events = POLLIN}};
    struct error *error = &fetch->job->error;
    for (;;) {
        uint64_t now = clock_monotonic_us();
        if (now >= fetch->deadline_us)
            return error_system(error, ETIMEDOUT, "no answer in %u s", TOTAL_MS / 1000);
        int got = poll(fds, 2, (int)((fetch->deadline_us - now) / US_PER_MS) + 1);
        if (got < 0 && errno != EINTR)
            return error_system(error, errno, "cannot wait");
        if (got > 0 && fds[1].revents != 0)
            return error_system(error, ECANCELED, "not waited for");
        if (got > 0)
            return true;
    }
}

/* --- the connection --------------------------------------------------------------------------- */

static bool connect_one(struct fetch *fetch, const struct addrinfo *address)
{
    struct error *error = &fetch->job->error;
    int failure = 0;
    socklen_t size = sizeof failure;
    fetch->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fetch->fd < 0)
        return error_system(error, errno, "no socket");
    if (connect(fetch->fd, address->ai_addr, address->ai_addrlen) == 0)
        return true;
    if (errno != EINPROGRESS)
        failure = errno;
    else if (!wait_for(fetch, POLLOUT))
        return false;
    else if (getsockopt(fetch->fd, SOL_SOCKET, SO_ERROR, &failure, &size) != 0)
        failure = errno;
    return failure == 0 || error_system(error, failure, "cannot connect");
}

/* The look-up of the name may take as long as the resolver likes: it is why this has a thread. */
static bool connect_any(struct fetch *fetch, const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *all = NULL;
    int got = getaddrinfo(host, port, &hints, &all);
    if (got != 0)
        return error_input(&fetch->job->error, "no address for %s: %s", host, gai_strerror(got));
    bool done = false;
    for (const struct addrinfo *one = all; one != NULL && !done; one = one->ai_next) {
        done = connect_one(fetch, one);
        if (!done && fetch->fd >= 0) {
            close(fetch->fd);
            fetch->fd = -1;
        }
    }
    freeaddrinfo(all);
    return done;
}

/* --- HTTP ------------------------------------------------------------------------------------- */

static bool no_answer(struct tls_ocsp_job *job)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return error_tls(&job->error, "the answer cannot be used: %s",
                     reason != NULL ? reason : "it ended too soon");
}

static bool keep_response(struct tls_ocsp_job *job, OSSL_HTTP_REQ_CTX *exchange)
{
    char *bytes;
    BIO *memory = OSSL_HTTP_REQ_CTX_get0_mem_bio(exchange);
    long length = memory != NULL ? BIO_get_mem_data(memory, &bytes) : 0;
    if (length <= 0)
        return no_answer(job);
    job->response = malloc((size_t)length);
    if (job->response == NULL)
        return error_memory(&job->error);
    memcpy(job->response, bytes, (size_t)length);
    job->response_length = (size_t)length;
    return true;
}

static bool run_exchange(const struct fetch *fetch, OSSL_HTTP_REQ_CTX *exchange, BIO *bio)
{
    for (;;) {
        int got = OSSL_HTTP_REQ_CTX_nbio(exchange);
        if (got == 1)
            return keep_response(fetch->job, exchange);
        if (got == 0 || !BIO_should_retry(bio))
            return no_answer(fetch->job);
        if (!wait_for(fetch, BIO_should_write(bio) ? POLLOUT : POLLIN))
            return false;
    }
}

static bool talk(const struct fetch *fetch, const struct address_parts *parts)
{
    struct tls_ocsp_job *job = fetch->job;
    const unsigned char *at = job->request;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &at, (long)job->request_length);
    BIO *bio = BIO_new_socket(fetch->fd, BIO_NOCLOSE);
    OSSL_HTTP_REQ_CTX *exchange =
        request != NULL && bio != NULL ? OCSP_sendreq_new(bio, parts->path, request, 0) : NULL;
    bool good = exchange != NULL &&
                OSSL_HTTP_REQ_CTX_add1_header(exchange, "Host", parts->authority) == 1;
    if (good) {
        OSSL_HTTP_REQ_CTX_set_max_response_length(exchange, TLS_OCSP_MAX_BYTES);
        good = run_exchange(fetch, exchange, bio);
    } else {
        error_memory(&job->error);
    }
    OSSL_HTTP_REQ_CTX_free(exchange);
    OCSP_REQUEST_free(request);
    BIO_free(bio);
    return good;
}

/* --- the address ------------------------------------------------------------------------------ */

/* "[::1]" for look-ups is "::1". */
static void strip_brackets(char *host)
{
    size_t length = strlen(host);
    if (length < 2 || host[0] != '[' || host[length - 1] != ']')
        return;
    memmove(host, host + 1, length - 2);
    host[length - 2] = '\0';
}

/* The library leaves a query out of the path, and gives the parts of what stands for the host. */
static bool read_address(struct address_parts *ret, const char *url)
{
    char *library_path = NULL;
    int secure = 0;
    bool good = OSSL_HTTP_parse_url(url, &secure, NULL, &ret->host, &ret->port, NULL, &library_path,
                                    NULL, NULL) == 1 &&
                secure == 0;
    OPENSSL_free(library_path);
    if (!good)
        return false;
    strip_brackets(ret->host);
    const char *authority = url + strlen("http://");
    size_t length = strcspn(authority, "/?#");
    const char *path = authority + length;
    ret->authority = strndup(authority, length);
    size_t path_length = strcspn(path, "#");
    ret->path = malloc(path_length + 2);
    if (ret->authority == NULL || ret->path == NULL)
        return false;
    ret->path[0] = '/';
    size_t skipped = path[0] == '/'; /* "http://host?query" has none */
    memcpy(ret->path + 1, path + skipped, path_length - skipped);
    ret->path[1 + path_length - skipped] = '\0';
    return true;
}

static void release_address(struct address_parts *parts)
{
    OPENSSL_free(parts->host);
    OPENSSL_free(parts->port);
    free(parts->authority);
    free(parts->path);
}

void tls_ocsp_job_run(struct tls_ocsp_job *job, int stop_fd)
{
    struct fetch fetch = {.job = job,
                          .stop_fd = stop_fd,
                          .deadline_us = clock_monotonic_us() + TOTAL_MS * US_PER_MS,
                          .fd = -1};
    struct address_parts parts = {NULL, NULL, NULL, NULL};
    ERR_clear_error();
    if (!tls_ocsp_url_is_plain(job->url) || !read_address(&parts, job->url))
        error_input(&job->error, "its address is not understood");
    else if (connect_any(&fetch, parts.host, parts.port != NULL ? parts.port : PORT_DEFAULT))
        (void)talk(&fetch, &parts);
    if (fetch.fd >= 0)
        close(fetch.fd);
    release_address(&parts);
    ERR_clear_error();
}
