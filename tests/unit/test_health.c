/* The checks against real listeners on loopback: every test waits for an event, none sleeps. */
#include "../../src/pool/health_check.h"
#include "../../src/pool/server.h"
#include "base/clock.h"
#include "io/socket.h"
#include "pool_support.h"
#include "suite.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#define GUARD_SECONDS 20.

/* --- fixture: one pool, one server, and a listener that may stand behind it ------------------- */

static struct ev_loop *loop;
static struct one_pool one;
static struct pool_set *set;
static struct health *health;

/* What on_change was told. */
static unsigned downs, ups;
static char reason_told[SERVER_ERROR_MAX];

/* What the listener saw. */
static struct listener {
    int fd;
    struct address address;
    ev_io io;
    unsigned accepted, closed;
    const char *greeting; /* sent to each client at once */
    const char *answer;   /* sent for the first bytes of each, which ends the connection */
    char heard[256];      /* by the last client */
    size_t heard_length;
    bool reset; /* the last client ended in a reset */
} listener;

static void on_change(void *context, const struct server *server, bool up, const char *reason)
{
    ck_assert_ptr_eq(context, &one);
    ck_assert_int_eq(server_is_up(server), up);
    snprintf(reason_told, sizeof reason_told, "%s", reason);
    if (up)
        ups++;
    else
        downs++;
}

static struct server *server_one(void)
{
    return pool_server_at(pool_set_at(set, 0), 0);
}

static void on_client(struct ev_loop *at, ev_io *io, int events)
{
    char room[256];
    ssize_t got = recv(io->fd, room, sizeof room, 0);
    (void)events;
    if (got > 0 && listener.heard_length + (size_t)got <= sizeof listener.heard) {
        memcpy(listener.heard + listener.heard_length, room, (size_t)got);
        listener.heard_length += (size_t)got;
        if (listener.answer == NULL)
            return;
        ck_assert_int_gt(send(io->fd, listener.answer, strlen(listener.answer), MSG_NOSIGNAL), 0);
        got = 0;
    }
    listener.reset = got < 0;
    if (listener.greeting != NULL && send(io->fd, "bye\r\n", 5, MSG_NOSIGNAL) != 5)
        listener.reset = true; /* nobody was there to read the greeting */
    listener.closed++;
    ev_io_stop(at, io);
    close(io->fd);
    free(io);
}

static void on_accept(struct ev_loop *at, ev_io *io, int events)
{
    int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    (void)events;
    if (fd < 0)
        return;
    listener.accepted++;
    listener.heard_length = 0;
    if (listener.greeting != NULL)
        ck_assert_int_gt(send(fd, listener.greeting, strlen(listener.greeting), MSG_NOSIGNAL), 0);
    ev_io *client = calloc(1, sizeof *client);
    ck_assert_ptr_nonnull(client);
    ev_io_init(client, on_client, fd, EV_READ);
    ev_io_start(at, client);
}

/* Binds to listener.address and learns its port; does not listen yet. */
static void bind_listener(void)
{
    const int on = 1;
    struct sockaddr_storage any;
    socklen_t length = sizeof any;
    listener.fd =
        socket(listener.address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listener.fd, 0);
    setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ck_assert_int_eq(bind(listener.fd, &listener.address.any, listener.address.length), 0);
    ck_assert_int_eq(getsockname(listener.fd, (struct sockaddr *)&any, &length), 0);
    listener.address = address_of((struct sockaddr *)&any, length);
}

static void open_listener(void)
{
    bind_listener();
    ck_assert_int_eq(listen(listener.fd, 64), 0);
    ev_io_init(&listener.io, on_accept, listener.fd, EV_READ);
    ev_io_start(loop, &listener.io);
}

static void close_listener(void)
{
    if (listener.fd < 0)
        return;
    ev_io_stop(loop, &listener.io);
    close(listener.fd);
    listener.fd = -1;
}

