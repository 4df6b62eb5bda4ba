/* patterns: regular expressions (PCRE2) over the first bytes of a connection. Pure.
 *
 * Three answers. YES: the bytes match, and will still match whatever follows. NO: nothing that
 * begins with these bytes will match. MORE: neither. So the answer does not depend on how the bytes
 * were cut. Bytes are bytes: there is no UTF mode. What goes beyond the limits is NO.
 *
 * Threads  immutable once compiled: any number of questions at once. */
#ifndef ROUTE_PATTERNS_H
#define ROUTE_PATTERNS_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "inspect/verdict.h"

struct pattern;

/* What is wrong with the pattern, and where, is in the error. */
bool pattern_compile(struct pattern **ret, const char *text, struct error *error) MUST_CHECK;
void pattern_free(struct pattern *pattern); /* accepts NULL */

/* It can match at the first byte only. */
bool pattern_is_anchored(const struct pattern *pattern);

/* `final`: nothing follows these bytes; then MORE is not an answer. */
enum verdict pattern_ask(const struct pattern *pattern, struct span bytes, bool final);

/* PCRE2's version; NULL: there are none. */
const char *pattern_library(void);

#endif
