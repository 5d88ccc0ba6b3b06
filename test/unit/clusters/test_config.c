/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is read of a Cluster, what is refused and with which words, and how /clusters shows it. */
#include "support.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "clusters/bind.h"
#include "clusters/state.h"

#define HOST "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 1.2.3.4, port_value: 80}}}}]}]}\n"
#define OPTIONS(text) \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" text
static void refused(const char *yaml, const char *words)
{
    char *said = t_cluster_errors(yaml);
    if (!strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
    free(said);
}

static void accepted(const char *yaml)
{
    char *said = t_cluster_errors(yaml);
    assert_string_equal(said, "");
    free(said);
}

static void test_defaults(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\n" HOST);
    const struct sp_cluster *c = b.cluster;
    assert_str(sp_cluster_name(c), "c");
    assert_null(sp_cluster_tls(c));
    assert_true(sp_cluster_warm(c));
    assert_int_equal(c->options.connect_ns, 5 * SP_NS_PER_S);
    assert_int_equal(c->options.idle_ns, 3600 * SP_NS_PER_S);
    assert_int_equal(c->options.protocol, SP_UPSTREAM_H1);
    assert_int_equal(c->options.buffer_limit, 1 << 20);
    assert_int_equal(c->breakers[SP_ROUTING_DEFAULT].connections.limit, 1024);
    assert_int_equal(c->breakers[SP_ROUTING_DEFAULT].pending.limit, 1024);
    assert_int_equal(c->breakers[SP_ROUTING_DEFAULT].requests.limit, 1024);
    assert_int_equal(c->breakers[SP_ROUTING_DEFAULT].retries.limit, 3);
    assert_int_equal(c->lb.policy, SP_LB_ROUND_ROBIN);
    assert_true(c->lb.panic_threshold == 50);
    t_bed_free(&b);
}

static void test_options(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\nconnect_timeout: 1.5s\nper_connection_buffer_limit_bytes: 32768\n" HOST OPTIONS(
                      "    common_http_protocol_options: {idle_timeout: 0s, max_headers_count: 50, max_connection_duration: 60s,\n"
                      "      headers_with_underscores_action: REJECT_REQUEST}\n"
                      "    explicit_http_config:\n"
                      "      http2_protocol_options: {initial_stream_window_size: 65535, initial_connection_window_size: 131072,\n"
                      "        max_concurrent_streams: 7, hpack_table_size: 0}\n")
                  "upstream_connection_options: {tcp_keepalive: {keepalive_time: 30, keepalive_probes: 3}}\n"
                  "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {choice_count: 900}\n"
                  "common_lb_config: {healthy_panic_threshold: {value: 12.5}}\n"
                  "circuit_breakers: {thresholds: [{priority: HIGH, max_retries: 9}, {max_connections: 11, max_retries: 0}]}\n");
    const struct sp_cluster_options *o = &b.cluster->options;
    assert_int_equal(o->connect_ns, 1500 * SP_NS_PER_MS);
    assert_int_equal(o->buffer_limit, 32768);
    assert_int_equal(o->idle_ns, 0);
    assert_int_equal(o->max_age_ns, 60 * SP_NS_PER_S);
    assert_int_equal(o->h2.max_headers, 50);
    assert_int_equal(o->h2.underscores, 1);
    assert_int_equal(o->h2.h2_stream_window, 65535);
    assert_int_equal(o->h2.h2_max_streams, 7);
    assert_int_equal(o->h2.h2_conn_window, 131072);
    assert_int_equal(o->h2.h2_table_size, 0);
    assert_int_equal(o->max_streams, 7);
    assert_int_equal(o->protocol, SP_UPSTREAM_H2);
    assert_true(o->sock.keepalive);
    assert_int_equal(o->sock.keepalive_time, 30);
    assert_int_equal(o->sock.keepalive_interval, 0);
    assert_int_equal(b.cluster->lb.choice_count, 900); /* the balancer looks at no more than there are hosts */
    assert_true(b.cluster->lb.panic_threshold == 12.5);
    assert_int_equal(b.cluster->breakers[SP_ROUTING_DEFAULT].connections.limit, 11);
    assert_int_equal(b.cluster->breakers[SP_ROUTING_DEFAULT].requests.limit, 1024);
    assert_int_equal(b.cluster->breakers[SP_ROUTING_DEFAULT].retries.limit, 0);
    assert_int_equal(b.cluster->breakers[SP_ROUTING_HIGH].retries.limit, 9);
    t_bed_free(&b);
}

