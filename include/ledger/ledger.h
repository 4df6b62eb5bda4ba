/* ledger: who comes in plain, and who has moved to TLS: kept in a file over restarts (SPEC §6).
 *
 * A row is a source, an SNI and a SenderCompID. A source is an IPv4 address or the /64 of an IPv6
 * one. Plain sessions have no SNI: they are entered in the row of their source and CompID, and that
 * row takes the first SNI under which the same client comes with TLS, so that a client who moves is
 * one row. Under further names it has further rows, which never have plain sessions.
 *
 * Threads    a thread of its own, which may block: it alone has the table and writes the file.
 *            Workers put notes into rings, one each (one writer, one reader, no lock); one that
 *            finds no room is dropped and counted, and no session waits. Everything else comes by
 *            mail.
 * File       lines of JSON, replaced as a whole (rename) within `interval` of a change and at the
 *            end. Processes that share it, as one that drains beside its heir, write in turns under
 *            a lock on the folder, and each adds what it has seen itself to what is there. A
 *            damaged file is told and set aside as FILE.damaged (or .1 to .9 behind it: none is
 *            overwritten); what can be read of it is kept. A file that does not begin like a ledger
 *            is none, and never touched.
 * Bounds     `max_entries` rows. When they are full, a sixteenth goes: first what a source has over
 *            a quarter of all, then those that were seen longest ago, where whoever came on two
 *            days or more counts as seen 30 days later. So neither one source nor a crowd that
 *            comes once displaces those who come every day. */
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "base/address.h"
#include "base/text.h"
#include "config/model.h"
#include "io/mailbox.h"

#include <stdatomic.h>

struct ledger;

enum ledger_event {
    LEDGER_DAMAGED, /* the file was; it was set aside */
    LEDGER_FAILED,  /* it cannot be read or written: tried again after the interval */
    LEDGER_WRITTEN, /* after such a failure */
    LEDGER_LOST     /* out of memory: something is missing */
};

struct ledger_args {
    unsigned producers; /* who puts notes: 0 to producers - 1 */
    /* In the ledger's thread. `aside`: where the damaged file is now, else "". */
    void (*tell)(void *context, enum ledger_event event, const char *file, const char *text,
                 const char *aside);
    void *context;
};

/* Would a start fail on that file? Checked as the user who will write it. */
bool ledger_check(const struct model_ledger *model, struct error *error) MUST_CHECK;

/* Likewise of the file alone, as its folder may be made later; the error does not name the key. */
bool ledger_check_file(const struct model_ledger *model, struct error *error) MUST_CHECK;

bool ledger_start(struct ledger **ret, const struct ledger_args *args,
                  struct error *error) MUST_CHECK;

/* Keeps that file from now on; without a file, none. Another file is another ledger. The control
 * thread's. On false (memory) things stay as they are. */
bool ledger_adopt(struct ledger *ledger, const struct model_ledger *model) MUST_CHECK;

/* Enters what was put before, writes the file, ends the thread, frees. Nobody puts any more. */
void ledger_stop(struct ledger *ledger); /* accepts NULL */

/* --- workers ---------------------------------------------------------------------------------- */

/* A session that a rule has routed. */
struct ledger_note {
    const struct ip_address *source;
    uint64_t at_ms; /* when it came, wall clock */
    bool tls;
    const char *tls_version;       /* "TLSv1.3"; NULL: not known */
    struct span sni, sender, name; /* name: of the client, by its certificate; cut where long */
};

bool ledger_is_kept(const struct ledger *ledger); /* any thread */

/* Only producer N calls with N. */
void ledger_put(struct ledger *ledger, unsigned producer, const struct ledger_note *note);

/* --- asking ----------------------------------------------------------------------------------- */

/* `mail` is delivered in the ledger's thread, with the ledger as its owner; any thread, until
 * ledger_stop(). */
void ledger_send(struct ledger *ledger, struct mail *mail);

/* The rows as a JSON array, of `plain` those only that still come in plain; those first. In the
 * ledger's thread. False: none is kept. */
bool ledger_describe(struct ledger *ledger, bool plain, struct text *ret) MUST_CHECK;

struct ledger_counts {
    _Atomic uint64_t entries, evicted, dropped, failures; /* of writing */
};
const struct ledger_counts *ledger_counts(const struct ledger *ledger); /* any thread reads */

#endif
