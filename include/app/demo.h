/* demo: what --demo needs beside the gate: a throw-away certificate and an echo server, both gone
 * with the process. */
#ifndef APP_DEMO_H
#define APP_DEMO_H

#include "base/error.h"

struct demo;

/* `listen` NULL: 127.0.0.1:9018. */
bool demo_start(struct demo **ret, const char *listen, struct error *error) MUST_CHECK;
const char *demo_config(const struct demo *demo);
void demo_stop(struct demo *demo); /* accepts NULL and half-built */

#endif
