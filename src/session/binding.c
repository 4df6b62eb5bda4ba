#include "io/socket.h"
#include "session/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The path of a UNIX address; NULL for any other, and for an abstract one. */
static const char *path_of(const struct binding *binding)
{
    bool is_path = binding->actual.any.sa_family == AF_UNIX && binding->actual.length > 0 &&
                   binding->actual.local.sun_path[0] == '/';
    return is_path ? binding->actual.local.sun_path : NULL;
}

static void remember_path(struct binding *binding)
{
    struct stat now;
    if (path_of(binding) == NULL || stat(path_of(binding), &now) != 0)
        return;
    binding->device = now.st_dev;
    binding->inode = now.st_ino;
}

/* Only what this process has bound: the path may be another's, who was there first or came since.
 */
static void remove_path(const struct binding *binding)
{
    struct stat now;
    if (binding->inode != 0 && stat(path_of(binding), &now) == 0 && now.st_dev == binding->device &&
        now.st_ino == binding->inode)
        (void)unlink(path_of(binding));
}

/* One socket for each worker: of TCP each its own in the SO_REUSEPORT group, of a UNIX address
 * duplicates of the first, as a path can be bound once only. */
static bool open_one(struct binding *binding, unsigned worker, struct error *error)
{
    int fd;
    if (worker > 0 && !address_is_ip(&binding->actual)) {
        fd = fcntl(binding->fds[0], F_DUPFD_CLOEXEC, 0);
        if (fd < 0)
            return error_system(error, errno, "cannot duplicate the socket of %s", binding->text);
    } else if (!socket_listen(&fd, &binding->actual, error)) {
        return false;
    }
    binding->fds[worker] = fd;
    if (worker > 0)
        return true;
    remember_path(binding);
    return socket_local(fd, &binding->actual) ||
           error_system(error, errno, "cannot ask for the address of %s", binding->text);
}

/* The first socket told which address it is (port 0, or IPv4 in place of a missing IPv6): but [::]
 * must stay what both families share. */
static bool open_all(struct binding *binding, struct error *error)
{
    for (unsigned i = 0; i < binding->count; i++)
        if (!open_one(binding, i, error))
            return false;
    return true;
}

static struct binding *create(const char *text, unsigned workers, unsigned count)
{
    struct binding *binding = calloc(1, sizeof *binding + count * sizeof binding->fds[0]);
    if (binding == NULL)
        return NULL;
    atomic_init(&binding->references, 1);
    binding->text = strdup(text);
    binding->workers = workers;
    binding->count = count;
    for (unsigned i = 0; i < count; i++)
        binding->fds[i] = -1;
    if (binding->text != NULL)
        return binding;
    free(binding);
    return NULL;
}

bool binding_open(struct binding **ret, const char *text, const struct address *wanted,
                  unsigned workers, bool among_ours, struct error *error)
{
    if (!among_ours && !socket_probe_free(wanted, error))
        return false;
    struct binding *binding = create(text, workers, workers);
    if (binding == NULL)
        return error_memory(error);
    binding->actual = *wanted;
    if (!open_all(binding, error)) {
        binding_unref(binding);
        return false;
    }
    *ret = binding;
    return true;
}

void binding_set_keepalive(struct binding *binding, const struct keepalive *keepalive)
{
    for (unsigned i = 0; i < binding->count && address_is_ip(&binding->actual); i++)
        socket_set_keepalive(binding->fds[i], keepalive);
}

bool binding_inherit(struct binding **ret, const char *text, const int *fds, unsigned count,
                     unsigned workers, bool managed, struct error *error)
{
    struct address actual;
    char own[ADDRESS_TEXT_MAX];
    bool good = socket_local(fds[0], &actual) ||
                error_system(error, errno, "cannot ask for the address of an inherited socket");
    if (good && text == NULL) {
        address_format(&actual, own);
        text = own;
    }
    struct binding *binding = good ? create(text, workers, count) : NULL;
    if (binding == NULL) {
        for (unsigned i = 0; i < count; i++)
            (void)close(fds[i]);
        return good ? error_memory(error) : false;
    }
    memcpy(binding->fds, fds, count * sizeof fds[0]);
    binding->actual = actual;
    binding->managed = managed;
    binding->shared = true;
    *ret = binding;
    return true;
}

void binding_take_over(struct binding *binding)
{
    if (binding->managed)
        return;
    remember_path(binding);
    binding->shared = false;
}

/* Nothing is written a second time: workers may be looking at it by then. */
void binding_hand_over(struct binding *binding)
{
    if (binding->shared)
        return;
    binding->shared = true;
    binding->inode = 0;
}

static void retire(struct binding *binding)
{
    if (binding->shared)
        return;
    remove_path(binding);
    binding->inode = 0;
    binding->lingers = true;
    for (unsigned i = 0; i < binding->count; i++)
        binding->lingers = socket_hide(binding->fds[i]) && binding->lingers;
}

struct binding *binding_ref(struct binding *binding)
{
    atomic_fetch_add(&binding->references, 1);
    return binding;
}

void binding_unref(struct binding *binding)
{
    if (binding == NULL || atomic_fetch_sub(&binding->references, 1) != 1)
        return;
    for (unsigned i = 0; i < binding->count; i++)
        if (binding->fds[i] >= 0)
            (void)close(binding->fds[i]);
    remove_path(binding);
    free(binding->text);
    free(binding);
}

struct bindings *bindings_create(size_t count)
{
    struct bindings *bindings = calloc(1, sizeof *bindings + count * sizeof bindings->item[0]);
    if (bindings == NULL)
        return NULL;
    atomic_init(&bindings->references, 1);
    bindings->count = count;
    return bindings;
}

struct bindings *bindings_ref(struct bindings *bindings)
{
    atomic_fetch_add(&bindings->references, 1);
    return bindings;
}

bool bindings_have(const struct bindings *bindings, const struct binding *binding)
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (bindings->item[i].binding == binding)
            return true;
    return false;
}

void bindings_retire_others(struct bindings *bindings, const struct bindings *kept)
{
    for (size_t i = 0; bindings != NULL && i < bindings->count; i++)
        if (!bindings_have(kept, bindings->item[i].binding))
            retire(bindings->item[i].binding);
}

void bindings_unref(struct bindings *bindings)
{
    if (bindings == NULL || atomic_fetch_sub(&bindings->references, 1) != 1)
        return;
    for (size_t i = 0; i < bindings->count; i++)
        binding_unref(bindings->item[i].binding);
    free(bindings);
}
