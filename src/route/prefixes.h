/* prefixes: byte strings, any of which a connection may begin with. Pure. */
#ifndef ROUTE_PREFIXES_H
#define ROUTE_PREFIXES_H

#include "base/compiler.h"
#include "base/span.h"
#include "config/model.h"
#include "inspect/verdict.h"

struct prefixes {
    struct span *item; /* owned; into `bytes` */
    size_t count;
    unsigned char *bytes; /* owned */
};

/* Of texts as they are, or of pairs of hexadecimal digits (the form is checked already). On false
 * memory is out; prefixes_release() it all the same. */
bool prefixes_of_texts(struct prefixes *ret, const struct string_list *texts) MUST_CHECK;
bool prefixes_of_hex(struct prefixes *ret, const struct string_list *digits) MUST_CHECK;
void prefixes_release(struct prefixes *prefixes);

/* YES: the bytes begin with one. MORE: they are the beginning of one. */
enum verdict prefixes_ask(const struct prefixes *prefixes, struct span bytes);

/* Whatever begins with one of `narrow` begins with one of `wide`. */
bool prefixes_cover(const struct prefixes *wide, const struct prefixes *narrow);

#endif
