/* The head of an HTTP/1 request, for the redirect to https: whole, cut at every byte, and all that
 * could make the answer lead elsewhere. */
#include "inspect/http_head.h"
#include "split.h"
#include "suite.h"

static struct http_head head;

static enum verdict parse(void *context, struct span bytes)
{
    (void)context;
    return http_head_parse(&head, bytes);
}

/* --- what is redirected ----------------------------------------------------------------------- */

#define END "\r\n\r\n"

static const struct {
    const char *request, *location;
} good[] = {
    {"GET / HTTP/1.1\r\nHost: example.com" END, "https://example.com/"},
    {"GET /a/b?c=d&e HTTP/1.1\r\nHost: example.com" END, "https://example.com/a/b?c=d&e"},
    {"HEAD /x HTTP/1.1\r\nHost: Example.COM." END, "https://example.com/x"},
    {"POST /x HTTP/1.1\r\nHost:example.com:8080\r\nContent-Length: 5" END, "https://example.com/x"},
    {"GET /x HTTP/1.1\r\nhOsT: \t example.com \t" END, "https://example.com/x"},
    {"GET /x HTTP/1.1\r\nAccept: */*\r\nX-Empty:\r\nHost: a.b" END, "https://a.b/x"},
    {"GET /x HTTP/1.1\r\nX: caf\xc3\xa9\r\nHost: a.b" END, "https://a.b/x"},
    {"GET /x HTTP/1.0\r\nHost: a.b" END, "https://a.b/x"},
    {"GET /x HTTP/1.9\r\nHost: a.b" END, "https://a.b/x"},
    {"GET /x HTTP/1.1\r\nHost: a.b:" END, "https://a.b/x"},
    {"GET /x HTTP/1.1\r\nHost: 192.0.2.1:80" END, "https://192.0.2.1/x"},
    {"GET /x HTTP/1.1\r\nHost: [2001:DB8::1]" END, "https://[2001:db8::1]/x"},
    {"GET /x HTTP/1.1\r\nHost: [2001:db8::1]:80" END, "https://[2001:db8::1]/x"},
    {"GET /x HTTP/1.1\r\nHost: [::ffff:192.0.2.1]" END, "https://192.0.2.1/x"},
    {"GET http://a.b/x?y HTTP/1.1\r\nHost: a.b" END, "https://a.b/x?y"},
    {"GET HTTP://A.b:80/x HTTP/1.1\r\nHost: a.B.:8080" END, "https://a.b/x"},
    {"GET http://a.b HTTP/1.1\r\nHost: a.b" END, "https://a.b/"},
    {"GET http://a.b?q HTTP/1.1\r\nHost: a.b" END, "https://a.b/?q"},
    {"GET http://a.b/x HTTP/1.0" END, "https://a.b/x"},
    {"OPTIONS * HTTP/1.1\r\nHost: a.b" END, "https://a.b/"},
    {"PROPFIND /x HTTP/1.1\r\nHost: a.b" END, "https://a.b/x"},
    {"GET //evil.example/x HTTP/1.1\r\nHost: a.b" END, "https://a.b//evil.example/x"},
    {"GET /\\evil.example HTTP/1.1\r\nHost: a.b" END, "https://a.b/\\evil.example"},
    {"GET /%0d%0aSet-Cookie:x HTTP/1.1\r\nHost: a.b" END, "https://a.b/%0d%0aSet-Cookie:x"},
    {"GET /@evil.example HTTP/1.1\r\nHost: a.b" END, "https://a.b/@evil.example"},
};

START_TEST(a_request_leads_to_the_same_host_and_path_from_its_last_byte_on)
{
    struct text location = {0};
    struct span whole = span_text(good[_i].request);
    split_check(parse, NULL, whole, whole.length, VERDICT_YES, good[_i].request);
    ck_assert_int_eq(http_head_parse(&head, whole), VERDICT_YES);
    ck_assert_uint_eq(head.length, whole.length);
    http_head_add_location(&location, &head);
    ck_assert_str_eq(location.data, good[_i].location);
    text_release(&location);
}
END_TEST