static void on_guard(struct ev_loop *at, ev_timer *timer, int events)
{
    bool *late = timer->data;
    (void)at;
    (void)events;
    *late = true;
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        bool late = false;                                                                         \
        ev_timer guard;                                                                            \
        ev_now_update(loop);                                                                       \
        ev_timer_init(&guard, on_guard, GUARD_SECONDS, 0.);                                        \
        guard.data = &late;                                                                        \
        ev_timer_start(loop, &guard);                                                              \
        while (!(condition)) {                                                                     \
            ck_assert_msg(!late, "waited in vain for: %s", #condition);                            \
            ev_run(loop, EVRUN_ONCE);                                                              \
        }                                                                                          \
        ev_timer_stop(loop, &guard);                                                               \
    } while (0)

static void set_up(void)
{
    loop = ev_loop_new(EVFLAG_AUTO);
    ck_assert_ptr_nonnull(loop);
    one_pool_init(&one, BALANCE_ROUND_ROBIN);
    set = NULL;
    health = NULL;
    downs = ups = 0;
    memset(&listener, 0, sizeof listener);
    listener.fd = -1;
    ev_init(&listener.io, on_accept);
    ck_assert(address_parse(&listener.address, span_text("127.0.0.1:0"), NULL));
}

static void tear_down(void)
{
    health_stop(health);
    RUN_UNTIL(listener.closed == listener.accepted); /* our ends are closed: so are the others */
    pool_set_free(set);
    close_listener();
    ev_loop_destroy(loop);
}

static void start_health(void)
{
    struct error error;
    bool ok = health_start(&health, loop, set, on_change, &one, &error);
    ck_assert_msg(ok, "%s", error.text);
}

/* Checks of the listener's address every interval_ms; what else one.pool.health has stays. */
static void start(uint64_t interval_ms, uint64_t timeout_ms, unsigned fall, unsigned rise)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&listener.address, text);
    one_pool_add(&one, "s", text, 1);
    one.pool.health.on = true;
    one.pool.health.interval_ms = interval_ms;
    one.pool.health.timeout_ms = timeout_ms;
    one.pool.health.fall = fall;
    one.pool.health.rise = rise;
    set = compile_after(&one, NULL);
    start_health();
}

static bool last_error_is(const char *wanted)
{
    char text[SERVER_ERROR_MAX];
    server_last_error(server_one(), text);
    return strcmp(text, wanted) == 0;
}

/* --- up, down, up ---------------------------------------------------------------------------- */

START_TEST(a_server_that_answers_stays_up_and_nobody_is_told)
{
    open_listener();
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 5);
    ck_assert(server_is_up(server_one()));
    ck_assert_uint_eq(downs + ups, 0);
    ck_assert(!listener.reset);
}
END_TEST

START_TEST(a_server_that_dies_goes_down_and_comes_back)
{
    open_listener();
    start(10, 1000, 3, 2);
    RUN_UNTIL(listener.closed >= 1);
    close_listener();
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "Connection refused");
    ck_assert(last_error_is("check: Connection refused"));
    ck_assert_str_eq(next_of(pool_set_at(set, 0)), "-");
    open_listener();
    RUN_UNTIL(ups == 1);
    ck_assert_str_eq(reason_told, "connected");
    ck_assert_str_eq(next_of(pool_set_at(set, 0)), "s");
    ck_assert_uint_eq(downs, 1);
}
END_TEST

START_TEST(it_takes_fall_failures_in_a_row)
{
    bind_listener(); /* nobody listens: refused */
    start(20, 1000, 4, 1);
    uint64_t begun = clock_monotonic_us();
    RUN_UNTIL(server_one()->checks.bad == 3);
    ck_assert(server_is_up(server_one()));
    RUN_UNTIL(downs == 1);
    ck_assert_uint_ge(clock_monotonic_us() - begun, 3 * 19 * 1000);
}
END_TEST

START_TEST(one_good_check_begins_the_count_anew)
{
    bind_listener();
    start(5, 1000, 3, 1);
    RUN_UNTIL(server_one()->checks.bad == 2);
    ck_assert_int_eq(listen(listener.fd, 64), 0);
    RUN_UNTIL(server_one()->checks.bad == 0);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(it_takes_rise_good_checks_in_a_row)
{
    bind_listener();
    start(5, 1000, 1, 3);
    RUN_UNTIL(downs == 1);
    close_listener();
    open_listener();
    RUN_UNTIL(ups == 1);
    ck_assert_uint_ge(listener.accepted, 2); /* the third may still be in the queue */
    ck_assert_uint_eq(server_one()->checks.good, 0);
}
END_TEST

/* A queue of one that nobody empties: the kernel then leaves a SYN unanswered. */
START_TEST(a_server_that_hangs_is_down_after_the_timeout)
{
    int clients[8];
    bind_listener();
    ck_assert_int_eq(listen(listener.fd, 0), 0);
    for (size_t i = 0; i < COUNT_OF(clients); i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(clients[i], &listener.address.any, listener.address.length) != 0)
            ck_assert_int_eq(errno, EINPROGRESS);
    }
    start(10, 50, 2, 1);
    uint64_t begun = clock_monotonic_us();
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "no answer within 50ms");
    ck_assert_uint_ge(clock_monotonic_us() - begun, 2 * 49 * 1000);
    for (size_t i = 0; i < COUNT_OF(clients); i++)
        close(clients[i]);
}
END_TEST

