#include "app/inherit.h"

#include "app/activation.h"
#include "app/predecessors.h"
#include "base/log.h"
#include "pool/wishes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- packets ---------------------------------------------------------------------------------- */

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(INHERIT_FDS_MAX * sizeof(int))];
};

bool inherit_send(int fd, const struct inherit_packet *packet)
{
    char kind = (char)packet->kind;
    union control control = {0};
    struct iovec parts[] = {
        {.iov_base = &kind, .iov_len = 1},
        {.iov_base = (void *)(uintptr_t)packet->text, .iov_len = strlen(packet->text) + 1},
        {.iov_base = (void *)(uintptr_t)packet->bytes, .iov_len = packet->length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    if (packet->fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(packet->fd_count * sizeof(int));
        struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(packet->fd_count * sizeof(int));
        memcpy(CMSG_DATA(rights), packet->fds, packet->fd_count * sizeof(int));
    }
    ssize_t sent;
    do /* with a time limit, signals end it whatever SA_RESTART says: signal(7) */
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

static void take_descriptors(struct inherit_packet *ret, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        size_t bytes = c->cmsg_len - CMSG_LEN(0);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || bytes > sizeof ret->fds)
            continue;
        memcpy(ret->fds, CMSG_DATA(c), bytes);
        ret->fd_count = (unsigned)(bytes / sizeof(int));
    }
}

static void drop_descriptors(const struct inherit_packet *packet)
{
    for (unsigned i = 0; i < packet->fd_count; i++)
        (void)close(packet->fds[i]);
}

bool inherit_receive(int fd, struct inherit_packet *ret, unsigned char buffer[INHERIT_BYTES_MAX])
{
    union control control = {0};
    struct iovec part = {.iov_base = buffer, .iov_len = INHERIT_BYTES_MAX};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    *ret = (struct inherit_packet){0};
    errno = 0;
    ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    if (count <= 0)
        return false;
    take_descriptors(ret, &message);
    const unsigned char *end = memchr(buffer + 1, '\0', (size_t)count - 1);
    if (end == NULL || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        drop_descriptors(ret);
        errno = EPROTO;
        return false;
    }
    ret->kind = buffer[0];
    ret->text = (const char *)buffer + 1;
    ret->bytes = end + 1;
    ret->length = (size_t)(buffer + count - ret->bytes);
    return true;
}

/* --- the heir's side -------------------------------------------------------------------------- */

/* How long it waits for its own inheritance, which was sent before it was born. */
#define PATIENCE_S 10

struct receiver {
    struct heir *heir;
    const struct snapshot *snapshot;
    unsigned workers;
    struct error *error;
};

static bool add_binding(const struct receiver *r, const struct inherit_packet *packet)
{
    struct bindings *before = r->heir->bindings;
    size_t count = before == NULL ? 0 : before->count;
    struct bindings *bindings = bindings_create(count + 1);
    if (bindings == NULL) {
        drop_descriptors(packet);
        return error_memory(r->error);
    }
    bindings->count = count;
    for (size_t i = 0; i < count; i++)
        bindings->item[i].binding = binding_ref(before->item[i].binding);
    bindings_unref(before);
    r->heir->bindings = bindings;
    if (!binding_inherit(&bindings->item[count].binding, packet->text, packet->fds,
                         packet->fd_count, r->workers, packet->kind == INHERIT_MANAGED, r->error))
        return false;
    bindings->count++;
    return true;
}

static bool add_endpoint(const struct receiver *r, const struct inherit_packet *packet)
{
    for (unsigned i = 1; i < packet->fd_count; i++)
        (void)close(packet->fds[i]);
    return endpoints_inherit(&r->heir->endpoints, strcmp(packet->text, "socket") == 0,
                             (const char *)packet->bytes, packet->fds[0], r->error);
}

static void give_tickets(void *context, struct tls_policy *policy)
{
    const struct inherit_packet *packet = context;
    if (strcmp(tls_policy_path(policy), packet->text) == 0)
        tls_policy_take_ticket_keys(policy, packet->bytes, packet->length);
}

static bool take_wishes(const struct snapshot *snapshot, const struct inherit_packet *packet,
                        struct error *error)
{
    struct pool *pool = pool_set_find(snapshot->pools, packet->text);
    return pool == NULL || pool_take_wishes(pool, span_of(packet->bytes, packet->length), error);
}

static bool take(const struct receiver *r, struct inherit_packet *packet)
{
    bool has_text = packet->length > 0 && packet->bytes[packet->length - 1] == '\0';
    bool is_binding = packet->kind == INHERIT_BINDING || packet->kind == INHERIT_MANAGED;
    if (is_binding && packet->fd_count > 0)
        return add_binding(r, packet);
    if (packet->kind == INHERIT_ADMIN && packet->fd_count > 0 && has_text)
        return add_endpoint(r, packet);
    if (packet->kind == INHERIT_BEFORE && packet->fd_count == 1) {
        predecessors_add(r->heir->before, packet->fds[0]);
        return true;
    }
    if (packet->kind == INHERIT_TICKETS)
        snapshot_each_policy(r->snapshot, give_tickets, packet);
    if (packet->kind == INHERIT_WISHES && !take_wishes(r->snapshot, packet, r->error))
        return false;
    drop_descriptors(packet);
    return true;
}

static bool receive_all(const struct receiver *r)
{
    unsigned char *buffer = malloc(INHERIT_BYTES_MAX);
    struct inherit_packet packet;
    bool good = buffer != NULL || error_memory(r->error);
    bool ended = false;
    while (good && !ended) {
        good = inherit_receive(r->heir->fd, &packet, buffer) ||
               error_system(r->error, errno, "cannot take over from the process before");
        ended = good && packet.kind == INHERIT_END;
        if (good && !ended)
            good = take(r, &packet);
    }
    if (buffer != NULL)
        explicit_bzero(buffer, INHERIT_BYTES_MAX); /* ticket keys */
    free(buffer);
    return good;
}

bool heir_expects(void)
{
    return getenv(INHERIT_VARIABLE) != NULL || activation_expects();
}

bool heir_open(struct heir *heir, const struct snapshot *snapshot, unsigned workers,
               struct predecessors *before, struct error *error)
{
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const char *number = getenv(INHERIT_VARIABLE);
    *heir = (struct heir){.fd = -1, .before = before};
    if (number == NULL)
        return activation_take(&heir->bindings, workers, error);
    heir->fd = (int)strtol(number, NULL, 10);
    (void)unsetenv(INHERIT_VARIABLE);
    (void)fcntl(heir->fd, F_SETFD, FD_CLOEXEC);
    (void)setsockopt(heir->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const struct receiver receiver = {heir, snapshot, workers, error};
    return receive_all(&receiver);
}

/* They came too late for what was inherited, and too early for this one's own admin interface. */
static void take_late_wishes(const struct heir *heir, const struct snapshot *snapshot)
{
    unsigned char buffer[INHERIT_BYTES_MAX];
    struct inherit_packet packet;
    struct error error;
    (void)fcntl(heir->fd, F_SETFL, O_NONBLOCK);
    while (inherit_receive(heir->fd, &packet, buffer)) {
        drop_descriptors(&packet);
        if (packet.kind == INHERIT_WISHES && !take_wishes(snapshot, &packet, &error))
            log_event(LOG_LEVEL_WARNING, "upgrade.wishes", "pool=%s lost=true", packet.text);
    }
    (void)fcntl(heir->fd, F_SETFL, 0);
}

static bool say_ready(const struct heir *heir, const struct bindings *bindings)
{
    const struct inherit_packet tells = {.kind = INHERIT_TELLS, .text = ""},
                                ready = {.kind = INHERIT_READY, .text = ""};
    for (size_t i = 0; heir->bindings != NULL && i < heir->bindings->count; i++) {
        const struct binding *binding = heir->bindings->item[i].binding;
        const struct inherit_packet kept = {.kind = INHERIT_KEPT, .text = binding->text};
        if (bindings_have(bindings, binding) && !inherit_send(heir->fd, &kept))
            return false;
    }
    return inherit_send(heir->fd, &tells) && inherit_send(heir->fd, &ready);
}

static void take_over(const struct heir *heir, const struct bindings *bindings)
{
    for (size_t i = 0; heir->bindings != NULL && i < heir->bindings->count; i++)
        if (bindings_have(bindings, heir->bindings->item[i].binding))
            binding_take_over(heir->bindings->item[i].binding);
    if (heir->endpoints != NULL)
        endpoints_take_over(heir->endpoints);
}

bool heir_tell_ready(struct heir *heir, const struct snapshot *snapshot,
                     const struct bindings *bindings, struct error *error)
{
    if (heir->fd < 0)
        return true;
    take_late_wishes(heir, snapshot);
    /* Whether it was read, nobody knows; who would serve in place of whoever should have is asked
     * in any case. */
    bool heard = say_ready(heir, bindings);
    if (!predecessors_replace(heir->before))
        return error_input(error, "the process before has crashed, and another one serves in its "
                                  "place");
    take_over(heir, bindings);
    if (heard)
        predecessors_add(heir->before, heir->fd);
    else
        (void)close(heir->fd);
    heir->fd = -1;
    if (!heard)
        log_event(LOG_LEVEL_WARNING, "upgrade.alone", "reason=\"the process before is gone\"");
    return true;
}

void heir_done(struct heir *heir)
{
    bindings_unref(heir->bindings);
    endpoints_unref(heir->endpoints);
    if (heir->fd >= 0)
        (void)close(heir->fd);
    *heir = (struct heir){.fd = -1};
}
