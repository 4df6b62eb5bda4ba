/* report: problems of a TLS policy at the keys below its path. For the TLS floor only. */
#ifndef TLS_REPORT_H
#define TLS_REPORT_H

#include "config/problems.h"

/* An error at PATH.KEY; returns false, so that a failing check can end with it. */
bool tls_report(struct problems *problems, const char *path, const char *key, const char *format,
                ...) PRINTF(4, 5);
void tls_report_warning(struct problems *problems, const char *path, const char *key,
                        const char *format, ...) PRINTF(4, 5);

#endif