START_TEST(a_unix_socket_is_checked_too)
{
    char text[ADDRESS_TEXT_MAX];
    snprintf(text, sizeof text, "unix:@muxgate-test-health-%ld", (long)getpid());
    ck_assert(address_parse(&listener.address, span_text(text), NULL));
    open_listener();
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 2);
    ck_assert(!listener.reset);
    close_listener();
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "Connection refused");
}
END_TEST

START_TEST(another_port_can_be_asked)
{
    open_listener();
    struct address asked = listener.address;
    start(5, 1000, 1, 1);
    health_stop(health);
    pool_set_free(set);
    address_set_port(&one.servers[0].address.address, 1);
    one.pool.health.port = address_port(&asked);
    set = compile_after(&one, NULL);
    start_health();
    RUN_UNTIL(listener.closed >= 2);
    ck_assert(server_is_up(server_one()));
    ck_assert_uint_eq(address_port(server_address(server_one())), 1);
}
END_TEST

START_TEST(a_lack_of_descriptors_says_nothing_about_the_server)
{
    struct rlimit before, none;
    open_listener();
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 1);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    RUN_UNTIL(last_error_is("check not made: Too many open files"));
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    unsigned seen = listener.closed;
    RUN_UNTIL(listener.closed > seen + 1);
    ck_assert(server_is_up(server_one()));
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(a_socket_connected_to_itself_has_reached_nobody)
{
    open_listener();
    struct address served = listener.address, own = {.length = sizeof own.storage};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int narcissus = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, &served.any, served.length), 0);
    ck_assert(!socket_reaches_itself(client, &served));
    address_set_port(&served, 0);
    ck_assert_int_eq(bind(narcissus, &served.any, served.length), 0);
    ck_assert_int_eq(getsockname(narcissus, &own.any, &own.length), 0);
    ck_assert_int_eq(connect(narcissus, &own.any, own.length), 0);
    ck_assert(socket_reaches_itself(narcissus, &own));
    close(client);
    close(narcissus);
}
END_TEST

/* --- what the server sees -------------------------------------------------------------------- */

static const unsigned char local_header[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
                                             0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00};

static const struct {
    enum proxy_protocol proxy;
    const void *header;
    size_t length;
} headers[] = {
    {PROXY_OFF, "", 0},
    {PROXY_V1, "PROXY UNKNOWN\r\n", 15},
    {PROXY_V2, local_header, sizeof local_header},
};

START_TEST(a_check_says_that_it_comes_for_nobody_and_ends_in_a_fin)
{
    open_listener();
    one.pool.proxy_protocol = headers[_i].proxy;
    start(60000, 1000, 1, 1); /* no second check comes between */
    RUN_UNTIL(listener.closed == 1);
    ck_assert_uint_eq(listener.heard_length, headers[_i].length);
    ck_assert_mem_eq(listener.heard, headers[_i].header, headers[_i].length);
    ck_assert(!listener.reset);
}
END_TEST

START_TEST(a_server_that_speaks_first_gets_no_reset)
{
    open_listener();
    listener.greeting = "SSH-2.0-test\r\n";
    start(100, 1000, 1, 1);
    RUN_UNTIL(listener.closed == 2);
    ck_assert(!listener.reset);
    ck_assert_uint_eq(downs, 0);
}
END_TEST

/* --- talking --------------------------------------------------------------------------------- */

static char *literal(const char *text)
{
    static char room[8][128];
    static unsigned at;
    char *one_of_them = room[at++ % COUNT_OF(room)];
    snprintf(one_of_them, sizeof room[0], "%s", text);
    return one_of_them;
}

