#include "app/surroundings.h"

#include "admin/endpoints.h"
#include "app/binder.h"
#include "base/span.h"
#include "base/text.h"
#include "io/socket.h"
#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the file system -------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* What is judged, and what it is reported to. */
struct check {
    const struct surroundings_held *held; /* NULL: for a start that is to come */
    struct problems *problems;
};

/* Folders that whoever starts the service makes for it (RuntimeDirectory=, StateDirectory=). */
static bool is_made_at_start(const char *folder)
{
    return begins(folder, "/run/") || begins(folder, "/var/run/") || begins(folder, "/var/lib/");
}

/* By the rights that count when files are made, not those of whoever called the program. */
static bool check_folder(const struct check *c, const char *path, const char *file, int rights,
                         const char *what)
{
    bool good = true;
    struct text folder = {0};
    const char *slash = strrchr(file, '/');
    text_add_span(&folder, span_of(file, slash == NULL ? 0 : (size_t)(slash - file)));
    text_add(&folder, "/");
    if (!folder.failed && faccessat(AT_FDCWD, folder.data, rights, AT_EACCESS) != 0 &&
        !(errno == ENOENT && c->held == NULL && is_made_at_start(folder.data))) {
        problems_error(c->problems, path, "cannot make %s in the folder %s: %s", what, folder.data,
                       strerror(errno));
        good = false;
    }
    text_release(&folder);
    return good;
}

/* One that another process has left behind is replaced; anything else is in the way. */
static bool check_socket(const struct check *c, const char *path, const char *file)
{
    struct stat status;
    if (lstat(file, &status) != 0 || S_ISSOCK(status.st_mode))
        return check_folder(c, path, file, W_OK | X_OK, "a socket");
    problems_error(c->problems, path, "%s is there, and is no socket", file);
    return false;
}

/* What is there already has to be one. */
static void check_ledger(const struct check *c, const struct model_ledger *ledger)
{
    struct error error = {.kind = ERROR_NONE};
    if (ledger->file != NULL &&
        check_folder(c, "ledger.file", ledger->file, R_OK | W_OK | X_OK, "files") &&
        !ledger_check_file(ledger, &error))
        problems_error(c->problems, "ledger.file", "%s", error.text);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_any(const struct address *a)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

/* Any port will do to ask. */
static void warn_of_missing(const struct check *c, const char *path, const struct address *wanted)
{
    struct address address = *wanted;
    address_set_port(&address, 0);
    if (!is_any(&address) && !socket_has_address(&address))
        problems_warning(c->problems, path,
                         "this host has no such address now, and cannot start without it");
}

static bool is_path(const struct address *a)
{
    return a->any.sa_family == AF_UNIX && a->local.sun_path[0] != '\0';
}

/* Somebody else may have it. `shares`: what has a part of it now would give way, or share it. */
static void check_free(const struct check *c, const char *path, const struct address *address,
                       bool shares)
{
    struct error error = {.kind = ERROR_NONE};
    if (!(shares && binder_gives_way(c->held->bindings, address)) &&
        !socket_probe_free(address, &error))
        problems_error(c->problems, path, "%s", error.text);
}

static void check_address(const struct check *c, const char *path, const struct address *address,
                          bool shares)
{
    if (is_path(address) && !check_socket(c, path, address->local.sun_path))
        return;
    if (c->held != NULL)
        check_free(c, path, address, shares);
    else if (address_is_ip(address))
        warn_of_missing(c, path, address);
}

static void check_bind(const struct check *c, const struct model_address *bind, bool shares)
{
    struct address address = bind->address;
    struct error error = {.kind = ERROR_NONE};
    if (bind->kind == HOST_NAME && !socket_look_up(&address, bind->name, bind->port, &error))
        problems_error(c->problems, bind->path, "%s", error.text);
    else
        check_address(c, bind->path, &address, shares);
}

static void check_listener(const struct check *c, const struct model_listener *listener)
{
    for (size_t i = 0; i < listener->bind_count; i++)
        if (c->held == NULL || !binder_has(c->held->bindings, listener->binds[i].text))
            check_bind(c, &listener->binds[i], true);
}

static void check_admin(const struct check *c, const struct model_admin *admin)
{
    const struct endpoints *held = c->held == NULL ? NULL : c->held->endpoints;
    struct address address = {.length = sizeof address.local};
    if (admin->has_http && !endpoints_keep_http(held, admin))
        check_bind(c, &admin->http, false);
    if (admin->socket == NULL || endpoints_keep_local(held, admin))
        return;
    address.local.sun_family = AF_UNIX;
    (void)snprintf(address.local.sun_path, sizeof address.local.sun_path, "%s", admin->socket);
    check_address(c, "admin.socket", &address, false);
}

void surroundings_check(const struct model *model, const struct surroundings_held *held,
                        struct problems *problems)
{
    const struct check check = {held, problems};
    for (size_t i = 0; i < model->listener_count; i++)
        check_listener(&check, &model->listeners[i]);
    check_admin(&check, &model->admin);
    check_ledger(&check, &model->ledger);
}
