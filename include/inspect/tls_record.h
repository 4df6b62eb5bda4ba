/* tls_record: are these bytes TLS? Six bytes decide (RFC 8446 §5.1, RFC 5246 §6.2.1):
 * 16, 03, 00-04, a length of 1 to 16384, 01. */
#ifndef INSPECT_TLS_RECORD_H
#define INSPECT_TLS_RECORD_H

#include "base/span.h"
#include "inspect/verdict.h"

#define TLS_RECORD_PROBE_BYTES 6u

/* YES, NO (on the byte that breaks the pattern) or MORE (fewer fitting bytes; also for none). */
enum verdict tls_record_probe(struct span bytes);

#endif
