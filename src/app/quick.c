#include "app/quick.h"

static void add_string(struct text *t, const char *value)
{
    text_add_json(t, span_text(value));
}

static void add_tls(struct text *t, const struct options *o)
{
    text_add(t, ",\n      \"tls\": { \"certificates\": [ { \"cert\": ");
    add_string(t, o->cert);
    text_add(t, ", \"key\": ");
    add_string(t, o->key);
    text_add(t, " } ] }");
}

bool quick_config(struct text *t, const struct options *o)
{
    /* ":9018" is how one writes "every address" on a command line. */
    bool port_only = o->listen[0] == ':';
    text_add(t, "{\n  \"listeners\": {\n    \"combined\": {\n      \"bind\": ");
    struct text bind = {0};
    text_add(&bind, port_only ? "*" : "");
    text_add(&bind, o->listen);
    add_string(t, bind.data == NULL ? "" : bind.data);
    text_release(&bind);
    if (o->cert != NULL)
        add_tls(t, o);
    text_add(t, ",\n      \"rules\": [ { \"tls\": ");
    add_string(t, o->cert != NULL ? "terminate" : "passthrough");
    text_add(t, ", \"pool\": \"backend\" }, { \"pool\": \"backend\" } ]\n    }\n  },\n");
    text_add(t, "  \"pools\": { \"backend\": { \"servers\": [ ");
    add_string(t, o->backend);
    text_add(t, " ] } }\n}\n");
    return !t->failed;
}
