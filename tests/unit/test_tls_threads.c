/* Renewals under load: workers shake hands while the control thread hands them new stores and
 * policies come and go. Built with --enable-sanitizers=thread this also shows that nothing races.
 */
#include "muxgate-config.h"

#include "base/slab.h"
#include "suite.h"
#include "tls_kit.h"

#include <pthread.h>
#include <stdatomic.h>

#define WORKERS  2u
#define RENEWALS 12

struct worker {
    pthread_t thread;
    unsigned index;
    struct tls_policy *policy; /* counted */
    pthread_mutex_t lock;
    struct tls_store *delivered; /* under the lock */
    struct tls_trust *trust;     /* likewise */
    struct kit_signer *desk;     /* the client's certificate; NULL: it shows none */
    atomic_uint handshakes;
    atomic_bool stop;
};

static void take_delivery(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct tls_store *store = worker->delivered;
    struct tls_trust *trust = worker->trust;
    worker->delivered = NULL;
    worker->trust = NULL;
    pthread_mutex_unlock(&worker->lock);
    if (store != NULL)
        tls_policy_set_store(worker->policy, worker->index, store);
    if (trust != NULL)
        tls_policy_set_trust(worker->policy, worker->index, trust);
}

static void deliver(struct worker *worker, struct tls_store *store)
{
    pthread_mutex_lock(&worker->lock);
    tls_store_unref(worker->delivered);
    worker->delivered = store;
    pthread_mutex_unlock(&worker->lock);
}

static void deliver_trust(struct worker *worker, struct tls_trust *trust)
{
    pthread_mutex_lock(&worker->lock);
    tls_trust_unref(worker->trust);
    worker->trust = trust;
    pthread_mutex_unlock(&worker->lock);
}

static SSL_CTX *client_of(const struct worker *worker)
{
    SSL_CTX *client = kit_client_context();
    if (worker->desk != NULL) {
        ck_assert_int_eq(SSL_CTX_use_certificate(client, worker->desk->certificate), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(client, worker->desk->key), 1);
    }
    return client;
}

static void *work(void *context)
{
    struct worker *worker = context;
    slab_enter();
    SSL_CTX *client = client_of(worker);
    while (!atomic_load(&worker->stop)) {
        struct kit_link link;
        take_delivery(worker);
        kit_open_at(&link, worker->policy, worker->index, "one.example.com", client,
                    "one.example.com");
        kit_handshake(&link);
        take_delivery(worker); /* under a live connection */
        kit_ping(&link);
        kit_close(&link);
        atomic_fetch_add(&worker->handshakes, 1);
    }
    SSL_CTX_free(client);
    tls_policy_unref(worker->policy);
    slab_leave();
    return NULL;
}

/* Every worker has shaken hands since `before`. */
static void wait_for_all(struct worker *workers, const unsigned *before)
{
    for (unsigned i = 0; i < WORKERS; i++)
        while (atomic_load(&workers[i].handshakes) == before[i])
            sched_yield();
}

START_TEST(stores_are_swapped_under_load)
{
    static const char *const names[] = {"one"};
    struct kit_model model;
    struct worker workers[WORKERS];
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_model(&model, names, 1);
    struct tls_policy *policy = kit_policy(&model, NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.index = i, .policy = tls_policy_ref(policy)};
        pthread_mutex_init(&workers[i].lock, NULL);
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int turn = 0; turn < RENEWALS; turn++) {
        struct tls_store *store;
        struct error error;
        unsigned before[WORKERS];
        kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
        ck_assert_int_eq(tls_policy_refresh(policy, &store, &error), TLS_REFRESH_NEW);
        for (unsigned i = 0; i < WORKERS; i++) {
            before[i] = atomic_load(&workers[i].handshakes);
            deliver(&workers[i], tls_store_ref(store));
        }
        tls_store_unref(store);
        /* a reload beside it, which shares the ticket keys */
        tls_policy_unref(kit_policy(&model, policy));
        wait_for_all(workers, before);
    }
    tls_policy_unref(policy);
    for (unsigned i = 0; i < WORKERS; i++) {
        atomic_store(&workers[i].stop, true);
        pthread_join(workers[i].thread, NULL);
        tls_store_unref(workers[i].delivered);
        pthread_mutex_destroy(&workers[i].lock);
    }
}
END_TEST

