/* The thread that fetches OCSP responses, and what becomes of an answer that comes too late. */
#include "ocsp_kit.h"
#include "suite.h"

#include "app/fetcher.h"
#include "tls/credential.h"
#include "tls/ocsp_job.h"

#include <ev.h>
#include <poll.h>

/* For the answer to be there, most likely; were it not, the test would say less, not fail. */
#define LONG_ENOUGH_MS 100

static unsigned answers;

static void on_answer(void *context, struct tls_ocsp_job *job)
{
    (void)context;
    answers++;
    tls_ocsp_job_free(job);
}

static struct tls_ocsp_job *make_job(void)
{
    struct kit_signer gate = kit_make(&(struct kit_spec){.san = "DNS:gate.example.com"});
    kit_save_certificates("gate.crt", (X509 *[]){gate.certificate}, 1);
    kit_save_key("gate.key", gate.key, NULL);
    struct tls_credential *credential = ocsp_load("gate.crt", "gate.key");
    struct tls_ocsp_job *job;
    struct error error;
    /* Nobody listens there, and the answer is quick. */
    ck_assert(tls_ocsp_job_create(&job, credential, "http://127.0.0.1:1/", &error));
    tls_credential_unref(credential);
    kit_signer_free(&gate);
    return job;
}

static struct fetcher *start(struct ev_loop *loop)
{
    struct fetcher *fetcher;
    struct error error;
    answers = 0;
    ck_assert(fetcher_start(&fetcher, loop, on_answer, NULL, &error));
    fetcher_fetch(fetcher, make_job());
    return fetcher;
}

START_TEST(an_answer_is_given_on_the_loop)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct fetcher *fetcher = start(loop);
    while (answers == 0)
        ev_run(loop, EVRUN_ONCE);
    fetcher_stop(fetcher);
    ev_loop_destroy(loop);
}
END_TEST

/* Who asked is going, and would ask on with a fetcher that goes as well. */
START_TEST(an_answer_that_waits_when_the_fetcher_stops_is_given_to_nobody)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct fetcher *fetcher = start(loop);
    (void)poll(NULL, 0, LONG_ENOUGH_MS);
    fetcher_stop(fetcher);
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(answers, 0);
    ev_loop_destroy(loop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fetcher");
    TCase *c = tcase_create("fetcher");
    tcase_add_checked_fixture(c, kit_start, kit_stop);
    tcase_add_test(c, an_answer_is_given_on_the_loop);
    tcase_add_test(c, an_answer_that_waits_when_the_fetcher_stops_is_given_to_nobody);
    suite_add_tcase(s, c);
    return suite_run(s);
}
