/* TLS towards servers: whom a client believes, what it resumes, what its files may become. The
 * other end is OpenSSL's own. */
#include "base/clock.h"
#include "problem_lines.h"
#include "suite.h"
#include "tls/authorities.h"
#include "tls/client.h"
#include "tls/sessions.h"
#include "tls_kit.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME "db.example.com"
#define SAN  "DNS:" NAME ",IP:127.0.0.1"

static struct kit_signer authority;
static struct tls_sessions *memory;
static char lines[4096];

/* --- files ------------------------------------------------------------------------------------ */

/* NAME.crt and NAME.key, signed by the authority of ca.crt unless the spec says otherwise. */
static void issue(const char *name, struct kit_spec spec)
{
    if (spec.by == NULL)
        spec.by = &authority;
    kit_pair(name, &spec);
}

static void set_up(void)
{
    kit_start();
    authority = kit_make(&(struct kit_spec){.cn = "authority", .is_ca = true});
    kit_save_certificates("ca.crt", &authority.certificate, 1);
    issue("server", (struct kit_spec){.san = SAN});
    memory = tls_sessions_create();
    ck_assert_ptr_nonnull(memory);
}

static void tear_down(void)
{
    tls_sessions_free(memory);
    kit_signer_free(&authority);
    kit_stop();
}

static struct model_pool_tls model_of(const char *sni)
{
    return (struct model_pool_tls){.path = kit_writable("pools.db.tls"),
                                   .verify = true,
                                   .ca = kit_writable(kit_file("ca.crt")),
                                   .sni = kit_writable(sni)};
}

static void show(struct model_pool_tls *model, const char *cert, const char *key)
{
    model->cert = kit_writable(kit_file(cert));
    model->key = kit_writable(kit_file(key));
}

/* NULL: refused. `lines` has what was said. */
static struct tls_client *try_compile(const struct model_pool_tls *model)
{
    struct problems *problems;
    struct tls_client *client = NULL;
    ck_assert(problems_create(&problems, "test.json"));
    bool good = tls_client_compile(&client, model, problems);
    ck_assert_int_eq(good, problems_errors(problems) == 0);
    snprintf(lines, sizeof lines, "%s", lines_of(problems));
    problems_free(problems);
    return good ? client : NULL;
}

static struct tls_client *compile(const struct model_pool_tls *model)
{
    struct tls_client *client = try_compile(model);
    ck_assert_msg(client != NULL, "%s", lines);
    return client;
}

static void expect_refused(const struct model_pool_tls *model, const char *words)
{
    ck_assert_ptr_null(try_compile(model));
    ck_assert_msg(strstr(lines, words) != NULL, "\"%s\" is not in \"%s\"", words, lines);
}

/* --- handshakes ------------------------------------------------------------------------------- */

struct meeting {
    struct stream ours;
    enum tls_progress state;
    SSL *theirs;
    int theirs_fd, theirs_state; /* 1 done, 0 still at it, -1 failed */
};