static void ask_http(uint16_t low, uint16_t high)
{
    struct model_health *settings = &one.pool.health;
    settings->type = HEALTH_HTTP;
    settings->http_path = literal("/up?x=1");
    settings->statuses.range[0].low = low;
    settings->statuses.range[0].high = high;
    settings->statuses.count = 1;
}

static const struct {
    const char *answer, *reason;
    bool good;
} http_answers[] = {
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP status 200", true},
    {"HTTP/1.0 399 \r\n\r\n", "HTTP status 399", true},
    {"HTTP/1.1 503 Service Unavailable\r\n\r\n", "HTTP status 503", false},
    {"HTTP/1.1 20", "closed within its answer", false},
    {"SSH-2.0-x\r\n", "the answer is not HTTP/1", false},
};

START_TEST(http_takes_the_statuses_it_was_told)
{
    char host[ADDRESS_TEXT_MAX], wanted[256];
    bind_listener();
    listener.answer = http_answers[_i].answer;
    ask_http(200, 399);
    start(5, 1000, 1, 1);
    RUN_UNTIL(downs == 1); /* nobody listens yet */
    ck_assert_int_eq(listen(listener.fd, 64), 0);
    ev_io_init(&listener.io, on_accept, listener.fd, EV_READ);
    ev_io_start(loop, &listener.io);
    if (http_answers[_i].good)
        RUN_UNTIL(ups == 1);
    else
        RUN_UNTIL(server_one()->checks.good == 0 && listener.closed >= 3);
    ck_assert_uint_eq(ups, http_answers[_i].good);
    if (http_answers[_i].good)
        ck_assert_str_eq(reason_told, http_answers[_i].reason);
    address_format(&listener.address, host);
    snprintf(wanted, sizeof wanted, "GET /up?x=1 HTTP/1.1\r\nHost: %s\r\n", host);
    ck_assert_uint_gt(listener.heard_length, strlen(wanted));
    ck_assert_mem_eq(listener.heard, wanted, strlen(wanted));
}
END_TEST

START_TEST(a_bad_answer_takes_a_server_down_and_says_which)
{
    char wanted[SERVER_ERROR_MAX];
    open_listener();
    listener.answer = http_answers[2 + _i].answer;
    ask_http(200, 399);
    start(5, 1000, 2, 1);
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, http_answers[2 + _i].reason);
    snprintf(wanted, sizeof wanted, "check: %s", http_answers[2 + _i].reason);
    ck_assert(last_error_is(wanted));
}
END_TEST

static void play_script(const char *send, const char *expect)
{
    one.pool.health.type = HEALTH_SCRIPT;
    one.pool.health.send = send == NULL ? NULL : literal(send);
    one.pool.health.expect = expect == NULL ? NULL : literal(expect);
}

START_TEST(a_script_finds_what_it_expects_anywhere_in_the_answer)
{
    open_listener();
    listener.answer = "* some words\r\n+PONG\r\n";
    play_script("PING\r\n", "+PONG");
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 3);
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(listener.heard_length, 6);
    ck_assert_mem_eq(listener.heard, "PING\r\n", 6);
}
END_TEST

START_TEST(a_script_in_hexadecimal_is_bytes)
{
    open_listener();
    listener.answer = "\x05\xff";
    one.pool.health.type = HEALTH_SCRIPT;
    one.pool.health.send_hex = literal("050100");
    one.pool.health.expect_hex = literal("05Ff");
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 3);
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(listener.heard_length, 3);
    ck_assert_mem_eq(listener.heard, "\x05\x01\x00", 3);
}
END_TEST

START_TEST(a_script_may_only_listen)
{
    open_listener();
    listener.greeting = "220 mail.example.com\r\n";
    play_script(NULL, "220 ");
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 3);
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(listener.heard_length, 0);
    ck_assert(!listener.reset);
}
END_TEST

START_TEST(a_script_may_only_speak)
{
    open_listener();
    play_script("hello\n", NULL);
    start(5, 1000, 1, 1);
    RUN_UNTIL(listener.closed >= 3);
    ck_assert_uint_eq(downs, 0);
    ck_assert_mem_eq(listener.heard, "hello\n", 6);
}
END_TEST

