#include "inspect/starttls.h"

#include "dialects.h"

typedef struct starttls_turn turn_function(struct span bytes, unsigned turns);

static const struct {
    const char *name;
    turn_function *client, *server;
} table[STARTTLS_COUNT] = {
#define STARTTLS(name, help)                                                                       \
    [STARTTLS_##name] = {#name, name##_starttls_client, name##_starttls_server},
#include "inspect/starttls.def"
#undef STARTTLS
};

static struct starttls_turn ask(turn_function *function, struct span bytes, unsigned turns)
{
    return function == NULL ? (struct starttls_turn){.step = STARTTLS_NO} : function(bytes, turns);
}

struct starttls_turn starttls_client(enum starttls dialect, struct span bytes, unsigned turns)
{
    return ask(dialect < STARTTLS_COUNT ? table[dialect].client : NULL, bytes, turns);
}

struct starttls_turn starttls_server(enum starttls dialect, struct span bytes, unsigned turns)
{
    return ask(dialect < STARTTLS_COUNT ? table[dialect].server : NULL, bytes, turns);
}

const char *starttls_name(enum starttls dialect)
{
    return dialect < STARTTLS_COUNT ? table[dialect].name : NULL;
}

bool starttls_find(enum starttls *ret, struct span name)
{
    for (unsigned i = STARTTLS_NONE + 1; i < STARTTLS_COUNT; i++) {
        if (!span_is(name, table[i].name))
            continue;
        *ret = (enum starttls)i;
        return true;
    }
    return false;
}
