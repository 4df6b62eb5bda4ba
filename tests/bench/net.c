#include "net.h"

#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

static struct sockaddr_in loopback(uint8_t host, uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl((INADDR_LOOPBACK & 0xffffff00u) | host),
    };
}

static bool attach(int fd, int (*call)(int, const struct sockaddr *, socklen_t), uint8_t host,
                   uint16_t port)
{
    struct sockaddr_in address = loopback(host, port);

    return call(fd, (const struct sockaddr *)&address, sizeof address) == 0;
}

static void switch_on(int fd, int level, int option)
{
    int on = 1;

    if (setsockopt(fd, level, option, &on, sizeof on) < 0)
        die("setsockopt: %s", strerror(errno));
}

static int tcp_socket(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        die("socket: %s", strerror(errno));
    return fd;
}

int net_listen(uint16_t port)
{
    int fd = tcp_socket(SOCK_NONBLOCK);

    switch_on(fd, SOL_SOCKET, SO_REUSEADDR);
    switch_on(fd, SOL_SOCKET, SO_REUSEPORT);
    switch_on(fd, IPPROTO_TCP, TCP_NODELAY); /* accepted sockets inherit it */
    if (!attach(fd, bind, 1, port) || listen(fd, BACKLOG) < 0)
        die("port %u: %s", port, strerror(errno));
    return fd;
}

uint16_t net_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        die("getsockname: %s", strerror(errno));
    return ntohs(address.sin_port);
}

int net_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        die("accept: %s", strerror(errno));
    return fd;
}

static int fail(int fd)
{
    int number = errno;

    close(fd);
    errno = number;
    return -1;
}

int net_connect(uint16_t port, uint8_t source)
{
    const struct timeval patience = {.tv_sec = 10};
    int fd = tcp_socket(0);

    switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (source > 1) {
        switch_on(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
        if (!attach(fd, bind, source, 0))
            return fail(fd);
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!attach(fd, connect, 1, port) || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return fail(fd);
    return fd;
}

int net_connect_begin(uint16_t port)
{
    int fd = tcp_socket(SOCK_NONBLOCK);

    switch_on(fd, IPPROTO_TCP, TCP_NODELAY);
    if (!attach(fd, connect, 1, port) && errno != EINPROGRESS)
        return fail(fd);
    return fd;
}
