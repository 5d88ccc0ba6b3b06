// SPDX-License-Identifier: GPL-2.0-or-later
// sink PORT: an origin that takes a request's whole body (content-length or chunked) and answers how long it was, in 20 bytes.
// GET /count is answered "requests bytes" since the start. One thread, loopback only, ends with SIGTERM.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_HEAD 16384

enum part { HEAD, BODY, SIZE, CHUNK, CHUNK_END, TRAILER };

struct conn {
    int fd;
    enum part part;
    bool count;
    char head[MAX_HEAD];    // the head so far, or a line of the chunked coding
    size_t len;
    uint64_t left, got;
};

static uint64_t requests, bytes;

static bool answer(struct conn *c)
{
    char body[64], whole[256];
    int len = snprintf(body, sizeof(body), "received %010llu\n", (unsigned long long)c->got);
    if (c->count) {
        len = snprintf(body, sizeof(body), "%llu %llu\n", (unsigned long long)requests, (unsigned long long)bytes);
    } else {
        requests++;
        bytes += c->got;
    }
    len = snprintf(whole, sizeof(whole), "HTTP/1.1 200 OK\r\nServer: sink\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len, body);
    c->part = HEAD;
    c->len = 0;
    c->got = 0;
    return send(c->fd, whole, (size_t)len, MSG_NOSIGNAL) == len;  // so short that it always fits
}

static bool head_done(struct conn *c)
{
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->count = strncmp(c->head, "GET /count ", 11) == 0;
    c->len = 0;
    if (strcasestr(c->head, "\r\nexpect: 100-continue") && send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL) != 25) {
        return false;
    }
    if (strcasestr(c->head, "\r\ntransfer-encoding: chunked")) {
        c->part = SIZE;
        return true;
    }
    c->left = length ? strtoull(length + 17, NULL, 10) : 0;
    c->part = BODY;
    return c->left > 0 || answer(c);
}

static bool line_done(struct conn *c)
{
    bool empty = c->len == 0;
    c->head[c->len] = 0;
    c->len = 0;
    if (c->part == SIZE) {
        c->left = strtoull(c->head, NULL, 16);
        c->part = c->left ? CHUNK : TRAILER;
    } else if (c->part == CHUNK_END) {
        c->part = SIZE;
    } else if (empty) {
        return answer(c);
    }
    return true;
}

static bool take_head(struct conn *c, const char **data, size_t *len)
{
    size_t before = c->len, part = *len < MAX_HEAD - 1 - before ? *len : MAX_HEAD - 1 - before;
    memcpy(c->head + before, *data, part);
    c->head[before + part] = 0;
    char *end = strstr(c->head + (before > 3 ? before - 3 : 0), "\r\n\r\n");
    if (end) {
        part = (size_t)(end + 4 - c->head) - before;
        end[2] = 0;
    }
    *data += part;
    *len -= part;
    c->len += part;
    return end ? head_done(c) : part > 0;
}

static bool feed(struct conn *c, const char *data, size_t len)
{
    while (len > 0) {
        if (c->part == HEAD) {
            if (!take_head(c, &data, &len)) {
                return false;
            }
        } else if (c->part == BODY || c->part == CHUNK) {
            size_t part = len < c->left ? len : c->left;
            data += part;
            len -= part;
            c->left -= part;
            c->got += part;
            if (c->left == 0) {
                if (c->part == BODY && !answer(c)) {
                    return false;
                }
                c->part = c->part == CHUNK ? CHUNK_END : c->part;
            }
        } else {
            char ch = *data++;
            len--;
            if (ch == '\n' ? !line_done(c) : c->len == MAX_HEAD - 1) {
                return false;
            }
            if (ch != '\n' && ch != '\r') {
                c->head[c->len++] = ch;
            }
        }
    }
    return true;
}

static void take_connections(int loop, int listener)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        if (!c) {
            abort();
        }
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(loop, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv)
{
    static char data[262144];
    int one = 1, loop = epoll_create1(EPOLL_CLOEXEC), listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argc == 2 ? argv[1] : "0")),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event e = {.events = EPOLLIN}, ready[256];
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (argc != 2 || bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 4096) ||
        epoll_ctl(loop, EPOLL_CTL_ADD, listener, &e)) {
        perror("sink");
        return 1;
    }
    for (;;) {
        int count = epoll_wait(loop, ready, 256, -1);
        for (int i = 0; i < count; i++) {
            struct conn *c = ready[i].data.ptr;
            if (!c) {
                take_connections(loop, listener);
                continue;
            }
            ssize_t got = recv(c->fd, data, sizeof(data), 0);
            if ((got < 0 && errno != EAGAIN) || got == 0 || (got > 0 && !feed(c, data, (size_t)got))) {
                close(c->fd);
                free(c);
            }
        }
    }
}
