/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener from its YAML to its connections: what is refused, the gate, counters, draining, running out of
 * descriptors.  Real sockets and a real HTTP/1 codec; the connection manager is a fake that answers 200.
 */
#include "support/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "world.h"

#define CHAIN_LIMIT \
    "{name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit, " \
    "stat_prefix: few, max_connections: 1}}"

/* ---- configs ---- */

static void test_refuses(void **state)
{
    refused(state, ADDRESS, "no filter chain");
    refused(state, ADDRESS "filter_chains: [{}]", "exactly one network filter");
    refused(state, ADDRESS "filter_chains: [{filters: [" HCM "," HCM "]}]", "exactly one network filter");
    refused(state, ADDRESS "filter_chains: [{filters: [{name: x, typed_config: {'@type': " INSPECTOR "}}]}]", "exactly one");
    refused(state, ADDRESS "filter_chains: [{filters: [" HCM "," CHAIN_LIMIT "]}]", "exactly one network filter");
    refused(state, ADDRESS "filter_chains: [{filters: [" CHAIN_LIMIT "]}]", "exactly one network filter");
    refused(state, ADDRESS "filter_chains: [{filters: [" CHAIN_LIMIT "," CHAIN_LIMIT "," HCM "]}]", "exactly one network filter");
    refused(state, ADDRESS "filter_chains: [{filters: [" HCM "]}, {filters: [" HCM "]}]", "same criteria");
    refused(state, ADDRESS "filter_chains: [{name: a, filters: [" HCM "]}, {name: a, filters: [" HCM "], filter_chain_match: "
                           "{destination_port: 1}}]", "has that name");
    refused(state, ADDRESS "filter_chains: [{filters: [" HCM "], transport_socket: {name: t, typed_config: {'@type': " INSPECTOR
                           "}}}]", "no such transport");
    refused(state, ADDRESS "listener_filters: [" HCM "]\nfilter_chains: [{filters: [" HCM "]}]", "no such listener filter");
    refused(state, ADDRESS "listener_filters: [{name: g, typed_config: {'@type': " GATE "}}]\nfilter_chains: [{filters: [" HCM
                           "]}]", "let everyone in");
    refused(state, ADDRESS "listener_filters: [{name: g, typed_config: {'@type': " GATE ", deny: [10.0.0.1/8]}}]\n"
                           "filter_chains: [{filters: [" HCM "]}]", "did you mean 10.0.0.0/8");
    refused(state, "address: {pipe: {path: /tmp/x}}\nlistener_filters: [{name: g, typed_config: {'@type': " GATE
                   ", deny: [10.0.0.0/8]}}]\nfilter_chains: [{filters: [" HCM "]}]", "unix socket");
    refused(state, "address: {socket_address: {address: localhost, port_value: 1}}\nfilter_chains: [{filters: [" HCM "]}]",
            "not an IP address");
    refused(state, "address: {pipe: {path: /tmp/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx}}\nfilter_chains: [{filters: [" HCM "]}]", "107 bytes");
}

static void test_names(void **state)
{
    struct world *w = *state;
    compile(w, "address: {socket_address: {address: '::1', port_value: 80}}\nfilter_chains: [{filters: [" HCM "]}]");
    assert_non_null(w->listener);
    struct sp_str name = sp_listener_name(w->listener);
    assert_true(sp_str_eq(name, SP_STR("[::1]:80")));
    assert_true(sp_listener_reuse_port(w->listener));
    assert_int_equal(sp_listener_addr(w->listener)->port, 80);
    assert_int_equal(stat_of("listener.[__1]_80.downstream_cx_total"), 0);
    uint64_t none;
    assert_int_equal(sp_stats_find(SP_STR("listener.[__1]_80.ssl.handshake"), &none), -ENOENT); /* it has no TLS */
}

/* ---- connections ---- */

#define PLAIN ADDRESS "filter_chains: [{filters: [" HCM "]}]"

