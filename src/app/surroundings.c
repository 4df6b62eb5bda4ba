#include "app/surroundings.h"

#include "base/span.h"
#include "base/text.h"
#include "io/socket.h"
#include "ledger/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the file system -------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Folders that whoever starts the service makes for it (RuntimeDirectory=, StateDirectory=). */
static bool is_made_at_start(const char *folder)
{
    return begins(folder, "/run/") || begins(folder, "/var/run/") || begins(folder, "/var/lib/");
}

/* By the rights that count when files are made, not those of whoever called the program. */
static bool check_folder(const char *path, const char *file, const char *what,
                         struct problems *problems)
{
    bool good = true;
    struct text folder = {0};
    const char *slash = strrchr(file, '/');
    text_add_span(&folder, span_of(file, slash == NULL ? 0 : (size_t)(slash - file)));
    text_add(&folder, "/");
    if (!folder.failed && faccessat(AT_FDCWD, folder.data, W_OK | X_OK, AT_EACCESS) != 0 &&
        !(errno == ENOENT && is_made_at_start(folder.data))) {
        problems_error(problems, path, "cannot make %s in the folder %s: %s", what, folder.data,
                       strerror(errno));
        good = false;
    }
    text_release(&folder);
    return good;
}

/* One that another process has left behind is replaced; anything else is in the way. */
static void check_socket(const char *path, const char *file, struct problems *problems)
{
    struct stat status;
    if (lstat(file, &status) == 0 && !S_ISSOCK(status.st_mode))
        problems_error(problems, path, "%s is there, and is no socket", file);
    else
        (void)check_folder(path, file, "a socket", problems);
}

/* What is there already has to be one. */
static void check_ledger(const struct model_ledger *ledger, struct problems *problems)
{
    struct error error = {.kind = ERROR_NONE};
    if (ledger->file != NULL && check_folder("ledger.file", ledger->file, "files", problems) &&
        !ledger_check_file(ledger, &error))
        problems_error(problems, "ledger.file", "%s", error.text);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_any(const struct address *a)
{
    return a->any.sa_family == AF_INET ? a->v4.sin_addr.s_addr == htonl(INADDR_ANY)
                                       : IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

/* Any port will do to ask. */
static void check_ip(const char *path, const struct address *wanted, struct problems *problems)
{
    struct address address = *wanted;
    address_set_port(&address, 0);
    if (!is_any(&address) && !socket_has_address(&address))
        problems_warning(problems, path,
                         "this host has no such address now, and cannot start without it");
}

static void check_bind(const struct model_address *bind, struct problems *problems)
{
    struct address address = bind->address;
    struct error error = {.kind = ERROR_NONE};
    if (bind->kind == HOST_NAME && !socket_look_up(&address, bind->name, bind->port, &error))
        problems_error(problems, bind->path, "%s", error.text);
    else if (address_is_ip(&address))
        check_ip(bind->path, &address, problems);
    else if (address.local.sun_path[0] != '\0') /* no abstract one */
        check_socket(bind->path, address.local.sun_path, problems);
}

void surroundings_check(const struct model *model, struct problems *problems)
{
    for (size_t i = 0; i < model->listener_count; i++)
        for (size_t b = 0; b < model->listeners[i].bind_count; b++)
            check_bind(&model->listeners[i].binds[b], problems);
    if (model->admin.has_http)
        check_bind(&model->admin.http, problems);
    if (model->admin.socket != NULL)
        check_socket("admin.socket", model->admin.socket, problems);
    check_ledger(&model->ledger, problems);
}
