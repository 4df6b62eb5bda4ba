#include "inspect/postgres.h"
#include "inspect/protocol.h"
#include "suite.h"

#include "split.h"

struct sample {
    enum protocol protocol;
    struct span bytes;
    size_t certain_at;
};

/* What a client of each protocol sends first, and the byte that makes it certain. */
static const struct sample yes[] = {
    {PROTOCOL_fix, LITERAL("8=FIX.4.4\0019=63\00135=A\001"), 7},
    {PROTOCOL_fix, LITERAL("8=FIXT.1.1\0019=63\00135=A\001"), 8},
    {PROTOCOL_http, LITERAL("GET / HTTP/1.1\r\n"), 5},
    {PROTOCOL_http, LITERAL("POST /orders HTTP/1.1\r\n"), 6},
    {PROTOCOL_http, LITERAL("VERSION-CONTROL /x HTTP/1.1\r\n"), 17},
    {PROTOCOL_http, LITERAL("OPTIONS * HTTP/1.1\r\n"), 17},
    {PROTOCOL_http, LITERAL("CONNECT example.com:443 HTTP/1.1\r\n"), 31},
    {PROTOCOL_http, LITERAL("GET http://example.com/ HTTP/1.0\r\n"), 31},
    {PROTOCOL_http2, LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0"), 24},
    {PROTOCOL_ssh, LITERAL("SSH-2.0-OpenSSH_9.2p1\r\n"), 8},
    {PROTOCOL_ssh, LITERAL("SSH-1.99-old\r\n"), 9},
    {PROTOCOL_postgres, LITERAL("\0\0\0\10\4\322\26\57"), 8},
    {PROTOCOL_postgres, LITERAL("\0\0\0\10\4\322\26\60"), 8},
    {PROTOCOL_postgres, LITERAL("\0\0\0\20\4\322\26\56\0\0\1\2\0\0\3\4"), 8},
    {PROTOCOL_postgres, LITERAL("\0\0\0\46\0\3\0\0user\0me\0database\0db\0\0"), 9},
    {PROTOCOL_postgres, LITERAL("\0\0\0\30\0\3\0\2_pq_.x\0"), 9},
    {PROTOCOL_mqtt, LITERAL("\x10\x0e\0\4MQTT\4\2\0\x3c\0\2ab"), 8},
    {PROTOCOL_mqtt, LITERAL("\x10\x80\1\0\4MQTT\5"), 9},
    {PROTOCOL_mqtt, LITERAL("\x10\x14\0\6MQIsdp\3"), 10},
    {PROTOCOL_rdp, LITERAL("\3\0\0\13\6\340\0\0\0\0\0"), 11},
    {PROTOCOL_rdp, LITERAL("\3\0\0\23\16\340\0\0\0\0\0\1\0\10\0\13\0\0\0"), 12},
    {PROTOCOL_rdp, LITERAL("\3\0\0\54\47\340\0\0\0\0\0Cookie: mstshash=user\r\n"), 23},
    {PROTOCOL_socks4, LITERAL("\4\1\0\120\300\0\2\1me\0"), 11},
    {PROTOCOL_socks4, LITERAL("\4\1\0\120\0\0\0\1\0example.com\0"), 9},
    {PROTOCOL_socks4, LITERAL("\4\2\0\120\300\0\2\1\0"), 9},
    {PROTOCOL_socks5, LITERAL("\5\1\0"), 3},
    {PROTOCOL_socks5, LITERAL("\5\3\0\1\2"), 5},
    {PROTOCOL_xmpp, LITERAL("<stream:stream xmlns='jabber:client'"), 14},
    {PROTOCOL_xmpp, LITERAL("<?xml version='1.0'?>\n<stream:stream to='x'"), 36},
    {PROTOCOL_xmpp, LITERAL("<?xml version='1.0'?><stream:stream to='x'"), 35},
    {PROTOCOL_openvpn, LITERAL("\0\16\70abcdefgh\0\0\0\0\0"), 16},
    {PROTOCOL_openvpn, LITERAL("\0\52\70abcdefgh0123456789abcdefghij\0\0\0\1time\0\0\0\0\0"), 44},
    {PROTOCOL_openvpn, LITERAL("\0\66\70abcdefgh\0\0\0\1time0123456789abcdef0123456789abcdefxxxxx"),
     15},
    {PROTOCOL_openvpn,
     LITERAL("\0\66\70abcdefgh0123456789abcdef0123456789abcdef\0\0\0\1time\0\0\0\0\0"), 56},
    {PROTOCOL_openvpn, LITERAL("\1\100\120abcdefgh\17\0\0\1time"), 15},
    {PROTOCOL_amqp, LITERAL("AMQP\0\0\11\1"), 8},
    {PROTOCOL_amqp, LITERAL("AMQP\3\1\0\0"), 8},
    {PROTOCOL_amqp, LITERAL("AMQP\1\1\10\0"), 8},
};
enum { YES_COUNT = sizeof yes / sizeof yes[0] };

/* Near misses, and the byte that excludes them. */
static const struct sample no[] = {
    {PROTOCOL_fix, LITERAL("8=FIX4.4"), 6},
    {PROTOCOL_fix, LITERAL("8=FIX.x"), 7},
    {PROTOCOL_fix, LITERAL("8=FIXTX"), 7},
    {PROTOCOL_fix, LITERAL("9=8"), 1},
    {PROTOCOL_http, LITERAL("get / HTTP/1.1"), 1},
    {PROTOCOL_http, LITERAL("GETX / HTTP/1.1"), 4},
    {PROTOCOL_http, LITERAL("GET  / HTTP/1.1"), 5},
    {PROTOCOL_http, LITERAL("GET key\r\n"), 8},
    {PROTOCOL_http, LITERAL("OPTIONS * RTSP/1.0\r\n"), 11},
    {PROTOCOL_http, LITERAL("OPTIONS rtsp://host/ RTSP/1.0\r\n"), 22},
    {PROTOCOL_http, LITERAL("OPTIONS sip:a@b SIP/2.0\r\n"), 17},
    {PROTOCOL_http, LITERAL("CONNECT {\"verbose\":false}\r\n"), 26},
    {PROTOCOL_http, LITERAL("PRI * HTTP/2.0\r\n"), 3},
    {PROTOCOL_http2, LITERAL("PRI * HTTP/1.1"), 12},
    {PROTOCOL_ssh, LITERAL("SSH-1.5-old"), 7},
    {PROTOCOL_ssh, LITERAL("SSH-2.1-new"), 7},
    {PROTOCOL_postgres, LITERAL("\0\0\0\7\4"), 4},
    {PROTOCOL_postgres, LITERAL("\0\0\50\0\0"), 3},
    {PROTOCOL_postgres, LITERAL("\0\0\0\11\4"), 4},
    {PROTOCOL_postgres, LITERAL("\0\0\0\40\4\322\26\57"), 8},
    {PROTOCOL_postgres, LITERAL("\0\0\0\40\0\2\0\0u"), 6},
    {PROTOCOL_postgres, LITERAL("\0\0\0\40\0\3\0\0\0\0\0\1"), 9}, /* Kafka, Metadata */
    {PROTOCOL_mqtt, LITERAL("\x11\x0e"), 1},
    {PROTOCOL_mqtt, LITERAL("\x10\x0b"), 2},
    {PROTOCOL_mqtt, LITERAL("\x10\xff\xff\xff\xff\1"), 5},
    {PROTOCOL_mqtt, LITERAL("\x10\x0e\0\5MQTT"), 4},
    {PROTOCOL_rdp, LITERAL("\3\1"), 2},
    {PROTOCOL_rdp, LITERAL("\3\0\2"), 3},
    {PROTOCOL_rdp, LITERAL("\3\0\1\4"), 4},
    {PROTOCOL_rdp, LITERAL("\3\0\0\12"), 4},
    {PROTOCOL_rdp, LITERAL("\3\0\0\26\20"), 5},
    {PROTOCOL_rdp, LITERAL("\3\0\0\26\21\340\0\0\0\1\0\300\1\12"), 12}, /* S7 */
    {PROTOCOL_socks4, LITERAL("\4\3"), 2},
    {PROTOCOL_socks4, LITERAL("\4\1\0\120\300\0\2\1m\n"), 10},
    {PROTOCOL_socks5, LITERAL("\5\0\0\3"), 2}, /* DCE/RPC */
    {PROTOCOL_socks5, LITERAL("\5\2\0\377"), 4},
    {PROTOCOL_xmpp, LITERAL("<html>"), 2},
    {PROTOCOL_xmpp, LITERAL("<?xml version='1.0'?><rpc>"), 23},
    {PROTOCOL_xmpp, LITERAL("<?xml <"), 7},
    {PROTOCOL_xmpp, LITERAL("<?xml >"), 7},
    {PROTOCOL_openvpn, LITERAL("\0\15\70"), 2},
    {PROTOCOL_openvpn, LITERAL("\6\0"), 1},
    {PROTOCOL_openvpn, LITERAL("\0\16\71"), 3},
    {PROTOCOL_openvpn, LITERAL("\0\16\70abcdefgh\1"), 12},
    {PROTOCOL_openvpn, LITERAL("\0\20\70abcdefgh"), 3},
    {PROTOCOL_openvpn, LITERAL("\1\0\120abcdefgh\0\1"), 13},
    {PROTOCOL_amqp, LITERAL("AMQP\0\0\12"), 7},
    {PROTOCOL_amqp, LITERAL("AMQQ"), 4},
};
enum { NO_COUNT = sizeof no / sizeof no[0] };

struct question {
    enum protocol protocol;
    bool final;
};

static enum verdict ask(void *context, struct span bytes)
{
    const struct question *question = context;
    return protocol_probe(question->protocol, bytes, question->final);
}

START_TEST(a_protocol_is_certain_on_its_byte)
{
    struct question question = {yes[_i].protocol, false};
    split_check(ask, &question, yes[_i].bytes, yes[_i].certain_at, VERDICT_YES,
                protocol_name(yes[_i].protocol));
}
END_TEST

START_TEST(a_near_miss_is_excluded_on_its_byte)
{
    struct question question = {no[_i].protocol, false};
    split_check(ask, &question, no[_i].bytes, no[_i].certain_at, VERDICT_NO,
                protocol_name(no[_i].protocol));
}
END_TEST

START_TEST(no_other_protocol_says_yes)
{
    for (size_t n = 0; n <= yes[_i].bytes.length; n++) {
        struct span bytes = span_first(yes[_i].bytes, n);
        for (size_t p = 0; p < PROTOCOL_COUNT; p++) {
            struct question question = {(enum protocol)p, false};
            if (question.protocol == yes[_i].protocol)
                continue;
            enum verdict verdict = split_ask(ask, &question, bytes);
            ck_assert_msg(verdict != VERDICT_YES, "%s says yes to %zu bytes of %s",
                          protocol_name(question.protocol), n, protocol_name(yes[_i].protocol));
        }
        ck_assert_int_eq(protocol_detect(bytes),
                         n < yes[_i].certain_at ? PROTOCOL_UNKNOWN : yes[_i].protocol);
    }
}
END_TEST

START_TEST(final_never_asks_for_more)
{
    for (size_t n = 0; n <= yes[_i].bytes.length; n++) {
        for (size_t p = 0; p < PROTOCOL_COUNT; p++) {
            struct question question = {(enum protocol)p, true};
            struct span bytes = span_first(yes[_i].bytes, n);
            enum verdict verdict = split_ask(ask, &question, bytes);
            bool certain = p == yes[_i].protocol && n >= yes[_i].certain_at;
            ck_assert_int_eq(verdict, certain ? VERDICT_YES : VERDICT_NO);
        }
    }
}
END_TEST

/* A verdict never changes once it is there, whatever follows. */
START_TEST(random_bytes_never_turn_a_verdict)
{
    uint32_t state = 1;
    for (size_t round = 0; round < 20000; round++) {
        const struct sample *sample = &yes[round % YES_COUNT];
        unsigned char bytes[64];
        size_t length = sample->bytes.length < sizeof bytes ? sample->bytes.length : sizeof bytes;
        memcpy(bytes, sample->bytes.data, length);
        for (size_t changes = 0; changes < 2; changes++) {
            state = state * 1664525u + 1013904223u;
            bytes[(state >> 8) % length] = (unsigned char)(state >> 24);
        }
        for (size_t p = 0; p < PROTOCOL_COUNT; p++) {
            enum verdict before = VERDICT_MORE;
            for (size_t n = 0; n <= length; n++) {
                enum verdict now = protocol_probe((enum protocol)p, span_of(bytes, n), false);
                ck_assert_msg(before == VERDICT_MORE || now == before, "%s turned after %zu bytes",
                              protocol_name((enum protocol)p), n);
                before = now;
            }
        }
    }
}
END_TEST

START_TEST(tls_bytes_are_none_of_them)
{
    for (size_t p = 0; p < PROTOCOL_COUNT; p++)
        ck_assert_int_eq(protocol_probe((enum protocol)p, LITERAL("\x16"), false), VERDICT_NO);
}
END_TEST

START_TEST(names_are_found_and_unknown_ones_are_not)
{
    enum protocol protocol;
    for (size_t p = 0; p < PROTOCOL_COUNT; p++) {
        ck_assert(protocol_find(&protocol, span_text(protocol_name((enum protocol)p))));
        ck_assert_uint_eq(protocol, p);
    }
    ck_assert(!protocol_find(&protocol, LITERAL("tls")));
    ck_assert(!protocol_find(&protocol, LITERAL("FIX")));
    ck_assert(!protocol_find(&protocol, LITERAL("")));
    ck_assert_str_eq(protocol_name(PROTOCOL_UNKNOWN), "unknown");
}
END_TEST

START_TEST(the_kind_of_a_postgres_request_is_told)
{
    static const struct {
        struct span bytes;
        enum postgres_request request;
    } rows[] = {
        {LITERAL("\0\0\0\10\4\322\26\57"), POSTGRES_SSL},
        {LITERAL("\0\0\0\10\4\322\26\60"), POSTGRES_GSSENC},
        {LITERAL("\0\0\0\20\4\322\26\56"), POSTGRES_CANCEL},
        {LITERAL("\0\0\1\14\4\322\26\56"), POSTGRES_CANCEL},
        {LITERAL("\0\0\0\20\0\3\0\0u"), POSTGRES_STARTUP},
    };
    enum postgres_request request;
    ck_assert_int_eq(postgres_request_read(&request, rows[_i].bytes), VERDICT_YES);
    ck_assert_int_eq(request, rows[_i].request);
}
END_TEST

START_TEST(the_ssl_request_we_send_is_one)
{
    enum postgres_request request;
    struct span sent = span_of(postgres_ssl_request, POSTGRES_REQUEST_LENGTH);
    ck_assert_int_eq(postgres_request_read(&request, sent), VERDICT_YES);
    ck_assert_int_eq(request, POSTGRES_SSL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("protocol");
    TCase *cases = tcase_create("probes");
    tcase_set_timeout(cases, 60);
    tcase_add_loop_test(cases, a_protocol_is_certain_on_its_byte, 0, YES_COUNT);
    tcase_add_loop_test(cases, a_near_miss_is_excluded_on_its_byte, 0, NO_COUNT);
    tcase_add_loop_test(cases, no_other_protocol_says_yes, 0, YES_COUNT);
    tcase_add_loop_test(cases, final_never_asks_for_more, 0, YES_COUNT);
    tcase_add_test(cases, random_bytes_never_turn_a_verdict);
    tcase_add_test(cases, tls_bytes_are_none_of_them);
    tcase_add_test(cases, names_are_found_and_unknown_ones_are_not);
    tcase_add_loop_test(cases, the_kind_of_a_postgres_request_is_told, 0, 5);
    tcase_add_test(cases, the_ssl_request_we_send_is_one);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
