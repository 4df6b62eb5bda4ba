/* What a dry run has found, as people read it. */
#include "ask.h"
#include "table.h"

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static long long number(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void draw_changes(const json_t *changes, struct text *ret)
{
    static const char *const titles[] = {"CHANGE", "WHAT", "NAME", "WHERE", NULL};
    struct table table;
    if (json_array_size(changes) == 0)
        return;
    table_begin(&table, titles);
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *change = json_array_get(changes, i);
        table_add_member(&table, change, "change");
        table_add_member(&table, change, "what");
        table_add_member(&table, change, "name");
        table_add_member(&table, change, "path");
    }
    text_add_char(ret, '\n');
    table_end(&table, ret);
}

/* "RULE → POOL", or what else becomes of it. */
static void add_target(struct table *table, const json_t *target)
{
    const char *tls = word(target, "tls");
    const char *to = json_object_get(target, "reject") != NULL     ? "rejected"
                     : json_object_get(target, "redirect") != NULL ? "redirect"
                                                                   : word(target, "pool");
    if (json_object_get(target, "end") != NULL)
        table_add(table, word(target, "end"));
    else if (target == NULL)
        table_add(table, "");
    else
        table_add_format(table, "%s -> %s%s%s%s", word(target, "rule"), to,
                         tls[0] == '\0' ? "" : " (", tls, tls[0] == '\0' ? "" : ")");
}

static void add_session(struct table *table, const json_t *session)
{
    table_add_member(table, session, "id");
    table_add_member(table, session, "client");
    table_add_member(table, session, "listener");
    add_target(table, json_object_get(session, "now"));
}

static void add_reason(struct table *table, const json_t *session)
{
    const char *key = word(session, "key"), *rule = word(session, "rule");
    table_add_format(table, "%s%s%s%s%s", word(session, "reason"), rule[0] == '\0' ? "" : ": ",
                     rule, key[0] == '\0' ? "" : " asks for ", key);
}

static void draw_sessions(const json_t *sessions, bool known, struct text *ret)
{
    static const char *const titles[2][6] = {
        {"ID", "CLIENT", "LISTENER", "NOW", "CAN'T BE TOLD", NULL},
        {"ID", "CLIENT", "LISTENER", "NOW", "THEN", NULL}};
    struct table table;
    if (json_array_size(sessions) == 0)
        return;
    table_begin(&table, titles[known]);
    for (size_t i = 0; i < json_array_size(sessions); i++) {
        const json_t *session = json_array_get(sessions, i);
        add_session(&table, session);
        if (known)
            add_target(&table, json_object_get(session, "then"));
        else
            add_reason(&table, session);
    }
    text_add_char(ret, '\n');
    table_end(&table, ret);
}

static void draw_rest(long long count, const json_t *named, struct text *ret)
{
    long long rest = count - (long long)json_array_size(named);
    if (rest > 0)
        text_format(ret, "... and %lld more\n", rest);
}

void command_draw_preview(const json_t *preview, struct text *ret)
{
    const json_t *sessions = json_object_get(preview, "sessions");
    const json_t *other = json_object_get(preview, "other");
    const json_t *unknown = json_object_get(preview, "unknown");
    text_format(ret, "the file is good; nothing was changed\nchanges: %s\n",
                word(preview, "summary"));
    draw_changes(json_object_get(preview, "changes"), ret);
    text_format(ret,
                "\nlive sessions: %lld; would go as they go now: %lld, otherwise: %lld, can't be "
                "told: %lld\n",
                number(sessions, "live"), number(sessions, "same"), number(sessions, "other"),
                number(sessions, "unknown"));
    draw_sessions(other, true, ret);
    draw_rest(number(sessions, "other"), other, ret);
    draw_sessions(unknown, false, ret);
    draw_rest(number(sessions, "unknown"), unknown, ret);
}