static SSL_CTX *server_context(const char *pair, int version)
{
    char file[80];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    ck_assert_ptr_nonnull(context);
    snprintf(file, sizeof file, "%s.crt", pair);
    ck_assert_int_eq(SSL_CTX_use_certificate_chain_file(context, kit_file(file)), 1);
    snprintf(file, sizeof file, "%s.key", pair);
    ck_assert_int_eq(SSL_CTX_use_PrivateKey_file(context, kit_file(file), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    return context;
}

static const struct address *where(void)
{
    static _Thread_local struct address address; /* some tests have two threads that ask */
    ck_assert(address_parse_ip(&address, span_text("127.0.0.1")));
    address_set_port(&address, 5432);
    return &address;
}

static void step_theirs(struct meeting *m)
{
    ERR_clear_error();
    int result = SSL_accept(m->theirs);
    int reason = SSL_get_error(m->theirs, result);
    m->theirs_state = result == 1                                                       ? 1
                      : reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0
                                                                                        : -1;
    ERR_clear_error();
}

static void open_meeting(struct meeting *m, struct tls_client *client, SSL_CTX *server,
                         const struct tls_target *target)
{
    struct error error;
    int ours;
    kit_socketpair(&m->theirs_fd, &ours);
    ck_assert(tls_connect(&m->ours, client, ours, target, &error));
    m->theirs = SSL_new(server);
    SSL_set_fd(m->theirs, m->theirs_fd);
    m->state = TLS_AGAIN;
    m->theirs_state = 0;
}

static void run(struct meeting *m)
{
    for (int turn = 0; turn < 1000; turn++) {
        if (m->state == TLS_AGAIN)
            m->state = tls_handshake(&m->ours);
        if (m->state == TLS_FAILED)
            shutdown(m->ours.fd, SHUT_WR); /* the alert is out */
        if (m->theirs_state == 0)
            step_theirs(m);
        if (m->theirs_state == -1)
            shutdown(m->theirs_fd, SHUT_WR);
        if (m->state != TLS_AGAIN && m->theirs_state != 0)
            return;
        struct pollfd both[2] = {
            {.fd = m->state == TLS_AGAIN ? m->ours.fd : -1, .events = POLLIN},
            {.fd = m->theirs_state == 0 ? m->theirs_fd : -1, .events = POLLIN}};
        ck_assert_msg(poll(both, 2, 5000) > 0, "the handshake hangs");
    }
    ck_abort_msg("the handshake does not end");
}

/* A word from the server: what it sends behind the handshake has been read by then. */
static void hear(struct meeting *m)
{
    char room[64];
    size_t count = 0;
    ck_assert_int_eq(SSL_write(m->theirs, "word", 4), 4);
    for (;;) {
        enum stream_status status = stream_read(&m->ours, room, sizeof room, &count);
        if (status == STREAM_OK)
            break;
        ck_assert_int_eq(status, STREAM_AGAIN);
        struct pollfd one = {.fd = m->ours.fd, .events = POLLIN};
        ck_assert_int_eq(poll(&one, 1, 5000), 1);
        stream_ready(&m->ours);
    }
    ck_assert_uint_eq(count, 4);
}

static void close_meeting(struct meeting *m)
{
    SSL_set_shutdown(m->theirs, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(m->theirs);
    close(m->theirs_fd);
    stream_close(&m->ours, false);
}

/* The words of a failed handshake, "" for one that was done. */
static const char *meet(struct tls_client *client, SSL_CTX *server, const char *host)
{
    static char words[256];
    struct meeting m;
    struct tls_target target = {.host = host, .address = where()};
    open_meeting(&m, client, server, &target);
    run(&m);
    const char *fault = stream_fault(&m.ours);
    ck_assert_int_eq(m.state == TLS_DONE, fault == NULL);
    snprintf(words, sizeof words, "%s", fault != NULL ? fault : "");
    close_meeting(&m);
    return words;
}

/* Of a server with this pair, in each version of TLS. */
static void expect(const struct model_pool_tls *model, const char *pair, const char *host,
                   const char *words)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_client *client = compile(model);
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX *server = server_context(pair, versions[i]);
        ck_assert_str_eq(meet(client, server, host), words);
        SSL_CTX_free(server);
    }
    tls_client_unref(client);
}

#define FAILED "certificate verify failed: "

/* --- who is believed -------------------------------------------------------------------------- */

START_TEST(a_server_is_verified_by_name_or_by_its_address)
{
    struct model_pool_tls by_sni = model_of(NAME), by_host = model_of(NULL);
    expect(&by_sni, "server", NULL, "");
    expect(&by_host, "server", NAME, "");
    expect(&by_host, "server", NULL, ""); /* 127.0.0.1 */
    expect(&by_sni, "server", "other.example.com", "");
}
END_TEST

static const struct {
    const char *san, *sni, *host, *words;
} name_rows[] = {
    {"DNS:other.example.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:other.example.com", NULL, NAME, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:db.example.com", NULL, NULL, FAILED "wrong name (it is not for 127.0.0.1)"},
    {"IP:127.0.0.2", NULL, NULL, FAILED "wrong name (it is not for 127.0.0.1)"},
    {"DNS:127.0.0.1", NULL, NULL, FAILED "wrong name (it is not for 127.0.0.1)"},
    {"IP:127.0.0.1", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:*.example.com", NAME, NULL, ""},
    {"DNS:*.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:d*.example.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:*.db.example.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"DNS:DB.Example.COM", NAME, NULL, ""},
    {"email:db.example.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {"URI:https://db.example.com", NAME, NULL, FAILED "wrong name (it is not for " NAME ")"},
    {NULL, NAME, NULL, FAILED "wrong name (it is not for " NAME ")"}, /* the CN does not count */
    /* "db.example.com", NUL, ".x": one text for an authority, another for who stops at the NUL */
    {"DER:30:13:82:11:64:62:2e:65:78:61:6d:70:6c:65:2e:63:6f:6d:00:2e:78", NAME, NULL,
     FAILED "wrong name (it is not for " NAME ")"},
    /* an address in the place of a name, and a name's bytes in the place of an address */
    {"DER:30:06:82:04:7f:00:00:01", NULL, NULL, FAILED "wrong name (it is not for 127.0.0.1)"},
    {"DER:30:0b:87:09:31:32:37:2e:30:2e:30:2e:31", NULL, NULL,
     FAILED "wrong name (it is not for 127.0.0.1)"},
};

START_TEST(only_an_alternative_name_of_the_right_kind_counts)
{
    struct model_pool_tls model = model_of(name_rows[_i].sni);
    issue("row", (struct kit_spec){.san = name_rows[_i].san, .cn = NAME});
    expect(&model, "row", name_rows[_i].host, name_rows[_i].words);
}
END_TEST

START_TEST(what_is_not_signed_by_the_authority_is_not_believed)
{
    struct model_pool_tls model = model_of(NAME);
    struct kit_signer other = kit_make(&(struct kit_spec){.cn = "authority", .is_ca = true});
    issue("forged", (struct kit_spec){.san = SAN, .by = &other});
    kit_pair("own", &(struct kit_spec){.san = SAN});
    expect(&model, "forged", NULL, FAILED "unknown CA (another of the same name)");
    expect(&model, "own", NULL, FAILED "unknown CA (it is self-signed)");
    kit_signer_free(&other);
}
END_TEST

START_TEST(dates_and_purpose_count)
{
    struct model_pool_tls model = model_of(NAME);
    issue("old", (struct kit_spec){.san = SAN, .from_days = -30, .to_days = -1});
    issue("young", (struct kit_spec){.san = SAN, .from_days = 2, .to_days = 30});
    issue("user", (struct kit_spec){.san = SAN, .usage = "clientAuth"});
    expect(&model, "old", NULL, FAILED "expired");
    expect(&model, "young", NULL, FAILED "not valid yet");
    expect(&model, "user", NULL, FAILED "not made for a server");
}
END_TEST

START_TEST(each_certificate_of_a_named_file_is_trusted_by_itself)
{
    struct model_pool_tls model = model_of(NAME);
    struct kit_signer middle =
        kit_make(&(struct kit_spec){.cn = "middle", .is_ca = true, .by = &authority});
    issue("deep", (struct kit_spec){.san = SAN, .by = &middle});
    expect(&model, "deep", NULL, FAILED "unknown CA"); /* it does not send the middle */
    kit_save_certificates("ca.crt", &middle.certificate, 1);
    expect(&model, "deep", NULL, "");
    kit_pair("own", &(struct kit_spec){.san = SAN});
    model.ca = kit_writable(kit_file("own.crt")); /* pinned */
    expect(&model, "own", NULL, "");
    expect(&model, "server", NULL, FAILED "unknown CA");
    kit_signer_free(&middle);
}
END_TEST

START_TEST(without_verification_anyone_is_believed)
{
    struct model_pool_tls model = {.path = kit_writable("pools.db.tls")};
    kit_pair("own", &(struct kit_spec){.san = "DNS:nobody", .from_days = -9, .to_days = -1});
    expect(&model, "own", NULL, "");
    struct error error;
    struct tls_client *lax;
    ck_assert(tls_client_create_lax(&lax, &error));
    SSL_CTX *server = server_context("own", TLS1_3_VERSION);
    ck_assert_str_eq(meet(lax, server, NAME), "");
    ck_assert_ptr_null(*tls_client_files(lax));
    SSL_CTX_free(server);
    tls_client_unref(lax);
}
END_TEST

/* --- configurations --------------------------------------------------------------------------- */

START_TEST(what_cannot_be_loaded_is_an_error_at_its_key)
{
    struct model_pool_tls model = model_of(NAME);
    model.ca = kit_writable(kit_file("absent.crt"));
    expect_refused(&model, "pools.db.tls.ca: cannot read ");
    kit_write("empty.crt", "", 0);
    model.ca = kit_writable(kit_file("empty.crt"));
    expect_refused(&model, "pools.db.tls.ca: ");
    kit_write("nonsense.crt", "nonsense", 8);
    model.ca = kit_writable(kit_file("nonsense.crt"));
    expect_refused(&model, "pools.db.tls.ca: ");
    model = model_of(NAME);
    issue("ours", (struct kit_spec){.cn = "gateway", .usage = "clientAuth"});
    show(&model, "absent.crt", "ours.key");
    expect_refused(&model, "pools.db.tls.cert: cannot read ");
    show(&model, "ours.crt", "absent.key");
    expect_refused(&model, "pools.db.tls.key: cannot read ");
    show(&model, "ours.crt", "server.key");
    expect_refused(&model, "pools.db.tls.");
    ck_assert_ptr_nonnull(strstr(lines, "does not"));
}
END_TEST

START_TEST(a_certificate_of_ours_that_expires_is_a_warning)
{
    struct model_pool_tls model = model_of(NAME);
    issue("ours", (struct kit_spec){.cn = "gateway", .from_days = -60, .to_days = 10});
    show(&model, "ours.crt", "ours.key");
    tls_client_unref(compile(&model));
    ck_assert_ptr_nonnull(strstr(lines, "warning: pools.db.tls.cert: the certificate expires on "));
}
END_TEST

START_TEST(the_files_to_watch_are_those_that_are_used)
{
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    ck_assert_str_eq(tls_client_files(client)[0], kit_file("ca.crt"));
    ck_assert_ptr_null(tls_client_files(client)[1]);
    tls_client_unref(client);
    show(&model, "server.crt", "server.key");
    model.verify = false;
    client = compile(&model);
    ck_assert_str_eq(tls_client_files(client)[0], kit_file("server.crt"));
    ck_assert_str_eq(tls_client_files(client)[1], kit_file("server.key"));
    ck_assert_ptr_null(tls_client_files(client)[2]);
    tls_client_unref(client);
}
END_TEST

/* --- the preface ------------------------------------------------------------------------------ */

START_TEST(the_preface_goes_in_front_of_the_hello_in_one_segment)
{
    char bytes[2048];
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    struct meeting m;
    struct tls_target target = {.address = where(), .preface = span_text("PROXY UNKNOWN\r\n")};
    open_meeting(&m, client, server, &target);
    m.state = tls_handshake(&m.ours);
    ck_assert_int_eq(m.state, TLS_AGAIN);
    struct pollfd one = {.fd = m.theirs_fd, .events = POLLIN};
    ck_assert_int_eq(poll(&one, 1, 5000), 1);
    ssize_t count = recv(m.theirs_fd, bytes, sizeof bytes, MSG_PEEK);
    ck_assert_int_gt(count, 15 + 5);
    ck_assert_mem_eq(bytes, "PROXY UNKNOWN\r\n\x16\x03\x01", 15 + 3);
    ck_assert_int_eq(recv(m.theirs_fd, bytes, 15, 0), 15);
    run(&m);
    ck_assert_int_eq(m.state, TLS_DONE);
    close_meeting(&m);
    SSL_CTX_free(server);
    tls_client_unref(client);
}
END_TEST

/* --- what servers do behind the handshake ----------------------------------------------------- */

/* A server of TLS 1.3 may speak before it has our Finished, and then both lie in what was read. */
START_TEST(what_a_server_says_with_its_finished_is_inside_the_stream)
{
    char room[64];
    size_t count = 0;
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    struct meeting m;
    struct tls_target target = {.address = where()};
    open_meeting(&m, client, server, &target);
    SSL_set_accept_state(m.theirs);
    ck_assert_int_eq(tls_handshake(&m.ours), TLS_AGAIN);
    struct pollfd theirs = {.fd = m.theirs_fd, .events = POLLIN};
    ck_assert_int_eq(poll(&theirs, 1, 5000), 1);
    int cork = 1;
    setsockopt(m.theirs_fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
    ck_assert_int_eq(SSL_read_early_data(m.theirs, room, sizeof room, &count),
                     SSL_READ_EARLY_DATA_FINISH);
    ck_assert_int_eq(SSL_write_early_data(m.theirs, "early", 5, &count), 1);
    cork = 0;
    setsockopt(m.theirs_fd, IPPROTO_TCP, TCP_CORK, &cork, sizeof cork);
    struct pollfd ours = {.fd = m.ours.fd, .events = POLLIN};
    ck_assert_int_eq(poll(&ours, 1, 5000), 1);
    ck_assert_int_eq(tls_handshake(&m.ours), TLS_DONE);
    ck_assert(stream_pending(&m.ours));
    ck_assert_int_eq(stream_read(&m.ours, room, sizeof room, &count), STREAM_OK);
    ck_assert_uint_eq(count, 5);
    ck_assert_mem_eq(room, "early", 5);
    close_meeting(&m);
    SSL_CTX_free(server);
    tls_client_unref(client);
}
END_TEST

START_TEST(a_storm_of_key_updates_is_cut_off)
{
    char room[64];
    size_t count = 0;
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    struct meeting m;
    struct tls_target target = {.address = where()};
    open_meeting(&m, client, server, &target);
    run(&m);
    hear(&m);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(SSL_key_update(m.theirs, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        ck_assert_int_eq(SSL_do_handshake(m.theirs), 1);
    }
    enum stream_status status = STREAM_AGAIN;
    while (status == STREAM_AGAIN) {
        struct pollfd one = {.fd = m.ours.fd, .events = POLLIN};
        ck_assert_int_eq(poll(&one, 1, 5000), 1);
        stream_ready(&m.ours);
        status = stream_read(&m.ours, room, sizeof room, &count);
    }
    ck_assert_int_eq(status, STREAM_BROKEN);
    ck_assert_ptr_nonnull(strstr(stream_fault(&m.ours), "KeyUpdate"));
    close_meeting(&m);
    SSL_CTX_free(server);
    tls_client_unref(client);
}
END_TEST

/* --- sessions --------------------------------------------------------------------------------- */

static unsigned char *key_of(unsigned number)
{
    static unsigned char key[TLS_SESSION_KEY_BYTES];
    memset(key, 0, sizeof key);
    memcpy(key, &number, sizeof number);
    return key;
}

static SSL_SESSION *make_session(int version)
{
    SSL_SESSION *session = SSL_SESSION_new();
    ck_assert_int_eq(SSL_SESSION_set_protocol_version(session, version), 1);
    return session;
}

static bool take(unsigned number, uint64_t now_us)
{
    uint64_t verified_us;
    SSL_SESSION *session = tls_sessions_take(memory, key_of(number), now_us, &verified_us);
    SSL_SESSION_free(session);
    return session != NULL;
}

START_TEST(a_session_of_tls_1_3_is_given_once_and_one_of_1_2_again)
{
    tls_sessions_put(memory, key_of(1), make_session(TLS1_3_VERSION), 5);
    tls_sessions_put(memory, key_of(2), make_session(TLS1_2_VERSION), 5);
    ck_assert(take(1, 6) && !take(1, 6));
    ck_assert(take(2, 6) && take(2, 6));
    ck_assert(!take(3, 6));
}
END_TEST

START_TEST(the_latest_session_of_a_server_is_the_one)
{
    SSL_SESSION *latest = make_session(TLS1_2_VERSION);
    uint64_t verified_us;
    tls_sessions_put(memory, key_of(1), make_session(TLS1_2_VERSION), 5);
    tls_sessions_put(memory, key_of(1), latest, 7);
    SSL_SESSION *taken = tls_sessions_take(memory, key_of(1), 8, &verified_us);
    ck_assert_ptr_eq(taken, latest);
    ck_assert_uint_eq(verified_us, 7);
    SSL_SESSION_free(taken);
}
END_TEST

START_TEST(a_session_does_not_outlive_what_it_was_verified_by)
{
    tls_sessions_put(memory, key_of(1), make_session(TLS1_2_VERSION), 5);
    ck_assert(take(1, 5 + TLS_SESSION_TRUST_US));
    ck_assert(!take(1, 6 + TLS_SESSION_TRUST_US));
    ck_assert(!take(1, 6)); /* gone for good */
}
END_TEST

START_TEST(of_too_many_sessions_those_that_nobody_used_go)
{
    const unsigned servers = 20 * TLS_SESSIONS_MAX;
    unsigned kept = 0;
    for (unsigned i = 0; i < servers; i++) {
        tls_sessions_put(memory, key_of(i), make_session(TLS1_2_VERSION), 5);
        ck_assert(take(0, 6)); /* used all the time */
    }
    for (unsigned i = 0; i < servers; i++)
        kept += take(i, 6);
    ck_assert_uint_gt(kept, TLS_SESSIONS_MAX / 2);
    ck_assert_uint_le(kept, TLS_SESSIONS_MAX);
}
END_TEST

/* Whether this handshake resumed a session; it leaves one for the next. */
static bool resumes(struct tls_client *client, SSL_CTX *server, const char *host)
{
    struct meeting m;
    struct tls_target target = {.host = host, .address = where(), .sessions = memory};
    open_meeting(&m, client, server, &target);
    run(&m);
    ck_assert_msg(m.state == TLS_DONE, "%s", stream_fault(&m.ours));
    hear(&m);
    bool resumed = SSL_session_reused(m.theirs) == 1;
    close_meeting(&m);
    return resumed;
}

START_TEST(a_session_is_resumed_under_the_same_demands_only)
{
    int version = _i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
    struct model_pool_tls model = model_of(NAME), no_name = model_of(NULL), lax = model_of(NAME);
    lax.verify = false;
    SSL_CTX *server = server_context("server", version);
    struct tls_client *client = compile(&model), *again = compile(&model);
    struct tls_client *by_host = compile(&no_name), *careless = compile(&lax);
    ck_assert(!resumes(client, server, NULL) && resumes(client, server, NULL));
    ck_assert(resumes(again, server, NULL)); /* after a reload */
    ck_assert(!resumes(careless, server, NULL));
    ck_assert(resumes(client, server, NULL));
    ck_assert(!resumes(by_host, server, NULL)); /* by its address: that was not verified */
    ck_assert(!resumes(by_host, server, NAME)); /* under the name that is in the host's place */
    ck_assert(resumes(by_host, server, NAME));
    tls_client_unref(client);
    tls_client_unref(again);
    tls_client_unref(by_host);
    tls_client_unref(careless);
    SSL_CTX_free(server);
}
END_TEST

START_TEST(no_session_of_a_certificate_that_has_expired_since_is_offered)
{
    struct model_pool_tls model = {.path = kit_writable("pools.db.tls")};
    issue("old", (struct kit_spec){.san = SAN, .from_days = -9, .to_days = -1});
    SSL_CTX *server = server_context("old", TLS1_2_VERSION);
    struct tls_client *client = compile(&model);
    ck_assert(!resumes(client, server, NULL) && !resumes(client, server, NULL));
    tls_client_unref(client);
    SSL_CTX_free(server);
}
END_TEST

/* --- the files change ------------------------------------------------------------------------- */

static const char *file;
static struct error fault;

static enum tls_refresh refresh_ca(struct tls_client *client)
{
    return tls_client_refresh_authorities(client, &file, &fault);
}

static enum tls_refresh refresh_cert(struct tls_client *client)
{
    return tls_client_refresh_certificate(client, &file, &fault);
}

START_TEST(new_authorities_count_at_once_and_bad_ones_never)
{
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    struct kit_signer other = kit_make(&(struct kit_spec){.cn = "other", .is_ca = true});
    struct kit_signer past =
        kit_make(&(struct kit_spec){.cn = "past", .is_ca = true, .from_days = -9, .to_days = -1});
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_SAME);
    kit_write("ca.crt", "nonsense", 8);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "ca.crt"));
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_SAME); /* told */
    kit_save_certificates("ca.crt", &past.certificate, 1);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "expired"));
    ck_assert_str_eq(meet(client, server, NULL), "");
    kit_save_certificates("ca.crt", &other.certificate, 1);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_NEW);
    ck_assert_str_eq(file, kit_file("ca.crt"));
    ck_assert_str_eq(meet(client, server, NULL), FAILED "unknown CA");
    ck_assert_int_eq(refresh_cert(client), TLS_REFRESH_SAME);
    kit_remove("ca.crt");
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_REFUSED);
    kit_save_certificates("ca.crt", &other.certificate, 1);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_SAME); /* it is what is in use */
    SSL_CTX_free(server);
    kit_signer_free(&other);
    kit_signer_free(&past);
    tls_client_unref(client);
}
END_TEST

