#include "ledger/ledger.h"

#include "base/thread.h"
#include "file.h"
#include "lines.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Of a note; what is longer is cut. */
#define SNI_BYTES    255u
#define SENDER_BYTES 64u
#define NAME_BYTES   128u

/* Notes are entered that long after the first of them, or when a ring is half full. */
#define NAP_SECONDS 0.5
#define RING_SLOTS  512u

struct slot {
    struct ip_address source;
    uint64_t at_ms;
    bool tls;
    char tls_version[8];
    uint8_t sni_length, sender_length, name_length;
    unsigned char bytes[SNI_BYTES + SENDER_BYTES + NAME_BYTES];
};

struct ring {
    _Alignas(64) _Atomic size_t head; /* written by the producer: notes ever put */
    _Alignas(64) _Atomic size_t tail; /* written by the thread: notes ever taken */
    struct slot *slots;               /* owned; RING_SLOTS; NULL as long as no ledger was kept */
};

struct ledger {
    struct ledger_args args;
    struct ring *rings;
    struct ledger_counts counts;
    _Atomic bool kept, asleep;
    struct ev_loop *loop; /* owned */
    struct mailbox mailbox;
    struct mail stop;
    ev_async bell;
    ev_timer nap, writing;
    pthread_t thread;
    bool running;
    /* The thread's own. */
    char *file; /* owned; NULL: no ledger is kept */
    size_t most;
    double interval;
    struct table *known;    /* what the file said, and what was seen since */
    struct table *pending;  /* what the file does not have yet */
    struct identity stands; /* the file as it was read or written last */
    uint64_t evicted;       /* by tables that are gone */
    bool due;               /* to be written, even if nothing is pending */
    bool failing;           /* told already */
};

/* --- workers ---------------------------------------------------------------------------------- */

bool ledger_is_kept(const struct ledger *ledger)
{
    return atomic_load_explicit(&ledger->kept, memory_order_acquire);
}

static uint8_t put_text(struct slot *slot, size_t *at, struct span text, size_t most)
{
    struct span part = span_first(text, most);
    if (part.length > 0)
        memcpy(slot->bytes + *at, part.data, part.length);
    *at += part.length;
    return (uint8_t)part.length;
}

static void fill_slot(struct slot *slot, const struct ledger_note *note)
{
    size_t at = 0;
    slot->source = *note->source;
    slot->at_ms = note->at_ms;
    slot->tls = note->tls;
    (void)snprintf(slot->tls_version, sizeof slot->tls_version, "%s",
                   note->tls_version == NULL ? "" : note->tls_version);
    slot->sni_length = put_text(slot, &at, note->sni, SNI_BYTES);
    slot->sender_length = put_text(slot, &at, note->sender, SENDER_BYTES);
    slot->name_length = put_text(slot, &at, note->name, NAME_BYTES);
}

void ledger_put(struct ledger *ledger, unsigned producer, const struct ledger_note *note)
{
    struct ring *ring = &ledger->rings[producer];
    size_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t used = head - atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (used >= RING_SLOTS) {
        atomic_fetch_add_explicit(&ledger->counts.dropped, 1, memory_order_relaxed);
        return;
    }
    fill_slot(&ring->slots[head % RING_SLOTS], note);
    /* Sequentially consistent with `asleep`: either the thread sees the note before it sleeps, or
     * this producer sees it asleep and wakes it. */
    atomic_store(&ring->head, head + 1);
    if ((atomic_load(&ledger->asleep) && atomic_exchange(&ledger->asleep, false)) ||
        used + 1 == RING_SLOTS / 2)
        ev_async_send(ledger->loop, &ledger->bell);
}

/* --- entering notes --------------------------------------------------------------------------- */

static void tell(struct ledger *l, enum ledger_event event, const char *text)
{
    l->args.tell(l->args.context, event, l->file, text, "");
}

/* "192.0.2.1", "2001:db8:1:2::/64", "unix:" */
static void format_source(const struct ip_address *source, char ret[ADDRESS_TEXT_MAX + 4])
{
    struct ip_address masked = *source;
    bool wide = source->family == AF_INET6;
    if (wide)
        memset(&masked.v6.s6_addr[8], 0, 8);
    struct address address = address_from_ip(&masked);
    (void)snprintf(ret, ADDRESS_TEXT_MAX, "unix:");
    if (address.length != 0)
        address_format_ip(&address, ret);
    if (wide)
        (void)snprintf(ret + strlen(ret), 4, "/64");
}

