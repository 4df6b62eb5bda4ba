/* Renewals under load: workers shake hands while the control thread hands them new stores and
 * policies come and go. Built with --enable-sanitizers=thread this also shows that nothing races.
 */
#include "tls_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WORKERS  2u
#define RENEWALS 12

struct worker {
    pthread_t thread;
    unsigned index;
    struct tls_policy *policy; /* counted */
    pthread_mutex_t lock;
    struct tls_store *delivered; /* under the lock */
    atomic_uint handshakes;
    atomic_bool stop;
};

static void take_delivery(struct worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    struct tls_store *store = worker->delivered;
    worker->delivered = NULL;
    pthread_mutex_unlock(&worker->lock);
    if (store != NULL)
        tls_policy_set_store(worker->policy, worker->index, store);
}

static void deliver(struct worker *worker, struct tls_store *store)
{
    pthread_mutex_lock(&worker->lock);
    tls_store_unref(worker->delivered);
    worker->delivered = store;
    pthread_mutex_unlock(&worker->lock);
}

static void *work(void *context)
{
    struct worker *worker = context;
    SSL_CTX *client = kit_client_context();
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

int main(void)
{
    Suite *suite = suite_create("tls threads");
    TCase *all = tcase_create("threads");
    tcase_add_checked_fixture(all, kit_start, kit_stop);
    tcase_set_timeout(all, 120);
    tcase_add_test(all, stores_are_swapped_under_load);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