START_TEST(a_session_from_before_new_authorities_is_not_resumed)
{
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    struct kit_signer other = kit_make(&(struct kit_spec){.cn = "other", .is_ca = true});
    X509 *const both[] = {authority.certificate, other.certificate};
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    ck_assert(!resumes(client, server, NULL) && resumes(client, server, NULL));
    kit_save_certificates("ca.crt", both, 2);
    ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_NEW);
    ck_assert(!resumes(client, server, NULL) && resumes(client, server, NULL));
    SSL_CTX_free(server);
    kit_signer_free(&other);
    tls_client_unref(client);
}
END_TEST

static int take_any(int good, X509_STORE_CTX *context)
{
    (void)good;
    (void)context;
    return 1;
}

/* The serial of the certificate that the server was shown. */
static uint64_t shown_serial(struct tls_client *client, SSL_CTX *server)
{
    struct meeting m;
    struct tls_target target = {.address = where()};
    uint64_t serial = 0;
    open_meeting(&m, client, server, &target);
    run(&m);
    ck_assert_int_eq(m.state, TLS_DONE);
    const X509 *seen = SSL_get0_peer_certificate(m.theirs);
    ck_assert_ptr_nonnull(seen);
    ck_assert_int_eq(ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(seen)), 1);
    close_meeting(&m);
    return serial;
}

