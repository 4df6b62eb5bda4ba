/* fingerprint: which texts JA4 has for TLS over TCP. What they are made of is in inspect/ja4.c. */
#ifndef CONFIG_FINGERPRINT_H
#define CONFIG_FINGERPRINT_H

#include "base/span.h"

#include <stdbool.h>

#define FINGERPRINT_LENGTH 36u

/* Is there a fingerprint that begins so? */
bool fingerprint_begins(struct span text);

#endif
