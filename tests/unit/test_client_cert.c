/* client_cert: the names of a client, and what a rule asks of them. */
#include "inspect/client_cert.h"
#include "suite.h"

#include <stdlib.h>

static struct client_cert cert;

static void set_up(void)
{
    cert = (struct client_cert){0};
}

static void tear_down(void)
{
    client_cert_release(&cert);
}

static void add(enum san_kind kind, struct span raw)
{
    struct error error;
    ck_assert(client_cert_add_san(&cert, kind, raw, &error));
}

static bool asks(const char *text)
{
    struct san wanted;
    struct error error;
    ck_assert_msg(san_parse(&wanted, text, &error), "%s", text);
    bool yes = client_cert_has_san(&cert, &wanted);
    free(wanted.text);
    return yes;
}

/* --- common names ----------------------------------------------------------------------------- */

static const struct {
    const char *cn, *pattern;
    bool yes;
} cn_cases[] = {
    {"desk-1", "desk-1", true},
    {"desk-1", "Desk-1", false}, /* exact is exact */
    {"desk-1", "desk-1 ", false},
    {"Jörg Müller", "Jörg Müller", true},
    {"a.example.com", "*.example.com", true},
    {"A.Example.COM.", "*.example.com", true},
    {"a.b.example.com", "*.example.com", true},
    {"example.com", "*.example.com", false},
    {"badexample.com", "*.example.com", false},
    {"mallory/.example.com", "*.example.com", false}, /* no host name */
    {"*", "*", true},
    {"anything", "*", false},
    {"*.example.com", "a.example.com", false},
};

START_TEST(a_common_name_is_exact_or_below_a_domain)
{
    struct error error;
    ck_assert(client_cert_set_cn(&cert, span_text(cn_cases[_i].cn), &error));
    ck_assert_int_eq(client_cert_has_cn(&cert, cn_cases[_i].pattern), cn_cases[_i].yes);
}
END_TEST

START_TEST(no_common_name_is_nobody)
{
    struct error error;
    ck_assert(!client_cert_has_cn(&cert, ""));
    ck_assert(client_cert_set_cn(&cert, span_text(""), &error));
    ck_assert_ptr_null(cert.cn);
    ck_assert(!client_cert_has_cn(&cert, ""));
}
END_TEST

START_TEST(a_nul_in_a_name_fails)
{
    static const char evil[] = "desk-1\0.evil.example";
    struct error error;
    struct span raw = span_of(evil, sizeof evil - 1);
    ck_assert(!client_cert_set_cn(&cert, raw, &error));
    ck_assert_ptr_null(cert.cn);
    for (int kind = SAN_DNS; kind < SAN_IP; kind++)
        ck_assert(!client_cert_add_san(&cert, (enum san_kind)kind, raw, &error));
    ck_assert_uint_eq(cert.san_count, 0);
}
END_TEST

START_TEST(a_name_as_long_as_a_book_fails)
{
    static char book[CLIENT_CN_MAX + 1];
    struct error error;
    memset(book, 'a', sizeof book);
    ck_assert(client_cert_set_cn(&cert, span_of(book, CLIENT_CN_MAX), &error));
    ck_assert(!client_cert_set_cn(&cert, span_of(book, sizeof book), &error));
}
END_TEST

/* --- alternative names ------------------------------------------------------------------------ */

