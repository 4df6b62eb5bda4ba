/* quick: the configuration behind --listen/--backend and --demo, as text of the one language. */
#ifndef APP_QUICK_H
#define APP_QUICK_H

#include "app/options.h"
#include "base/text.h"

/* With a certificate TLS is terminated, without one it passes through; both to `backend`. */
bool quick_config(struct text *ret, const struct options *options) MUST_CHECK;

#endif
