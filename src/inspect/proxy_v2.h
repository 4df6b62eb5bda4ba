/* What the reader and the writer of PROXY headers share. */
#ifndef INSPECT_PROXY_V2_H
#define INSPECT_PROXY_V2_H

#include "inspect/proxy_header.h"

#define V2_HEADER    16u
#define V2_LOCAL     0x20
#define V2_PROXY     0x21
#define V2_UNSPEC    0x0
#define V2_INET      0x1
#define V2_INET6     0x2
#define V2_UNIX      0x3
#define V2_STREAM    0x1
#define V2_DGRAM     0x2
#define V2_TCP4      (V2_INET << 4 | V2_STREAM)
#define V2_TCP6      (V2_INET6 << 4 | V2_STREAM)
#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

#endif
