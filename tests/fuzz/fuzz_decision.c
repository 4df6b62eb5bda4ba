/* From first bytes to rule: whatever the splits, the decision is the same, it never turns, and a
 * ClientHello that was not understood reaches no rule. */
#include "fuzz.h"

#include "config/config.h"
#include "route/decision.h"

/* Every match key that asks for bytes or names; rules that want more stand before those that know
 * at once. */
static const char configuration[] =
    "{\"listeners\":{\"l\":{\"bind\":\"127.0.0.1:1\",\"tls\":{\"certificates\":[{\"cert\":\"c\","
    "\"key\":\"k\"}]},\"rules\":["
    "{\"match\":{\"sni\":[\"a.example.com\",\"*.example.org\"],\"alpn\":\"h2\"},"
    "\"tls\":\"passthrough\",\"pool\":\"p\"},"
    "{\"starttls\":\"postgres\",\"tls\":\"terminate\",\"match\":{\"sni\":\"*.example.com\"},"
    "\"pool\":\"p\"},"
    "{\"match\":{\"ja4\":\"t13d*\",\"not\":{\"source\":\"10.0.0.0/8\"}},\"tls\":\"passthrough\","
    "\"pool\":\"p\"},"
    "{\"match\":{\"not\":{\"sni\":\"*.com\"}},\"tls\":\"passthrough\",\"reject\":true},"
    "{\"tls\":\"terminate\",\"rules\":["
    "{\"match\":{\"fix\":{\"valid\":false}},\"reject\":true},"
    "{\"match\":{\"fix\":{\"SenderCompID\":[\"CLIENT\",\"A\"],\"TargetCompID\":\"VENUE\"}},"
    "\"pool\":\"p\"},"
    "{\"match\":{\"protocol\":[\"http\",\"ssh\"],\"sni\":\"*.com\"},\"pool\":\"p\"},"
    "{\"match\":{\"regex\":\"^(USER|PASS) [a-z]+$\"},\"pool\":\"p\"},"
    "{\"match\":{\"silent\":true},\"pool\":\"p\"}]},"
    "{\"match\":{\"fix\":{\"valid\":false}},\"reject\":true},"
    "{\"match\":{\"prefix\":\"GET /secret\"},\"reject\":true},"
    "{\"match\":{\"prefix_hex\":[\"0500\",\"050102\"],\"not\":{\"protocol\":\"http\"}},"
    "\"pool\":\"p\"},"
    "{\"match\":{\"protocol\":[\"http\",\"http2\",\"fix\",\"postgres\",\"mqtt\",\"rdp\",\"socks4\","
    "\"xmpp\",\"openvpn\",\"amqp\",\"socks5\"]},\"pool\":\"p\"},"
    "{\"match\":{\"regex\":[\"^SSH-[12]\",\"secret$\"]},\"pool\":\"p\"},"
    "{\"match\":{\"silent\":true},\"pool\":\"p\"}]}},"
    "\"pools\":{\"p\":{\"servers\":[\"127.0.0.1:2\"]}}}";

/* What the first byte of the input chooses. */
enum { DECRYPTED = 1, GUARDS_PROXY = 2, FROM_TEN = 4, SAYS_NAME = 8 };

static unsigned char scratch[CLIENT_HELLO_MAX];
static struct config config;
static struct rules *rules;
static const struct rules *nested;
static struct address sources[2];
static char ja4[JA4_TEXT_MAX];

static void prepare(void)
{
    if (rules != NULL)
        return;
    bool good = config_read_text(&config, "fuzz", "/", configuration, sizeof configuration - 1) &&
                rules_compile(&rules, &config.model->listeners[0], config.problems);
    if (!good)
        problems_print(config.problems, stderr);
    PROMISE(good);
    for (unsigned i = 0; i < rules_count(rules) && nested == NULL; i++)
        nested = rules_at(rules, i)->nested;
    PROMISE(nested != NULL);
    PROMISE(address_parse(&sources[0], span_text("[2001:db8::1]:5"), NULL) &&
            address_parse(&sources[1], span_text("10.1.2.3:5"), NULL));
}

static struct facts facts;

static struct decision decide(uint8_t flags, struct span bytes, enum look_end end)
{
    struct decision decision;
    bool decrypted = (flags & DECRYPTED) != 0;
    facts_read(&facts, bytes, end != LOOK_GOES_ON, !decrypted, scratch);
    facts.source = &sources[(flags & FROM_TEN) != 0];
    facts.starttls = STARTTLS_NONE;
    facts.terminated = decrypted;
    facts.sni = decrypted && (flags & SAYS_NAME) != 0 ? "www.example.com" : NULL;
    facts.alpn = span_of(NULL, 0);
    facts.ja4 = NULL;
    if (facts.tls == VERDICT_YES && facts.hello == VERDICT_YES) {
        client_hello_ja4(&facts.client_hello, fuzz_no_hash, ja4);
        facts.ja4 = ja4;
    }
    decision_make(&decision, &(struct decision_args){.rules = decrypted ? nested : rules,
                                                     .facts = &facts,
                                                     .end = end,
                                                     .guards_proxy = (flags & GUARDS_PROXY) != 0});
    PROMISE(decision.kind != DECISION_MORE || decision.need > bytes.length);
    PROMISE(decision.kind != DECISION_MORE || end == LOOK_GOES_ON);
    PROMISE((decision.kind == DECISION_RULE) == (decision.rule != NULL));
    PROMISE(decision.kind != DECISION_RULE || facts.tls != VERDICT_YES ||
            facts.hello == VERDICT_YES);
    return decision;
}

static bool same(const struct decision *a, const struct decision *b)
{
    return a->kind == b->kind && a->rule == b->rule && a->alert == b->alert;
}

/* A request that was answered is taken out of the stream: what lies behind it is another matter. */
static bool stays(const struct decision *decision)
{
    return decision->kind != DECISION_MORE && decision->kind != DECISION_TURN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    prepare();
    uint8_t flags = data[0];
    struct span bytes = span_of(data + 1, size - 1);
    struct decision whole = decide(flags, bytes, LOOK_GOES_ON);
    size_t need = 0;
    for (size_t n = 0; n <= bytes.length; n += n < 64 ? 1 : bytes.length / 32 + 1) {
        struct decision part = decide(flags, span_first(bytes, n), LOOK_GOES_ON);
        if (n < need)
            PROMISE(part.kind == DECISION_MORE);
        else if (part.kind == DECISION_MORE)
            need = part.need;
        if (stays(&part))
            PROMISE(same(&part, &whole));
    }
    for (enum look_end end = LOOK_ENDS_BY_DELAY; end <= LOOK_ENDS_BY_SIZE; end++) {
        struct decision last = decide(flags, bytes, end);
        if (stays(&whole))
            PROMISE(same(&last, &whole));
    }
    return 0;
}
