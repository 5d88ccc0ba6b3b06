/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The choice of a filter chain: Envoy's order, most specific first, no way back, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "envoy/config/listener/v3/listener.pb-c.h"
#include "listeners/chain_match.h"

struct table {
    struct sp_doc *doc;
    struct sp_diag diag;
    struct sp_chain_match *m;
    const Envoy__Config__Listener__V3__Listener *msg;
    bool good;
};

/* `chains`: the YAML of filter_chains; a chain's name is what a look-up gives. */
static void load(struct table *t, const char *chains)
{
    char text[4096];
    snprintf(text, sizeof(text), "address: {socket_address: {address: 127.0.0.1, port_value: 1}}\nfilter_chains:\n%s", chains);
    sp_diag_init(&t->diag);
    t->doc = sp_doc_load_text("t.yaml", sp_str_c(text), SP_SYNTAX_YAML, &envoy__config__listener__v3__listener__descriptor,
                              &t->diag);
    if (!t->doc)
        sp_diag_print(&t->diag, stderr);
    assert_non_null(t->doc);
    t->msg = sp_doc_root(t->doc);
    t->m = sp_chain_match_new();
    t->good = true;
    for (size_t i = 0; i < t->msg->n_filter_chains; i++) {
        const Envoy__Config__Listener__V3__FilterChain *c = t->msg->filter_chains[i];
        t->good &= sp_chain_match_add(t->m, t->doc, &t->diag, c->filter_chain_match, c, c->name);
    }
    sp_chain_match_build(t->m);
}

static void unload(struct table *t)
{
    sp_chain_match_free(t->m);
    sp_doc_free(t->doc);
    sp_diag_done(&t->diag);
}

struct ask {
    const char *local, *peer, *direct, *sni, *alpn[3];
    bool tls;
};

static struct sp_addr addr(const char *text, const char *otherwise)
{
    struct sp_addr a = {.family = AF_UNIX, .path = "/x"};
    if (!text)
        text = otherwise;
    if (strcmp(text, "unix") != 0)
        assert_int_equal(sp_addr_parse(sp_str_c(text), &a), 0);
    return a;
}

static void expect_full(struct table *t, struct ask ask, const char *want)
{
    struct sp_addr local = addr(ask.local, "10.0.0.1:443"), peer = addr(ask.peer, "203.0.113.9:5000");
    struct sp_addr direct = addr(ask.direct, ask.peer ? ask.peer : "203.0.113.9:5000");
    struct sp_str alpn[3];
    struct sp_chain_input in = {.local = &local, .direct = &direct, .peer = &peer, .tls = ask.tls, .sni = sp_str_c(ask.sni),
                                .alpn = alpn};
    for (; in.n_alpn < 3 && ask.alpn[in.n_alpn]; in.n_alpn++)
        alpn[in.n_alpn] = sp_str_c(ask.alpn[in.n_alpn]);
    const char *got = sp_chain_match_find(t->m, &in);
    if (!want != !got || (want && strcmp(want, got) != 0))
        fail_msg("got %s, not %s", got ? got : "none", want ? want : "none");
}
#define expect(t, want, ...) expect_full((t), (struct ask){__VA_ARGS__}, (want))

static void test_everything(void **state)
{
    struct table t;
    load(&t, "- name: all\n");
    expect(&t, "all", .tls = true, .sni = "a.com");
    expect(&t, "all", .local = "unix", .peer = "unix");
    assert_false(sp_chain_match_inspects(t.m));
    unload(&t);
}

