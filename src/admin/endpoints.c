#include "endpoints.h"

#include "http.h"
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- one endpoint ----------------------------------------------------------------------------- */

struct endpoint *endpoint_ref(struct endpoint *endpoint)
{
    atomic_fetch_add(&endpoint->references, 1);
    return endpoint;
}

static void remove_path(const struct endpoint *endpoint)
{
    struct stat now;
    const char *path = endpoint->address.local.sun_path;
    if (endpoint->inode != 0 && stat(path, &now) == 0 && now.st_dev == endpoint->device &&
        now.st_ino == endpoint->inode)
        (void)unlink(path);
}

void endpoint_unref(struct endpoint *endpoint)
{
    if (endpoint == NULL || atomic_fetch_sub(&endpoint->references, 1) != 1)
        return;
    if (endpoint->local)
        remove_path(endpoint);
    if (endpoint->fd >= 0)
        (void)close(endpoint->fd);
    free(endpoint->text);
    free(endpoint);
}

static bool endpoint_create(struct endpoint **ret, const char *text, struct error *error)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    if (endpoint == NULL || (endpoint->text = strdup(text)) == NULL) {
        free(endpoint);
        return error_memory(error);
    }
    atomic_init(&endpoint->references, 1);
    endpoint->fd = -1;
    *ret = endpoint;
    return true;
}

/* --- the UNIX socket -------------------------------------------------------------------------- */

/* To whoever the process will be: so members of its group can use it. */
static bool give_away(const char *path, const struct model *model, struct error *error)
{
    const struct passwd *user = model->user == NULL ? NULL : getpwnam(model->user);
    const struct group *group = model->group == NULL ? NULL : getgrnam(model->group);
    uid_t uid = user == NULL ? (uid_t)-1 : user->pw_uid;
    gid_t gid = group != NULL ? group->gr_gid : user != NULL ? user->pw_gid : (gid_t)-1;
    if (geteuid() != 0 || (user == NULL && group == NULL))
        return true;
    return chown(path, uid, gid) == 0 || error_system(error, errno, "cannot give away %s", path);
}

/* Only who has made the path, or was told that it is his now, may take it away. */
static bool remember_path(struct endpoint *endpoint, struct error *error)
{
    const char *path = endpoint->address.local.sun_path;
    struct stat now;
    if (stat(path, &now) != 0)
        return error_system(error, errno, "cannot look at %s", path);
    endpoint->device = now.st_dev;
    endpoint->inode = now.st_ino;
    return true;
}

static bool set_rights(struct endpoint *endpoint, const struct model *model, struct error *error)
{
    const char *path = endpoint->address.local.sun_path;
    endpoint->mode = model->admin.socket_mode;
    if (chmod(path, endpoint->mode) != 0)
        return error_system(error, errno, "cannot set the mode of %s", path);
    return give_away(path, model, error);
}

static bool open_local(struct endpoint **ret, const struct model *model, struct error *error)
{
    const char *path = model->admin.socket;
    struct endpoint *endpoint;
    if (!endpoint_create(&endpoint, path, error))
        return false;
    endpoint->local = true;
    endpoint->address.length = sizeof endpoint->address.local;
    endpoint->address.local.sun_family = AF_UNIX;
    (void)snprintf(endpoint->address.local.sun_path, sizeof endpoint->address.local.sun_path, "%s",
                   path);
    /* Nobody else's before its rights are set. */
    mode_t before = umask(0177);
    bool good = socket_listen(&endpoint->fd, &endpoint->address, error);
    (void)umask(before);
    if (good && remember_path(endpoint, error) && set_rights(endpoint, model, error)) {
        *ret = endpoint;
        return true;
    }
    endpoint_unref(endpoint);
    return false;
}

/* --- HTTP on TCP ------------------------------------------------------------------------------ */

static bool open_http(struct endpoint **ret, const struct model *model, struct error *error)
{
    const struct model_address *wanted = &model->admin.http;
    struct endpoint *endpoint;
    if (!endpoint_create(&endpoint, wanted->text, error))
        return false;
    endpoint->address = wanted->address;
    bool good = (wanted->kind != HOST_NAME ||
                 socket_look_up(&endpoint->address, wanted->name, wanted->port, error)) &&
                socket_probe_free(&endpoint->address, error) &&
                socket_listen(&endpoint->fd, &endpoint->address, error) &&
                (socket_local(endpoint->fd, &endpoint->address) ||
                 error_system(error, errno, "cannot ask for the address of %s", endpoint->text));
    if (!good) {
        endpoint_unref(endpoint);
        return false;
    }
    *ret = endpoint;
    return true;
}

