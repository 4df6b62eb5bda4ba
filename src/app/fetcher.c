#include "app/fetcher.h"

#include "base/thread.h"
#include "io/mailbox.h"

#include <ev.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 200 /* how long a stop waits for the thread */

/* What the thread and its maker share; whoever leaves last frees it. */
struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wanted;
    struct tls_ocsp_job *job; /* to be run, or running */
    struct mailbox *home;     /* where answers go; NULL: the maker has left */
    bool stop, left;          /* asked to end; has ended */
    int stop_fd;              /* readable once asked to */
};

struct fetcher {
    struct desk *desk;
    struct mailbox mailbox;
    pthread_t thread;
    void (*on_answer)(void *context, struct tls_ocsp_job *job);
    void *context;
};

struct answer {
    struct mail mail;
    struct tls_ocsp_job *job;
};

static void free_desk(struct desk *desk)
{
    tls_ocsp_job_free(desk->job);
    pthread_cond_destroy(&desk->wanted);
    pthread_mutex_destroy(&desk->lock);
    close(desk->stop_fd);
    free(desk);
}

static bool make_desk(struct desk **ret, struct mailbox *home, struct error *error)
{
    struct desk *desk = calloc(1, sizeof *desk);
    if (desk == NULL)
        return error_memory(error);
    desk->home = home;
    desk->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (desk->stop_fd < 0 || pthread_mutex_init(&desk->lock, NULL) != 0) {
        if (desk->stop_fd >= 0)
            close(desk->stop_fd);
        free(desk);
        return error_memory(error);
    }
    (void)pthread_cond_init(&desk->wanted, NULL); /* cannot fail with these attributes */
    *ret = desk;
    return true;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void deliver(struct mail *mail, void *owner)
{
    struct answer *answer = CONTAINER_OF(mail, struct answer, mail);
    struct fetcher *fetcher = owner;
    struct tls_ocsp_job *job = answer->job;
    free(answer);
    fetcher->on_answer(fetcher->context, job);
}

/* The next job; NULL: it is time to end. */
static struct tls_ocsp_job *wait_for_job(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    while (desk->job == NULL && !desk->stop)
        pthread_cond_wait(&desk->wanted, &desk->lock);
    struct tls_ocsp_job *job = desk->stop ? NULL : desk->job;
    pthread_mutex_unlock(&desk->lock);
    return job;
}

static void send_answer(struct desk *desk)
{
    struct answer *answer;
    while ((answer = calloc(1, sizeof *answer)) == NULL)
        (void)nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
    pthread_mutex_lock(&desk->lock);
    if (desk->home != NULL && !desk->stop) {
        *answer = (struct answer){{.deliver = deliver}, desk->job};
        desk->job = NULL;
        mailbox_send(desk->home, &answer->mail);
        answer = NULL;
    }
    pthread_mutex_unlock(&desk->lock);
    free(answer);
}

static void *run(void *argument)
{
    struct desk *desk = argument;
    struct tls_ocsp_job *job;
    while ((job = wait_for_job(desk)) != NULL) {
        tls_ocsp_job_run(job, desk->stop_fd);
        send_answer(desk);
    }
    pthread_mutex_lock(&desk->lock);
    bool last = desk->home == NULL;
    desk->left = true;
    pthread_mutex_unlock(&desk->lock);
    if (last)
        free_desk(desk);
    return NULL;
}

/* --- the maker -------------------------------------------------------------------------------- */

static int create_thread(struct fetcher *fetcher)
{
    return thread_create(&fetcher->thread, run, fetcher->desk);
}

bool fetcher_start(struct fetcher **ret, struct ev_loop *loop,
                   void (*on_answer)(void *context, struct tls_ocsp_job *job), void *context,
                   struct error *error)
{
    struct fetcher *fetcher = calloc(1, sizeof *fetcher);
    if (fetcher == NULL)
        return error_memory(error);
    fetcher->on_answer = on_answer;
    fetcher->context = context;
    if (!make_desk(&fetcher->desk, &fetcher->mailbox, error)) {
        free(fetcher);
        return false;
    }
    mailbox_start(&fetcher->mailbox, loop, fetcher);
    int failure = create_thread(fetcher);
    if (failure != 0) {
        mailbox_stop(&fetcher->mailbox);
        free_desk(fetcher->desk);
        free(fetcher);
        return error_system(error, failure, "cannot start a thread");
    }
    *ret = fetcher;
    return true;
}

void fetcher_fetch(struct fetcher *fetcher, struct tls_ocsp_job *job)
{
    struct desk *desk = fetcher->desk;
    pthread_mutex_lock(&desk->lock);
    desk->job = job;
    pthread_cond_signal(&desk->wanted);
    pthread_mutex_unlock(&desk->lock);
}

static void ask_to_stop(struct desk *desk)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&desk->lock);
    desk->stop = true;
    if (write(desk->stop_fd, &one, sizeof one) < 0)
        desk->stop = true; /* its own deadline ends it */
    pthread_cond_signal(&desk->wanted);
    pthread_mutex_unlock(&desk->lock);
}

static bool join_soon(pthread_t thread)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += PATIENCE_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

/* An answer that came meanwhile: whom it is for is about to go, and so is the desk. */
static void drop_answer(void *context, struct tls_ocsp_job *job)
{
    (void)context;
    tls_ocsp_job_free(job);
}

void fetcher_stop(struct fetcher *fetcher)
{
    if (fetcher == NULL)
        return;
    struct desk *desk = fetcher->desk;
    bool free_it = true;
    fetcher->on_answer = drop_answer;
    ask_to_stop(desk);
    if (!join_soon(fetcher->thread)) {
        (void)pthread_detach(fetcher->thread);
        pthread_mutex_lock(&desk->lock);
        desk->home = NULL;
        free_it = desk->left;
        pthread_mutex_unlock(&desk->lock);
    }
    if (free_it)
        free_desk(desk);
    mailbox_stop(&fetcher->mailbox);
    free(fetcher);
}
