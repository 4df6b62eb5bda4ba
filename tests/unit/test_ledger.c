/* The ledger: rows and their bound, the file and its damages, the thread and its neighbours. */
#include "base/text.h"
#include "file.h"
#include "ledger/ledger.h"
#include "lines.h"
#include "suite.h"
#include "table.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY    UINT64_C(86400000)
#define MONDAY UINT64_C(1795000000000) /* some day in November 2026 */

static struct table *table;

static void setup(void)
{
    ck_assert(table_create(&table, 64));
}

static void teardown(void)
{
    table_free(table);
}

static void enter(struct table *t, const char *source, const char *sni, const char *sender,
                  enum way way, uint64_t at)
{
    const struct seen seen = {.source = source,
                              .sni = sni,
                              .sender = sender,
                              .name = way == WAY_TLS ? "Client GmbH" : "",
                              .tls_version = way == WAY_TLS ? "TLSv1.3" : "",
                              .way = way,
                              .first = at,
                              .last = at,
                              .sessions = 1};
    ck_assert(table_enter(t, &seen));
}

static void plain(const char *source, const char *sender, uint64_t at)
{
    enter(table, source, "", sender, WAY_PLAIN, at);
}

static void over_tls(const char *source, const char *sni, const char *sender, uint64_t at)
{
    enter(table, source, sni, sender, WAY_TLS, at);
}

/* As the file has it, without first and last line. */
static const char *shown(const struct table *t)
{
    static char text[65536];
    struct text whole = {0};
    ck_assert(lines_format(&whole, t));
    const char *from = strchr(whole.data, '\n') + 1, *end = strstr(whole.data, "{\"end\"");
    (void)snprintf(text, sizeof text, "%.*s", (int)(end - from), from);
    text_release(&whole);
    return text;
}

static bool has_source(const struct table *t, const char *source)
{
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "\"source\": \"%s\"", source);
    return strstr(shown(t), wanted) != NULL;
}

/* --- rows ------------------------------------------------------------------------------------- */

START_TEST(who_moves_to_tls_is_one_row)
{
    plain("192.0.2.1", "ACME", MONDAY);
    ck_assert_str_eq(shown(table), "{\"source\": \"192.0.2.1\", \"fix_sender\": \"ACME\", "
                                   "\"comes\": \"plain\", \"first_plain\": "
                                   "\"2026-11-18T11:06:40.000Z\", \"last_plain\": "
                                   "\"2026-11-18T11:06:40.000Z\", \"plain_sessions\": 1}\n");
    plain("192.0.2.1", "ACME", MONDAY + 5);
    over_tls("192.0.2.1", "gate.example.com", "ACME", MONDAY + 1234);
    ck_assert_str_eq(
        shown(table),
        "{\"source\": \"192.0.2.1\", \"sni\": \"gate.example.com\", \"fix_sender\": \"ACME\", "
        "\"comes\": \"tls\", "
        "\"first_plain\": \"2026-11-18T11:06:40.000Z\", "
        "\"last_plain\": \"2026-11-18T11:06:40.005Z\", \"plain_sessions\": 2, "
        "\"first_tls\": \"2026-11-18T11:06:41.234Z\", "
        "\"last_tls\": \"2026-11-18T11:06:41.234Z\", \"tls_sessions\": 1, "
        "\"tls_version\": \"TLSv1.3\", \"client_cn\": \"Client GmbH\"}\n");
}
END_TEST

START_TEST(sources_names_and_comp_ids_are_told_apart)
{
    plain("192.0.2.1", "ACME", MONDAY);
    plain("192.0.2.2", "ACME", MONDAY);
    plain("192.0.2.1", "OTHER", MONDAY);
    plain("192.0.2.1", "", MONDAY);
    over_tls("192.0.2.3", "a.example.com", "ACME", MONDAY);
    over_tls("192.0.2.3", "b.example.com", "ACME", MONDAY);
    over_tls("192.0.2.3", "b.example.com", "ACME", MONDAY + 1);
    ck_assert_uint_eq(table_count(table), 6);
}
END_TEST