/* --- all of them ------------------------------------------------------------------------------ */

bool endpoints_keep_http(const struct endpoints *previous, const struct model_admin *model)
{
    return previous != NULL && previous->http != NULL && model->has_http &&
           strcmp(previous->http->text, model->http.text) == 0;
}

static bool has_local(const struct endpoints *previous, const struct model_admin *model)
{
    return previous != NULL && previous->local != NULL && model->socket != NULL &&
           strcmp(previous->local->text, model->socket) == 0;
}

bool endpoints_keep_local(const struct endpoints *previous, const struct model_admin *model)
{
    return has_local(previous, model) && access(model->socket, F_OK) == 0;
}

static bool keep_or_open_local(struct endpoints *e, const struct model *model,
                               const struct endpoints *previous, struct error *error)
{
    if (model->admin.socket == NULL)
        return true;
    if (!endpoints_keep_local(previous, &model->admin)) {
        if (has_local(previous, &model->admin))
            previous->local->lost = true;
        return open_local(&e->local, model, error);
    }
    e->local = endpoint_ref(previous->local);
    return true;
}

static bool keep_or_open_http(struct endpoints *e, const struct model *model,
                              const struct endpoints *previous, struct error *error)
{
    if (!model->admin.has_http)
        return true;
    if (!endpoints_keep_http(previous, &model->admin))
        return open_http(&e->http, model, error);
    e->http = endpoint_ref(previous->http);
    return true;
}

static bool copy_hosts(struct endpoints *e, const struct string_list *hosts)
{
    e->hosts = calloc(hosts->count + 1, sizeof *e->hosts);
    for (; e->hosts != NULL && e->host_count < hosts->count; e->host_count++)
        if ((e->hosts[e->host_count] = strdup(hosts->item[e->host_count])) == NULL)
            return false;
    return e->hosts != NULL;
}

bool endpoints_open(struct endpoints **ret, const struct model *model,
                    const struct endpoints *previous, struct error *error)
{
    struct endpoints *e = calloc(1, sizeof *e);
    if (e == NULL)
        return error_memory(error);
    atomic_init(&e->references, 1);
    bool wanted = model->admin.socket != NULL || model->admin.has_http;
    bool good = (!wanted || http_is_there(error)) &&
                (copy_hosts(e, &model->admin.hosts) || error_memory(error));
    if (good && keep_or_open_http(e, model, previous, error) &&
        keep_or_open_local(e, model, previous, error)) {
        *ret = e;
        return true;
    }
    if (good)
        error_prefix(error, "admin");
    endpoints_unref(e);
    return false;
}

bool endpoints_set_rights(const struct endpoints *endpoints, const struct model *model,
                          struct error *error)
{
    if (endpoints->local == NULL || endpoints->local->mode == model->admin.socket_mode ||
        set_rights(endpoints->local, model, error))
        return true;
    error_prefix(error, "admin");
    return false;
}

static bool may_return(const struct endpoint *endpoint, const struct endpoint *kept,
                       struct error *error)
{
    if (endpoint == NULL || endpoint == kept || socket_may_listen(&endpoint->address, error))
        return true;
    error_prefix(error, "admin");
    return false;
}

bool endpoints_may_return(const struct endpoints *endpoints, const struct endpoints *kept,
                          struct error *error)
{
    return may_return(endpoints->http, kept->http, error) &&
           may_return(endpoints->local, kept->local, error);
}

bool endpoints_create_none(struct endpoints **ret)
{
    struct endpoints *e = calloc(1, sizeof *e);
    if (e == NULL)
        return false;
    atomic_init(&e->references, 1);
    *ret = e;
    return true;
}

/* --- from process to process ------------------------------------------------------------------ */

int endpoints_socket(const struct endpoints *endpoints, bool local, const char **ret_text)
{
    const struct endpoint *endpoint = local ? endpoints->local : endpoints->http;
    *ret_text = endpoint == NULL ? NULL : endpoint->text;
    return endpoint == NULL ? -1 : endpoint->fd;
}