static bool enter(struct ledger *l, const struct seen *seen)
{
    return table_enter(l->known, seen) && table_enter(l->pending, seen);
}

static bool enter_slot(struct ledger *l, const struct slot *slot)
{
    char source[ADDRESS_TEXT_MAX + 4];
    const unsigned char *at = slot->bytes;
    char *sni = lines_clean(span_of(at, slot->sni_length));
    char *sender = lines_clean(span_of(at += slot->sni_length, slot->sender_length));
    char *name = lines_clean(span_of(at += slot->sender_length, slot->name_length));
    format_source(&slot->source, source);
    const struct seen seen = {
        source,      sni,         sender, name, slot->tls_version, slot->tls ? WAY_TLS : WAY_PLAIN,
        slot->at_ms, slot->at_ms, 1};
    bool good = sni != NULL && sender != NULL && name != NULL && enter(l, &seen);
    free(sni);
    free(sender);
    free(name);
    return good;
}

static void drain_ring(struct ledger *l, struct ring *ring)
{
    size_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load(&ring->head);
    for (; tail != head; tail++) {
        if (l->file != NULL && !enter_slot(l, &ring->slots[tail % RING_SLOTS]))
            atomic_fetch_add(&l->counts.dropped, 1);
        atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    }
}

static void count_entries(struct ledger *l)
{
    atomic_store(&l->counts.entries, l->known == NULL ? 0 : table_count(l->known));
    atomic_store(&l->counts.evicted, l->evicted + (l->known == NULL ? 0 : table_evicted(l->known)));
}

static void drain(struct ledger *l)
{
    for (unsigned i = 0; i < l->args.producers; i++)
        drain_ring(l, &l->rings[i]);
    count_entries(l);
    if (l->file == NULL || table_count(l->pending) == 0 || ev_is_active(&l->writing))
        return;
    ev_timer_set(&l->writing, l->interval, 0);
    ev_timer_start(l->loop, &l->writing);
}

/* --- the file --------------------------------------------------------------------------------- */

static bool set_aside(struct ledger *l, const struct error *damage, struct error *error)
{
    char *aside;
    if (!file_set_aside(&aside, l->file, error))
        return false;
    l->args.tell(l->args.context, LEDGER_DAMAGED, l->file, damage->text, aside);
    free(aside);
    l->due = true;
    return true;
}

static bool fill_from_file(struct ledger *l, struct table *fresh, struct error *error)
{
    struct error damage = {0};
    struct text text = {0};
    bool good = file_load(&text, l->file, error);
    if (good && !lines_read(fresh, span_of(text.data, text.length), &damage)) {
        if (damage.kind == ERROR_MEMORY)
            good = error_memory(error);
        else
            good = set_aside(l, &damage, error);
    }
    text_release(&text);
    return good;
}

/* What the file says now, and behind it what it does not have yet. */
static bool read_again(struct ledger *l, struct error *error)
{
    struct table *fresh;
    if (!table_create(&fresh, l->most))
        return error_memory(error);
    if (!fill_from_file(l, fresh, error) ||
        (!table_merge(fresh, l->pending) && !error_memory(error))) {
        table_free(fresh);
        return false;
    }
    l->evicted += table_evicted(l->known);
    table_free(l->known);
    l->known = fresh;
    return true;
}

static bool follow_file(struct ledger *l, struct error *error)
{
    struct identity now;
    if (!file_identify(&now, l->file, error))
        return false;
    if (identity_equal(&now, &l->stands))
        return true;
    if (!read_again(l, error))
        return false;
    l->stands = now;
    return true;
}

static bool write_file(struct ledger *l, struct error *error)
{
    struct text text = {0};
    bool good = (lines_format(&text, l->known) || error_memory(error)) &&
                file_save(l->file, span_of(text.data, text.length), error) &&
                file_identify(&l->stands, l->file, error);
    text_release(&text);
    if (!good)
        return false;
    table_clear(l->pending);
    l->due = false;
    return true;
}

static bool exchange(struct ledger *l, struct error *error)
{
    int lock;
    if (!file_lock(&lock, l->file, error))
        return false;
    bool good = follow_file(l, error) &&
                ((table_count(l->pending) == 0 && !l->due) || write_file(l, error));
    file_unlock(lock);
    return good;
}

