/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PROXY protocol at a listener: required, optional, refused; which address each gate looks at; what the filter chains are
 * chosen by; silence.  Real sockets; the connection manager is a fake.
 */
#include "support/loop.h"

#include "world.h"

#define PROXY "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
#define PROXY_FILTER "{name: p, typed_config: {'@type': " PROXY "}}"
#define OPTIONAL "{name: p, typed_config: {'@type': " PROXY ", allow_requests_without_proxy_protocol: true}}"
#define GATE_FILTER(...) "{name: g, typed_config: {'@type': " GATE ", " __VA_ARGS__ "}}"
#define CHAIN "\nfilter_chains: [{filters: [" HCM "]}]"
#define FILTERS(list) ADDRESS "listener_filters: [" list "]"
#define LINE "PROXY TCP4 203.0.113.7 192.0.2.1 56324 443\r\n"
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BINARY SIGNATURE "\x21\x11\x00\x0c\xcb\x00\x71\x08\xc0\x00\x02\x01\xdc\x04\x01\xbb"

/* Dials from `from`, says `header`, asks, hears: > 0 was served. */
static int try_header(struct world *w, const char *from, const void *header, size_t n)
{
    int fd = dial(w, from);
    loop_wait(w->l, 2);
    if (n)
        assert_true(say(fd, header, n));
    ask(fd);
    int r = hear(w, fd);
    close(fd);
    return r;
}

#define TRY(w, from, literal) try_header(w, from, literal, sizeof(literal) - 1)

static void peer_is(const char *ip)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&last_peer, text);
    assert_string_equal(text, ip);
}

static void test_required(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER) CHAIN);
    assert_true(TRY(w, "127.0.0.5", LINE) > 0);
    peer_is("203.0.113.7");
    assert_true(TRY(w, "127.0.0.5", BINARY) > 0);
    peer_is("203.0.113.8");
    assert_true(TRY(w, "127.0.0.5", "PROXY UNKNOWN\r\n") > 0);
    peer_is("127.0.0.5");
    assert_true(TRY(w, "127.0.0.5", SIGNATURE "\x20\x00\x00\x00") > 0);
    peer_is("127.0.0.5");
    assert_int_equal(TRY(w, NULL, ""), -ECONNRESET);
    assert_int_equal(TRY(w, NULL, "PROXY TCP4 nobody\r\n"), -ECONNRESET);
    assert_int_equal(TRY(w, NULL, SIGNATURE "\x21\x31\x00\x00"), -ECONNRESET);
    assert_int_equal(streams, 4);
    assert_int_equal(stat_of("proxy_proto.versions.v1.found"), 2);
    assert_int_equal(stat_of("proxy_proto.versions.v2.found"), 2);
    assert_int_equal(stat_of("proxy_proto.versions.v1.error"), 1);
    assert_int_equal(stat_of("proxy_proto.versions.v2.error"), 1);
    assert_int_equal(stat_of("proxy_proto.not_found_disallowed"), 1);
    assert_int_equal(stat_of("downstream_cx_proxy_proto_error"), 3);
    assert_int_equal(stat_of("listener.t.downstream_cx_total"), 4);
}

static void test_optional(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(GATE_FILTER("allow: [127.0.0.0/8]") "," OPTIONAL) CHAIN);
    assert_int_equal(w->diag.n_items, 0);
    assert_true(TRY(w, "127.0.0.5", "") > 0);
    peer_is("127.0.0.5");
    assert_true(TRY(w, "127.0.0.5", LINE) > 0);
    peer_is("203.0.113.7");
    assert_int_equal(TRY(w, NULL, "PROXY TCP4 nobody\r\n"), -ECONNRESET);
    assert_int_equal(stat_of("proxy_proto.not_found_allowed"), 1);
}

static void test_version(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS("{name: p, typed_config: {'@type': " PROXY ", disallowed_versions: [V1], stat_prefix: lb}}") CHAIN);
    assert_int_equal(TRY(w, NULL, LINE), -ECONNRESET);
    assert_true(TRY(w, NULL, BINARY) > 0);
    assert_int_equal(stat_of("proxy_proto.lb.versions.v1.found"), 1);
    assert_int_equal(stat_of("proxy_proto.lb.versions.v1.disallowed"), 1);
    assert_int_equal(stat_of("proxy_proto.lb.versions.v2.disallowed"), 0);
}

/* Without the filter the header is no HTTP. */
static void test_not_spoken(void **state)
{
    struct world *w = *state;
    serve(w, ADDRESS CHAIN);
    TRY(w, NULL, LINE);
    TRY(w, NULL, BINARY);
    assert_int_equal(streams, 0);
    assert_int_equal(events, 2);
}

static void test_gates_around(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(GATE_FILTER("allow: [127.0.0.0/28]") "," PROXY_FILTER "," GATE_FILTER("deny: [203.0.113.7, 127.0.0.6]") ","
                     GATE_FILTER("deny: [127.0.0.7], source: SOCKET")) CHAIN);
    assert_true(TRY(w, "127.0.0.5", BINARY) > 0);
    assert_int_equal(TRY(w, "127.0.0.5", LINE), -ECONNRESET);            /* PEER is denied */
    assert_true(TRY(w, "127.0.0.6", BINARY) > 0);                        /* as PEER only */
    assert_int_equal(TRY(w, "127.0.0.6", "PROXY UNKNOWN\r\n"), -ECONNRESET); /* it is the PEER here */
    int late = dial(w, "127.0.0.7"), far = dial(w, "127.0.0.99");
    assert_int_equal(hear(w, late), -ECONNRESET); /* before a byte */
    assert_int_equal(hear(w, far), -ECONNRESET);
    close(late);
    close(far);
    assert_int_equal(streams, 2);
    assert_int_equal(stat_of("listener.t.ip_restriction.denied"), 4);
}

