/* bench_bare: a featureless single-hop forwarder, what a gateway's figures are held against.
 *
 *   bench_bare --server PORT [--listen PORT] [--cert FILE --key FILE] [--workers N] [--splice]
 *
 * Prints "ready PORT" and forwards until it is ended. The first byte decides between TLS, which is
 * terminated, and plain. Workers are processes that share the port. */
#include "bare.h"
#include "net.h"
#include "util.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#define ACCEPT_BATCH 16
#define WORKERS_MOST 64

struct options {
    uint16_t listen_port, server_port;
    const char *cert, *key;
    unsigned workers;
    bool splice;
};

static const struct option option_table[] = {
    {"listen", required_argument, NULL, 'l'},
    {"server", required_argument, NULL, 's'},
    {"cert", required_argument, NULL, 'c'},
    {"key", required_argument, NULL, 'k'},
    {"workers", required_argument, NULL, 'w'},
    {"splice", no_argument, NULL, 'p'},
    {NULL, 0, NULL, 0},
};

static void option_take(struct options *o, int letter)
{
    switch (letter) {
    case 'l':
        o->listen_port = (uint16_t)number_of(optarg, "--listen", 0, UINT16_MAX);
        break;
    case 's':
        o->server_port = (uint16_t)number_of(optarg, "--server", 1, UINT16_MAX);
        break;
    case 'c':
        o->cert = optarg;
        break;
    case 'k':
        o->key = optarg;
        break;
    case 'w':
        o->workers = (unsigned)number_of(optarg, "--workers", 1, WORKERS_MOST);
        break;
    case 'p':
        o->splice = true;
        break;
    default:
        die("usage: --server PORT [--listen PORT] [--cert FILE --key FILE] [--workers N] "
            "[--splice]");
    }
}

static struct options options_read(int argc, char **argv)
{
    struct options o = {.workers = 1};
    int letter;

    while ((letter = getopt_long(argc, argv, "", option_table, NULL)) != -1)
        option_take(&o, letter);
    if (o.server_port == 0 || optind != argc || (o.cert == NULL) != (o.key == NULL))
        option_take(&o, '?');
    return o;
}

static SSL_CTX *tls_create(const struct options *o)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

    if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, o->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(tls, o->key, SSL_FILETYPE_PEM) != 1)
        die("%s, %s: not a usable certificate and key", o->cert, o->key);
    SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(tls, 1);
    return tls;
}

/* In batches: a level-triggered listener is asked again for what is left. */
static void on_listener(struct watch *watch, uint32_t ready)
{
    struct bare *bare = CONTAINER_OF(watch, struct bare, listener);

    (void)ready;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        int fd = net_accept(watch->fd);

        if (fd < 0)
            return;
        bare_session_start(bare, fd);
    }
}

static void worker_run(struct bare *bare, int listener)
{
    events_init(&bare->events);
    bare->events.after = bare_bury;
    bare->events.context = bare;
    bare->listener = (struct watch){listener, EPOLLIN, on_listener};
    events_add(&bare->events, &bare->listener);
    if (!events_run(&bare->events, -1))
        die("epoll_wait: %s", strerror(errno));
}

/* The others' sockets are made before the port is announced, and die with this process. */
static void workers_fork(struct bare *bare, unsigned others, uint16_t port)
{
    for (unsigned i = 0; i < others; i++) {
        int listener = net_listen(port);
        pid_t child = fork();

        if (child < 0)
            die("fork: %s", strerror(errno));
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            worker_run(bare, listener);
        }
        close(listener);
    }
}

int main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct bare bare = {.server_port = o.server_port, .splice = o.splice};
    int listener = net_listen(o.listen_port);

    signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    if (o.cert != NULL)
        bare.tls = tls_create(&o);
    workers_fork(&bare, o.workers - 1, net_port(listener));
    printf("ready %u\n", net_port(listener));
    fflush(stdout);
    worker_run(&bare, listener);
    return EXIT_SUCCESS;
}
