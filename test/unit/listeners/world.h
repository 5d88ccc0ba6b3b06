/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One listener from its YAML, on a free port of the loopback, and clients that dial it.  Included once in a program.
 */
#ifndef SP_TEST_WORLD_H
#define SP_TEST_WORLD_H

#include "support/loop.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_hcm.h"
#include "listeners/listener.h"

#define HCM \
    "{name: h, typed_config: {'@type': " \
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x}}"
#define GATE "type.googleapis.com/sallyport.filters.listener.ip_restriction.v1.IpRestriction"
#define INSPECTOR "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
#define ADDRESS "name: test\nstat_prefix: t\naddress: {socket_address: {address: 127.0.0.1, port_value: 0}}\n"

struct world {
    struct loop *l;
    struct sp_doc *doc;
    struct sp_diag diag;
    struct sp_listener *listener;
    struct sp_listener_socket *socket;
    struct sp_addr at;
};

static inline int setup(void **state)
{
    struct world *w = sp_xcalloc(1, sizeof(*w));
    sp_stats_init(1);
    sp_diag_init(&w->diag);
    w->l = loop_new();
    streams = closed_streams = events = log_lines = 0;
    hold = false;
    held = NULL;
    *state = w;
    return 0;
}

static inline int teardown(void **state)
{
    struct world *w = *state;
    if (w->socket)
        sp_listener_close(w->socket);
    loop_free(w->l);
    sp_listener_free(w->listener);
    sp_doc_free(w->doc);
    sp_diag_done(&w->diag);
    assert_int_equal(hcms, 0);
    assert_int_equal(streams, closed_streams);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_stats_done();
    free(w);
    return 0;
}

static inline void compile(struct world *w, const char *yaml)
{
    w->doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, &envoy__config__listener__v3__listener__descriptor,
                              &w->diag);
    if (!w->doc)
        sp_diag_print(&w->diag, stderr);
    assert_non_null(w->doc);
    const struct sp_listener_build build = {.doc = w->doc, .diag = &w->diag};
    w->listener = sp_listener_new(&build, sp_doc_root(w->doc));
}

static inline void serve(struct world *w, const char *yaml)
{
    compile(w, yaml);
    if (!w->listener)
        sp_diag_print(&w->diag, stderr);
    assert_non_null(w->listener);
    int fd = sp_listener_bind(w->listener, NULL, &w->at);
    assert_true(fd >= 0);
    w->socket = sp_listener_open(&w->l->worker, w->listener, NULL);
    assert_int_equal(sp_listener_accept_on(w->socket, fd), 0);
}

static inline int dial(struct world *w, const char *from)
{
    struct sp_sock_options o = {0};
    struct sockaddr_storage ss;
    if (from)
        assert_int_equal(sp_addr_parse(sp_str_c(from), &o.bind), 0);
    int fd = sp_sock_client(&w->at, &o);
    assert_true(fd >= 0);
    socklen_t len = sp_addr_to_sockaddr(&w->at, &ss);
    assert_true(connect(fd, (struct sockaddr *)&ss, len) == 0 || errno == EINPROGRESS);
    return fd;
}

/* False when the other side has closed. On a busy machine the connection may not be there yet. */
static inline bool say(int fd, const void *text, size_t len)
{
    ssize_t n;
    do
        n = send(fd, text, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EAGAIN);
    return n == (ssize_t)len;
}

static inline void ask(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_true(say(fd, request, sizeof(request) - 1));
}

/* Reads until the end of a head, the end, or an error: bytes, 0 or -errno. */
static inline int hear(struct world *w, int fd)
{
    char buf[512];
    ssize_t n = -1;
    LOOP_UNTIL(w->l, (n = read(fd, buf, sizeof(buf))) >= 0 || (errno != EAGAIN && errno != ENOTCONN));
    if (n > 0)
        assert_memory_equal(buf, "HTTP/1.1 ", 9);
    return n < 0 ? -errno : (int)n;
}

static inline uint64_t stat_of(const char *name)
{
    uint64_t v = 0;
    if (sp_stats_find(sp_str_c(name), &v))
        fail_msg("no stat %s", name);
    return v;
}

static inline void refused(void **state, const char *yaml, const char *why)
{
    struct world *w = *state;
    unsigned before = w->diag.n_items;
    compile(w, yaml);
    assert_null(w->listener);
    assert_true(w->diag.n_items > before);
    if (!strstr(w->diag.items[before].text, why))
        fail_msg("%s", w->diag.items[before].text);
    sp_doc_free(w->doc);
    w->doc = NULL;
}

#endif