START_TEST(a_script_that_hears_something_else_fails)
{
    open_listener();
    listener.answer = "-LOADING\r\n";
    play_script("PING\r\n", "+PONG");
    start(5, 1000, 1, 1);
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "not the expected answer");
}
END_TEST

START_TEST(a_script_does_not_wait_for_ever)
{
    open_listener();
    listener.greeting = _i == 0 ? NULL : "half an ans";
    play_script(NULL, "answer");
    start(10, 50, 1, 1);
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told,
                     _i == 0 ? "no answer within 50ms" : "not the expected answer within 50ms");
}
END_TEST

START_TEST(an_answer_without_end_is_looked_at_only_so_far)
{
    static char flood[2 * TALK_HEARD_MAX_BYTES + 8];
    memset(flood, '.', sizeof flood - 1);
    memcpy(flood + sizeof flood - 8, "answer", 6); /* behind what is looked at */
    open_listener();
    listener.greeting = flood;
    play_script(NULL, "answer");
    start(5, 5000, 1, 1);
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "not the expected answer");
}
END_TEST

START_TEST(a_server_that_resets_within_the_talk_is_down)
{
    struct linger now = {.l_onoff = 1};
    bind_listener();
    ck_assert_int_eq(listen(listener.fd, 64), 0);
    play_script("PING\r\n", "+PONG");
    start(5, 1000, 1, 1);
    while (downs == 0) {
        int fd = accept4(listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
            close(fd);
        }
        ev_run(loop, EVRUN_ONCE);
    }
    ck_assert_str_eq(reason_told, "reset by the server");
}
END_TEST

/* --- what sessions meet ---------------------------------------------------------------------- */

START_TEST(failed_connects_count_like_failed_checks)
{
    open_listener();
    start(60000, 1000, 3, 1);
    RUN_UNTIL(listener.closed == 1);
    ck_assert(server_note_connect_failure(server_one(), ECONNREFUSED));
    ck_assert(server_note_failure(server_one(), "tls", "certificate verify failed"));
    health_look(health);
    ck_assert_uint_eq(downs, 0);
    ck_assert(server_note_connect_failure(server_one(), ETIMEDOUT));
    health_look(health);
    ck_assert_uint_eq(downs, 1);
    ck_assert_str_eq(reason_told, "connect: Connection timed out");
    ck_assert(!server_note_connect_failure(server_one(), ETIMEDOUT)); /* nothing new to tell */
}
END_TEST

START_TEST(a_connection_that_stands_begins_the_count_anew)
{
    open_listener();
    start(60000, 1000, 2, 1);
    RUN_UNTIL(listener.closed == 1);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert(server_note_connect_failure(server_one(), ECONNREFUSED));
        health_look(health);
        server_note_connected(server_one());
    }
    ck_assert_uint_eq(downs, 0);
}
END_TEST

START_TEST(early_resets_count_until_the_server_answers_somebody)
{
    open_listener();
    start(60000, 1000, 2, 1);
    RUN_UNTIL(listener.closed == 1);
    ck_assert(server_note_reset(server_one(), false));
    server_note_connected(server_one()); /* it did connect, of course */
    server_note_answer(server_one());
    ck_assert(server_note_reset(server_one(), false));
    health_look(health);
    ck_assert_uint_eq(downs, 0);
    ck_assert(server_note_reset(server_one(), false));
    health_look(health);
    ck_assert_uint_eq(downs, 1);
}
END_TEST

/* Or a client could take a server away from all others by what it sends. */
START_TEST(resets_that_a_client_may_have_provoked_bring_a_check_but_not_the_end)
{
    open_listener();
    start(4000, 1000, 2, 1);
    RUN_UNTIL(listener.closed == 1);
    for (unsigned i = 0; i < 50; i++)
        ck_assert(server_note_reset(server_one(), true));
    uint64_t begun = clock_monotonic_us();
    health_look(health);
    ck_assert_uint_eq(downs, 0);
    RUN_UNTIL(listener.closed == 2);
    ck_assert_uint_lt(clock_monotonic_us() - begun, 3 * 1000 * 1000); /* a quarter of an interval */
    ck_assert_uint_eq(downs, 0);
    ck_assert_uint_eq(atomic_load(&server_one()->evidence.provoked), 0);
}
END_TEST

