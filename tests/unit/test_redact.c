/* What may be shown of bytes that nobody knew: constants of the program, and no text of a client.
 */
#include "base/compiler.h"
#include "inspect/redact.h"
#include "suite.h"

#include <string.h>

START_TEST(what_is_shown_of_the_first_bytes)
{
    static const struct {
        const char *bytes;
        size_t length;
        const char *begin, *looks_like;
        uint8_t kept;
    } cases[] = {
#define CASE(bytes, begin, like, kept) {bytes, sizeof(bytes) - 1, begin, like, kept}
        CASE("", "", NULL, 0),
        CASE("hunter2", "*", NULL, 0),
        CASE("hunter2\r\nmore\r\n", "*\\r\\n", NULL, 0),
        CASE("correct horse  battery\n", "* * *\\n", NULL, 0),
        CASE(" x", " *", NULL, 0),
        CASE("PASS hunter2\r\nNICK me\r\n", "PASS *\\r\\n", "irc or ftp", 5),
        CASE("*2\r\n$4\r\nAUTH\r\n", "*2\\r\\n$*\\r\\n", "redis", 5),
        CASE("STOMP\nlogin:me\npasscode:x\n", "STOMP\\n", "stomp", 6),
        CASE("\x12\1\0\x2f\0\0\1\0", "\\x12\\x01\\x00*", "sql server (tds)", 3),
        CASE("\1\2\3\4\5\6", "\\x01\\x02\\x03\\x04*", NULL, 4),
        CASE("\1\2abc\3", "\\x01\\x02*", NULL, 2),
        CASE("\x30\x0c\2\1\1", "*", NULL, 0),
        CASE("a\rb", "*\\r", NULL, 0),
        CASE("pass word", "* *", NULL, 0),
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct redacted r;
        redact(&r, span_of(cases[i].bytes, cases[i].length));
        ck_assert_str_eq(r.begin, cases[i].begin);
        ck_assert_uint_eq(r.kept_length, cases[i].kept);
        ck_assert_int_eq(memcmp(r.kept, cases[i].bytes, r.kept_length), 0);
        ck_assert_pstr_eq(r.looks_like, cases[i].looks_like);
    }
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

/* Without a signature: at most four bytes, none of them printable, and nothing but asterisks,
 * blanks and ends of lines behind. */
static void check_shown(const struct redacted *r)
{
    const char *at = r->begin;
    ck_assert_uint_le(r->kept_length, 4);
    for (unsigned i = 0; i < r->kept_length; i++, at += 4) {
        ck_assert(r->kept[i] < 0x20 || r->kept[i] > 0x7e);
        ck_assert_int_eq(strncmp(at, "\\x", 2), 0);
    }
    ck_assert_uint_eq(strspn(at, "* \\rn"), strlen(at));
}

START_TEST(no_text_of_a_client_is_kept_whatever_it_sends)
{
    uint32_t state = 1;
    for (unsigned round = 0; round < 200000; round++) {
        unsigned char bytes[80];
        size_t length = next_random(&state) % sizeof bytes;
        bool text = next_random(&state) % 2 == 0;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)(text ? 0x20 + next_random(&state) % 0x5f
                                            : next_random(&state) % 256);
        struct redacted r;
        redact(&r, span_of(bytes, length));
        if (r.looks_like == NULL)
            check_shown(&r);
        ck_assert_uint_lt(strlen(r.begin), sizeof r.begin);
    }
}
END_TEST

START_TEST(every_signature_is_found_and_kept_whole)
{
    static const struct {
        const char *bytes;
        size_t length;
    } all[] = {
#define SIGNATURE(bytes, name) {bytes, sizeof(bytes) - 1},
#include "inspect/signatures.def"
#undef SIGNATURE
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct redacted r;
        redact(&r, span_of(all[i].bytes, all[i].length));
        ck_assert_msg(r.looks_like != NULL && r.kept_length == all[i].length,
                      "%s: an earlier one hides it", all[i].bytes);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("redact");
    TCase *all = tcase_create("redact");
    tcase_add_test(all, what_is_shown_of_the_first_bytes);
    tcase_add_test(all, no_text_of_a_client_is_kept_whatever_it_sends);
    tcase_add_test(all, every_signature_is_found_and_kept_whole);
    suite_add_tcase(suite, all);
    return suite_run(suite);
}
