#include "session/limits.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- the table -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *detail;
    enum end_reason end;
} rows[LIMIT_COUNT] = {
#define LIMIT(id, end, detail, help) {#id, detail, END_##end},
#include "session/limits.def"
#undef LIMIT
};

const char *limit_name(enum limit limit)
{
    return rows[limit].name;
}

const char *limit_detail(enum limit limit)
{
    return rows[limit].detail;
}

enum end_reason limit_end(enum limit limit)
{
    return rows[limit].end;
}

/* --- counters --------------------------------------------------------------------------------- */

/* Never counts beyond the limit, not for a moment: who asks meanwhile must not be refused for one
 * who is refused as well. Ordered against the desks: who gives back sees whoever waits. */
bool limit_take(_Atomic uint64_t *counter, uint64_t most)
{
    uint64_t now = atomic_load(counter);
    do
        if (most != 0 && now >= most)
            return false;
    while (!atomic_compare_exchange_weak(counter, &now, now + 1));
    return true;
}

void limit_give(_Atomic uint64_t *counter)
{
    atomic_fetch_sub(counter, 1);
}

/* --- books ------------------------------------------------------------------------------------ */

bool books_create(struct books **ret, const char *name, unsigned workers)
{
    struct books *books = calloc(1, sizeof *books);
    if (books == NULL)
        return false;
    atomic_init(&books->references, 1);
    books->name = strdup(name);
    books->undecided_desks = desks_create(workers);
    books->waiting_desks = desks_create(workers);
    if (books->name == NULL || books->undecided_desks == NULL || books->waiting_desks == NULL ||
        !sources_create(&books->sessions_by_source) ||
        !sources_create(&books->undecided_by_source)) {
        books_unref(books);
        return false;
    }
    *ret = books;
    return true;
}

struct books *books_ref(struct books *books)
{
    atomic_fetch_add(&books->references, 1);
    return books;
}

static bool add_count(struct text *text, const char *key, uint64_t count)
{
    if (count != 0)
        text_format(text, " %s=%" PRIu64, key, count);
    return count != 0;
}

bool books_imbalance(struct books *books, struct text *text)
{
    bool any = add_count(text, "sessions", atomic_load(&books->sessions));
    any = add_count(text, "undecided", atomic_load(&books->undecided)) || any;
    any = add_count(text, "handshakes", atomic_load(&books->handshakes)) || any;
    any = add_count(text, "sources", sources_count(books->sessions_by_source)) || any;
    any = add_count(text, "undecided_sources", sources_count(books->undecided_by_source)) || any;
    any = add_count(text, "undecided_queued", desks_oldest(books->undecided_desks) != NULL) || any;
    return add_count(text, "waiting_queued", desks_oldest(books->waiting_desks) != NULL) || any;
}

static void report_imbalance(struct books *books)
{
    struct text text = {0};
    if (books_imbalance(books, &text))
        log_event(LOG_LEVEL_ERROR, "muxgate.books", "listener=%s%s", books->name,
                  text.data == NULL ? "" : text.data);
    text_release(&text);
}

void books_unref(struct books *books)
{
    if (books == NULL || atomic_fetch_sub(&books->references, 1) != 1)
        return;
    if (books->undecided_by_source != NULL) /* the last that is made */
        report_imbalance(books);
    sources_free(books->sessions_by_source);
    sources_free(books->undecided_by_source);
    rates_free(atomic_load(&books->rates));
    desks_free(books->undecided_desks);
    desks_free(books->waiting_desks);
    free(books->name);
    free(books);
}

/* The table is large, so that it is made when the first one asks. */
static struct rates *rates_of(struct books *books)
{
    struct rates *rates = atomic_load(&books->rates), *made;
    if (rates != NULL || !rates_create(&made))
        return rates;
    if (atomic_compare_exchange_strong(&books->rates, &rates, made))
        return made;
    rates_free(made); /* another worker was first */
    return rates;
}

bool books_rate_admits(struct books *books, const struct ip_address *source,
                       const struct rate *rate, uint64_t now_us)
{
    struct rates *rates = rates_of(books);
    return rates == NULL || rates_admit(rates, source, rate, now_us);
}