/* The fields of the cluster that HttpProtocolOptions took the place of. */
static void test_deprecated(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\nhttp2_protocol_options: {initial_stream_window_size: 65535, max_concurrent_streams: 7}\n"
                  "common_http_protocol_options: {idle_timeout: 3s}\nmax_requests_per_connection: 9\n" HOST);
    assert_int_equal(b.cluster->options.protocol, SP_UPSTREAM_H2);
    assert_int_equal(b.cluster->options.h2.h2_stream_window, 65535);
    assert_int_equal(b.cluster->options.max_streams, 7);
    assert_int_equal(b.cluster->options.idle_ns, 3 * SP_NS_PER_S);
    assert_int_equal(b.cluster->options.max_requests, 9);
    t_bed_free(&b);
    t_bed_new(&b, "name: c\nhttp_protocol_options: {enable_trailers: true}\n" HOST);
    assert_int_equal(b.cluster->options.protocol, SP_UPSTREAM_H1);
    assert_true(b.cluster->options.h1.h1_trailers);
    t_bed_free(&b);
    refused("name: c\nhttp_protocol_options: {}\nhttp2_protocol_options: {}\n" HOST, "the cluster speaks one of them");
    refused("name: c\nmax_requests_per_connection: 1\n" HOST OPTIONS("    explicit_http_config: {http_protocol_options: {}}\n"),
            "only one of them can hold");
}

static void test_errors(void **state)
{
    (void)state;
#define ENDPOINT(e) "name: c\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: " e "}]}]}\n"
    refused(ENDPOINT("{address: {socket_address: {address: example.com, port_value: 80}}}"),
            "t.yaml:2:112: load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
            "\"example.com\" is not an IP address (hosts of a STATIC or EDS cluster are IP addresses or pipes; set type to STRICT_DNS or LOGICAL_DNS for a name)");
    refused(ENDPOINT("{address: {socket_address: {address: 1.2.3.4, port_value: 0}}}"), "0 is no port to connect to");
    refused(ENDPOINT("{address: {pipe: {path: /a/very/long/path/that/does/not/fit/into/the/address/of/a/unix/socket/because/"
                     "there/are/only/108/bytes/for/it}}}"),
            "(a unix socket's path has at most 107)");
    refused(ENDPOINT("{address: {pipe: {path: /a}}, health_check_config: {port_value: 1}}"), "a pipe has no port");
    refused("name: c\n" HOST "circuit_breakers: {thresholds: [{max_retries: 1}, {max_retries: 2}]}\n",
            "circuit_breakers.thresholds[1]: there are thresholds of this priority above already");
    refused("name: c\n" HOST "typed_extension_protocol_options: {other: {\"@type\": "
            "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: "
            "{http_protocol_options: {}}}}\n", "\"other\" is not known");
    refused("name: c\n" HOST "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: "
            "{\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n",
            "is not an HttpProtocolOptions");
    refused("name: c\n" HOST OPTIONS("    auto_config: {}\n"), "auto_config chooses by ALPN, which needs TLS");
    refused("name: c\n" HOST OPTIONS("    upstream_http_protocol_options: {auto_sni: true}\n"
                                     "    explicit_http_config: {http_protocol_options: {}}\n"),
            "auto_sni and auto_san_validation need TLS");
    refused("name: c\n" HOST "transport_socket: {name: tls, typed_config: {\"@type\": "
            "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n", "is not for clusters");
    refused("name: c\nload_assignment: {cluster_name: c}\n", "has no endpoints: every request will get 503");
    refused("name: c\ntype: ORIGINAL_DST\n" HOST, "type");
    char with_tls[8192];
    snprintf(with_tls, sizeof(with_tls), "name: c\n" HOST OPTIONS("    auto_config: {}\n") "%s", t_tls());
    refused(with_tls, "any certificate that it vouches for is taken for the origin's");
    snprintf(with_tls, sizeof(with_tls), "name: c\n" HOST OPTIONS("    upstream_http_protocol_options: {auto_san_validation: true}\n"
             "    auto_config: {}\n") "%s", t_tls());
    accepted(with_tls);
    snprintf(with_tls, sizeof(with_tls), "name: c\n" HOST OPTIONS("    upstream_http_protocol_options: {auto_san_validation: true}\n"
             "    explicit_http_config: {http_protocol_options: {}}\n") "transport_socket: {name: tls, typed_config: {\"@type\": "
             "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}\n");
    refused(with_tls, "auto_san_validation checks nothing without trusted_ca");
    accepted("name: c\n" HOST "transport_socket: {name: raw, typed_config: {\"@type\": "
             "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}\n");
}