static void test_chain_by_destination(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER) "\nfilter_chains: [{filters: [" HCM "], filter_chain_match: {destination_port: 443, prefix_ranges: "
             "[{address_prefix: 192.0.2.0, prefix_len: 24}], direct_source_prefix_ranges: [{address_prefix: 127.0.0.0, prefix_len: "
             "8}], source_prefix_ranges: [{address_prefix: 203.0.113.7, prefix_len: 32}], source_ports: [56324]}}]");
    assert_true(TRY(w, NULL, LINE) > 0);
    assert_int_equal(last_owner->conn->local.port, 443);
    assert_int_equal(TRY(w, NULL, BINARY), -ECONNRESET);
    assert_int_equal(TRY(w, NULL, "PROXY TCP4 203.0.113.7 192.0.3.1 56324 443\r\n"), -ECONNRESET);
    assert_int_equal(TRY(w, NULL, "PROXY TCP4 203.0.113.7 192.0.2.1 56324 80\r\n"), -ECONNRESET);
    assert_int_equal(stat_of("listener.t.no_filter_chain_match"), 3);
}

/* One deadline for all that comes before the choice; a header that trickles in does not stretch it. */
static void test_silence(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER) "\nlistener_filters_timeout: 0.3s" CHAIN);
    int mute = dial(w, NULL), slow = dial(w, NULL);
    loop_wait(w->l, 2);
    for (unsigned i = 0; i < sizeof(LINE) - 1 && say(slow, &LINE[i], 1); i++)
        loop_wait(w->l, 10); /* many deadlines in all: it is cut off before its end */
    assert_true(hear(w, mute) <= 0);
    assert_true(hear(w, slow) <= 0);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_timeout"), 2);
    assert_int_equal(stat_of("listener.t.downstream_pre_cx_active"), 0);
    close(mute);
    close(slow);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    int leaves = dial(w, NULL);
    assert_true(say(leaves, LINE, 9));
    close(leaves);
    loop_wait(w->l, 2);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
    assert_int_equal(streams, 0);
}

static void test_in_pieces(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER) CHAIN);
    int fd = dial(w, NULL);
    for (size_t i = 0; i < sizeof(BINARY) - 1; i++) {
        loop_wait(w->l, 1);
        assert_true(say(fd, BINARY + i, 1));
    }
    ask(fd);
    assert_true(hear(w, fd) > 0);
    peer_is("203.0.113.8");
    ask(fd); /* one header a connection */
    assert_true(hear(w, fd) > 0);
    close(fd);
}

/* The listener's own log has a line for each, with the reason. */
static void test_log(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER "," GATE_FILTER("deny: [203.0.113.7]")) CHAIN "\naccess_log: [{name: x}]");
    assert_int_equal(TRY(w, NULL, LINE), -ECONNRESET);
    LOOP_UNTIL(w->l, log_lines == 1);
    assert_string_equal(last_failure, "ip_restriction_denied");
    assert_int_equal(TRY(w, NULL, ""), -ECONNRESET);
    LOOP_UNTIL(w->l, log_lines == 2);
    assert_string_equal(last_failure, "PROXY protocol: no header");
    assert_true(TRY(w, NULL, BINARY) > 0);
    LOOP_UNTIL(w->l, log_lines == 3);
    assert_string_equal(last_failure, "");
}

/* A drain meets a connection in the middle of its header: it is closed once it is known what it is, as one without a request. */
static void test_drain(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(PROXY_FILTER) CHAIN);
    int fd = dial(w, NULL);
    loop_wait(w->l, 5);
    assert_int_equal(write(fd, LINE, 10), 10);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 1);
    sp_listener_drain(w->socket);
    loop_wait(w->l, 5);
    assert_int_equal(write(fd, &LINE[10], sizeof(LINE) - 11), sizeof(LINE) - 11);
    assert_int_equal(hear(w, fd), 0);
    close(fd);
    LOOP_UNTIL(w->l, sp_listener_connections(w->socket) == 0);
}

static void test_refuses(void **state)
{
    refused(state, FILTERS(PROXY_FILTER "," PROXY_FILTER) CHAIN, "stands above already");
    refused(state, FILTERS("{name: p, typed_config: {'@type': " PROXY ", disallowed_versions: [V1, V2]}}") CHAIN, "no version");
    refused(state, FILTERS(GATE_FILTER("deny: [10.0.0.1], source: PEER") "," PROXY_FILTER) CHAIN, "not known before");
    refused(state, FILTERS(GATE_FILTER("deny: [10.0.0.1], source: CLIENT")) CHAIN, "no CLIENT");
}

static void test_warns(void **state)
{
    struct world *w = *state;
    serve(w, FILTERS(GATE_FILTER("deny: [10.0.0.1]") "," OPTIONAL) CHAIN);
    assert_int_equal(w->diag.n_items, 1);
    assert_non_null(strstr(w->diag.items[0].text, "may name any PEER"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_required, setup, teardown),
        cmocka_unit_test_setup_teardown(test_optional, setup, teardown),
        cmocka_unit_test_setup_teardown(test_version, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_spoken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gates_around, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chain_by_destination, setup, teardown),
        cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
        cmocka_unit_test_setup_teardown(test_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_warns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
