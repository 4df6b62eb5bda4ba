/* draw: documents as people read them. */
#include "ask.h"
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static json_int_t number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static void add_words(struct table *table, const json_t *list)
{
    struct text all = {0};
    for (size_t i = 0; i < json_array_size(list); i++)
        text_format(&all, "%s%s", i == 0 ? "" : " ", json_string_value(json_array_get(list, i)));
    table_add(table, all.data == NULL || all.failed ? "" : all.data);
    text_release(&all);
}

static void add_words_or_dash(struct table *table, const json_t *list)
{
    if (json_array_size(list) == 0)
        table_add(table, "-");
    else
        add_words(table, list);
}

static void add_or_dash(struct table *table, const char *text)
{
    table_add(table, text[0] == '\0' ? "-" : text);
}

/* "2026-11-21T08:34:59.123Z" → "2026-11-21T08:34Z" */
static void add_minute(struct table *table, const char *time)
{
    if (time[0] == '\0')
        table_add(table, "-");
    else
        table_add_format(table, "%.16sZ", time);
}

/* --- status ----------------------------------------------------------------------------------- */

void command_draw_summary(const json_t *status, struct text *ret)
{
    json_int_t up = number(status, "uptime_s");
    text_format(ret, "muxgate %s  pid %lld  %s  generation %lld\n", word(status, "version"),
                (long long)number(status, "pid"), word(status, "state"),
                (long long)number(status, "generation"));
    text_format(ret, "up %lldd %02lld:%02lld:%02lld  sessions %lld of %lld  workers %lld\n",
                (long long)(up / 86400), (long long)(up / 3600 % 24), (long long)(up / 60 % 60),
                (long long)(up % 60), (long long)number(status, "sessions"),
                (long long)number(status, "max_sessions"), (long long)number(status, "workers"));
    const json_t *confirm = json_object_get(status, "confirm");
    if (confirm != NULL)
        text_format(ret, "waits to be confirmed until %s (%llds); otherwise generation %lld\n",
                    word(confirm, "until"), (long long)number(confirm, "left_s"),
                    (long long)number(confirm, "otherwise"));
}

void command_draw_status(const json_t *status, struct text *ret)
{
    static const char *const titles[] = {"LISTENER", ">RULES", "BIND", NULL};
    const json_t *listeners = json_object_get(status, "listeners");
    struct table table;
    command_draw_summary(status, ret);
    text_add_char(ret, '\n');
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(listeners); i++) {
        const json_t *listener = json_array_get(listeners, i);
        table_add_member(&table, listener, "name");
        table_add_format(&table, "%zu", json_array_size(json_object_get(listener, "rules")));
        add_words(&table, json_object_get(listener, "bind"));
    }
    table_end(&table, ret);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Of two times in RFC 3339 only the seconds count here. */
static void add_age(struct table *table, const char *started)
{
    struct tm tm = {0};
    if (strptime(started, "%Y-%m-%dT%H:%M:%S", &tm) == NULL) {
        table_add(table, "");
        return;
    }
    long long age = (long long)(time(NULL) - timegm(&tm));
    age = age < 0 ? 0 : age;
    if (age < 60)
        table_add_format(table, "%llds", age);
    else if (age < 3600)
        table_add_format(table, "%lldm%02llds", age / 60, age % 60);
    else if (age < 86400)
        table_add_format(table, "%lldh%02lldm", age / 3600, age / 60 % 60);
    else
        table_add_format(table, "%lldd%02lldh", age / 86400, age / 3600 % 24);
}

void command_draw_sessions(const json_t *sessions, struct text *ret)
{
    static const char *const titles[] = {"ID",       "CLIENT", "LISTENER", "STATE",
                                         "PROTOCOL", "NAME",   "SERVER",   ">AGE",
                                         ">IN",      ">OUT",   ">GEN",     NULL};
    struct table table;
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const json_t *s = json_array_get(sessions, i);
        const char *inner = word(s, "inner_protocol");
        table_add_member(&table, s, "id");
        table_add_member(&table, s, "client");
        table_add_member(&table, s, "listener");
        table_add_member(&table, s, "state");
        table_add_format(&table, "%s%s%s", word(s, "protocol"), inner[0] == '\0' ? "" : "+", inner);
        table_add_member(&table, s, word(s, "fix_sender")[0] != '\0' ? "fix_sender" : "sni");
        table_add_member(&table, s, "server");
        add_age(&table, word(s, "time"));
        table_add_member(&table, s, "bytes_in");
        table_add_member(&table, s, "bytes_out");
        table_add_member(&table, s, "generation");
    }
    table_end(&table, ret);
}

/* --- pools ------------------------------------------------------------------------------------ */

void command_draw_pools(const json_t *pools, struct text *ret)
{
    static const char *const titles[] = {"SERVER",  "ADDRESS",   "STATE",      "UP",
                                         ">WEIGHT", ">SESSIONS", "LAST ERROR", NULL};
    struct table table;
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(pools); i++) {
        const json_t *pool = json_array_get(pools, i), *servers = json_object_get(pool, "servers");
        for (size_t s = 0; s < json_array_size(servers); s++) {
            const json_t *server = json_array_get(servers, s);
            bool backup = json_is_true(json_object_get(server, "backup"));
            table_add_format(&table, "%s/%s", word(pool, "name"), word(server, "name"));
            table_add_member(&table, server, "address");
            table_add_format(&table, "%s%s", word(server, "state"), backup ? " backup" : "");
            table_add_member(&table, server, "up");
            table_add_member(&table, server, "weight");
            if (number(server, "max_sessions") > 0)
                table_add_format(&table, "%lld/%lld", (long long)number(server, "sessions"),
                                 (long long)number(server, "max_sessions"));
            else
                table_add_member(&table, server, "sessions");
            table_add_member(&table, server, "last_error");
        }
    }
    table_end(&table, ret);
    for (size_t i = 0; i < json_array_size(pools); i++) {
        const json_t *pool = json_array_get(pools, i);
        if (number(pool, "waiting") > 0)
            text_format(ret, "%lld waiting for a server of %s\n",
                        (long long)number(pool, "waiting"), word(pool, "name"));
    }
}