START_TEST(plain_sessions_of_one_with_several_names_are_in_one_row)
{
    over_tls("192.0.2.3", "a.example.com", "ACME", MONDAY);
    over_tls("192.0.2.3", "b.example.com", "ACME", MONDAY + 1);
    plain("192.0.2.3", "ACME", MONDAY + 2);
    over_tls("192.0.2.3", "", "ACME", MONDAY + 3);
    ck_assert_uint_eq(table_count(table), 2);
}
END_TEST

START_TEST(how_somebody_comes_is_judged_by_the_last_week)
{
    static const struct {
        uint64_t plain, first_tls, last_tls;
        enum comes comes;
    } cases[] = {
        {1, 0, 0, COMES_PLAIN}, {0, 1, 2, COMES_TLS},   {1, 2, 3, COMES_TLS},
        {3, 1, 2, COMES_PLAIN}, {2, 1, 3, COMES_MIXED}, {2, 1, 3 + 7 * DAY, COMES_TLS},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct row row = {.first = {cases[i].plain, cases[i].first_tls},
                          .last = {cases[i].plain, cases[i].last_tls}};
        ck_assert_int_eq(table_comes(&row), cases[i].comes);
    }
}
END_TEST

START_TEST(who_still_comes_in_plain_is_first)
{
    struct row **rows;
    over_tls("192.0.2.1", "a", "A", MONDAY + 9);
    plain("192.0.2.2", "B", MONDAY + 1);
    plain("192.0.2.3", "C", MONDAY + 2);
    over_tls("192.0.2.4", "a", "D", MONDAY);
    plain("192.0.2.4", "D", MONDAY + 1);
    over_tls("192.0.2.4", "a", "D", MONDAY + 2);
    ck_assert(table_sort(table, &rows));
    ck_assert_str_eq(rows[0]->sender, "C");
    ck_assert_str_eq(rows[1]->sender, "B");
    ck_assert_str_eq(rows[2]->sender, "D");
    ck_assert_str_eq(rows[3]->sender, "A");
    free(rows);
}
END_TEST

START_TEST(in_whatever_order_tables_are_merged_the_same_is_known)
{
    struct table *other, *one, *two;
    ck_assert(table_create(&other, 64) && table_create(&one, 64) && table_create(&two, 64));
    plain("192.0.2.1", "ACME", MONDAY + 5);
    plain("192.0.2.1", "ONLY", MONDAY);
    enter(other, "192.0.2.1", "", "ACME", WAY_PLAIN, MONDAY);
    enter(other, "192.0.2.1", "a.example.com", "ACME", WAY_TLS, MONDAY + 7);
    enter(other, "192.0.2.9", "b.example.com", "", WAY_TLS, MONDAY + 7);
    ck_assert(table_merge(one, table) && table_merge(one, other));
    ck_assert(table_merge(two, other) && table_merge(two, table));
    char first[4096];
    (void)snprintf(first, sizeof first, "%s", shown(one));
    ck_assert_str_eq(first, shown(two));
    ck_assert_uint_eq(table_count(one), 3);
    ck_assert_ptr_nonnull(strstr(first, "\"plain_sessions\": 2"));
    table_free(other);
    table_free(one);
    table_free(two);
}
END_TEST

/* --- the bound -------------------------------------------------------------------------------- */

static const char *source_of(unsigned number)
{
    static char text[32];
    (void)snprintf(text, sizeof text, "10.0.%u.%u", number / 256, number % 256);
    return text;
}

START_TEST(the_longest_unseen_go_first)
{
    for (unsigned i = 0; i < 64; i++)
        plain(source_of(i), "", MONDAY + i);
    plain(source_of(0), "", MONDAY + 100); /* no more the oldest */
    plain("192.0.2.1", "", MONDAY + 101);
    ck_assert_uint_eq(table_count(table), 61);
    ck_assert_uint_eq(table_evicted(table), 4);
    ck_assert(has_source(table, source_of(0)));
    for (unsigned i = 1; i < 6; i++)
        ck_assert_int_eq(has_source(table, source_of(i)), i >= 5);
}
END_TEST

