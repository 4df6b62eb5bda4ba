/* session: one client and at most one server, from accept to the log line.
 *
 *   ACCEPT ─▶ PROXY_HEADER? ─▶ INSPECT ─┬─▶ HANDSHAKE ─▶ (INSPECT again)? ─▶
 *                                       └─────────────▶ CONNECT ⇄ QUEUE?
 *                                                          └─▶ STARTTLS? ─▶ RELAY ─▶ CLOSED
 *
 *                       INSPECT ─▶ REDIRECT ─▶ ANSWER ─▶ CLOSED
 *
 * session_enter() alone changes the phase: it checks the move, sets the deadline, begins the phase.
 * session_end() alone ends: it closes both sides as the reason says, gives every counter back,
 * writes the line, and leaves the freeing to the end of the loop turn (nothing frees itself inside
 * its own callback). One worker, not thread-safe. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "io/stream.h"
#include "session/engine.h"
#include "session/relay.h"

enum phase {
    PHASE_NEW,
    PHASE_PROXY_HEADER,
    PHASE_INSPECT,
    PHASE_HANDSHAKE,
    PHASE_QUEUE,
    PHASE_CONNECT,
    PHASE_STARTTLS,
    PHASE_RELAY,
    PHASE_REDIRECT,
    PHASE_ANSWER,
    PHASE_CLOSED,
    PHASE_COUNT
};

/* Servers already tried for this session, once the first try has failed, or while one that is
 * connected to may still turn us away (approval.c). */
struct tries {
    unsigned count;
    uint8_t rounds;
    bool on_approval;
    struct buffer kept; /* of the client's: for the next server, should this one turn us away */
    struct server
        *servers[]; /* one reference each: another server is never taken for one of them */
};

/* What the log and the server want to know, beyond the session itself: most plain sessions have
 * none of it. What is pointed to is owned; NULL for none. */
struct notes {
    char *sni, *alpn, *fix_sender, *fix_target;
    char *detail;                /* for the log: session_note_detail() */
    struct address *destination; /* from a received PROXY header */
    unsigned char *tlvs;         /* its fields, until the server has been told */
    struct tries *tries;         /* NULL: no try has failed, or none can fail any more */
    struct waiting *waiting;     /* QUEUE: its place in the pool's queue; phase_queue.c's */
    uint32_t handshake_us;       /* UINT32_MAX: not reached */
    uint16_t tlvs_length;
    bool sni_is_name; /* `sni` is a name in normal form; else shown, but none to go by */
    char ja4[JA4_TEXT_MAX];
};

_Static_assert(STARTTLS_COUNT <= 4, "two bits of a session tell the dialect");

struct session {
    struct engine *engine;           /* borrowed */
    struct generation *generation;   /* counted in it; keeps the snapshot alive */
    const struct listener *listener; /* borrowed from the snapshot; likewise the rule */
    const struct rule *rule;         /* NULL before one was chosen */
    struct tally_traffic *traffic;   /* borrowed: where it counts */
    struct list link;                /* engine's sessions, later its doomed */
    /* A listener's undecided while inspected; those who wait for a handshake; later the engine's
     * handshakes, again, departures or gather. */
    struct list queue;

    struct stream client, server; /* owned */
    ev_io client_io, server_io;
    ev_timer timer;     /* lazy: fires at or before the deadline, and is re-armed then */
    ev_tstamp deadline; /* of the phase, loop time; 0: none */
    struct relay relay;

    struct server *chosen; /* counted slot; NULL: none */
    struct notes *notes;   /* owned; NULL for none */

    uint64_t id, started_ms, started_us;
    uint32_t phase_after_us; /* when the phase was entered: behind started_us, modulo 2^32 */
    uint32_t inspect_us, connect_us; /* UINT32_MAX: not reached */
    struct ip_address client_ip;
    uint32_t peeked; /* bytes seen by the last look */

