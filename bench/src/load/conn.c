// SPDX-License-Identifier: GPL-2.0-or-later
// Sockets, TLS and the event loop.
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536

struct conn **slots;
unsigned open_conns;
uint64_t inflight_all;

static int loop;
static SSL_CTX *context;
static SSL_SESSION **sessions;  // by slot, to resume
static struct conn *dead;
static unsigned sources_used;

static int on_session(SSL *tls, SSL_SESSION *session)
{
    struct conn *c = SSL_get_app_data(tls);
    SSL_SESSION_free(sessions[c->slot]);
    sessions[c->slot] = session;
    return 1;  // ours now
}

void conn_init(void)
{
    loop = epoll_create1(EPOLL_CLOEXEC);
    slots = calloc(opt.conns, sizeof(*slots));
    sessions = calloc(opt.conns, sizeof(*sessions));
    context = SSL_CTX_new(TLS_client_method());
    if (loop < 0 || !slots || !sessions || !context || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 || SSL_CTX_set1_groups_list(context, "X25519") != 1 ||
        SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x02h2", 3) != 0) {
        fprintf(stderr, "load: OpenSSL does not do TLS 1.3 as it should\n");
        exit(2);
    }
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);  // the checks before the run have verified it
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (opt.resume) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(context, on_session);
    }
    if (!opt.hold && !opt.fresh) {  // fewer reads: the client shares its processor with the origin
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_read_buffer_len(context, READ_SIZE);
    }
}

static void watch(struct conn *c, unsigned events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (c->watched != events && epoll_ctl(loop, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e) == 0) {
        c->watched = events;
    }
}

static void from_source(int fd)
{
    int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + sources_used++ % opt.sources)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, sizeof(a))) {
        first_error("bind: %s", strerror(errno));
    }
}

void conn_start(unsigned slot)
{
    int one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct conn *c = calloc(1, sizeof(*c));
    if (!c) {
        abort();
    }
    c->slot = slot;
    c->began_us = now_us();
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    slots[slot] = c;
    if (c->fd < 0) {
        conn_end(c, "no socket");
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (opt.sources) {
        from_source(c->fd);
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS) {
        conn_end(c, strerror(errno));
        return;
    }
    watch(c, EPOLLIN | EPOLLOUT);
}

void conn_end(struct conn *c, const char *why)
{
    if (c->dead) {
        return;
    }
    c->dead = true;
    if (c->state == OPEN) {
        open_conns--;
    } else if (why) {
        tally.refused++;
    }
    if (why) {
        first_error("a connection ended: %s", why);
    }
    tally.failed += c->inflight;
    inflight_all -= c->inflight;
    c->inflight = 0;
    if (c->tls && c->state == OPEN && !why) {
        SSL_shutdown(c->tls);
    }
    nghttp2_session_del(c->h2);
    SSL_free(c->tls);
    if (c->fd >= 0) {
        close(c->fd);
    }
    free(c->out);
    free(c->head);
    free(c->h1_echo);
    c->next_dead = dead;
    dead = c;
    if (slots[c->slot] == c) {
        slots[c->slot] = NULL;
        conn_ended(c->slot);
    }
}

uint8_t *conn_space(struct conn *c, size_t len)
{
    if (c->sent == c->filled) {
        c->sent = c->filled = 0;
    }
    if (c->room - c->filled < len) {
        c->room = c->filled + len + 16384;
        c->out = realloc(c->out, c->room);
        if (!c->out) {
            abort();
        }
    }
    return c->out + c->filled;
}

static ssize_t send_some(struct conn *c)
{
    size_t len = c->filled - c->sent;
    if (!c->tls) {
        return send(c->fd, c->out + c->sent, len, MSG_NOSIGNAL);
    }
    ERR_clear_error();
    int done = SSL_write(c->tls, c->out + c->sent, (int)len);
    if (done <= 0) {
        int error = SSL_get_error(c->tls, done);
        errno = error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
        return -1;
    }
    return done;
}

void conn_flush(struct conn *c)
{
    while (!c->dead) {
        if (c->h2) {
            h2_fill(c);
        }
        if (c->sent == c->filled) {
            watch(c, EPOLLIN);
            break;
        }
        ssize_t done = send_some(c);
        if (done < 0 && errno == EAGAIN) {
            watch(c, EPOLLIN | EPOLLOUT);
            return;
        }
        if (done < 0) {
            conn_end(c, "it cannot be written to");
            return;
        }
        c->sent += (size_t)done;
    }
    if (opt.hold && !c->dead) {
        free(c->out);
        c->out = NULL;
        c->sent = c->filled = c->room = 0;
    }
}

static void opened(struct conn *c)
{
    c->state = OPEN;
    open_conns++;
    if (c->tls) {
        const unsigned char *alpn = NULL;
        unsigned len = 0;
        SSL_get0_alpn_selected(c->tls, &alpn, &len);
        tally.handshakes++;
        tally.resumed += SSL_session_reused(c->tls) != 0;
        if (len != 2 || memcmp(alpn, "h2", 2) != 0 || !h2_open(c)) {
            conn_end(c, "h2 was not agreed on");
            return;
        }
    }
    conn_opened(c);
    conn_flush(c);
}

static void shake(struct conn *c)
{
    ERR_clear_error();
    int done = SSL_do_handshake(c->tls);
    int error = done == 1 ? SSL_ERROR_NONE : SSL_get_error(c->tls, done);
    if (done == 1) {
        opened(c);
    } else if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        watch(c, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLIN | EPOLLOUT);
    } else {
        conn_end(c, "TLS handshake");
    }
}

