/* What it costs to tell a connection apart: first bytes to rule, on one processor, no socket.
 *
 *   bench_classify RULES [COUNT]   times COUNT decisions of each kind with RULES rules
 *   bench_classify RULES 0 KIND    decides once more in classify_counted(), for callgrind
 *
 * Prints "KIND NANOSECONDS" lines: the median of eleven blocks. */
#include "config/config.h"
#include "route/decision.h"

#include "tls/tls.h"

#include "base/text.h"
#include "util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS     11
#define BLOCK_MOST 10000000
#define HELLO_MOST 16384

/* Asked for by the hellos of the corpus: the last rule's name. */
#define NAME "clients.example.com"

struct kind {
    const char *name;
    const char *text; /* NULL: the ClientHello in `file` */
    const char *file;
    const char *rule; /* what must take it; NULL: the plain one */
};

#define LOGON                                                                                      \
    "8=FIX.4.4\0019=67\00135=A\00149=CLIENT\00156=VENUE\00134=1\00152=20260101-00:00:00\00198="    \
    "0\001"                                                                                        \
    "108=30\00110=000\001"

static const struct kind kinds[] = {
    {"fix", LOGON, NULL, NULL},
    {"http", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", NULL, NULL},
    {"ssh", "SSH-2.0-OpenSSH_9.2\r\n", NULL, NULL},
    {"tls-curl", NULL, "real_curl", "last"},
    {"tls-java", NULL, "real_java", "last"},
    {"tls-chromium", NULL, "real_chromium", "last"},
};

struct bench {
    struct config config;
    struct rules *rules;
    struct facts facts;
    struct address source;
    unsigned char scratch[CLIENT_HELLO_MAX], room[HELLO_MOST];
    struct span bytes;
};

/* What nobody asks for: a name, names under a name, a firm, a network. */
static void write_other_rule(struct text *text, unsigned long long number)
{
    switch (number % 4) {
    case 0:
    case 1:
        text_format(text, "{\"match\":{\"sni\":\"%s%llu.example.net\"},\"tls\":\"passthrough\",",
                    number % 4 == 0 ? "*.h" : "h", number);
        break;
    case 2:
        text_format(text, "{\"match\":{\"fix\":{\"SenderCompID\":\"FIRM%llu\"}},", number);
        break;
    default:
        text_format(text, "{\"match\":{\"source\":\"10.%llu.%llu.0/24\"},", number / 256 % 256,
                    number % 256);
    }
    text_add(text, "\"pool\":\"p\"},");
}

static void write_rules(struct text *text, uint64_t count)
{
    text_add(text, "{\"listeners\":{\"l\":{\"bind\":\"127.0.0.1:1\",\"rules\":[");
    for (uint64_t i = 1; i < count; i++)
        write_other_rule(text, i);
    text_add(text, "{\"name\":\"last\",\"match\":{\"sni\":\"" NAME "\"},\"tls\":\"passthrough\","
                   "\"pool\":\"p\"},{\"name\":\"plain\",\"pool\":\"p\"}]}},"
                   "\"pools\":{\"p\":{\"servers\":[\"127.0.0.1:2\"]}}}");
}

static void compile(struct bench *b, uint64_t count)
{
    struct text text = {0};
    write_rules(&text, count);
    if (text.failed || !config_read_text(&b->config, "bench", "/", text.data, text.length) ||
        !rules_compile(&b->rules, &b->config.model->listeners[0], b->config.problems)) {
        problems_print(b->config.problems, stderr);
        die("the rules cannot be compiled");
    }
    text_release(&text);
}

static void load(struct bench *b, const struct kind *kind)
{
    char path[512];
    if (kind->text != NULL) {
        b->bytes = span_text(kind->text);
        return;
    }
    snprintf(path, sizeof path, "%s/%s", HELLO_CORPUS, kind->file);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die("%s cannot be read", path);
    b->bytes = span_of(b->room, fread(b->room, 1, sizeof b->room, file));
    fclose(file);
}

/* The whole of it, as a session does it on its first look: the fingerprint is for its log. */
static const struct rule *classify(struct bench *b)
{
    struct decision decision;
    char ja4[JA4_TEXT_MAX];
    facts_read(&b->facts, b->bytes, false, true, b->scratch);
    b->facts.source = &b->source;
    if (b->facts.tls == VERDICT_YES && b->facts.hello == VERDICT_YES) {
        client_hello_ja4(&b->facts.client_hello, tls_sha256, ja4);
        b->facts.ja4 = ja4;
    }
    decision_make(&decision, &(struct decision_args){.rules = b->rules, .facts = &b->facts});
    return decision.kind == DECISION_RULE ? decision.rule : NULL;
}

static void check(struct bench *b, const struct kind *kind)
{
    const struct rule *rule = classify(b);
    const char *expected = kind->rule == NULL ? "plain" : kind->rule;
    if (rule == NULL || strcmp(rule->model->name, expected) != 0)
        die("%s went to %s, not to %s", kind->name, rule == NULL ? "no rule" : rule->model->name,
            expected);
}

/* A counter of instructions is switched on in here; everything was done once before. */
__attribute__((noinline)) static void classify_counted(struct bench *b)
{
    if (classify(b) == NULL)
        die("a decision was not taken");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double measure(struct bench *b, uint64_t count)
{
    double block[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        uint64_t begun = now_ns();
        for (uint64_t n = 0; n < count; n++)
            if (classify(b) == NULL)
                die("a decision was not taken");
        block[i] = (double)(now_ns() - begun) / (double)count;
    }
    qsort(block, BLOCKS, sizeof block[0], compare);
    return block[BLOCKS / 2];
}

static void run(struct bench *b, const struct kind *kind, uint64_t count)
{
    load(b, kind);
    check(b, kind);
    if (count == 0)
        classify_counted(b);
    else
        printf("%s %.0f\n", kind->name, measure(b, count));
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 4)
        die("usage: bench_classify RULES [COUNT [KIND]]");
    struct bench *b = allocate(1, sizeof *b);
    uint64_t count = argc > 2 ? number_of(argv[2], "COUNT", 0, BLOCK_MOST) : 20000;
    bool found = false;
    if (!tls_start(NULL) || !address_parse(&b->source, span_text("192.0.2.1:1024"), NULL))
        die("cannot start");
    compile(b, number_of(argv[1], "RULES", 1, 1000000));
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (argc > 3 && strcmp(argv[3], kinds[i].name) != 0)
            continue;
        run(b, &kinds[i], count);
        found = true;
    }
    if (!found)
        die("no kind named %s", argv[3]);
    rules_free(b->rules);
    config_free(&b->config);
    free(b);
    return 0;
}