START_TEST(with_such_resets_one_failed_check_is_enough)
{
    open_listener();
    start(400, 1000, 3, 1);
    RUN_UNTIL(listener.closed == 1);
    close_listener();
    for (unsigned i = 0; i < 2; i++)
        ck_assert(server_note_reset(server_one(), true));
    RUN_UNTIL(downs == 1);
    ck_assert_str_eq(reason_told, "Connection refused");
    ck_assert_uint_le(server_one()->checks.bad, 1);
}
END_TEST

START_TEST(sessions_alone_judge_nobody_without_checks)
{
    open_listener();
    start(60000, 1000, 1, 1);
    RUN_UNTIL(listener.closed == 1);
    one.pool.health.on = false;
    health_stop(health);
    start_health();
    ck_assert(!server_note_connect_failure(server_one(), ECONNREFUSED));
    ck_assert(!server_note_reset(server_one(), false));
    health_look(health);
    ck_assert(server_is_up(server_one()));
    ck_assert(last_error_is("session: reset before its first byte"));
}
END_TEST

START_TEST(first_checks_are_spread_over_the_interval)
{
    bind_listener();
    char text[ADDRESS_TEXT_MAX], name[] = "a";
    address_format(&listener.address, text);
    for (unsigned i = 0; i < 6; i++, name[0]++)
        one_pool_add(&one, name, text, 1);
    start(1000, 1000, 1, 1);
    struct pool *pool = pool_set_at(set, 0);
    for (unsigned i = 0; i < pool_server_count(pool); i++) {
        uint64_t due = pool_server_at(pool, i)->checks.due_us;
        ck_assert_uint_lt(due, clock_monotonic_us() + 1000 * 1000);
        for (unsigned j = 0; j < i; j++)
            ck_assert_int_ge(llabs((long long)(due - pool_server_at(pool, j)->checks.due_us)),
                             80 * 1000);
    }
}
END_TEST

/* --- over a reload --------------------------------------------------------------------------- */

static void reload(void)
{
    struct pool_set *next = compile_after(&one, set);
    health_stop(health);
    pool_set_free(set);
    set = next;
    start_health();
}

START_TEST(a_reload_forgets_neither_who_is_down_nor_how_often_it_failed)
{
    bind_listener();
    start(20, 1000, 3, 1);
    RUN_UNTIL(server_one()->checks.bad == 2);
    reload();
    ck_assert_uint_eq(server_one()->checks.bad, 2);
    RUN_UNTIL(downs == 1);
    reload();
    ck_assert(!server_is_up(server_one()));
    ck_assert_int_eq(listen(listener.fd, 64), 0);
    RUN_UNTIL(ups == 1);
}
END_TEST

/* One turn of the loop for 5 ms, then a reload. */
static void run_and_reload(void)
{
    ev_timer turn;
    bool over = false;
    ev_now_update(loop);
    ev_timer_init(&turn, on_guard, 0.005, 0.);
    turn.data = &over;
    ev_timer_start(loop, &turn);
    while (!over)
        ev_run(loop, EVRUN_ONCE);
    reload();
}

/* Each reload would otherwise begin a fresh interval, and a server that hangs would never be found
 * out. */
START_TEST(reloads_faster_than_the_interval_do_not_put_checks_off)
{
    bind_listener();
    start(60, 1000, 2, 1);
    ev_tstamp begun = ev_time();
    bool late = false;
    while (downs == 0 && !late) {
        run_and_reload();
        late = ev_time() - begun > GUARD_SECONDS;
    }
    ck_assert_uint_eq(downs, 1);
}
END_TEST

START_TEST(reloads_do_not_multiply_checks)
{
    open_listener();
    start(1000, 1000, 1, 1);
    RUN_UNTIL(listener.closed == 1);
    uint64_t begun = clock_monotonic_us();
    for (unsigned i = 0; i < 60; i++)
        run_and_reload();
    if (clock_monotonic_us() - begun < 800 * 1000) /* else the next one was due */
        ck_assert_uint_eq(listener.accepted, 1);
}
END_TEST

START_TEST(a_server_no_longer_checked_is_up)
{
    bind_listener();
    start(5, 1000, 1, 1);
    RUN_UNTIL(downs == 1);
    one.pool.health.on = false;
    reload();
    ck_assert_uint_eq(ups, 1);
    ck_assert_str_eq(reason_told, "no longer checked");
    ck_assert(server_is_up(server_one()));
}
END_TEST

