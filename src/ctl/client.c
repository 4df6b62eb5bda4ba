#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

void client_add_part(struct text *path, const char *part)
{
    for (const unsigned char *at = (const unsigned char *)part; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                     (*at >= '0' && *at <= '9') || strchr("-._~", *at) != NULL;
        text_format(path, plain ? "%c" : "%%%02X", *at);
    }
}

/* --- connecting ------------------------------------------------------------------------------- */

static bool explain(struct error *error, int number, const char *path)
{
    switch (number) {
    case ENOENT:
        return error_input(error,
                           "there is no socket %s: is muxgate running, with \"admin\": "
                           "{\"socket\": …} in its configuration? (-s SOCKET names another)",
                           path);
    case EACCES:
        return error_input(error,
                           "may not open %s: be of the socket's group (ls -l tells which), or "
                           "use sudo",
                           path);
    case ECONNREFUSED:
        return error_input(error, "nobody answers at %s: muxgate is not running", path);
    default:
        return error_system(error, number, "cannot connect to %s", path);
    }
}

static bool connect_to(int *ret, const char *path, struct error *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = CLIENT_SECONDS};
    if (strlen(path) >= sizeof address.sun_path)
        return error_input(error, "%s is too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_system(error, errno, "cannot open a socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int number = errno;
        (void)close(fd);
        return explain(error, number, path);
    }
    *ret = fd;
    return true;
}

/* --- talking ---------------------------------------------------------------------------------- */

static bool send_request(int fd, const char *method, const char *path, const char *body,
                         struct error *error)
{
    struct text request = {0};
    size_t length = body == NULL ? 0 : strlen(body);
    text_format(&request,
                "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
                "%zu\r\n\r\n%s",
                method, path, length, body == NULL ? "" : body);
    bool good = !request.failed || error_memory(error);
    for (size_t at = 0; good && at < request.length;) {
        ssize_t count = send(fd, request.data + at, request.length - at, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        good = count > 0 || error_system(error, errno, "muxgate does not listen to the end");
        at += count > 0 ? (size_t)count : 0;
    }
    text_release(&request);
    return good;
}

static bool read_all(struct text *ret, int fd, struct error *error)
{
    char piece[65536];
    for (;;) {
        ssize_t count = recv(fd, piece, sizeof piece, 0);
        if (count == 0)
            return !ret->failed || error_memory(error);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return error_input(error, "muxgate did not answer within %d s", CLIENT_SECONDS);
        if (count < 0)
            return error_system(error, errno, "the answer broke off");
        if (ret->length + (size_t)count > CLIENT_MOST_BYTES)
            return error_input(error, "the answer is too big");
        text_add_span(ret, span_of(piece, (size_t)count));
    }
}

/* --- the answer ------------------------------------------------------------------------------- */

/* The value of a header in the head of the answer; empty where it is not. */
static struct span find_header(struct span head, const char *name)
{
    size_t length = strlen(name);
    for (size_t at = 0; at + length + 1 < head.length; at++) {
        if (at > 0 && head.data[at - 1] != '\n')
            continue;
        if (strncasecmp((const char *)head.data + at, name, length) != 0 ||
            head.data[at + length] != ':')
            continue;
        struct span value = span_skip(head, at + length + 1);
        const unsigned char *end = memchr(value.data, '\r', value.length);
        return span_first(value, end == NULL ? value.length : (size_t)(end - value.data));
    }
    return span_of("", 0);
}

/* Chunks are not asked for and not understood: the gateway does not send them. */
bool client_parse(struct client_answer *ret, struct span whole, struct error *error)
{
    static const char blank[] = "\r\n\r\n";
    bool any = whole.length >= 12;
    const unsigned char *end = any ? memmem(whole.data, whole.length, blank, 4) : NULL;
    if (end == NULL || memcmp(whole.data, "HTTP/1.", 7) != 0)
        return error_input(error, "what answers there is no muxgate");
    char status[4] = {(char)whole.data[9], (char)whole.data[10], (char)whole.data[11], '\0'};
    struct span head = span_first(whole, (size_t)(end - whole.data) + 2);
    struct span body = span_skip(whole, (size_t)(end - whole.data) + 4);
    char length[24] = "";
    struct span told = find_header(head, "Content-Length");
    (void)snprintf(length, sizeof length, "%.*s", (int)(told.length < 20 ? told.length : 20),
                   (const char *)told.data);
    if (length[0] != '\0' && strtoull(length, NULL, 10) != body.length)
        return error_input(error, "the answer broke off");
    ret->status = (unsigned)strtoul(status, NULL, 10);
    ret->body = (struct text){0};
    text_add_span(&ret->body, body);
    return !ret->body.failed || error_memory(error);
}

bool client_ask(struct client_answer *ret, const char *socket, const char *method, const char *path,
                const char *body, struct error *error)
{
    int fd = -1;
    struct text whole = {0};
    if (!connect_to(&fd, socket, error))
        return false;
    bool good = send_request(fd, method, path, body, error) && read_all(&whole, fd, error) &&
                client_parse(ret, span_of(whole.data, whole.length), error);
    (void)close(fd);
    text_release(&whole);
    return good;
}