static void test_request(void **state)
{
    struct world *w = *state;
    serve(w, PLAIN "\naccess_log: [{name: x}]");
    int fd = dial(w, "127.0.0.5");
    ask(fd);
    assert_true(hear(w, fd) > 0);
    ask(fd);
    assert_true(hear(w, fd) > 0);
    assert_int_equal(streams, 2);
    assert_int_equal(stat_of("listener.t.downstream_cx_total"), 1);
    assert_int_equal(stat_of("listener.t.downstream_cx_active"), 1);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_active"), 0);
    assert_int_equal(stat_of("http.cx_total"), 1);
    assert_int_equal(stat_of("http.cx_http1_active"), 1);
    assert_int_equal(stat_of("http.cx_rx_bytes_total"), 2 * 27);
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&last_peer, text);
    assert_string_equal(text, "127.0.0.5");
    assert_true(sp_addr_eq(&last_owner->conn->local, &w->at, true));
    assert_int_equal(sp_listener_connections(w->socket), 1);
    close(fd);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("listener.t.downstream_cx_active"), 0);
    assert_int_equal(stat_of("listener.t.downstream_cx_destroy"), 1);
    assert_int_equal(stat_of("http.cx_active"), 0);
    assert_int_equal(stat_of("http.cx_http1_active"), 0);
    assert_int_equal(stat_of("http.cx_destroy_remote"), 1);
    assert_int_equal(log_lines, 1);
}

static void test_many_at_once(void **state)
{
    enum { N = 100 };
    struct world *w = *state;
    int fds[N];
    serve(w, PLAIN);
    for (int i = 0; i < N; i++)
        fds[i] = dial(w, NULL);
    for (int i = 0; i < N; i++)
        ask(fds[i]);
    for (int i = 0; i < N; i++)
        assert_true(hear(w, fds[i]) > 0);
    assert_int_equal(sp_listener_connections(w->socket), N);
    for (int i = 0; i < N; i++)
        close(fds[i]);
}

static void test_gate(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "listener_filters: [{name: g, typed_config: {'@type': " GATE
                     ", allow: [127.0.0.0/28], deny: [127.0.0.6]}}]\nfilter_chains: [{filters: [" HCM "]}]");
    static const struct { const char *from; bool in; } cases[] = {
        {"127.0.0.5", true}, {"127.0.0.6", false}, {"127.0.0.99", false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        int fd = dial(w, cases[i].from);
        if (cases[i].in)
            ask(fd);
        int r = hear(w, fd);
        assert_true(cases[i].in ? r > 0 : r == -ECONNRESET);
        close(fd);
    }
    assert_int_equal(stat_of("listener.t.ip_restriction.allowed"), 1);
    assert_int_equal(stat_of("listener.t.ip_restriction.denied"), 2);
    assert_int_equal(stat_of("listener.t.downstream_cx_total"), 1);
}

static void test_gate_lists(void **state)
{
    struct world *w = *state;
    char file[] = "/tmp/sp-list-XXXXXX", config[1000];
    int list = mkstemp(file);
    assert_int_equal(write(list, "127.0.0.0/28\n", 13), 13);
    close(list);
    snprintf(config, sizeof(config), ADDRESS "listener_filters: [{name: g, typed_config: {'@type': " GATE
             ", allow: [127.0.0.99], allow_lists: [{name: l, path: %s}]}}]\nfilter_chains: [{filters: [" HCM "]}]", file);
    serve(w, config);
    static const struct { const char *from; bool in; } cases[] = {
        {"127.0.0.5", true}, {"127.0.0.99", true}, {"127.0.0.98", false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        int fd = dial(w, cases[i].from);
        if (cases[i].in)
            ask(fd);
        int r = hear(w, fd);
        assert_true(cases[i].in ? r > 0 : r == -ECONNRESET);
        close(fd);
    }
    assert_int_equal(stat_of("listener.t.ip_restriction.list.l.entries"), 1);
    unlink(file);
}

static void test_limit_of_a_chain(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{filters: [" CHAIN_LIMIT "," HCM "]}]");
    int first = dial(w, NULL), second;
    ask(first);
    assert_true(hear(w, first) > 0);
    second = dial(w, NULL);
    assert_int_equal(hear(w, second), -ECONNRESET);
    close(second);
    assert_int_equal(stat_of("connection_limit.few.limited_connections"), 1);
    assert_int_equal(stat_of("connection_limit.few.active_connections"), 1);
    assert_int_equal(stat_of("listener.t.downstream_cx_total"), 1);
    close(first);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("connection_limit.few.active_connections"), 0);
    first = dial(w, NULL);
    ask(first);
    assert_true(hear(w, first) > 0);
    close(first);
}

