/* The two halves of the ClientHello parser: records to one message, message to facts. */
#ifndef INSPECT_HELLO_H
#define INSPECT_HELLO_H

#include "inspect/client_hello.h"

/* Fills alert and reason and returns false. */
bool hello_refuse(struct client_hello *ret, uint8_t alert, const char *reason);

/* Reads the body of the message; false: refused. */
bool hello_read_body(struct client_hello *ret, struct span body);

#endif