    uint8_t phase;    /* enum phase */
    uint8_t protocol; /* enum protocol of the outer bytes */
    uint8_t inner_protocol;
    uint8_t starttls : 2; /* enum starttls: TLS was agreed with the client in it */
    uint8_t
        starttls_turns : 6; /* answers given to the client; later, requests made to the server */
    uint8_t readable : 2;   /* RELAY: bits by enum side, while it waits in the engine's gather */
    bool is_tls : 1, is_silent : 1;
    bool inner_known : 1, inner_silent : 1;
    bool doubtful : 1;   /* silent so far: its first bytes must not be TLS */
    bool terminates : 1; /* a rule with terminate was taken */
    bool decrypted : 1;  /* INSPECT looks at the decrypted stream */
    bool low_water : 1;  /* SO_RCVLOWAT is raised */
    bool resting : 1;    /* the read watcher is off, the timer looks again */
    bool gauged : 1;     /* in the process's gauge */
    bool counted : 1;    /* in the listener's books; likewise what follows */
    bool counted_source : 1, counted_undecided : 1, counted_undecided_source : 1,
        counted_handshake : 1;
    bool waits_for_handshake : 1; /* in a desk's queue */
    bool fetched : 1;             /* ... or the engine's, and its input was read beforehand */
    bool client_watched : 1;      /* CONNECT: for a reset; likewise */
    bool client_unwatched : 1;    /* ... no more, as its bytes would keep us awake */
    bool folded : 1;              /* its line is one with others' (refusals) */
    bool trusted_proxy : 1;       /* its PROXY header counts */
    bool truncated : 1;           /* a TLS client's end came without close_notify */
    bool server_truncated : 1;
    bool server_first : 1; /* the server finished before the client */
    bool settled : 1;      /* RELAY: keep-alive to the server is set */
    bool entered : 1;      /* in the ledger */
};

/* Takes a fresh connection over, for a listener of that generation: on false (out of memory) fd is
 * closed. */
bool session_start(struct engine *engine, struct generation *generation,
                   const struct listener *listener, int fd, const struct address *peer);

void session_enter(struct session *s, enum phase phase);
void session_end(struct session *s, enum end_reason reason);
/* With a detail for the log. */
void session_fail(struct session *s, enum end_reason reason, const char *format, ...) PRINTF(3, 4);

/* What a server_note_… call answered: the control thread is told where it should look. */
void session_tell_trouble(struct session *s, bool worth);

/* Its turn has come (engine_queue_handshake, engine_queue_again). */
void session_take_turn(struct session *s);

/* RELAY, from the gather: what is ready on both sides; and what was read on a side, and written to
 * the other, beforehand. Harmless where the session is over. */
void session_take_events(struct session *s, int client_events, int server_events);
void session_take_moved(struct session *s, enum side side, const struct relay_moved *moved);

/* CONNECT, from the departures: see phase_connect_take(). */
void session_take_connection(struct session *s, int fd, int number);

/* Frees a doomed session: the engine's reaper only. */
void session_free(struct session *s);

/* Derives what is watched from the phase; called once after each step. */
void session_update_watches(struct session *s);

/* The notes, made on first use; NULL when memory is out. */
struct notes *session_notes(struct session *s);
void session_note_text(char **ret, struct span text);
/* What the log is to say besides, cut at a length. Without memory for it the line has none. */
#define SESSION_DETAIL_MAX 160
void session_note_detail(struct session *s, const char *format, ...) PRINTF(2, 3);

/* The id by which the log, servers and people know the session: "EPOCH-WORKER-NUMBER" in hex. */
#define SESSION_ID_MAX 48
void session_format_id(const struct session *s, char text[SESSION_ID_MAX]);

/* Moves the deadline of the phase: seconds from now. */
void session_set_deadline(struct session *s, uint64_t ms);

/* How long it has been in its phase; more than an hour is told modulo 2^32. */
static inline uint32_t session_phase_us(const struct session *s, uint64_t now_us)
{
    return (uint32_t)(now_us - s->started_us) - s->phase_after_us;
}