static void connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error) {
        conn_end(c, strerror(error));
        return;
    }
    if (opt.h1) {
        opened(c);
        return;
    }
    c->tls = SSL_new(context);
    if (!c->tls || SSL_set_fd(c->tls, c->fd) != 1 || SSL_set_app_data(c->tls, c) != 1 ||
        SSL_set_tlsext_host_name(c->tls, "gw.bench.test") != 1) {
        abort();
    }
    if (sessions[c->slot]) {  // a copy: OpenSSL spends the one it uses, and not every server sends another
        SSL_SESSION *copy = SSL_SESSION_dup(sessions[c->slot]);
        SSL_set_session(c->tls, copy);
        SSL_SESSION_free(copy);
    }
    SSL_set_connect_state(c->tls);
    c->state = SHAKING;
    shake(c);
}

static ssize_t receive_some(struct conn *c, uint8_t *into)
{
    if (!c->tls) {
        return recv(c->fd, into, READ_SIZE, 0);
    }
    ERR_clear_error();
    int got = SSL_read(c->tls, into, READ_SIZE);
    if (got <= 0) {
        int error = SSL_get_error(c->tls, got);
        errno = EAGAIN;
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
    return got;
}

static void receive(struct conn *c)
{
    static uint8_t into[READ_SIZE];
    do {
        ssize_t got = receive_some(c, into);
        if (got < 0 && errno == EAGAIN) {
            break;
        }
        if (got <= 0 || !(c->h2 ? h2_feed(c, into, (size_t)got) : h1_feed(c, into, (size_t)got))) {
            conn_end(c, got <= 0 ? (c->draining ? NULL : "closed by the server") : "protocol");
            return;
        }
    } while (c->tls && SSL_has_pending(c->tls));  // epoll does not know what OpenSSL holds
    ask_more(c);
    conn_flush(c);
    if (!c->dead && c->draining && !c->inflight) {
        conn_end(c, NULL);
    }
}

static void happened(struct conn *c, unsigned events)
{
    if (c->dead) {
        return;
    }
    if (c->state == CONNECTING) {
        connected(c);
    } else if (c->state == SHAKING) {
        shake(c);
    } else {
        if (events & EPOLLOUT) {
            conn_flush(c);
        }
        if (!c->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            receive(c);
        }
    }
}

void conn_turn(int64_t timeout_us)
{
    struct epoll_event events[256];
    struct timespec wait = {.tv_sec = timeout_us / 1000000, .tv_nsec = timeout_us % 1000000 * 1000};
    int count = epoll_pwait2(loop, events, 256, &wait, NULL);
    for (int i = 0; i < count; i++) {
        happened(events[i].data.ptr, events[i].events);
    }
    while (dead) {
        struct conn *c = dead;
        dead = c->next_dead;
        free(c);
    }
}