bool endpoints_inherit(struct endpoints **ret, bool local, const char *text, int fd,
                       struct error *error)
{
    struct endpoint *endpoint;
    struct stat now;
    if (*ret == NULL && !endpoints_create_none(ret)) {
        (void)close(fd);
        return error_memory(error);
    }
    if (!endpoint_create(&endpoint, text, error)) {
        (void)close(fd);
        return false;
    }
    endpoint->fd = fd;
    endpoint->local = local;
    if (!socket_local(fd, &endpoint->address)) {
        endpoint_unref(endpoint);
        return error_system(error, errno, "cannot ask for the address of an inherited socket");
    }
    if (local && stat(endpoint->address.local.sun_path, &now) == 0)
        endpoint->mode = now.st_mode & 07777;
    struct endpoint **place = local ? &(*ret)->local : &(*ret)->http;
    endpoint_unref(*place);
    *place = endpoint;
    return true;
}

void endpoints_take_over(struct endpoints *endpoints)
{
    struct endpoint *local = endpoints->local;
    struct stat now;
    if (local == NULL || local->lost || stat(local->address.local.sun_path, &now) != 0)
        return;
    local->device = now.st_dev;
    local->inode = now.st_ino;
}

void endpoints_hand_over(struct endpoints *endpoints)
{
    if (endpoints->local != NULL)
        endpoints->local->inode = 0;
}

struct endpoints *endpoints_ref(struct endpoints *endpoints)
{
    atomic_fetch_add(&endpoints->references, 1);
    return endpoints;
}

void endpoints_unref(struct endpoints *e)
{
    if (e == NULL || atomic_fetch_sub(&e->references, 1) != 1)
        return;
    endpoint_unref(e->local);
    endpoint_unref(e->http);
    if (e->token != NULL)
        explicit_bzero(e->token, strlen(e->token));
    free(e->token);
    for (size_t i = 0; i < e->host_count; i++)
        free(e->hosts[i]);
    free(e->hosts);
    free(e);
}

/* --- the token -------------------------------------------------------------------------------- */

/* The first line, without blanks around it. */
static bool parse_token(char *text, char **ret_token, const char *file, struct error *error)
{
    char *token = text + strspn(text, " \t");
    token[strcspn(token, "\r\n")] = '\0';
    size_t length = strlen(token);
    while (length > 0 && (token[length - 1] == ' ' || token[length - 1] == '\t'))
        token[--length] = '\0';
    if (length == 0)
        return error_input(error, "there is no token in %s", file);
    if (length < TOKEN_LEAST)
        return error_input(error,
                           "the token in %s is too short: %zu bytes, at least %u (try "
                           "openssl rand -hex 32)",
                           file, length, TOKEN_LEAST);
    for (size_t i = 0; i < length; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return error_input(error, "the token in %s has a byte that a header cannot carry",
                               file);
    *ret_token = token;
    return true;
}

/* *ret_exposed: group or others may read the file. */
static bool read_token(char **ret, const char *file, bool *ret_exposed, struct error *error)
{
    char text[TOKEN_MOST + 1], *token = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    bool good = count >= 0 && fstat(fd, &status) == 0;
    if (!good)
        error_system(error, errno, "cannot read %s", file);
    if (fd >= 0)
        (void)close(fd);
    if (!good)
        return false;
    text[count] = '\0';
    *ret_exposed = (status.st_mode & (S_IRGRP | S_IROTH)) != 0;
    good = parse_token(text, &token, file, error);
    if (good && ret != NULL)
        good = (*ret = strdup(token)) != NULL || error_memory(error);
    explicit_bzero(text, sizeof text);
    return good;
}

bool endpoints_read_token(struct endpoints *endpoints, const struct model_admin *model,
                          struct error *error)
{
    bool exposed;
    if (model->token_file == NULL ||
        read_token(&endpoints->token, model->token_file, &exposed, error))
        return true;
    error_prefix(error, "admin.token_file");
    return false;
}

bool endpoints_copy_token(struct endpoints *endpoints, const struct endpoints *from,
                          struct error *error)
{
    if (from == NULL || from->token == NULL)
        return true;
    endpoints->token = strdup(from->token);
    return endpoints->token != NULL || error_memory(error);
}

void endpoints_check(const struct model_admin *model, struct problems *problems)
{
    struct error error;
    bool exposed;
    if ((model->socket != NULL || model->has_http) && !http_is_there(&error))
        problems_error(problems, "admin", "%s", error.text);
    if (model->token_file == NULL)
        return;
    if (!read_token(NULL, model->token_file, &exposed, &error))
        problems_error(problems, "admin.token_file", "%s", error.text);
    else if (exposed)
        problems_warning(problems, "admin.token_file", "group or others may read %s (chmod 600)",
                         model->token_file);
}
