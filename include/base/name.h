/* name: host names, normalised in this one place for routing, certificate choice and the log.
 *
 * Normal form: ASCII lower case, one trailing dot removed. IDNA A-labels are compared as they come.
 * RFC 1035 §2.3.1 sizes: 253 bytes, labels of 1 to 63. */
#ifndef BASE_NAME_H
#define BASE_NAME_H

#include "base/compiler.h"
#include "base/span.h"

#define NAME_MAX_LENGTH 253u

/* Writes the normal form and its NUL; false where the bytes are no host name (empty, too long, an
 * empty label, or a byte other than letters, digits, '-', '_' and '.'). */
bool name_normalise(char ret[NAME_MAX_LENGTH + 1], struct span bytes) MUST_CHECK;

/* A pattern of the configuration: an exact name or "*.example.com"; normalised likewise. */
bool name_normalise_pattern(char ret[NAME_MAX_LENGTH + 3], struct span bytes) MUST_CHECK;

/* Both in normal form. "*.example.com" stands for one or more labels in front of example.com. */
bool name_matches(const char *pattern, struct span name);

#endif