static void save_ticket_key(int turn)
{
    unsigned char bytes[80] = {(unsigned char)turn};
    char line[120];
    int length = EVP_EncodeBlock((unsigned char *)line, bytes, sizeof bytes);
    kit_write("tickets.keys", line, (size_t)length);
}

/* One trust for all workers, and ticket keys that change under them. */
START_TEST(cas_and_ticket_keys_are_swapped_under_load)
{
    static const char *const names[] = {"one"};
    struct kit_model model;
    struct worker workers[WORKERS];
    struct kit_signer root = kit_make(&(struct kit_spec){.cn = "root", .is_ca = true});
    struct kit_signer other = kit_make(&(struct kit_spec){.cn = "other", .is_ca = true});
    struct kit_signer desk = kit_make(&(struct kit_spec){.cn = "desk", .by = &root});
    X509 *const both[] = {root.certificate, other.certificate};
    kit_pair("one", &(struct kit_spec){.san = "DNS:one.example.com"});
    kit_model(&model, names, 1);
    kit_save_certificates("ca.pem", both, 1);
    save_ticket_key(0);
    model.tls.client_auth = (struct model_client_auth){
        true, CLIENT_AUTH_REQUIRE, (char *)(uintptr_t)kit_file("ca.pem"), NULL, 4};
    model.tls.tickets.keys = (char *)(uintptr_t)kit_file("tickets.keys");
    struct tls_policy *policy = kit_policy(&model, NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.index = i, .policy = tls_policy_ref(policy), .desk = &desk};
        pthread_mutex_init(&workers[i].lock, NULL);
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int turn = 1; turn <= RENEWALS; turn++) {
        struct tls_trust *trust;
        struct error error;
        size_t count;
        unsigned before[WORKERS];
        kit_save_certificates("ca.pem", both, turn % 2 == 0 ? 1 : 2);
        save_ticket_key(turn);
        ck_assert_int_eq(tls_policy_refresh_trust(policy, &trust, &error), TLS_REFRESH_NEW);
        ck_assert_int_eq(tls_policy_refresh_tickets(policy, &count, &error), TLS_REFRESH_NEW);
        for (unsigned i = 0; i < WORKERS; i++) {
            before[i] = atomic_load(&workers[i].handshakes);
            deliver_trust(&workers[i], tls_trust_ref(trust));
        }
        tls_trust_unref(trust);
        wait_for_all(workers, before);
    }
    tls_policy_unref(policy);
    for (unsigned i = 0; i < WORKERS; i++) {
        atomic_store(&workers[i].stop, true);
        pthread_join(workers[i].thread, NULL);
        tls_trust_unref(workers[i].trust);
        pthread_mutex_destroy(&workers[i].lock);
    }
    kit_signer_free(&root);
    kit_signer_free(&other);
    kit_signer_free(&desk);
}
END_TEST

/* A sanitizer is to see each block by itself. */
START_TEST(the_library_s_memory_is_the_worker_s_own)
{
    void *before = OPENSSL_malloc(100);
    slab_enter();
    void *block = OPENSSL_malloc(100), *large = OPENSSL_malloc(100000);
    ck_assert(!slab_owns(before) && !slab_owns(large));
#ifdef MUXGATE_SLAB
    ck_assert(slab_owns(block));
#else
    ck_assert(!slab_owns(block));
#endif
    OPENSSL_free(before);
    OPENSSL_free(block);
    OPENSSL_free(large);
    slab_leave();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls threads");
    TCase *all = tcase_create("threads");
    tcase_add_checked_fixture(all, kit_start, kit_stop);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, the_library_s_memory_is_the_worker_s_own);
    tcase_add_test(all, cas_and_ticket_keys_are_swapped_under_load);
    tcase_add_test(all, stores_are_swapped_under_load);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