/* Takes over what others have written, and writes what they do not have. */
static void synchronise(struct ledger *l)
{
    struct error error;
    ev_timer_stop(l->loop, &l->writing);
    bool good = exchange(l, &error);
    count_entries(l);
    if (!good) {
        atomic_fetch_add(&l->counts.failures, 1);
        ev_timer_set(&l->writing, l->interval, 0);
        ev_timer_start(l->loop, &l->writing);
    }
    if (l->failing == good)
        tell(l, good ? LEDGER_WRITTEN : LEDGER_FAILED, good ? "" : error.text);
    l->failing = !good;
}

/* --- adopting --------------------------------------------------------------------------------- */

struct adopt_mail {
    struct mail mail;
    char *file; /* owned; NULL: none */
    size_t most;
    double interval;
};

static void close_file(struct ledger *l)
{
    if (l->file == NULL)
        return;
    drain(l);
    synchronise(l);
    ev_timer_stop(l->loop, &l->writing);
    l->evicted += table_evicted(l->known);
    table_free(l->known);
    table_free(l->pending);
    free(l->file);
    l->file = NULL;
    l->known = l->pending = NULL;
}

/* Takes over `file`. */
static void open_file(struct ledger *l, char *file, size_t most)
{
    if (!table_create(&l->known, most))
        l->known = NULL;
    if (l->known == NULL || !table_create(&l->pending, most)) {
        table_free(l->known);
        l->known = NULL;
        l->args.tell(l->args.context, LEDGER_LOST, file, "out of memory", "");
        free(file);
        return;
    }
    l->file = file;
    l->stands = (struct identity){0};
    l->failing = false;
    l->due = true; /* so that it is there, with its rights, from the start on */
    synchronise(l);
}

static bool is_same_file(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void deliver_adopt(struct mail *mail, void *owner)
{
    struct adopt_mail *adopt = CONTAINER_OF(mail, struct adopt_mail, mail);
    struct ledger *l = owner;
    bool same = is_same_file(l->file, adopt->file);
    l->interval = adopt->interval;
    l->most = adopt->most;
    if (same && !(table_set_most(l->known, l->most) && table_set_most(l->pending, l->most)))
        tell(l, LEDGER_LOST, "out of memory");
    if (!same) {
        close_file(l);
        if (adopt->file != NULL)
            open_file(l, adopt->file, l->most);
        else
            drain(l); /* what still came goes nowhere */
        adopt->file = NULL;
    }
    count_entries(l);
    free(adopt->file);
    free(adopt);
}

static bool make_slots(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->args.producers; i++) {
        struct ring *ring = &ledger->rings[i];
        if (ring->slots == NULL)
            ring->slots = malloc(RING_SLOTS * sizeof *ring->slots);
        if (ring->slots == NULL)
            return false;
    }
    return true;
}

bool ledger_adopt(struct ledger *ledger, const struct model_ledger *model)
{
    struct adopt_mail *adopt = calloc(1, sizeof *adopt);
    if (adopt == NULL)
        return false;
    adopt->mail.deliver = deliver_adopt;
    adopt->most = (size_t)model->max_entries;
    adopt->interval = (double)model->interval_ms / 1000.0;
    adopt->file = model->file == NULL ? NULL : strdup(model->file);
    if (model->file != NULL && (adopt->file == NULL || !make_slots(ledger))) {
        free(adopt->file);
        free(adopt);
        return false;
    }
    atomic_store_explicit(&ledger->kept, model->file != NULL, memory_order_release);
    mailbox_send(&ledger->mailbox, &adopt->mail);
    return true;
}

bool ledger_check(const struct model_ledger *model, struct error *error)
{
    return model->file == NULL || file_check(model->file, error);
}

bool ledger_check_file(const struct model_ledger *model, struct error *error)
{
    return model->file == NULL || file_check_itself(model->file, error);
}

/* --- asking ----------------------------------------------------------------------------------- */

void ledger_send(struct ledger *ledger, struct mail *mail)
{
    mailbox_send(&ledger->mailbox, mail);
}

const struct ledger_counts *ledger_counts(const struct ledger *ledger)
{
    return &ledger->counts;
}

