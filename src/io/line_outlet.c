#include "line_outlet.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* How long one wait for a stuck reader lasts. */
#define STUCK_MS 100

/* A socket that nobody listens at is tried again so often. */
#define RETRY_US UINT64_C(1000000)

#define IDENTIFIER "muxgate"
#define PRIORITY   6u /* informational */
#define FACILITY   3u /* a daemon */

struct outlet {
    enum line_protocol protocol;
    int fd; /* -1: a socket that nobody listens at now */
    bool owned;
    char *path;           /* owned; of a socket */
    uint64_t retry_at_us; /* with fd -1 */
    size_t begun;         /* of a stream: bytes of a line whose end is not written yet */
    bool torn;            /* such a line was left, and is to be ended before the next one */
};

/* --- life ------------------------------------------------------------------------------------- */

/* Connected, so that poll() tells when its reader has room. */
static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, length + 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        int failure = errno;
        (void)close(fd);
        errno = failure;
        return -1;
    }
    return fd;
}

/* Of a process that ended while its disk was full, or in the middle of a line. */
static bool ends_amid_line(int written, const char *file)
{
    struct stat now;
    char last = '\n';
    if (fstat(written, &now) != 0 || !S_ISREG(now.st_mode) || now.st_size == 0)
        return false;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool torn = fd >= 0 && pread(fd, &last, 1, now.st_size - 1) == 1 && last != '\n';
    if (fd >= 0)
        (void)close(fd);
    return torn;
}