START_TEST(a_crowd_that_comes_once_displaces_nobody_who_comes_every_day)
{
    for (unsigned i = 0; i < 10; i++) {
        plain(source_of(i), "ACME", MONDAY);
        plain(source_of(i), "ACME", MONDAY + DAY);
    }
    for (unsigned i = 100; i < 10000; i++)
        plain(source_of(i), "", MONDAY + 2 * DAY + i);
    for (unsigned i = 0; i < 10; i++)
        ck_assert(has_source(table, source_of(i)));
    ck_assert_uint_le(table_count(table), 64);
}
END_TEST

START_TEST(one_source_displaces_nobody_else)
{
    char name[32];
    for (unsigned i = 0; i < 40; i++)
        plain(source_of(i), "", MONDAY);
    for (unsigned i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof name, "n%u.example.com", i);
        over_tls("192.0.2.1", name, "", MONDAY + 10 + i);
    }
    for (unsigned i = 0; i < 40; i++)
        ck_assert(has_source(table, source_of(i)));
    ck_assert(has_source(table, "192.0.2.1"));
    ck_assert_uint_le(table_count(table), 64);
}
END_TEST

START_TEST(a_smaller_bound_holds_at_once)
{
    for (unsigned i = 0; i < 60; i++)
        plain(source_of(i), "", MONDAY + i);
    ck_assert(table_set_most(table, 16));
    ck_assert_uint_eq(table_count(table), 16);
    ck_assert(has_source(table, source_of(59)) && !has_source(table, source_of(0)));
}
END_TEST

/* --- lines ------------------------------------------------------------------------------------ */

static bool read_text(struct table **ret, struct span bytes, struct error *error)
{
    ck_assert(table_create(ret, 64));
    *error = (struct error){0};
    return lines_read(*ret, bytes, error);
}

static void check_damage(const char *bytes, size_t rows, const char *said)
{
    struct table *again;
    struct error error;
    ck_assert_msg(!read_text(&again, span_text(bytes), &error), "%s", bytes);
    ck_assert_msg(strstr(error.text, said) != NULL, "%s: %s", bytes, error.text);
    ck_assert_uint_eq(table_count(again), rows);
    table_free(again);
}

START_TEST(a_file_cut_at_any_byte_is_damaged_or_whole_and_its_whole_lines_are_kept)
{
    struct text whole = {0};
    plain("192.0.2.1", "ACME \"quoted\"", MONDAY);
    over_tls("192.0.2.1", "a.example.com", "ACME", MONDAY);
    over_tls("2001:db8:1:2::/64", "b.example.com", "", MONDAY);
    ck_assert(lines_format(&whole, table));
    size_t end = whole.length - 1; /* without the last newline nothing is missing */
    for (size_t cut = 0; cut <= whole.length; cut++) {
        struct table *again;
        struct error error;
        bool good = read_text(&again, span_of(whole.data, cut), &error);
        ck_assert_msg(good == (cut == 0 || cut >= end), "%zu of %zu", cut, whole.length);
        size_t lines = 0;
        for (size_t i = 0; i < cut; i++)
            lines += whole.data[i] == '\n' || (i + 1 == cut && whole.data[cut] == '\n');
        size_t expected = lines < 2 ? 0 : lines - 1 < 3 ? lines - 1 : 3;
        ck_assert_msg(table_count(again) == expected, "%zu rows of %zu bytes", table_count(again),
                      cut);
        if (cut >= end) {
            char first[4096];
            (void)snprintf(first, sizeof first, "%s", shown(again));
            ck_assert_str_eq(first, shown(table));
        }
        table_free(again);
    }
    text_release(&whole);
}
END_TEST

#define HEAD "{\"muxgate_ledger\": 1}\n"
#define END  "{\"end\": true}\n"
#define ROW                                                                                        \
    "{\"source\": \"192.0.2.1\", \"first_plain\": \"2026-11-18T09:06:40.000Z\", "                  \
    "\"last_plain\": \"2026-11-18T09:06:40.000Z\"}\n"