/* --- certificates ----------------------------------------------------------------------------- */

/* Until when the response holds that goes out with it. */
static void add_response(struct table *table, const json_t *ocsp)
{
    if (ocsp == NULL)
        table_add(table, "-");
    else if (json_is_true(json_object_get(ocsp, "stapled")))
        add_minute(table, word(ocsp, "next_update"));
    else
        table_add(table, "none");
}

static void add_response_errors(const json_t *certificates, struct text *ret)
{
    for (size_t i = 0; i < json_array_size(certificates); i++) {
        const json_t *ocsp = json_object_get(json_array_get(certificates, i), "ocsp");
        const char *why = word(ocsp, "last_error");
        if (why[0] == '\0')
            continue;
        table_add_visible(ret, why);
        text_add_char(ret, '\n');
    }
}

void command_draw_certificates(const json_t *certificates, struct text *ret)
{
    static const char *const titles[] = {"NAMES", ">DAYS", "NOT-AFTER", "LISTENERS", "POOLS",
                                         "OCSP",  "FILE",  "SERIAL",    NULL};
    struct table table;
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(certificates); i++) {
        const json_t *certificate = json_array_get(certificates, i);
        struct tm tm = {0};
        bool dated = strptime(word(certificate, "not_after"), "%Y-%m-%dT%H:%M:%S", &tm) != NULL;
        long long left = (dated ? timegm(&tm) : 0) - time(NULL);
        add_words(&table, json_object_get(certificate, "names"));
        table_add_format(&table, "%lld", left < 0 ? -((86399 - left) / 86400) : left / 86400);
        table_add_member(&table, certificate, "not_after");
        add_words_or_dash(&table, json_object_get(certificate, "listeners"));
        add_words_or_dash(&table, json_object_get(certificate, "pools"));
        add_response(&table, json_object_get(certificate, "ocsp"));
        table_add_member(&table, certificate, "file");
        table_add_member(&table, certificate, "serial");
    }
    table_end(&table, ret);
    add_response_errors(certificates, ret);
}

/* --- ledger ----------------------------------------------------------------------------------- */

static void add_ledger_row(struct table *table, const json_t *row)
{
    add_or_dash(table, word(row, "comes"));
    add_or_dash(table, word(row, "source"));
    add_or_dash(table, word(row, "fix_sender"));
    add_or_dash(table, word(row, "sni"));
    add_or_dash(table, word(row, "client_cn"));
    add_or_dash(table, word(row, "tls_version"));
    add_minute(table, word(row, "last_plain"));
    table_add_format(table, "%lld", (long long)number(row, "plain_sessions"));
    add_minute(table, word(row, "first_tls"));
    add_minute(table, word(row, "last_tls"));
    table_add_format(table, "%lld", (long long)number(row, "tls_sessions"));
}

void command_draw_ledger(const json_t *rows, struct text *ret)
{
    static const char *const titles[] = {"COMES",     "SOURCE",   "COMPID",     "SNI",
                                         "CLIENT",    "VERSION",  "LAST-PLAIN", ">PLAIN",
                                         "FIRST-TLS", "LAST-TLS", ">TLS",       NULL};
    size_t plain = 0, mixed = 0, count = json_array_size(rows);
    struct table table;
    table_begin(&table, titles);
    for (size_t i = 0; i < count; i++) {
        const json_t *row = json_array_get(rows, i);
        plain += strcmp(word(row, "comes"), "plain") == 0;
        mixed += strcmp(word(row, "comes"), "mixed") == 0;
        add_ledger_row(&table, row);
    }
    table_end(&table, ret);
    text_format(ret, "\n%zu in plain, %zu mixed, %zu in TLS\n", plain, mixed,
                count - plain - mixed);
}

/* --- unknown ---------------------------------------------------------------------------------- */

static void add_rule_text(struct table *table, const json_t *rule)
{
    char *text = json_dumps(rule, JSON_COMPACT | JSON_PRESERVE_ORDER);
    add_or_dash(table, text == NULL ? "" : text);
    free(text);
}

void command_draw_unknown(const json_t *unknown, struct text *ret)
{
    static const char *const titles[] = {">COUNT", "LAST",      "LISTENER", "INSIDE", "PROTOCOL",
                                         "SOURCE", "SUGGESTED", "BEGIN",    NULL};
    struct table table;
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(unknown); i++) {
        const json_t *row = json_array_get(unknown, i);
        const char *inside = word(row, "inside"), *like = word(row, "looks_like");
        table_add_member(&table, row, "count");
        add_minute(&table, word(row, "last"));
        add_or_dash(&table, word(row, "listener"));
        add_or_dash(&table, inside);
        table_add_format(&table, "%s%s", inside[0] == '\0' ? "" : "tls+", word(row, "protocol"));
        add_or_dash(&table, word(row, "source"));
        add_rule_text(&table, json_object_get(row, "suggested"));
        table_add_format(&table, "%s%s%s%s", word(row, "begin"), like[0] == '\0' ? "" : " (", like,
                         like[0] == '\0' ? "" : ")");
    }
    table_end(&table, ret);
}