/* By DNS: it left with a session on it while it was down, and its pool is not checked any more. */
START_TEST(a_server_that_comes_back_to_a_pool_no_longer_checked_is_up)
{
    struct error error;
    bind_listener();
    start(5, 1000, 1, 1);
    struct server *held = pick(pool_set_at(set, 0));
    ck_assert_ptr_nonnull(held);
    RUN_UNTIL(downs == 1);
    struct pool_address back = {.address = *server_address(held), .weight = 1};
    address_set_port(&one.servers[0].address.address, 1);
    one.pool.health.on = false;
    reload();
    ck_assert(!server_is_up(held));
    ck_assert(pool_update_addresses(pool_set_at(set, 0), 0, &back, 1, &error));
    health_follow(health, pool_set_at(set, 0));
    ck_assert_ptr_eq(server_one(), held);
    ck_assert(server_is_up(held));
    ck_assert_uint_eq(ups, 1);
    server_release(held);
}
END_TEST

START_TEST(a_check_can_be_stopped_at_any_moment)
{
    open_listener();
    start(2, 1000, 1, 1);
    for (unsigned i = 0; i < 200; i++) {
        ev_run(loop, EVRUN_NOWAIT);
        reload();
    }
    ck_assert_uint_eq(downs, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("health");
    TCase *c = tcase_create("health");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_server_that_answers_stays_up_and_nobody_is_told);
    tcase_add_test(c, a_server_that_dies_goes_down_and_comes_back);
    tcase_add_test(c, it_takes_fall_failures_in_a_row);
    tcase_add_test(c, one_good_check_begins_the_count_anew);
    tcase_add_test(c, it_takes_rise_good_checks_in_a_row);
    tcase_add_test(c, a_server_that_hangs_is_down_after_the_timeout);
    tcase_add_test(c, a_unix_socket_is_checked_too);
    tcase_add_test(c, another_port_can_be_asked);
    tcase_add_test(c, a_lack_of_descriptors_says_nothing_about_the_server);
    tcase_add_test(c, a_socket_connected_to_itself_has_reached_nobody);
    tcase_add_loop_test(c, a_check_says_that_it_comes_for_nobody_and_ends_in_a_fin, 0,
                        COUNT_OF(headers));
    tcase_add_test(c, a_server_that_speaks_first_gets_no_reset);
    tcase_add_loop_test(c, http_takes_the_statuses_it_was_told, 0, COUNT_OF(http_answers));
    tcase_add_loop_test(c, a_bad_answer_takes_a_server_down_and_says_which, 0, 3);
    tcase_add_test(c, a_script_finds_what_it_expects_anywhere_in_the_answer);
    tcase_add_test(c, a_script_in_hexadecimal_is_bytes);
    tcase_add_test(c, a_script_may_only_listen);
    tcase_add_test(c, a_script_may_only_speak);
    tcase_add_test(c, a_script_that_hears_something_else_fails);
    tcase_add_loop_test(c, a_script_does_not_wait_for_ever, 0, 2);
    tcase_add_test(c, an_answer_without_end_is_looked_at_only_so_far);
    tcase_add_test(c, a_server_that_resets_within_the_talk_is_down);
    tcase_add_test(c, failed_connects_count_like_failed_checks);
    tcase_add_test(c, a_connection_that_stands_begins_the_count_anew);
    tcase_add_test(c, early_resets_count_until_the_server_answers_somebody);
    tcase_add_test(c, resets_that_a_client_may_have_provoked_bring_a_check_but_not_the_end);
    tcase_add_test(c, with_such_resets_one_failed_check_is_enough);
    tcase_add_test(c, sessions_alone_judge_nobody_without_checks);
    tcase_add_test(c, first_checks_are_spread_over_the_interval);
    tcase_add_test(c, a_reload_forgets_neither_who_is_down_nor_how_often_it_failed);
    tcase_add_test(c, reloads_faster_than_the_interval_do_not_put_checks_off);
    tcase_add_test(c, reloads_do_not_multiply_checks);
    tcase_add_test(c, a_server_no_longer_checked_is_up);
    tcase_add_test(c, a_server_that_comes_back_to_a_pool_no_longer_checked_is_up);
    tcase_add_test(c, a_check_can_be_stopped_at_any_moment);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
