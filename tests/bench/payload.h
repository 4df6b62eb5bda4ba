/* payload: the bytes that a benchmark sends, and the proof that they came back unchanged.
 *
 * The backend's protocol, on one plain TCP connection:
 *   E…          the connection is an echo from its first byte on;
 *   D<n>\n      n bytes of the pattern are sent, then the next command is awaited;
 *   S<n>\n      n bytes of the pattern are taken in, answered with "K" and the next command
 * awaited. */
#ifndef BENCH_PAYLOAD_H
#define BENCH_PAYLOAD_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_MAX   65536u
#define MESSAGE_LEAST 24u
#define COMMAND_MAX   24u
#define CHUNK_MAX     (256u * 1024u) /* the longest piece that payload_at() gives */

/* An echo message of `length` bytes that no other session and turn has. */
void message_fill(unsigned char *message, size_t length, uint32_t session, uint64_t turn);

/* The pattern from `offset` on: CHUNK_MAX bytes are there to be read. */
const unsigned char *payload_at(uint64_t offset);
bool payload_matches(const unsigned char *bytes, size_t length, uint64_t offset);

#endif