START_TEST(what_follows_the_head_is_left_alone)
{
    struct span bytes =
        span_text("POST /x HTTP/1.1\r\nHost: a.b\r\nContent-Length: 3" END "abcHost: c.d\r\n");
    ck_assert_int_eq(http_head_parse(&head, bytes), VERDICT_YES);
    ck_assert_str_eq((const char *)bytes.data + head.length, "abcHost: c.d\r\n");
    ck_assert_str_eq(head.host, "a.b");
}
END_TEST

START_TEST(the_answer_is_one_response_and_nothing_more)
{
    struct text answer = {0};
    ck_assert_int_eq(http_head_parse(&head, span_text(good[1].request)), VERDICT_YES);
    http_head_add_redirect(&answer, &head, UINT64_C(784111777));
    ck_assert_str_eq(answer.data, "HTTP/1.1 301 Moved Permanently\r\n"
                                  "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                                  "Location: https://example.com/a/b?c=d&e\r\n"
                                  "Content-Length: 0\r\n"
                                  "Connection: close\r\n\r\n");
    text_release(&answer);
}
END_TEST

/* --- what is not ------------------------------------------------------------------------------ */

static const struct {
    const char *request;
    size_t length;     /* 0: of the text */
    size_t refused_at; /* 0: with the last byte of the head */
    const char *reason;
} bad[] = {
    {"\x16\x03\x01", 0, 1, "not HTTP/1"},
    {"PRI * HTTP/2.0\r\n", 0, 12, "not HTTP/1"},
    {"GET / HTTP/2", 0, 12, "not HTTP/1"},
    {"GET / HTTP/1.x", 0, 14, "not HTTP/1"},
    {"GET / HTTP/1.12", 0, 15, "CRLF"},
    {"GET / HTTP/1.1\n", 0, 15, "CRLF"},
    {"GET / HTTP/1.1 \r\n", 0, 15, "CRLF"},
    {"GET  / HTTP/1.1", 0, 5, "without a target"},
    {"GET\t/ HTTP/1.1", 0, 4, "not HTTP/1"},
    {"GET /\tx HTTP/1.1", 0, 6, "none of a request target's"},
    {"GET /#x HTTP/1.1", 0, 6, "none of a request target's"},
    {"GET /\xc3\xa9 HTTP/1.1", 0, 6, "none of a request target's"},
    {"GET /\0x HTTP/1.1", 10, 6, "none of a request target's"},
    {"GET /\r\n", 0, 6, "none of a request target's"},
    {" GET / HTTP/1.1", 0, 1, "not HTTP/1"},
    {"\r\nGET / HTTP/1.1", 0, 1, "not HTTP/1"},
    {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1", 0, 33, "not HTTP/1"},
    {"GET / HTTP/1.1\r\nHost: a.b\n", 0, 26, "control byte"},
    {"GET / HTTP/1.1\r\nHost: a.b\rx", 0, 27, "control byte"},
    {"GET / HTTP/1.1\r\nHost: a.b\r\n c.d\r\n", 0, 28, "no field"},
    {"GET / HTTP/1.1\r\nHost: a.b\r\n\tc.d\r\n", 0, 28, "no field"},
    {"GET / HTTP/1.1\r\n: x\r\n", 0, 17, "no field"},
    {"GET / HTTP/1.1\r\nHost : a.b\r\n", 0, 21, "no colon"},
    {"GET / HTTP/1.1\r\nHost\r\n", 0, 21, "no colon"},
    {"GET / HTTP/1.1\r\nHost: a\0b\r\n", 27, 24, "control byte"},
    {"GET / HTTP/1.1\r\nX: \x7f\r\n", 0, 20, "control byte"},
    {"GET / HTTP/1.1\r\n\rx", 0, 18, "bare CR"},
    {"GET / HTTP/1.1\r\n\n", 0, 17, "no field"},
    {"GET / HTTP/1.1\r\nHost: a.b\r\nhost: a.b\r\n", 0, 32, "more than one Host"},
    {"GET / HTTP/1.1\r\nHost:\r\nHost: a.b\r\n", 0, 28, "more than one Host"},
    {"GET / HTTP/1.1\r\nX: y" END, 0, 0, "no Host"},
    {"GET / HTTP/1.0\r\nX: y" END, 0, 0, "no Host"},
    {"GET http://a.b/ HTTP/1.1\r\nX: y" END, 0, 0, "no Host"},
    {"GET / HTTP/1.1\r\nHost:" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: :80" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b/evil" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a@evil.example" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b evil" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b, c.d" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a%2eb" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a..b" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a\xc3\xa9.b" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b:80x" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b:65536" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: a.b:000080" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: [::1" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: [::1]x" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: [fe80::1%25lo]" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: [192.0.2.1]" END, 0, 0, "a Host that is none"},
    {"GET / HTTP/1.1\r\nHost: []" END, 0, 0, "a Host that is none"},
    {"GET http://a.b/ HTTP/1.1\r\nHost: c.d" END, 0, 0, "another host"},
    {"GET http://a.b/ HTTP/1.1\r\nHost:" END, 0, 0, "another host"},
    {"GET http://u@a.b/ HTTP/1.1\r\nHost: a.b" END, 0, 0, "whose host is none"},
    {"GET http:///x HTTP/1.1\r\nHost: a.b" END, 0, 0, "whose host is none"},
    {"GET http://a.b\\c/ HTTP/1.1\r\nHost: a.b" END, 0, 0, "whose host is none"},
    {"GET https://a.b/ HTTP/1.1\r\nHost: a.b" END, 0, 0, "no path"},
    {"GET ftp://a.b/ HTTP/1.1\r\nHost: a.b" END, 0, 0, "no path"},
    {"GET x HTTP/1.1\r\nHost: a.b" END, 0, 0, "no path"},
    {"GET * HTTP/1.1\r\nHost: a.b" END, 0, 0, "no path"},
    {"CONNECT a.b:443 HTTP/1.1\r\nHost: a.b" END, 0, 0, "no path"},
};

START_TEST(anything_else_is_refused_on_the_byte_that_breaks_it)
{
    struct span whole = span_text(bad[_i].request);
    if (bad[_i].length != 0)
        whole.length = bad[_i].length;
    size_t at = bad[_i].refused_at == 0 ? whole.length : bad[_i].refused_at;
    split_check(parse, NULL, whole, at, VERDICT_NO, bad[_i].request);
    ck_assert_int_eq(http_head_parse(&head, whole), VERDICT_NO);
    ck_assert_msg(strstr(head.reason, bad[_i].reason) != NULL, "%s: %s", bad[_i].request,
                  head.reason);
}
END_TEST

START_TEST(a_head_is_bounded)
{
    static char bytes[HTTP_HEAD_MAX + 100];
    static const char start[] = "GET /", end[] = " HTTP/1.1\r\nHost: a.b" END;
    for (size_t more = 0; more < 2; more++) {
        size_t whole = HTTP_HEAD_MAX + more;
        memset(bytes, 'x', sizeof bytes);
        memcpy(bytes, start, sizeof start - 1);
        memcpy(bytes + whole - (sizeof end - 1), end, sizeof end - 1);
        ck_assert_int_eq(http_head_parse(&head, span_of(bytes, HTTP_HEAD_MAX - 1)), VERDICT_MORE);
        ck_assert_int_eq(http_head_parse(&head, span_of(bytes, whole)),
                         more == 0 ? VERDICT_YES : VERDICT_NO);
    }
    ck_assert_ptr_nonnull(strstr(head.reason, "more than 16384 bytes"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http head");
    TCase *t = tcase_create("http head");
    tcase_add_loop_test(t, a_request_leads_to_the_same_host_and_path_from_its_last_byte_on, 0,
                        (int)COUNT_OF(good));
    tcase_add_test(t, what_follows_the_head_is_left_alone);
    tcase_add_test(t, the_answer_is_one_response_and_nothing_more);
    tcase_add_loop_test(t, anything_else_is_refused_on_the_byte_that_breaks_it, 0,
                        (int)COUNT_OF(bad));
    tcase_add_test(t, a_head_is_bounded);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