static void add_rows(struct text *ret, struct row *const *rows, size_t count, bool plain)
{
    bool first = true;
    text_add_char(ret, '[');
    for (size_t i = 0; i < count; i++) {
        if (plain && table_comes(rows[i]) == COMES_TLS)
            continue;
        text_add(ret, first ? "\n" : ",\n");
        lines_add_row(ret, rows[i]);
        first = false;
    }
    text_add(ret, "\n]\n");
}

/* What another process has written since is taken over, too. */
static void look_at_file(struct ledger *l)
{
    struct identity now;
    struct error error;
    if (file_identify(&now, l->file, &error) && !identity_equal(&now, &l->stands))
        synchronise(l);
}

bool ledger_describe(struct ledger *l, bool plain, struct text *ret)
{
    struct row **rows;
    if (l->file == NULL)
        return false;
    drain(l);
    look_at_file(l);
    if (table_sort(l->known, &rows)) {
        add_rows(ret, rows, table_count(l->known), plain);
        free(rows);
    } else {
        ret->failed = true;
    }
    return true;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_nap(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct ledger *l = watcher->data;
    atomic_store(&l->asleep, true);
    drain(l);
}

/* The first note since, or a ring that gets full. */
static void on_bell(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)events;
    struct ledger *l = watcher->data;
    if (ev_is_active(&l->nap)) {
        drain(l);
        return;
    }
    ev_timer_set(&l->nap, NAP_SECONDS, 0);
    ev_timer_start(loop, &l->nap);
}

static void on_writing(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    struct ledger *l = watcher->data;
    drain(l);
    synchronise(l);
}

static void deliver_stop(struct mail *mail, void *owner)
{
    (void)mail;
    struct ledger *l = owner;
    close_file(l);
    ev_timer_stop(l->loop, &l->nap);
    ev_async_stop(l->loop, &l->bell);
    ev_break(l->loop, EVBREAK_ALL);
}

static void *run(void *context)
{
    struct ledger *ledger = context;
    ev_run(ledger->loop, 0);
    return NULL;
}

static bool start_thread(struct ledger *ledger, struct error *error)
{
    int failure = thread_create(&ledger->thread, run, ledger);
    ledger->running = failure == 0;
    return failure == 0 || error_system(error, failure, "cannot start the ledger's thread");
}

static bool make_rings(struct ledger *ledger)
{
    ledger->rings = aligned_alloc(64, (ledger->args.producers + 1) * sizeof *ledger->rings);
    if (ledger->rings == NULL)
        return false;
    for (unsigned i = 0; i < ledger->args.producers; i++) {
        atomic_init(&ledger->rings[i].head, 0);
        atomic_init(&ledger->rings[i].tail, 0);
        ledger->rings[i].slots = NULL;
    }
    return true;
}

static void set_up_loop(struct ledger *ledger)
{
    mailbox_start(&ledger->mailbox, ledger->loop, ledger);
    ev_async_init(&ledger->bell, on_bell);
    ev_timer_init(&ledger->nap, on_nap, 0, 0);
    ev_timer_init(&ledger->writing, on_writing, 0, 0);
    ledger->bell.data = ledger->nap.data = ledger->writing.data = ledger;
    ev_async_start(ledger->loop, &ledger->bell);
}

bool ledger_start(struct ledger **ret, const struct ledger_args *args, struct error *error)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    if (ledger == NULL)
        return error_memory(error);
    ledger->args = *args;
    atomic_init(&ledger->asleep, true);
    ledger->loop = make_rings(ledger) ? ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV) : NULL;
    if (ledger->loop == NULL) {
        free(ledger->rings);
        free(ledger);
        return error_memory(error);
    }
    set_up_loop(ledger);
    if (!start_thread(ledger, error)) {
        ledger_stop(ledger);
        return false;
    }
    *ret = ledger;
    return true;
}

void ledger_stop(struct ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->running) {
        ledger->stop.deliver = deliver_stop;
        mailbox_send(&ledger->mailbox, &ledger->stop);
        (void)pthread_join(ledger->thread, NULL);
    }
    mailbox_stop(&ledger->mailbox);
    ev_loop_destroy(ledger->loop);
    for (unsigned i = 0; i < ledger->args.producers; i++)
        free(ledger->rings[i].slots);
    free(ledger->rings);
    free(ledger);
}
