#include "app/explain.h"

#include "app/load.h"
#include "base/buffer.h"
#include "config/suggest.h"
#include "explain_print.h"
#include "inspect/client_hello_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_TAKEN = 0, STATUS_CONFIGURATION = 1, STATUS_USAGE = 2, STATUS_NO_RULE = 3 };

/* More than is ever looked at: a PROXY header, a request for TLS, max_bytes. */
#define INPUT_MAX (1024u * 1024u)

/* Everything that is made for one answer, to be given back together. */
struct asking {
    const struct options *options;
    struct config config;
    struct rules *rules;
    struct buffer input;
    struct address source;
    struct explain_args args;
    unsigned char hello[CLIENT_HELLO_RECORD_MAX];
};

/* --- the configuration ------------------------------------------------------------------------ */

/* All listeners' rules were judged when the file was read. */
static bool compile(struct asking *a, struct error *error)
{
    bool good = rules_compile(&a->rules, a->args.listener, a->config.problems);
    problems_print(a->config.problems, stderr);
    if (!good)
        return false;
    a->args.rules = a->rules;
    return networks_compile(&a->args.networks, a->args.listener) || error_memory(error);
}

static bool read_configuration(struct asking *a)
{
    struct load_args args = {.options = a->options, .workers = 1};
    if (load_config(&a->config, &args))
        return true; /* warnings come with the answer */
    problems_print(a->config.problems, stderr);
    return false;
}

static bool choose_listener(struct asking *a, struct error *error)
{
    const struct model *model = a->config.model;
    const char *name = a->options->explain.listener;
    struct suggestion meant = {.word = name == NULL ? "" : name};
    if (name == NULL && model->listener_count == 1)
        a->args.listener = &model->listeners[0];
    else if (name != NULL)
        a->args.listener = model_find_listener(model, name);
    if (a->args.listener != NULL)
        return true;
    for (size_t i = 0; i < model->listener_count; i++)
        suggest_offer(&meant, model->listeners[i].name, strlen(model->listeners[i].name));
    if (name == NULL)
        return error_input(error, "which listener? give --listener NAME, such as \"%.100s\"",
                           model->listeners[0].name);
    if (meant.best[0] != '\0')
        return error_input(error, "no listener named \"%.100s\" (did you mean \"%s\"?)", name,
                           meant.best);
    return error_input(error, "no listener named \"%.100s\" (give --listener \"%.100s\"?)", name,
                       model->listeners[0].name);
}

/* --- what the client sends -------------------------------------------------------------------- */

static bool read_stream(struct buffer *ret, FILE *stream, const char *name, struct error *error)
{
    unsigned char part[4096];
    size_t count;
    while (buffer_length(ret) < INPUT_MAX && (count = fread(part, 1, sizeof part, stream)) > 0) {
        if (!buffer_append(ret, span_of(part, count)))
            return error_memory(error);
    }
    return !ferror(stream) || error_system(error, errno, "cannot read %.200s", name);
}

static bool read_file(struct buffer *ret, const char *name, struct error *error)
{
    if (strcmp(name, "-") == 0)
        return read_stream(ret, stdin, "standard input", error);
    FILE *file = fopen(name, "rbe");
    if (file == NULL)
        return error_system(error, errno, "cannot open %.200s", name);
    bool good = read_stream(ret, file, name, error);
    (void)fclose(file);
    return good;
}

static int digit_value(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits) % 16;
}

/* Pairs of digits, with blanks or colons between them where one likes. */
static bool read_hex(struct buffer *ret, const char *text, struct error *error)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr(" \t\n:", *at) != NULL)
            continue;
        int high = digit_value(at[0]), low = high < 0 ? -1 : digit_value(at[1]);
        unsigned char byte = (unsigned char)(high * 16 + low);
        if (low < 0)
            return error_input(error, "--hex takes pairs of hexadecimal digits, not \"%.10s\"", at);
        if (!buffer_append(ret, span_of(&byte, 1)))
            return error_memory(error);
        at++;
    }
    return true;
}

static bool read_input(struct asking *a, struct error *error)
{
    const struct options_explain *o = &a->options->explain;
    if (o->bytes == NULL && o->hex == NULL)
        return true;
    if (!(o->bytes != NULL ? read_file(&a->input, o->bytes, error)
                           : read_hex(&a->input, o->hex, error)))
        return false;
    return buffer_length(&a->input) > 0 ||
           error_input(error, "%s has no bytes (write --silent for a client that sends none)",
                       o->bytes != NULL ? "--bytes" : "--hex");
}

/* With --tls the given bytes are those inside. */
static bool make_connection(struct asking *a, struct error *error)
{
    const struct options_explain *o = &a->options->explain;
    struct client_hello_offer offer = {o->sni, o->alpn, o->alpn_count};
    if (!read_input(a, error))
        return false;
    if (o->source != NULL && address_parse_ip(&a->source, span_text(o->source)))
        a->args.source = &a->source;
    a->args.now = options_moment(a->options);
    a->args.sha256 = tls_sha256;
    a->args.made_up = o->tls || o->silent;
    if (!o->tls) {
        a->args.bytes = buffer_span(&a->input);
        return true;
    }
    size_t length = client_hello_write(a->hello, &offer);
    a->args.bytes = span_of(a->hello, length);
    a->args.has_inner = o->silent || buffer_length(&a->input) > 0;
    a->args.inner = buffer_span(&a->input);
    return length > 0 || error_input(error, "--sni and --alpn do not fit into one TLS record");
}

/* --- the answer ------------------------------------------------------------------------------- */

static int answer(const struct asking *a, struct error *error)
{
    struct explanation e;
    struct explain_print print = {&e, &a->args};
    struct text text = {0};
    int status = STATUS_CONFIGURATION;
    bool good = explain(&e, &a->args);
    if (good && a->options->explain.json)
        explain_print_json(&text, &print);
    else if (good)
        explain_print_text(&text, &print);
    if (!good || text.failed)
        (void)error_memory(error);
    else if (fwrite(text.data, 1, text.length, stdout) == text.length && fflush(stdout) == 0)
        status = explanation_rule(&e) != NULL ? STATUS_TAKEN : STATUS_NO_RULE;
    else
        (void)error_system(error, errno, "cannot write");
    explanation_release(&e);
    text_release(&text);
    return status;
}

static int ask(struct asking *a, struct error *error)
{
    if (!read_configuration(a))
        return STATUS_CONFIGURATION;
    if (!choose_listener(a, error) || !make_connection(a, error))
        return error->kind == ERROR_MEMORY ? STATUS_CONFIGURATION : STATUS_USAGE;
    return compile(a, error) ? answer(a, error) : STATUS_CONFIGURATION;
}

int explain_command(const struct options *options, struct error *error)
{
    struct asking *a = calloc(1, sizeof *a);
    if (a == NULL) {
        (void)error_memory(error);
        return STATUS_CONFIGURATION;
    }
    a->options = options;
    int status = ask(a, error);
    rules_free(a->rules);
    networks_release(&a->args.networks);
    buffer_release(&a->input);
    config_free(&a->config);
    free(a);
    return status;
}