#define CHECK(text) "name: c\n" HOST "health_checks:\n- {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, " text "}\n"

static void test_check_errors(void **state)
{
    (void)state;
    refused(CHECK("http_health_check: {path: health}"), "\"health\" does not begin with '/'");
    refused(CHECK("http_health_check: {path: \"/a b\"}"), "has a space or a control character");
    refused(CHECK("http_health_check: {path: /, expected_statuses: [{start: 200, end: 200}]}"),
            "expected_statuses[0]: 200 to 200 is no range");
    refused(CHECK("http_health_check: {path: /, retriable_statuses: [{start: 99, end: 200}]}"), "99 to 200 is no range");
    refused(CHECK("http_health_check: {path: /, expected_statuses: [{start: 500, end: 601}]}"), "500 to 601 is no range");
    refused(CHECK("tcp_health_check: {send: {text: \"5Z\"}}"), "is not in hexadecimal");
    refused(CHECK("tcp_health_check: {send: {text: \"555\"}}"), "is not in hexadecimal");
    refused(CHECK("tcp_health_check: {receive: [{binary: \"\"}]}"), "receive[0]: is empty");
    refused(CHECK("tcp_health_check: {}") "- {timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, "
                                          "tcp_health_check: {}}\n",
            "health_checks[1]: one of several has no name (name each: its counters stand under it)");
    refused(CHECK("tcp_health_check: {}, name: a") "- {name: a, timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, "
                                                   "tcp_health_check: {}}\n",
            "health_checks[1].name: a health check \"a\" stands above already (give it a name of its own)");
    accepted(CHECK("tcp_health_check: {send: {text: \"50494e47\"}, receive: [{text: \"504F4E47\"}, {binary: AAE=}]}"));
}

#define POLICY(text) "name: c\n" HOST "load_balancing_policy: {policies: [" text "]}\n"
#define POLICY_OF(type) \
    "{typed_extension_config: {name: x, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.load_balancing_policies." type "}}}"

