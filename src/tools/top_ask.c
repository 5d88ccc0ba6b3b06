/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/top_ask.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

bool sp_top_address(const char *text, struct sp_addr *ret)
{
    assert(text && ret);
    const char *path = strncmp(text, "unix:", 5) == 0 ? text + 5 : *text == '/' ? text : NULL;
    memset(ret, 0, sizeof(*ret));
    if (path) {
        ret->family = AF_UNIX;
        ret->path = path;
        return *path == '/';
    }
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (!colon || sp_str_u64(sp_str_c(colon + 1), 65535, &port) < 0 || !port)
        return false;
    struct sp_str host = sp_str_n(text, (size_t)(colon - text));
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = sp_str_sub(host, 1, host.len - 1);
    if (sp_str_eq(host, SP_STR("localhost")))
        host = SP_STR("127.0.0.1");
    if (sp_addr_parse_ip(host, ret) < 0)
        return false;
    ret->port = (uint16_t)port;
    return true;
}

void sp_top_ask_init(struct sp_top_ask *a, const struct sp_addr *to)
{
    assert(a && to);
    *a = (struct sp_top_ask){.to = *to, .fd = -1};
    if (to->family == AF_UNIX)
        snprintf(a->host, sizeof(a->host), "localhost");
    else
        sp_addr_format(to, a->host);
}

static void hang_up(struct sp_top_ask *a)
{
    if (a->fd >= 0)
        close(a->fd);
    a->fd = -1;
}

void sp_top_ask_done(struct sp_top_ask *a)
{
    assert(a);
    hang_up(a);
    free(a->answer);
    a->answer = NULL;
}

void sp_top_ask_fail(struct sp_top_ask *a, const char *why)
{
    assert(a && why);
    hang_up(a);
    snprintf(a->why, sizeof(a->why), "%s", why);
    a->state = SP_TOP_FAILED;
}

void sp_top_ask_begin(struct sp_top_ask *a, const char *path)
{
    assert(a && path);
    struct sockaddr_storage ss;
    hang_up(a);
    a->n = a->sent = 0;
    int n = snprintf(a->request, sizeof(a->request), "GET %s HTTP/1.1\r\nhost: %s\r\nconnection: close\r\n\r\n", path, a->host);
    if (n < 0 || (size_t)n >= sizeof(a->request)) {
        sp_top_ask_fail(a, "the request is too long");
        return;
    }
    a->n_request = (size_t)n;
    socklen_t len = sp_addr_to_sockaddr(&a->to, &ss);
    a->fd = len ? socket(a->to.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
    a->state = SP_TOP_CONNECTING;
    if (a->fd < 0 || (connect(a->fd, (struct sockaddr *)&ss, len) < 0 && errno != EINPROGRESS))
        sp_top_ask_fail(a, len ? strerrordesc_np(errno) : "the path is too long");
}

short sp_top_ask_events(const struct sp_top_ask *a)
{
    assert(a);
    return a->state == SP_TOP_CONNECTING || a->state == SP_TOP_SENDING ? POLLOUT : a->state == SP_TOP_READING ? POLLIN : 0;
}

/* ---- the answer ---- */

/* The field's value in the head, or NULL; its line's end is behind it. */
static const char *field(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, name, strlen(name)) == 0 && line[2 + strlen(name)] == ':')
            return line + 3 + strlen(name) + strspn(line + 3 + strlen(name), " ");
    return NULL;
}

/* Takes the chunks' frames out, in place. False: it is cut short. */
static bool unchunk(char *body, size_t *n)
{
    char *from = body, *end = body + *n, *to = body;
    for (;;) {
        char *after;
        errno = 0;
        unsigned long size = isxdigit((unsigned char)*from) ? strtoul(from, &after, 16) : ULONG_MAX;
        if (size > (unsigned long)SP_TOP_ANSWER_MAX)
            return false;
        after = strstr(after, "\r\n");
        if (!after || size > (size_t)(end - after))
            return false;
        memmove(to, after + 2, size);
        to += size;
        from = after + 2 + size + 2;
        if (!size || from >= end)
            break;
    }
    *n = (size_t)(to - body);
    *to = 0;
    return true;
}

/* All has come. */
static void parse(struct sp_top_ask *a)
{
    a->answer[a->n] = 0;
    char *end = strstr(a->answer, "\r\n\r\n");
    unsigned minor;
    if (!end || sscanf(a->answer, "HTTP/1.%1u %3u ", &minor, &a->status) != 2) {
        sp_top_ask_fail(a, a->n ? "what answers there speaks no HTTP/1.1" : "the connection was closed without an answer");
        return;
    }
    char *body = end + 4;
    size_t n = a->n - (size_t)(body - a->answer);
    end[2] = 0; /* the head ends here for field() */
    const char *length = field(a->answer, "content-length"), *coding = field(a->answer, "transfer-encoding");
    if (coding ? !unchunk(body, &n) : length && n < strtoull(length, NULL, 10)) {
        sp_top_ask_fail(a, "the answer is cut short");
        return;
    }
    hang_up(a);
    a->body = body;
    a->n_body = n;
    a->state = SP_TOP_DONE;
}

static void read_some(struct sp_top_ask *a)
{
    if (a->cap - a->n < 65536) {
        a->cap = a->cap ? 2 * a->cap : 262144;
        a->answer = sp_xrealloc(a->answer, a->cap);
    }
    ssize_t n = read(a->fd, a->answer + a->n, a->cap - a->n - 1);
    if (n > 0 && (a->n += (size_t)n) > SP_TOP_ANSWER_MAX)
        sp_top_ask_fail(a, "the answer is too large");
    else if (n == 0)
        parse(a);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        sp_top_ask_fail(a, strerrordesc_np(errno));
}

static void connected(struct sp_top_ask *a)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err)
        sp_top_ask_fail(a, strerrordesc_np(err ? err : errno));
    else
        a->state = SP_TOP_SENDING;
}

static void send_some(struct sp_top_ask *a)
{
    ssize_t n = send(a->fd, a->request + a->sent, a->n_request - a->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        sp_top_ask_fail(a, strerrordesc_np(errno));
    else if (n > 0 && (a->sent += (size_t)n) == a->n_request)
        a->state = SP_TOP_READING;
}

void sp_top_ask_run(struct sp_top_ask *a)
{
    assert(a);
    if (a->state == SP_TOP_CONNECTING)
        connected(a);
    else if (a->state == SP_TOP_SENDING)
        send_some(a);
    else if (a->state == SP_TOP_READING)
        read_some(a);
}