static void test_names(void **state)
{
    struct table t;
    load(&t, "- {name: exact, filter_chain_match: {server_names: [www.Example.com]}}\n"
             "- {name: wild, filter_chain_match: {server_names: ['*.example.com', other.org]}}\n"
             "- {name: com, filter_chain_match: {server_names: ['*.com']}}\n"
             "- {name: rest}\n");
    assert_true(sp_chain_match_inspects(t.m));
    expect(&t, "exact", .tls = true, .sni = "www.example.com");
    expect(&t, "wild", .tls = true, .sni = "api.example.com");
    expect(&t, "wild", .tls = true, .sni = "a.b.example.com");
    expect(&t, "wild", .tls = true, .sni = "other.org");
    expect(&t, "com", .tls = true, .sni = "example.com"); /* the wildcard needs a label */
    expect(&t, "com", .tls = true, .sni = "com.com");
    expect(&t, "rest", .tls = true, .sni = "com");
    expect(&t, "rest", .tls = true, .sni = "example.org");
    expect(&t, "rest", .tls = true, .sni = ".com");
    expect(&t, "rest", .tls = true, .sni = ".");
    expect(&t, "rest", .tls = true);
    expect(&t, "rest");
    unload(&t);
}

static void test_transport_and_alpn(void **state)
{
    struct table t;
    load(&t, "- {name: h2, filter_chain_match: {transport_protocol: tls, application_protocols: [h2]}}\n"
             "- {name: acme, filter_chain_match: {transport_protocol: tls, application_protocols: [acme-tls/1, x]}}\n"
             "- {name: tls, filter_chain_match: {transport_protocol: tls}}\n"
             "- {name: raw, filter_chain_match: {transport_protocol: raw_buffer}}\n");
    assert_true(sp_chain_match_inspects(t.m));
    expect(&t, "h2", .tls = true, .alpn = {"http/1.1", "h2", "x"}); /* the client's first that we have */
    expect(&t, "acme", .tls = true, .alpn = {"x", "h2"});
    expect(&t, "tls", .tls = true, .alpn = {"http/1.1"});
    expect(&t, "tls", .tls = true);
    expect(&t, "raw");
    unload(&t);
}

static void test_ports_and_addresses(void **state)
{
    struct table t;
    load(&t, "- {name: port, filter_chain_match: {destination_port: 443}}\n"
             "- {name: net, filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}\n"
             "- {name: host, filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.7, prefix_len: 32},\n"
             "    {address_prefix: '2001:db8::', prefix_len: 32}]}}\n");
    assert_false(sp_chain_match_inspects(t.m));
    expect(&t, "port", .local = "10.0.0.7:443"); /* the port comes first */
    expect(&t, "net", .local = "10.0.0.1:80");
    expect(&t, "host", .local = "10.0.0.7:80");
    expect(&t, "host", .local = "[2001:db8::5]:80");
    expect(&t, NULL, .local = "11.0.0.1:80");
    expect(&t, NULL, .local = "unix");
    unload(&t);
}

static void test_sources(void **state)
{
    struct table t;
    load(&t, "- {name: local, filter_chain_match: {source_type: SAME_IP_OR_LOOPBACK}}\n"
             "- {name: ext, filter_chain_match: {source_type: EXTERNAL}}\n"
             "- {name: net, filter_chain_match: {source_type: EXTERNAL, source_prefix_ranges: [{address_prefix: 203.0.113.0, "
             "prefix_len: 24}]}}\n"
             "- {name: port, filter_chain_match: {source_type: EXTERNAL, source_ports: [7, 65535], source_prefix_ranges: "
             "[{address_prefix: 203.0.113.0, prefix_len: 24}]}}\n"
             "- {name: direct, filter_chain_match: {direct_source_prefix_ranges: [{address_prefix: 192.0.2.0, prefix_len: "
             "24}]}}\n");
    expect(&t, "local", .peer = "127.0.0.9:1");
    expect(&t, "local", .peer = "10.0.0.1:1"); /* the address it came to */
    expect(&t, "local", .peer = "unix");
    expect(&t, "ext", .peer = "198.51.100.1:7");
    expect(&t, "net", .peer = "203.0.113.9:8");
    expect(&t, "port", .peer = "203.0.113.9:7");
    expect(&t, "port", .peer = "203.0.113.9:65535");
    expect(&t, "direct", .peer = "203.0.113.9:7", .direct = "192.0.2.1:9");
    unload(&t);
}