static const struct {
    enum san_kind kind;
    const char *san, *asked;
    bool yes;
} san_cases[] = {
    {SAN_DNS, "A.Example.com", "a.example.COM.", true},
    {SAN_DNS, "a.example.com", "*.example.com", true},
    {SAN_DNS, "example.com", "*.example.com", false},
    {SAN_DNS, "*.example.com", "a.example.com", false},
    {SAN_DNS, "*.example.com", "*.example.com", true},
    {SAN_DNS, "no host name", "a.example.com", false},
    {SAN_EMAIL, "Desk@Example.com", "Desk@example.COM", true},
    {SAN_EMAIL, "Desk@example.com", "desk@example.com", false},
    {SAN_EMAIL, "desk@a@example.com", "desk@a@example.com", true},
    {SAN_EMAIL, "desk@a.example.com", "*.example.com", false}, /* names of hosts only */
    {SAN_URI, "spiffe://prod/desk", "spiffe://prod/desk", true},
    {SAN_URI, "spiffe://prod/desk", "spiffe://prod/Desk", false},
    {SAN_URI, "urn:uuid:1", "urn:uuid:1", true},
    {SAN_URI, "mailto:desk@example.com", "mailto:desk@example.com", true},
    /* the same text as another kind of name is another name */
    {SAN_DNS, "10.0.0.1", "10.0.0.1", false},
    {SAN_URI, "desk@example.com", "desk@example.com", false},
    {SAN_DNS, "a.example.com", "dns:a.example.com", false},
};

START_TEST(an_alternative_name_is_compared_as_what_it_is)
{
    add(san_cases[_i].kind, span_text(san_cases[_i].san));
    ck_assert_msg(asks(san_cases[_i].asked) == san_cases[_i].yes, "%s %s", san_cases[_i].san,
                  san_cases[_i].asked);
}
END_TEST

START_TEST(ip_addresses_are_compared_as_addresses)
{
    static const unsigned char four[] = {10, 0, 0, 1}, six[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    add(SAN_IP, span_of(four, sizeof four));
    ck_assert(asks("10.0.0.1"));
    ck_assert(asks("::ffff:10.0.0.1"));
    ck_assert(!asks("2001:db8::1"));
    add(SAN_IP, span_of(six, sizeof six));
    ck_assert(asks("2001:0DB8:0::1"));
    add(SAN_IP, span_of(four, 3)); /* none: left out */
    ck_assert_uint_eq(cert.san_count, 2);
}
END_TEST

START_TEST(any_of_many_names_will_do)
{
    add(SAN_DNS, span_text("a.example.com"));
    add(SAN_EMAIL, span_text("desk@example.com"));
    add(SAN_URI, span_text("spiffe://prod/desk"));
    ck_assert(asks("spiffe://prod/desk"));
    ck_assert(asks("desk@example.com"));
    ck_assert(!asks("b.example.com"));
}
END_TEST

static const char *const no_names[] = {"",        "two words",  "a..b",          "*",
                                       "a.*.b",   "@a.example", "desk@",         "desk@two words",
                                       "*.*.com", "http://a b", "*@example.com@"};

START_TEST(what_is_no_name_is_refused)
{
    struct san wanted;
    struct error error;
    ck_assert_msg(!san_parse(&wanted, no_names[_i], &error), "%s", no_names[_i]);
    ck_assert_ptr_null(wanted.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("client certificates");
    TCase *cn = tcase_create("cn"), *san = tcase_create("san");
    tcase_add_checked_fixture(cn, set_up, tear_down);
    tcase_add_checked_fixture(san, set_up, tear_down);
    suite_add_tcase(suite, cn);
    suite_add_tcase(suite, san);
    tcase_add_loop_test(cn, a_common_name_is_exact_or_below_a_domain, 0, (int)COUNT_OF(cn_cases));
    tcase_add_test(cn, no_common_name_is_nobody);
    tcase_add_test(cn, a_nul_in_a_name_fails);
    tcase_add_test(cn, a_name_as_long_as_a_book_fails);
    tcase_add_loop_test(san, an_alternative_name_is_compared_as_what_it_is, 0,
                        (int)COUNT_OF(san_cases));
    tcase_add_test(san, ip_addresses_are_compared_as_addresses);
    tcase_add_test(san, any_of_many_names_will_do);
    tcase_add_loop_test(san, what_is_no_name_is_refused, 0, (int)COUNT_OF(no_names));
    return suite_run(suite);
}