static void test_policies(void **state)
{
    (void)state;
    struct t_bed b;
    refused("name: c\n" HOST "lb_policy: LOAD_BALANCING_POLICY_CONFIG\n", "required for this lb_policy, but missing (add it)");
    refused(POLICY(""), "has none that is run (use a RoundRobin, LeastRequest, Random, RingHash, Maglev or Subset)");
    refused("name: c\n" HOST "transport_socket_matches: [{name: p, match: {a: b}}]\n", "required, but missing (add it; for plain text a RawBuffer)");
    refused("name: c\n" HOST "transport_socket_matches: [{name: p, transport_socket: {name: p, typed_config: {\"@type\": "
            "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport, config: {version: V1}, "
            "transport_socket: {name: r, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}}}]\n",
            "PROXY headers are for all hosts of a cluster or for none (take ProxyProtocolUpstreamTransport out, or use a cluster of its own)");
    refused("name: c\n" HOST "lb_policy: LEAST_REQUEST\nleast_request_lb_config: {active_request_bias: {default_value: -1, runtime_key: r}}\n",
            "a bias is 0 or more (1 is the default)");
    refused("name: c\n" HOST "round_robin_lb_config: {slow_start_config: {slow_start_window: 1s, aggression: {runtime_key: r}}}\n",
            "an aggression is over 0 (1 is the default)");
    refused("name: c\n" HOST "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 65536}\n", "65536 is no prime number (such as 65537)");
    refused("name: c\n" HOST "lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 5000011}\n",
            "5000011 places are too many to build while serving (at most 262144)");
    refused("name: c\n" HOST "lb_policy: RING_HASH\nring_hash_lb_config: {minimum_ring_size: 20, maximum_ring_size: 10}\n",
            "minimum_ring_size (20) is over maximum_ring_size (10): make the minimum smaller");
    refused(POLICY(POLICY_OF("wrr_locality.v3.WrrLocality")), "wrr_locality");
    t_bed_new(&b, POLICY("{typed_extension_config: {name: x, typed_config: {\"@type\": type.googleapis.com/envoy.extensions."
                         "load_balancing_policies.least_request.v3.LeastRequest, choice_count: 5, locality_lb_config: "
                         "{locality_weighted_lb_config: {}}}}}, " POLICY_OF("random.v3.Random")));
    assert_int_equal(b.cluster->lb.policy, SP_LB_LEAST_REQUEST);
    assert_int_equal(b.cluster->lb.choice_count, 5);
    assert_true(b.cluster->lb.by_locality);
    t_bed_free(&b);
    t_bed_new(&b, POLICY(POLICY_OF("round_robin.v3.RoundRobin")) "lb_policy: LEAST_REQUEST\n");
    assert_int_equal(b.cluster->lb.policy, SP_LB_ROUND_ROBIN);
    assert_false(b.cluster->lb.by_locality);
    t_bed_free(&b);
}

static const char *dumped(const struct sp_cluster *c, void (*how)(const struct sp_cluster *, bool, struct sp_buf *), bool via_api)
{
    struct sp_buf out;
    sp_buf_init(&out);
    how(c, via_api, &out);
    size_t n = out.len;
    struct sp_str s = sp_arena_str(&c_arena_, sp_str_n(sp_buf_pullup(&out, n), n));
    sp_buf_clear(&out);
    return s.ptr;
}

#define SHOWN \
    "name: c\nalt_stat_name: c\nload_assignment:\n  cluster_name: c\n  endpoints:\n" \
    "  - locality: {region: eu, zone: a, sub_zone: a1}\n    priority: 1\n    lb_endpoints:\n" \
    "    - load_balancing_weight: 7\n      health_status: DRAINING\n      endpoint: {hostname: h.test, address: " \
    "{socket_address: {address: \"::1\", port_value: 443}}}\n" \
    "circuit_breakers: {thresholds: [{max_requests: 5}]}\n"

static void test_bind(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\n" HOST "upstream_bind_config: {source_address: {address: 127.0.0.9, port_value: 0}}\n");
    const struct sp_addr *from = &b.cluster->options.sock.bind;
    char text[SP_ADDR_TEXT_MAX];
    assert_str(sp_str_n(text, sp_addr_format(from, text)), "127.0.0.9:0");
    uint64_t before = t_stat("bind_errors");
    sp_bind_failed(b.cluster, -ECONNREFUSED); /* not the address's fault */
    assert_int_equal(t_stat("bind_errors"), before);
    sp_bind_failed(b.cluster, -EADDRNOTAVAIL);
    assert_int_equal(t_stat("bind_errors"), before + 1);
    t_bed_free(&b);
    accepted("name: c\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {pipe: {path: /a}}}}]}]}\n"
             "upstream_bind_config: {source_address: {address: \"::1\", port_value: 0}}\n");
    refused("name: c\n" HOST "upstream_bind_config: {source_address: {address: \"::1\", port_value: 0}}\n",
            "::1 cannot connect to host 1.2.3.4:80 of cluster \"c\"");
    refused("name: c\n" HOST "upstream_bind_config: {source_address: {address: egress, port_value: 0}}\n",
            "\"egress\" is not an IP address");
    refused("name: c\n" HOST "upstream_bind_config: {source_address: {address: 1.2.3.4, port_value: 77}}\n",
            "with a fixed port there is one connection to each host");
    refused("name: c\n" HOST "upstream_bind_config: {source_address: {address: 1.2.3.4, port_value: 0}, freebind: true}\n",
            "freebind");
}