START_TEST(a_damage_is_told_with_its_line_and_the_rest_is_kept)
{
    check_damage("garbage\n" ROW END, 0, "line 1: not an object");
    check_damage("{}\n" ROW END, 0, "line 1: this is no ledger");
    check_damage("{\"muxgate_ledger\": 2}\n" ROW END, 0, "of version 2");
    check_damage(HEAD "{\"sni\": \"a\"}\n" ROW END, 1, "line 2: no source");
    check_damage(HEAD ROW "{\"source\": \"192.0.2.2\"}\n" END, 1, "line 3: no times");
    check_damage(HEAD "\xff\xfe\n" ROW END, 1, "line 2: not an object");
    check_damage(HEAD ROW, 1, "line 2: it ends before its end");
    check_damage(HEAD
                 "{\"source\": \"192.0.2.2\", \"first_plain\": 5, \"last_plain\": []}\n" ROW END,
                 1, "line 2: no times");
}
END_TEST

START_TEST(what_a_later_version_adds_is_passed_over)
{
    struct table *again;
    struct error error;
    static const char later[] =
        "{\"muxgate_ledger\": 1, \"more\": [1, 2]}\n"
        "{\"source\": \"192.0.2.1\", \"first_tls\": \"2026-11-18T09:06:40Z\", "
        "\"last_tls\": \"2026-11-19T09:06:40.5Z\", \"post_quantum\": true}\n" END;
    ck_assert(read_text(&again, span_text(later), &error));
    ck_assert_uint_eq(table_count(again), 1);
    table_free(again);
}
END_TEST

START_TEST(whatever_a_client_calls_itself_comes_back_from_the_file)
{
    static const unsigned char names[][8] = {"M\xc3\xbcller", "a\x01\x1b[1m", "\xff\xfe\x80",
                                             "\xc3",          "\"\\\n",       "a\x7f"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *clean = lines_clean(span_text((const char *)names[i]));
        ck_assert_ptr_nonnull(clean);
        plain("192.0.2.1", clean, MONDAY);
        free(clean);
    }
    struct text whole = {0};
    struct table *again;
    struct error error;
    ck_assert(lines_format(&whole, table));
    ck_assert_msg(read_text(&again, span_of(whole.data, whole.length), &error), "%s", error.text);
    char first[4096];
    (void)snprintf(first, sizeof first, "%s", shown(again));
    ck_assert_str_eq(first, shown(table));
    ck_assert_uint_eq(table_count(again), COUNT_OF(names));
    /* Entered once more they are the same rows. */
    ck_assert(table_merge(again, table));
    ck_assert_uint_eq(table_count(again), COUNT_OF(names));
    table_free(again);
    text_release(&whole);
}
END_TEST

/* --- the thread ------------------------------------------------------------------------------- */

static char folder[64], file[96];
static struct ledger *ledger;
static char told[8][256];
static _Atomic unsigned told_count;

static char told_aside[160];

static void on_event(void *context, enum ledger_event event, const char *path, const char *text,
                     const char *aside)
{
    (void)context;
    (void)snprintf(told_aside, sizeof told_aside, "%s", aside);
    ck_assert_str_eq(path, file);
    unsigned at = atomic_load(&told_count);
    if (at < COUNT_OF(told))
        (void)snprintf(told[at], sizeof told[at], "%d %s", (int)event, text);
    atomic_store(&told_count, at + 1);
}

static struct ledger *start(const char *path, uint64_t interval_ms)
{
    struct ledger *started;
    struct error error;
    const struct ledger_args args = {.producers = 2, .tell = on_event};
    const struct model_ledger model = {
        .file = (char *)(uintptr_t)path, .max_entries = 1000, .interval_ms = interval_ms};
    ck_assert_msg(ledger_check(&model, &error), "%s", error.text);
    ck_assert_msg(ledger_start(&started, &args, &error), "%s", error.text);
    ck_assert(ledger_adopt(started, &model));
    return started;
}

