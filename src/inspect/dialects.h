/* dialects: the functions behind the rows of inspect/starttls.def. */
#ifndef INSPECT_DIALECTS_H
#define INSPECT_DIALECTS_H

#include "inspect/starttls.h"

#define STARTTLS(name, help)                                                                       \
    struct starttls_turn name##_starttls_client(struct span bytes, unsigned turns);                \
    struct starttls_turn name##_starttls_server(struct span bytes, unsigned turns);
#include "inspect/starttls.def"
#undef STARTTLS

#endif