static void test_text(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, SHOWN);
    sp_host_count(&b.cluster->hosts->v[0].host->parts[0].rq_total, 2);
    sp_host_count(&b.cluster->hosts->v[0].host->parts[2].rq_total, 3);
    sp_host_count(&b.cluster->hosts->v[0].host->parts[1].rq_error, 1);
    assert_string_equal(dumped(b.cluster, sp_cluster_text, false),
                        "c::observability_name::c\n"
                        "c::default_priority::max_connections::1024\n"
                        "c::default_priority::max_pending_requests::1024\n"
                        "c::default_priority::max_requests::5\n"
                        "c::default_priority::max_retries::3\n"
                        "c::high_priority::max_connections::1024\n"
                        "c::high_priority::max_pending_requests::1024\n"
                        "c::high_priority::max_requests::1024\n"
                        "c::high_priority::max_retries::3\n"
                        "c::added_via_api::false\n"
                        "c::[::1]:443::cx_active::0\n"
                        "c::[::1]:443::cx_connect_fail::0\n"
                        "c::[::1]:443::cx_total::0\n"
                        "c::[::1]:443::rq_active::0\n"
                        "c::[::1]:443::rq_error::1\n"
                        "c::[::1]:443::rq_pending_active::0\n"
                        "c::[::1]:443::rq_success::0\n"
                        "c::[::1]:443::rq_timeout::0\n"
                        "c::[::1]:443::rq_total::5\n"
                        "c::[::1]:443::hostname::h.test\n"
                        "c::[::1]:443::health_flags::/eds_status_draining\n"
                        "c::[::1]:443::weight::7\n"
                        "c::[::1]:443::region::eu\n"
                        "c::[::1]:443::zone::a\n"
                        "c::[::1]:443::sub_zone::a1\n"
                        "c::[::1]:443::canary::false\n"
                        "c::[::1]:443::priority::1\n"
                        "c::[::1]:443::success_rate::-1\n"
                        "c::[::1]:443::local_origin_success_rate::-1\n");
    assert_non_null(strstr(dumped(b.cluster, sp_cluster_text, true), "\nc::added_via_api::true\n"));
    t_bed_free(&b);
}

static void test_json(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, SHOWN);
    sp_host_set_health(b.cluster, b.cluster->hosts->v[0].host, SP_HEALTH_FAILED_ACTIVE_HC, 0);
    json_t *j = json_loads(dumped(b.cluster, sp_cluster_json, true), 0, NULL);
    assert_non_null(j);
    assert_true(json_is_true(json_object_get(j, "added_via_api")));
    const char *name, *address, *priority, *eds, *region, *stat, *value;
    int port, limit, failed, weight;
    assert_int_equal(json_unpack(j, "{s:s,s:{s:[{s:s,s:i}]}}", "name", &name, "circuit_breakers", "thresholds", "priority",
                                 &priority, "max_requests", &limit), 0);
    assert_string_equal(name, "c");
    assert_string_equal(priority, "DEFAULT");
    assert_int_equal(limit, 5);
    json_t *host = json_array_get(json_object_get(j, "host_statuses"), 0);
    assert_int_equal(json_unpack(host, "{s:{s:{s:s,s:i}},s:{s:s,s:b},s:i,s:{s:s}}", "address", "socket_address", "address",
                                 &address, "port_value", &port, "health_status", "eds_health_status", &eds,
                                 "failed_active_health_check", &failed, "weight", &weight, "locality", "region", &region), 0);
    assert_string_equal(address, "::1");
    assert_int_equal(port, 443);
    assert_string_equal(eds, "UNHEALTHY");
    assert_true(failed);
    assert_int_equal(weight, 7);
    assert_string_equal(region, "eu");
    json_t *first = json_array_get(json_object_get(host, "stats"), 0);
    assert_int_equal(json_unpack(first, "{s:s,s:s}", "name", &stat, "value", &value), 0);
    assert_string_equal(stat, "cx_active");
    assert_string_equal(value, "0");
    json_decref(j);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_deprecated),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_check_errors),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