START_TEST(our_certificate_is_renewed_when_both_files_fit)
{
    static char before[8192], fresh[8192];
    struct model_pool_tls model = model_of(NAME);
    issue("ours", (struct kit_spec){.cn = "gateway"});
    show(&model, "ours.crt", "ours.key");
    struct tls_client *client = compile(&model);
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    SSL_CTX_set_verify(server, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, take_any);
    uint64_t first = shown_serial(client, server);
    size_t before_length = kit_read("ours.key", before, sizeof before);
    issue("ours", (struct kit_spec){.cn = "gateway"});
    size_t fresh_length = kit_read("ours.key", fresh, sizeof fresh);
    kit_write("ours.key", before, before_length);
    ck_assert_int_eq(refresh_cert(client), TLS_REFRESH_REFUSED); /* half of it */
    ck_assert_int_eq(refresh_cert(client), TLS_REFRESH_SAME);
    ck_assert(shown_serial(client, server) == first);
    kit_write("ours.key", fresh, fresh_length);
    ck_assert_int_eq(refresh_cert(client), TLS_REFRESH_NEW);
    ck_assert_str_eq(file, kit_file("ours.crt"));
    ck_assert(shown_serial(client, server) != first);
    issue("ours", (struct kit_spec){.cn = "gateway", .from_days = -9, .to_days = -1});
    ck_assert_int_eq(refresh_cert(client), TLS_REFRESH_REFUSED);
    ck_assert_ptr_nonnull(strstr(fault.text, "has expired on "));
    SSL_CTX_free(server);
    tls_client_unref(client);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

struct helper {
    pthread_t thread;
    struct tls_client *client;
    atomic_uint *meetings;
    atomic_bool *stop;
};

static void *keep_meeting(void *context)
{
    struct helper *helper = context;
    SSL_CTX *server = server_context("server", TLS1_3_VERSION);
    while (!atomic_load(helper->stop)) {
        struct meeting m;
        struct tls_target target = {.address = where()};
        open_meeting(&m, helper->client, server, &target);
        run(&m);
        ck_assert_int_eq(m.state, TLS_DONE);
        close_meeting(&m);
        atomic_fetch_add(helper->meetings, 1);
    }
    SSL_CTX_free(server);
    return NULL;
}

START_TEST(files_are_swapped_under_load)
{
    struct model_pool_tls model = model_of(NAME);
    struct tls_client *client = compile(&model);
    struct kit_signer other = kit_make(&(struct kit_spec){.cn = "other", .is_ca = true});
    X509 *const both[] = {authority.certificate, other.certificate};
    struct helper helpers[2];
    atomic_uint meetings = 0;
    atomic_bool stop = false;
    for (int i = 0; i < 2; i++) {
        helpers[i] = (struct helper){.client = client, .meetings = &meetings, .stop = &stop};
        ck_assert_int_eq(pthread_create(&helpers[i].thread, NULL, keep_meeting, &helpers[i]), 0);
    }
    for (unsigned turn = 0; turn < 12; turn++) {
        unsigned before = atomic_load(&meetings);
        kit_save_certificates("ca.crt", both, 1 + (turn + 1) % 2);
        ck_assert_int_eq(refresh_ca(client), TLS_REFRESH_NEW);
        while (atomic_load(&meetings) == before)
            sched_yield();
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(helpers[i].thread, NULL);
    kit_signer_free(&other);
    tls_client_unref(client);
}
END_TEST

static TCase *add_case(Suite *suite, const char *name)
{
    TCase *added = tcase_create(name);
    tcase_add_checked_fixture(added, set_up, tear_down);
    tcase_set_timeout(added, 60);
    suite_add_tcase(suite, added);
    return added;
}

int main(void)
{
    Suite *suite = suite_create("tls client");
    TCase *trust = add_case(suite, "trust");
    tcase_add_test(trust, a_server_is_verified_by_name_or_by_its_address);
    tcase_add_loop_test(trust, only_an_alternative_name_of_the_right_kind_counts, 0,
                        (int)(sizeof name_rows / sizeof name_rows[0]));
    tcase_add_test(trust, what_is_not_signed_by_the_authority_is_not_believed);
    tcase_add_test(trust, dates_and_purpose_count);
    tcase_add_test(trust, each_certificate_of_a_named_file_is_trusted_by_itself);
    tcase_add_test(trust, without_verification_anyone_is_believed);
    TCase *files = add_case(suite, "files");
    tcase_add_test(files, what_cannot_be_loaded_is_an_error_at_its_key);
    tcase_add_test(files, a_certificate_of_ours_that_expires_is_a_warning);
    tcase_add_test(files, the_files_to_watch_are_those_that_are_used);
    tcase_add_test(files, the_preface_goes_in_front_of_the_hello_in_one_segment);
    tcase_add_test(files, what_a_server_says_with_its_finished_is_inside_the_stream);
    tcase_add_test(files, a_storm_of_key_updates_is_cut_off);
    TCase *sessions = add_case(suite, "sessions");
    tcase_add_test(sessions, a_session_of_tls_1_3_is_given_once_and_one_of_1_2_again);
    tcase_add_test(sessions, the_latest_session_of_a_server_is_the_one);
    tcase_add_test(sessions, a_session_does_not_outlive_what_it_was_verified_by);
    tcase_add_test(sessions, of_too_many_sessions_those_that_nobody_used_go);
    tcase_add_loop_test(sessions, a_session_is_resumed_under_the_same_demands_only, 0, 2);
    tcase_add_test(sessions, no_session_of_a_certificate_that_has_expired_since_is_offered);
    TCase *renewal = add_case(suite, "renewal");
    tcase_add_test(renewal, new_authorities_count_at_once_and_bad_ones_never);
    tcase_add_test(renewal, a_session_from_before_new_authorities_is_not_resumed);
    tcase_add_test(renewal, our_certificate_is_renewed_when_both_files_fit);
    tcase_add_test(renewal, files_are_swapped_under_load);
    return suite_run(suite);
}