/* Once a step has taken the more specific value, the others are out, though they would match. */
static void test_no_way_back(void **state)
{
    struct table t;
    load(&t, "- {name: a, filter_chain_match: {destination_port: 443, server_names: [a.com]}}\n"
             "- {name: b, filter_chain_match: {server_names: [b.com]}}\n");
    expect(&t, "a", .tls = true, .sni = "a.com");
    expect(&t, NULL, .tls = true, .sni = "b.com");
    expect(&t, "b", .local = "10.0.0.1:80", .tls = true, .sni = "b.com");
    expect(&t, NULL, .local = "10.0.0.1:80", .tls = true, .sni = "a.com");
    unload(&t);
    load(&t, "- {name: loop, filter_chain_match: {source_type: SAME_IP_OR_LOOPBACK, source_ports: [1]}}\n- {name: any}\n");
    expect(&t, NULL, .peer = "127.0.0.1:2");
    expect(&t, "loop", .peer = "127.0.0.1:1");
    expect(&t, "any", .peer = "203.0.113.1:1");
    unload(&t);
}

static void refused(const char *chains, const char *why)
{
    struct table t;
    load(&t, chains);
    assert_false(t.good);
    assert_int_equal(t.diag.n_errors, 1);
    if (!strstr(t.diag.items[0].text, why))
        fail_msg("%s", t.diag.items[0].text);
    assert_true(t.diag.items[0].mark.line > 1);
    unload(&t);
}

static void test_refuses(void **state)
{
    refused("- {name: a}\n- {name: b}\n", "same criteria");
    refused("- {name: a}\n- {name: b, filter_chain_match: {}}\n", "same criteria");
    refused("- {name: a, filter_chain_match: {server_names: [a.com, b.com]}}\n"
            "- {name: b, filter_chain_match: {server_names: [c.com, B.com]}}\n", "same criteria");
    refused("- {name: a, filter_chain_match: {prefix_ranges: [{address_prefix: 10.1.2.3, prefix_len: 8}]}}\n"
            "- {name: b, filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}}\n", "same criteria");
    refused("- {name: a, filter_chain_match: {server_names: ['www.*.com']}}\n", "wildcard");
    refused("- {name: a, filter_chain_match: {server_names: ['*']}}\n", "wildcard");
    refused("- {name: a, filter_chain_match: {server_names: ['*a.com']}}\n", "wildcard");
    refused("- {name: a, filter_chain_match: {server_names: ['*.']}}\n", "wildcard");
    refused("- {name: a, filter_chain_match: {transport_protocol: quic}}\n", "transport");
    refused("- {name: a, filter_chain_match: {source_prefix_ranges: [{address_prefix: ten, prefix_len: 8}]}}\n", "address");
    refused("- {name: a, filter_chain_match: {prefix_ranges: [{address_prefix: 10.0.0.0, prefix_len: 33}]}}\n", "0 to 32");
}

/* The same value twice in one list is not two chains. */
static void test_repeated_values(void **state)
{
    struct table t;
    load(&t, "- {name: a, filter_chain_match: {server_names: [a.com, A.com], source_ports: [1, 1], application_protocols: [h2, "
             "h2], prefix_ranges: [{address_prefix: 10.0.0.1, prefix_len: 8}, {address_prefix: 10.0.0.2, prefix_len: 8}]}}\n");
    assert_true(t.good);
    expect(&t, "a", .tls = true, .sni = "a.com", .alpn = {"h2"}, .peer = "203.0.113.1:1");
    unload(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),         cmocka_unit_test(test_names),
        cmocka_unit_test(test_transport_and_alpn), cmocka_unit_test(test_ports_and_addresses),
        cmocka_unit_test(test_sources),            cmocka_unit_test(test_no_way_back),
        cmocka_unit_test(test_refuses),            cmocka_unit_test(test_repeated_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