static void begin(void)
{
    told_count = 0;
    (void)snprintf(folder, sizeof folder, "/tmp/ledger.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(file, sizeof file, "%s/ledger", folder);
}

static void end(void)
{
    char command[160];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static void put(struct ledger *l, unsigned producer, const char *source, const char *sni,
                const char *sender)
{
    struct address address;
    ck_assert(address_parse_ip(&address, span_text(source)));
    struct ip_address ip = address_to_ip(&address);
    const struct ledger_note note = {.source = &ip,
                                     .at_ms = MONDAY,
                                     .tls = sni != NULL,
                                     .sni = span_text(sni),
                                     .sender = span_text(sender)};
    ledger_put(l, producer, &note);
}

struct asked {
    struct mail mail;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
    struct text text;
};

static void answer(struct mail *mail, void *owner)
{
    struct asked *asked = CONTAINER_OF(mail, struct asked, mail);
    ck_assert(ledger_describe(owner, false, &asked->text));
    (void)pthread_mutex_lock(&asked->lock);
    asked->done = true;
    (void)pthread_cond_signal(&asked->answered);
    (void)pthread_mutex_unlock(&asked->lock);
}

/* What it says of itself; to be released. */
static struct text ask(struct ledger *l)
{
    struct asked asked = {.mail = {.deliver = answer},
                          .lock = PTHREAD_MUTEX_INITIALIZER,
                          .answered = PTHREAD_COND_INITIALIZER};
    ledger_send(l, &asked.mail);
    (void)pthread_mutex_lock(&asked.lock);
    while (!asked.done)
        (void)pthread_cond_wait(&asked.answered, &asked.lock);
    (void)pthread_mutex_unlock(&asked.lock);
    return asked.text;
}

static unsigned rows_of(struct ledger *l)
{
    struct text text = ask(l);
    unsigned rows = 0;
    for (const char *at = text.data; (at = strstr(at, "\"source\"")) != NULL; at++)
        rows++;
    text_release(&text);
    return rows;
}

static void write_file(const char *content)
{
    FILE *stream = fopen(file, "w");
    ck_assert_ptr_nonnull(stream);
    ck_assert_int_ge(fputs(content, stream), 0);
    ck_assert_int_eq(fclose(stream), 0);
}

START_TEST(what_was_put_is_told_at_once_and_is_there_after_a_restart)
{
    struct stat status;
    ledger = start(file, 3600000);
    put(ledger, 0, "192.0.2.1", NULL, "ACME");
    put(ledger, 1, "192.0.2.1", "a.example.com", "ACME");
    put(ledger, 1, "2001:db8::1", NULL, "");
    put(ledger, 1, "2001:db8::2", NULL, "");
    ck_assert_uint_eq(rows_of(ledger), 2);
    ledger_stop(ledger);
    ck_assert_int_eq(stat(file, &status), 0);
    ck_assert_int_eq(status.st_mode & 07777, 0640);
    ledger = start(file, 3600000);
    struct text text = ask(ledger);
    ck_assert_ptr_nonnull(strstr(text.data, "\"source\": \"2001:db8::/64\""));
    ck_assert_ptr_nonnull(strstr(text.data, "\"plain_sessions\": 2"));
    text_release(&text);
    ck_assert_uint_eq(rows_of(ledger), 2);
    ledger_stop(ledger);
    ck_assert_uint_eq(told_count, 0);
}
END_TEST

START_TEST(two_processes_share_a_file_and_neither_loses_what_the_other_saw)
{
    struct ledger *heir;
    ledger = start(file, 3600000);
    put(ledger, 0, "192.0.2.1", NULL, "OLD");
    heir = start(file, 3600000);
    put(heir, 0, "192.0.2.2", NULL, "NEW");
    put(heir, 0, "192.0.2.1", NULL, "OLD");
    ck_assert_uint_eq(rows_of(heir), 2);
    ledger_stop(ledger); /* writes */
    struct text text = ask(heir);
    ck_assert_ptr_nonnull(strstr(text.data, "\"fix_sender\": \"OLD\""));
    ck_assert_ptr_nonnull(strstr(text.data, "\"plain_sessions\": 2"));
    text_release(&text);
    ledger_stop(heir);
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 2);
    text = ask(ledger);
    ck_assert_ptr_nonnull(strstr(text.data, "\"plain_sessions\": 2"));
    text_release(&text);
    ledger_stop(ledger);
}
END_TEST

START_TEST(a_damaged_file_is_set_aside_and_told_once)
{
    char aside[128];
    (void)snprintf(aside, sizeof aside, "%s.damaged", file);
    write_file(HEAD ROW "{\"source\": \"19");
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_str_eq(told[0], "0 line 3: not an object of JSON");
    ck_assert_int_eq(access(aside, F_OK), 0);
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
    ck_assert_uint_eq(told_count, 1);
}
END_TEST

static unsigned wait_for_events(unsigned count)
{
    for (unsigned i = 0; i < 1000 && atomic_load(&told_count) < count; i++)
        (void)usleep(10000);
    return atomic_load(&told_count);
}

static char *read_file(const char *path)
{
    static char content[256];
    FILE *stream = fopen(path, "r");
    ck_assert_msg(stream != NULL, "%s", path);
    content[fread(content, 1, sizeof content - 1, stream)] = '\0';
    ck_assert_int_eq(fclose(stream), 0);
    return content;
}

START_TEST(no_damaged_file_overwrites_another)
{
    char aside[10][160], content[64];
    for (int i = 0; i < 11; i++) {
        (void)snprintf(content, sizeof content, HEAD "{\"damage\": %d}\n", i);
        write_file(content);
        told_count = 0;
        ledger = start(file, 3600000);
        ck_assert_uint_eq(rows_of(ledger), 0);
        put(ledger, 0, "192.0.2.1", NULL, "ACME");
        ck_assert_uint_eq(rows_of(ledger), 1);
        ledger_stop(ledger);
        ck_assert_uint_eq(told_count, 1);
        ck_assert_int_eq(told[0][0], i < 10 ? '0' + LEDGER_DAMAGED : '0' + LEDGER_FAILED);
        if (i < 10)
            (void)snprintf(aside[i], sizeof aside[i], "%s", told_aside);
    }
    ck_assert_str_eq(read_file(file), content); /* the one that found no place */
    ck_assert_str_eq(aside[0] + strlen(file), ".damaged");
    ck_assert_str_eq(aside[9] + strlen(file), ".damaged.9");
    for (int i = 0; i < 10; i++) {
        (void)snprintf(content, sizeof content, HEAD "{\"damage\": %d}\n", i);
        ck_assert_str_eq(read_file(aside[i]), content);
    }
}
END_TEST

START_TEST(a_file_that_is_no_ledger_is_refused_and_left_alone)
{
    static const char *const foreign[] = {
        "-----BEGIN PRIVATE KEY-----\n", "{\n", "\n", "{}", " ", "{\"listeners\": {}}\n",
        "{\"muxgate_ledgers\": 1}\n"};
    static const char *const ours[] = {
        "",   "{",      "{\"muxgate_led",           "{\"muxgate_ledger\"", "{\"muxgate_ledger\": 1",
        HEAD, HEAD END, "{\"muxgate_ledger\": 2}\n"};
    const struct model_ledger model = {.file = file, .max_entries = 1000, .interval_ms = 3600000};
    for (size_t i = 0; i < COUNT_OF(foreign); i++) {
        struct error error = {0};
        char said[160];
        write_file(foreign[i]);
        (void)snprintf(said, sizeof said, "ledger.file: %s is no ledger (", file);
        ck_assert_msg(!ledger_check(&model, &error), "%s", foreign[i]);
        ck_assert_msg(strncmp(error.text, said, strlen(said)) == 0, "%s", error.text);
        ck_assert_msg(!ledger_check_file(&model, &error), "%s", foreign[i]);
        ck_assert_str_eq(read_file(file), foreign[i]);
    }
    for (size_t i = 0; i < COUNT_OF(ours); i++) {
        struct error error = {0};
        write_file(ours[i]);
        ck_assert_msg(ledger_check(&model, &error), "%s: %s", ours[i], error.text);
    }
}
END_TEST

START_TEST(a_file_that_becomes_another_is_left_alone)
{
    const char *const key = "-----BEGIN PRIVATE KEY-----\n";
    ledger = start(file, 100);
    ck_assert_uint_eq(rows_of(ledger), 0);
    ck_assert_int_eq(unlink(file), 0);
    write_file(key);
    put(ledger, 0, "192.0.2.1", NULL, "ACME");
    ck_assert_uint_ge(wait_for_events(1), 1);
    ck_assert_int_eq(told[0][0], '0' + LEDGER_FAILED);
    ck_assert_str_eq(read_file(file), key);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ck_assert_int_eq(unlink(file), 0);
    ck_assert_int_eq(mkfifo(file, 0600), 0);
    uint64_t before = atomic_load(&ledger_counts(ledger)->failures);
    while (atomic_load(&ledger_counts(ledger)->failures) < before + 2)
        (void)usleep(10000);
    ledger_stop(ledger);
    struct stat status;
    ck_assert_int_eq(lstat(file, &status), 0);
    ck_assert(S_ISFIFO(status.st_mode));
    ck_assert_uint_eq(told_count, 1);
}
END_TEST

START_TEST(a_line_taken_out_by_hand_is_forgotten)
{
    ledger = start(file, 3600000);
    put(ledger, 0, "192.0.2.1", NULL, "ACME");
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ck_assert_int_eq(unlink(file), 0); /* else its place may look like that of the one before */
    write_file(HEAD END);
    ck_assert_uint_eq(rows_of(ledger), 0);
    ledger_stop(ledger);
    ck_assert_uint_eq(told_count, 0);
}
END_TEST

START_TEST(a_failure_is_told_once_and_what_was_seen_is_written_once_it_works_again)
{
    ledger = start(file, 100);
    ck_assert_uint_eq(rows_of(ledger), 0);
    char aside[128];
    (void)snprintf(aside, sizeof aside, "%s.moved", folder);
    ck_assert_int_eq(rename(folder, aside), 0);
    put(ledger, 0, "192.0.2.1", NULL, "ACME");
    ck_assert_uint_ge(wait_for_events(1), 1);
    ck_assert_int_eq(told[0][0], '0' + LEDGER_FAILED);
    while (atomic_load(&ledger_counts(ledger)->failures) < 3)
        (void)usleep(10000);
    ck_assert_uint_eq(told_count, 1);
    ck_assert_int_eq(rename(aside, folder), 0);
    ck_assert_uint_ge(wait_for_events(2), 2);
    ck_assert_int_eq(told[1][0], '0' + LEDGER_WRITTEN);
    ledger_stop(ledger);
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
}
END_TEST

START_TEST(a_ring_that_is_full_drops_and_counts)
{
    struct error error;
    const struct ledger_args args = {.producers = 2, .tell = on_event};
    const struct model_ledger model = {.file = file, .max_entries = 1000, .interval_ms = 3600000};
    /* While somebody has the lock, the thread waits for it, and its rings are not emptied. */
    int other = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(flock(other, LOCK_EX), 0);
    ck_assert(ledger_start(&ledger, &args, &error));
    ck_assert(ledger_adopt(ledger, &model));
    for (unsigned i = 0; i < 2000 && atomic_load(&ledger_counts(ledger)->dropped) == 0; i++)
        put(ledger, 0, "192.0.2.1", NULL, "ACME");
    ck_assert_uint_gt(atomic_load(&ledger_counts(ledger)->dropped), 0);
    (void)close(other);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
}
END_TEST

START_TEST(another_file_is_another_ledger_and_without_one_nothing_is_kept)
{
    ledger = start(file, 3600000);
    put(ledger, 0, "192.0.2.1", NULL, "ACME");
    const struct model_ledger none = {.file = NULL};
    ck_assert(ledger_is_kept(ledger));
    ck_assert(ledger_adopt(ledger, &none));
    ck_assert(!ledger_is_kept(ledger));
    ledger_stop(ledger);
    ledger = start(file, 3600000);
    ck_assert_uint_eq(rows_of(ledger), 1);
    ledger_stop(ledger);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_refused_at_once)
{
    static const char *const paths[] = {"/nowhere/at/all/ledger", "/tmp"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct error error = {0};
        const struct model_ledger model = {.file = (char *)(uintptr_t)paths[i]};
        ck_assert_msg(!ledger_check(&model, &error), "%s", paths[i]);
        ck_assert_int_eq(strncmp(error.text, "ledger.file: ", 13), 0);
    }
}
END_TEST

/* A folder in its place, then a disk that is full. */
START_TEST(a_file_that_could_not_be_written_leaves_nothing_beside_it)
{
    struct rlimit whole, little;
    struct error error = {0};
    char place[128], fresh[160];
    static const char bytes[4096];
    (void)snprintf(place, sizeof place, "%s/taken", folder);
    (void)snprintf(fresh, sizeof fresh, "%s.new", place);
    ck_assert_int_eq(mkdir(place, 0700), 0);
    ck_assert(!file_save(place, span_of(bytes, sizeof bytes), &error));
    ck_assert(access(fresh, F_OK) != 0);
    ck_assert_int_eq(rmdir(place), 0);
    ck_assert(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &whole), 0);
    little = (struct rlimit){.rlim_cur = 1000, .rlim_max = whole.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &little), 0);
    ck_assert(!file_save(place, span_of(bytes, sizeof bytes), &error));
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &whole), 0);
    ck_assert(access(fresh, F_OK) != 0 && access(place, F_OK) != 0);
    ck_assert(file_save(place, span_of(bytes, sizeof bytes), &error));
    ck_assert_int_eq(unlink(place), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ledger");
    TCase *rows = tcase_create("rows"), *lines = tcase_create("lines"),
          *thread = tcase_create("thread");
    tcase_add_checked_fixture(rows, setup, teardown);
    tcase_add_test(rows, who_moves_to_tls_is_one_row);
    tcase_add_test(rows, sources_names_and_comp_ids_are_told_apart);
    tcase_add_test(rows, plain_sessions_of_one_with_several_names_are_in_one_row);
    tcase_add_test(rows, how_somebody_comes_is_judged_by_the_last_week);
    tcase_add_test(rows, who_still_comes_in_plain_is_first);
    tcase_add_test(rows, in_whatever_order_tables_are_merged_the_same_is_known);
    tcase_add_test(rows, the_longest_unseen_go_first);
    tcase_add_test(rows, a_crowd_that_comes_once_displaces_nobody_who_comes_every_day);
    tcase_add_test(rows, one_source_displaces_nobody_else);
    tcase_add_test(rows, a_smaller_bound_holds_at_once);
    suite_add_tcase(suite, rows);
    tcase_add_checked_fixture(lines, setup, teardown);
    tcase_add_test(lines, a_file_cut_at_any_byte_is_damaged_or_whole_and_its_whole_lines_are_kept);
    tcase_add_test(lines, a_damage_is_told_with_its_line_and_the_rest_is_kept);
    tcase_add_test(lines, what_a_later_version_adds_is_passed_over);
    tcase_add_test(lines, whatever_a_client_calls_itself_comes_back_from_the_file);
    suite_add_tcase(suite, lines);
    tcase_add_checked_fixture(thread, begin, end);
    tcase_set_timeout(thread, 60);
    tcase_add_test(thread, what_was_put_is_told_at_once_and_is_there_after_a_restart);
    tcase_add_test(thread, two_processes_share_a_file_and_neither_loses_what_the_other_saw);
    tcase_add_test(thread, a_damaged_file_is_set_aside_and_told_once);
    tcase_add_test(thread, no_damaged_file_overwrites_another);
    tcase_add_test(thread, a_file_that_is_no_ledger_is_refused_and_left_alone);
    tcase_add_test(thread, a_file_that_becomes_another_is_left_alone);
    tcase_add_test(thread, a_line_taken_out_by_hand_is_forgotten);
    tcase_add_test(thread, a_failure_is_told_once_and_what_was_seen_is_written_once_it_works_again);
    tcase_add_test(thread, a_ring_that_is_full_drops_and_counts);
    tcase_add_test(thread, another_file_is_another_ledger_and_without_one_nothing_is_kept);
    tcase_add_test(thread, a_place_that_cannot_be_written_is_refused_at_once);
    tcase_add_test(thread, a_file_that_could_not_be_written_leaves_nothing_beside_it);
    suite_add_tcase(suite, thread);
    return suite_run(suite);
}
