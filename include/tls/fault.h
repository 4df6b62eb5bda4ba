/* fault: the single judge of what went wrong on a TLS connection. For the TLS floor only. */
#ifndef TLS_FAULT_H
#define TLS_FAULT_H

#include "tls/connection.h"

/* Before each OpenSSL call whose result is judged: an entry that some earlier call left in the
 * thread's queue would be taken for this one's. Looks first, since clearing is the dearer part. */
void tls_forget_errors(void);

/* What `result` of an OpenSSL call on the connection means. STREAM_AGAIN: *ret_waits says for what.
 * STREAM_EOF: the peer has finished (close_notify or FIN). STREAM_RESET and STREAM_BROKEN are kept
 * in the connection, the latter with its reason. Leaves the error queue empty. */
enum stream_status tls_judge(struct tls_connection *connection, int result, uint8_t *ret_waits);

/* The same of the errno of a write in which OpenSSL has no part: STREAM_RESET, which is no outcome
 * of the connection yet, as the peer may have spoken before, or STREAM_BROKEN. */
enum stream_status tls_judge_socket(struct tls_connection *connection, int number);

/* The reason, where the peer is a server: false when there are no better words than the library's.
 */
bool tls_blame_server(struct tls_connection *connection, unsigned long code);

/* Does a server say by it that it refuses our certificate, or that we have none? */
bool tls_alert_is_about_us(unsigned char alert);

/* Sets the reason, once: the first one counts. */
void tls_fault_set(struct tls_connection *connection, const char *format, ...) PRINTF(2, 3);

#endif