static void test_gate_shadow(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "listener_filters: [{name: g, typed_config: {'@type': " GATE ", deny: [127.0.0.6], enforcement: SHADOW}}]\n"
                     "filter_chains: [{filters: [" HCM "]}]");
    int fd = dial(w, "127.0.0.6");
    ask(fd);
    assert_true(hear(w, fd) > 0);
    close(fd);
    assert_int_equal(stat_of("listener.t.ip_restriction.shadow_denied"), 1);
    assert_int_equal(stat_of("listener.t.ip_restriction.allowed"), 0);
}

static void test_no_chain(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "filter_chains: [{filters: [" HCM "], filter_chain_match: {source_prefix_ranges: [{address_prefix: "
                     "127.0.0.5, prefix_len: 32}]}}]");
    int fd = dial(w, "127.0.0.5"), other = dial(w, "127.0.0.7");
    ask(fd);
    assert_true(hear(w, fd) > 0);
    assert_int_equal(hear(w, other), -ECONNRESET);
    assert_int_equal(stat_of("listener.t.no_filter_chain_match"), 1);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_active"), 0);
    close(fd);
    close(other);
}

static void test_silent_client(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS "listener_filters: [{name: i, typed_config: {'@type': " INSPECTOR "}}]\nlistener_filters_timeout: 0.03s\n"
                     "default_filter_chain: {filters: [" HCM "]}");
    int fd = dial(w, NULL), talks = dial(w, NULL);
    ask(talks);
    assert_true(hear(w, talks) > 0);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 2);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_active"), 1);
    assert_true(hear(w, fd) <= 0);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_timeout"), 1);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_active"), 0);
    close(fd);
    close(talks);
}

static void test_garbage(void **state)
{
    struct world *w = *state;
    serve(w, PLAIN);
    int fd = dial(w, NULL);
    loop_wait(w->l, 5);
    assert_true(write(fd, "\x16\x03\x01 junk\r\n\r\n", 12) > 0);
    assert_true(hear(w, fd) > 0);
    assert_true(events > 0);
    close(fd);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("http.cx_protocol_error"), 1);
}

static void test_drain(void **state)
{
    struct world *w = *state;
    serve(w, PLAIN);
    int idle = dial(w, NULL), busy = dial(w, NULL);
    ask(idle);
    assert_true(hear(w, idle) > 0);
    hold = true;
    ask(busy);
    LOOP_UNTIL(w->l, held);
    sp_listener_drain(w->socket);
    assert_int_equal(hear(w, idle), 0);
    close(idle);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 1);
    int late = dial(w, NULL); /* nobody listens any more */
    assert_int_equal(hear(w, late), -ECONNREFUSED);
    close(late);
    assert_true(last_owner->draining);
    answer(held);
    assert_true(hear(w, busy) > 0);
    assert_int_equal(hear(w, busy), 0);
    close(busy);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(stat_of("http.cx_drain_close"), 2);
}

static void test_owner_drain(void **state)
{
    struct world *w = *state;
    serve(w, PLAIN);
    hold = true;
    int fd = dial(w, NULL);
    ask(fd);
    LOOP_UNTIL(w->l, held);
    last_owner->drain(last_owner);
    answer(held);
    assert_true(hear(w, fd) > 0);
    assert_int_equal(hear(w, fd), 0);
    close(fd);
}