/* UINT32_MAX: no client has ended a handshake with us. */
static inline uint32_t session_handshake_us(const struct session *s)
{
    return s->notes == NULL ? UINT32_MAX : s->notes->handshake_us;
}

static inline bool session_is_over(const struct session *s)
{
    return s->phase == PHASE_CLOSED;
}

static inline const struct model_listener *session_model(const struct session *s)
{
    return s->listener->model;
}

/* --- the phases: begin is called on entering, step on readiness, expire at the deadline ------- */

void phase_proxy_begin(struct session *s);
void phase_proxy_step(struct session *s, int client_events, int server_events);
void phase_proxy_expire(struct session *s);

void phase_inspect_begin(struct session *s);
void phase_inspect_step(struct session *s, int client_events, int server_events);
void phase_inspect_expire(struct session *s);

void phase_handshake_begin(struct session *s);
void phase_handshake_turn(struct session *s);
void phase_handshake_step(struct session *s, int client_events, int server_events);
void phase_handshake_expire(struct session *s);

/* CONNECT found nobody: waits for a slot (QUEUE is to follow, unless one was there at once and is
 * chosen now), where the pool has a queue and may have a server in time. */
bool phase_queue_join(struct session *s);
void phase_queue_leave(struct session *s); /* harmless when it is not in; gives a slot back */
int phase_queue_watches(const struct session *s);
void phase_queue_begin(struct session *s);
void phase_queue_step(struct session *s, int client_events, int server_events);
void phase_queue_expire(struct session *s);

struct pool *connect_pool(const struct session *s);
struct pool_key connect_key(const struct session *s); /* points into the session */
struct tries *connect_tries(const struct session *s); /* NULL: there are none */
struct tries *connect_make_tries(struct session *s);  /* likewise: out of memory */
void connect_forget_tries(struct session *s);         /* harmless where there were none */
void phase_connect_begin(struct session *s);
void phase_connect_step(struct session *s, int client_events, int server_events);
void phase_connect_expire(struct session *s);
void phase_connect_turn(struct session *s); /* of the handshake with the server */

/* For the departures: whether the server that was chosen may be connected to at the end of the
 * turn; whether it is to be yet; and what became of that, as a socket (taken over; -1: there is
 * none) and an errno (0: it is connected, ECANCELED: not yet). */
bool phase_connect_may_wait(const struct session *s);
bool phase_connect_departs(const struct session *s);
void phase_connect_take(struct session *s, int fd, int number);

/* The rule's pool chooses by the CompID of a FIX Logon: it is waited for, within the inspect delay.
 */
bool connect_goes_by_sender(const struct session *s, const struct rule *rule);

/* The bytes by which a session was decided are at hand when its connection is begun: they are sent
 * at once, and taken out of the kernel once the server has them. Where the connection does not
 * stand yet, they stay there, and nothing has happened. */
bool first_words_are_due(const struct session *s);
enum first_send first_words_say(struct session *s, int *ret_number);
bool first_words_are_out(const struct session *s);  /* CONNECT: with a SYN, so they may arrive */
bool first_words_were_all(const struct session *s); /* RELAY: nothing is left to begin with */

/* CONNECT, from the timer: it takes long enough to look whether the client is still there. */
void phase_connect_settle(struct session *s);

/* Back from STARTTLS: this server is out, and the tries go on where they were. */
void connect_try_another(struct session *s, const char *what, const char *why);
/* This server it is. */
void connect_has_settled(struct session *s);

/* --- approval: RELAY with a server that has not said yet whether it takes our certificate --- */

/* How much of the client's is kept for another server; with more the session stays with this one.
 */
#define APPROVAL_KEPT_MAX (16u * 1024u)

/* The handshake is done. true: another server may be needed yet. */
bool approval_begin(struct session *s);
bool approval_is_due(const struct session *s);
/* `moved` bytes of the client's have been read just now, into the scratch. */
void approval_keep(struct session *s, uint64_t moved);
void approval_look(struct session *s); /* something has come from the server */
void approval_end(struct session *s);  /* this server it is */
/* The server has failed. true: it has turned us away, and the tries go on. */
bool approval_try_another(struct session *s);

