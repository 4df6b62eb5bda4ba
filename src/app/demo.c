#include "app/demo.h"

#include "app/echo.h"
#include "app/quick.h"
#include "tls/throwaway.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEMO_LISTEN "127.0.0.1:9018"

struct demo {
    struct echo *echo; /* owned */
    char folder[32];   /* empty: not made */
    char cert[64], key[64];
    struct text config;
};

static bool make_certificate(struct demo *demo, struct error *error)
{
    char folder[] = "/tmp/muxgate-demo-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return error_system(error, errno, "cannot make a folder in /tmp");
    (void)snprintf(demo->folder, sizeof demo->folder, "%s", folder);
    (void)snprintf(demo->cert, sizeof demo->cert, "%s/gateway.crt", folder);
    (void)snprintf(demo->key, sizeof demo->key, "%s/gateway.key", folder);
    return tls_write_throwaway(demo->cert, demo->key, error);
}

static bool make_config(struct demo *demo, const char *listen, struct error *error)
{
    char backend[ADDRESS_TEXT_MAX];
    address_format(echo_address(demo->echo), backend);
    struct options options = {.listen = listen == NULL ? DEMO_LISTEN : listen,
                              .cert = demo->cert,
                              .key = demo->key,
                              .backend = backend};
    return quick_config(&demo->config, &options) || error_memory(error);
}

bool demo_start(struct demo **ret, const char *listen, struct error *error)
{
    struct demo *demo = calloc(1, sizeof *demo);
    if (demo == NULL)
        return error_memory(error);
    if (!make_certificate(demo, error) || !echo_start(&demo->echo, error) ||
        !make_config(demo, listen, error)) {
        demo_stop(demo);
        return false;
    }
    *ret = demo;
    return true;
}

const char *demo_config(const struct demo *demo)
{
    return demo == NULL ? NULL : demo->config.data;
}

void demo_stop(struct demo *demo)
{
    if (demo == NULL)
        return;
    echo_stop(demo->echo);
    if (demo->folder[0] != '\0') {
        (void)unlink(demo->cert);
        (void)unlink(demo->key);
        (void)rmdir(demo->folder);
    }
    text_release(&demo->config);
    free(demo);
}