static void test_close_resets(void **state)
{
    struct world *w = *state;
    serve(w, PLAIN);
    hold = true;
    int fd = dial(w, NULL);
    ask(fd);
    LOOP_UNTIL(w->l, held);
    sp_listener_close(w->socket);
    w->socket = NULL;
    assert_int_equal(hear(w, fd), -ECONNRESET);
    assert_null(held);
    assert_int_equal(stat_of("http.cx_destroy_active_rq"), 1);
    close(fd);
}

static void test_reuse_port(void **state)
{
    struct world *w = *state;
    struct sp_addr bound;
    serve(w, PLAIN);
    int second = sp_listener_bind(w->listener, &w->at, &bound);
    assert_true(second >= 0);
    assert_true(sp_addr_eq(&bound, &w->at, true));
    close(second);
    struct sp_listener *plain = sp_listener_new_plain(SP_STR("admin"), &w->at, sp_hcm_new(&(struct sp_hcm_build){
        .listener_scope = sp_stats_root()}, NULL));
    assert_int_equal(sp_listener_bind(plain, NULL, &bound), -EADDRINUSE);
    assert_int_equal(stat_of("listener.admin.downstream_cx_total"), 0);
    sp_listener_free(plain);
}

static void test_unix(void **state)
{
    struct world *w = *state;
    char yaml[400], path[64];
    snprintf(path, sizeof(path), "/tmp/sallyport-listener-%d.sock", (int)getpid());
    snprintf(yaml, sizeof(yaml), "name: u\naddress: {pipe: {path: %s, mode: 0600}}\nfilter_chains: [{filters: [" HCM "]}]", path);
    serve(w, yaml);
    assert_false(sp_listener_reuse_port(w->listener));
    int fd = dial(w, NULL);
    ask(fd);
    assert_true(hear(w, fd) > 0);
    assert_int_equal(last_peer.family, AF_UNIX);
    assert_string_equal(last_owner->conn->local.path, path);
    close(fd);
    unlink(path);
}

static int highest_fd(void)
{
    int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

/* Without descriptors it waits, and does not spin; then it goes on. */
static void test_out_of_descriptors(void **state)
{
    struct world *w = *state;
    struct rlimit old, r;
    serve(w, PLAIN);
    int fd = dial(w, NULL);
    getrlimit(RLIMIT_NOFILE, &old);
    r = old;
    r.rlim_cur = (rlim_t)highest_fd();
    setrlimit(RLIMIT_NOFILE, &r);
    unsigned turns = 0;
    for (uint64_t until = loop_now_ms() + 60; loop_now_ms() < until; turns++)
        loop_turn(w->l);
    assert_int_equal(sp_listener_connections(w->socket), 0);
    assert_true(turns < 40);
    setrlimit(RLIMIT_NOFILE, &old);
    ask(fd);
    assert_true(hear(w, fd) > 0);
    close(fd);
}

/* The last descriptors are kept for the origins. */
static void test_descriptors_kept(void **state)
{
    enum { LIMIT = 64 };
    struct world *w = *state;
    struct rlimit old, r;
    int fds[LIMIT], n = 0;
    getrlimit(RLIMIT_NOFILE, &old);
    r = old;
    r.rlim_cur = LIMIT;
    setrlimit(RLIMIT_NOFILE, &r);
    serve(w, PLAIN);
    while (highest_fd() < LIMIT - LIMIT / 8 - 2)
        fds[n++] = dup(0);
    int first = dial(w, NULL);
    ask(first);
    assert_true(hear(w, first) > 0);
    int second = dial(w, NULL);
    assert_int_equal(hear(w, second), -ECONNRESET);
    assert_int_equal(stat_of("listener.t.downstream_cx_overflow"), 1);
    close(first);
    close(second);
    while (n)
        close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_refuses), T(test_names), T(test_request), T(test_many_at_once), T(test_gate), T(test_gate_lists),
        T(test_limit_of_a_chain),
        T(test_gate_shadow),
        T(test_no_chain), T(test_silent_client), T(test_garbage), T(test_drain), T(test_owner_drain), T(test_close_resets),
        T(test_reuse_port), T(test_unix), T(test_out_of_descriptors), T(test_descriptors_kept),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
