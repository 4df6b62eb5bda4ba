/* host: addresses as the configuration writes them, and files relative to its folder. */
#ifndef CONFIG_HOST_H
#define CONFIG_HOST_H

#include "config/model.h"

#include "base/error.h"

/* "1.2.3.4:80", "[::1]:80", "*:80", "name:80", "unix:/path", "unix:@abstract". Fills kind, address
 * and port; a name is written to `name`. A relative UNIX path is taken from `folder`. */
bool host_parse(struct model_address *ret, char name[256], const char *text, const char *folder,
                struct error *error) MUST_CHECK;

/* "srv:_fix._tcp.example.com". */
#define SRV_PREFIX "srv:"
bool host_parse_srv(struct model_address *ret, char name[256], const char *text,
                    struct error *error) MUST_CHECK;

/* The address of a name server, "10.0.0.2" (port 53) or with a port. */
bool host_parse_resolver(struct address *ret, const char *text, struct error *error) MUST_CHECK;

/* FOLDER/FILE, or FILE where it is absolute; owned by the caller, NULL when memory is out. */
char *host_resolve_file(const char *folder, const char *file) MUST_CHECK;

#endif