static bool open_stream(struct outlet *o, const struct line_target *target, struct error *error)
{
    o->owned = target->file != NULL;
    o->fd = target->fd;
    if (!o->owned)
        return true;
    o->fd =
        open(target->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (o->fd < 0)
        return error_system(error, errno, "cannot open the access log %s", target->file);
    o->torn = ends_amid_line(o->fd, target->file);
    return true;
}

static bool open_socket(struct outlet *o, const struct line_target *target, struct error *error)
{
    o->owned = true;
    o->path = strdup(target->file);
    if (o->path == NULL)
        return error_memory(error);
    o->fd = connect_to(o->path);
    return true;
}

bool outlet_open(struct outlet **ret, const struct line_target *target, struct error *error)
{
    struct outlet *o = calloc(1, sizeof *o);
    if (o == NULL)
        return error_memory(error);
    o->protocol = target->protocol;
    bool done = o->protocol == LINE_STREAM ? open_stream(o, target, error)
                                           : open_socket(o, target, error);
    if (!done) {
        outlet_close(o);
        return false;
    }
    *ret = o;
    return true;
}

void outlet_close(struct outlet *o)
{
    if (o == NULL)
        return;
    if (o->owned && o->fd >= 0)
        (void)close(o->fd);
    free(o->path);
    free(o);
}

bool line_target_is_there(const struct line_target *target, struct error *error)
{
    if (target->protocol == LINE_STREAM)
        return true;
    int fd = connect_to(target->file);
    if (fd < 0)
        return error_system(error, errno, "nobody listens at %s", target->file);
    (void)close(fd);
    return true;
}

/* --- forms ------------------------------------------------------------------------------------ */

bool outlet_takes_many(const struct outlet *o)
{
    return o->protocol == LINE_STREAM;
}

/* The line that is the value of the first field, with its newline. */
static struct span message_of(enum line_form form, struct span line)
{
    if (form == LINE_TEXT)
        return line;
    struct span value = span_skip(line, sizeof "MESSAGE=" - 1);
    const unsigned char *end = memchr(value.data, '\n', value.length);
    return end == NULL ? value : span_first(value, (size_t)(end - value.data) + 1);
}

static void add_syslog(struct text *packet, struct span message)
{
    char when[32] = "";
    struct tm local;
    time_t now = time(NULL);
    if (localtime_r(&now, &local) != NULL)
        (void)strftime(when, sizeof when, "%b %e %H:%M:%S", &local);
    text_format(packet, "<%u>%s " IDENTIFIER "[%d]: ", FACILITY << 3 | PRIORITY, when,
                (int)getpid());
    text_add_span(packet, span_first(message, message.length - 1));
}

static void add_journal(struct text *packet, enum line_form form, struct span line)
{
    if (form == LINE_TEXT)
        text_add(packet, "MESSAGE=");
    text_add_span(packet, line);
    text_format(packet, "PRIORITY=%u\nSYSLOG_IDENTIFIER=" IDENTIFIER "\n", PRIORITY);
}

void outlet_add(const struct outlet *o, struct text *packet, enum line_form form, struct span line)
{
    if (o->protocol == LINE_JOURNAL)
        add_journal(packet, form, line);
    else if (o->protocol == LINE_SYSLOG)
        add_syslog(packet, message_of(form, line));
    else
        text_add_span(packet, message_of(form, line));
}

/* --- writing ---------------------------------------------------------------------------------- */

static bool is_for_later(int failure)
{
    return failure == EAGAIN || failure == EINTR;
}

static void note_written(struct outlet *o, struct span written)
{
    const unsigned char *end = memrchr(written.data, '\n', written.length);
    if (end == NULL)
        o->begun += written.length;
    else
        o->begun = written.length - (size_t)(end + 1 - written.data);
}

/* Only the end of a file is taken back, and only while nobody else has written behind it. */
static bool take_back(const struct outlet *o)
{
    struct stat now;
    off_t end = lseek(o->fd, 0, SEEK_CUR), begin = end - (off_t)o->begun;
    return end > 0 && begin >= 0 && fstat(o->fd, &now) == 0 && S_ISREG(now.st_mode) &&
           now.st_size == end && ftruncate(o->fd, begin) == 0 &&
           lseek(o->fd, begin, SEEK_SET) == begin;
}

void outlet_tear(struct outlet *o)
{
    if (o->begun > 0)
        o->torn = !take_back(o);
    o->begun = 0;
}

void outlet_pass_on(const struct outlet *o, struct outlet *next)
{
    if (!o->owned && !next->owned && o->fd == next->fd)
        next->torn = o->torn;
}

/* At most PIPE_BUF at a time: after POLLOUT a pipe takes so much without blocking, even if its
 * other owner left it in blocking mode. */
static size_t write_stream(struct outlet *o, struct span bytes)
{
    struct pollfd target = {.fd = o->fd, .events = POLLOUT};
    if (poll(&target, 1, STUCK_MS) <= 0)
        return 0;
    if (o->torn && write(o->fd, "\n", 1) != 1)
        return is_for_later(errno) ? 0 : OUTLET_LOST;
    o->torn = false;
    ssize_t written = write(o->fd, bytes.data, bytes.length > PIPE_BUF ? PIPE_BUF : bytes.length);
    if (written >= 0) {
        note_written(o, span_first(bytes, (size_t)written));
        return (size_t)written;
    }
    return is_for_later(errno) ? 0 : OUTLET_LOST; /* a closed pipe, a full disk */
}

static bool send_packet(int fd, struct span packet)
{
    return send(fd, packet.data, packet.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool send_descriptor(int fd, int passed)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
    const struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control.bytes};
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool fill(int fd, struct span packet)
{
    while (packet.length > 0) {
        ssize_t written = write(fd, packet.data, packet.length);
        if (written <= 0)
            return false;
        packet = span_skip(packet, (size_t)written);
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
}

/* An entry that no datagram holds goes as a sealed file in memory. */
static bool send_file(int fd, struct span packet)
{
    int file = memfd_create("muxgate-line", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return false;
    bool sent = fill(file, packet) && send_descriptor(fd, file);
    int failure = errno;
    (void)close(file);
    errno = failure;
    return sent;
}

static bool try_to_send(const struct outlet *o, struct span packet)
{
    if (send_packet(o->fd, packet))
        return true;
    bool too_big = errno == EMSGSIZE || errno == ENOBUFS;
    return too_big && o->protocol == LINE_JOURNAL && send_file(o->fd, packet);
}

/* Whoever listened may have been started anew, with a new socket at the same path. */
static bool connect_again(struct outlet *o)
{
    if (o->fd >= 0)
        (void)close(o->fd);
    o->fd = connect_to(o->path);
    o->retry_at_us = clock_monotonic_us() + RETRY_US;
    return o->fd >= 0;
}

static size_t write_datagram(struct outlet *o, struct span packet)
{
    if (o->fd < 0 && (clock_monotonic_us() < o->retry_at_us || !connect_again(o)))
        return OUTLET_LOST;
    if (try_to_send(o, packet))
        return packet.length;
    if (is_for_later(errno)) {
        (void)poll(&(struct pollfd){.fd = o->fd, .events = POLLOUT}, 1, STUCK_MS);
        return 0;
    }
    if (errno == EMSGSIZE || errno == ENOBUFS)
        return OUTLET_LOST;
    return connect_again(o) && try_to_send(o, packet) ? packet.length : OUTLET_LOST;
}

size_t outlet_write(struct outlet *o, struct span packet)
{
    return o->protocol == LINE_STREAM ? write_stream(o, packet) : write_datagram(o, packet);
}