/* CONNECT leads here when TLS was agreed with a client whose TLS is passed through. */
bool phase_starttls_is_due(const struct session *s);
void phase_starttls_begin(struct session *s);
void phase_starttls_step(struct session *s, int client_events, int server_events);
void phase_starttls_expire(struct session *s);

void phase_relay_begin(struct session *s);
void phase_relay_step(struct session *s, int client_events, int server_events);
void phase_relay_expire(struct session *s);

/* A rule with redirect: the head of an HTTP request is awaited, then the gateway itself answers. */
void phase_redirect_begin(struct session *s);
void phase_redirect_step(struct session *s, int client_events, int server_events);
void phase_redirect_expire(struct session *s);

void phase_answer_begin(struct session *s);
void phase_answer_step(struct session *s, int client_events, int server_events);
void phase_answer_expire(struct session *s);
int phase_answer_waits(const struct session *s); /* what to watch the client for */

/* INSPECT: takes a client's request for TLS out of the kernel and answers it. true: look anew;
 * false: the session was ended. `bytes` are what was looked at. */
bool starttls_answer(struct session *s, struct span bytes, enum starttls dialect,
                     const struct starttls_turn *turn);

/* A session of a terminating rule without nested rules: its first decrypted bytes are looked at as
 * they pass, for the log only. */
void inspect_note_first_bytes(struct session *s, struct span bytes);

/* Whether what this side has to say may be moved by the gather: a small message, with nothing
 * held or in doubt. */
bool phase_relay_may_gather(const struct session *s, enum side side);

/* What the engine's `moved` has of it. */
void phase_relay_take_moved(struct session *s, enum side side);

/* RELAY, in the turn that was asked for: takes what lies inside the TLS layers. */
void phase_relay_turn(struct session *s);

/* RELAY, after each step and behind session_update_watches(): input inside the TLS layer is
 * announced by nobody, so the step is called again in the next turn of the loop. */
void phase_relay_come_back(struct session *s);

/* RELAY, from the timer: what only a session that lives for seconds needs. */
void phase_relay_settle(struct session *s);

/* --- limits: what is taken here is given back by session_end() -------------------------------- */

/* Clients of a UNIX socket have no address: no limit per source is theirs. */
static inline bool session_has_source(const struct session *s)
{
    return s->client_ip.family != AF_UNSPEC;
}

/* With the address that counts: allow and deny, then the listener's limits. false: it was refused.
 */
bool admission_admit(struct session *s);
void admission_leave(struct session *s);

/* The quota of connections still being looked at. Counts the session in; sheds the oldest (which
 * may be this one) when there are too many. */
void undecided_enter(struct session *s);
void undecided_leave(struct session *s); /* harmless when it is not in */
void undecided_trim(struct engine *engine, struct books *books);

/* max_handshakes: the session's first turn comes when there is a place for it. */
void handshakes_enter(struct session *s);
void handshakes_leave(struct session *s); /* harmless when it is not in */
void handshakes_next(struct engine *engine, struct books *books);

/* A desk's queue of sessions has changed. */
void session_publish_desk(struct desk *desk);

/* Looks at the bytes in the kernel without taking them. */
enum peek { PEEK_BYTES, PEEK_NOTHING_NEW, PEEK_FINISHED, PEEK_ENDED };

/* PEEK_BYTES: *ret holds all that is there (more than at the last look, or the first look).
 * PEEK_NOTHING_NEW: nothing was added; the session rests and looks again, or waits for its first
 * byte. PEEK_FINISHED: *ret as before, and nothing more will come. PEEK_ENDED: the session was
 * ended (no byte and FIN, or a reset). */
enum peek peek_look(struct session *s, struct span *ret);

/* How much is looked at, at most. */
size_t peek_most_bytes(const struct session *s);

/* Waits until `need` bytes are there. */
void peek_wait_for(struct session *s, size_t need);
void peek_done(struct session *s);

#endif
