/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load_assignment.policy: requests that are not tried, hosts that are too old. */
#include "support.h"

#include <math.h>
#include <string.h>

#include "clusters/publish.h"

#define HOST "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}"

static void bed(struct t_bed *b, const char *more, const char *policy)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment: {cluster_name: c, policy: {%s}, endpoints: [{lb_endpoints: [" HOST "]}]}\n", more, policy);
    t_bed_new(b, yaml);
}

/* Of so many requests, those that were not tried. */
static unsigned count_dropped(struct t_bed *b, unsigned n, bool all)
{
    unsigned dropped = 0;
    for (unsigned i = 0; i < n; i++) {
        struct t_call c = {0};
        t_call_get(&c, b);
        if (c.failed) {
            assert_int_equal(c.failure.status, 503);
            assert_int_equal(c.failure.flags, all ? SP_FLAG_UDO : SP_FLAG_DO);
            assert_str(c.failure.body, all ? "unconditional drop overload" : "drop overload");
            assert_str(c.failure.details, all ? "unconditional_drop_overload" : "drop_overload");
            assert_int_equal(c.info.upstream_host.family, 0);
            dropped++;
        }
        t_call_done(&c);
        t_step(b, 0);
    }
    return dropped;
}

static void test_drop(void **state)
{
    (void)state;
    struct t_bed b;
    bed(&b, "", "drop_overloads: [{category: full, drop_percentage: {numerator: 100}}]");
    assert_int_equal(count_dropped(&b, 50, true), 50);
    assert_int_equal(t_stat("upstream_rq_drop_overload"), 50);
    assert_int_equal(t_stat("upstream_rq_503"), 50);
    assert_int_equal(t_stat("upstream_rq_total"), 0);
    assert_int_equal(fake_n, 0);
    t_bed_free(&b);
    bed(&b, "", "drop_overloads: [{category: full, drop_percentage: {numerator: 250000, denominator: MILLION}}]");
    t_slot(&b, 0)->random[0] = 1;
    unsigned n = count_dropped(&b, 400, false);
    assert_true(fabs(n - 100.) < 5 * sqrt(400 * .25 * .75));
    t_bed_free(&b);
    bed(&b, "", "drop_overloads: [{category: full}]");
    assert_int_equal(count_dropped(&b, 20, true), 0);
    t_bed_free(&b);
}

/* It comes and goes with hosts. */
static void test_drop_changes(void **state)
{
    (void)state;
    struct t_bed b;
    bed(&b, "", "");
    assert_int_equal(count_dropped(&b, 20, true), 0);
    for (unsigned on = 1; on + 1; on--) {
        struct sp_host_set *s = sp_host_set_new();
        struct sp_endpoint *e = sp_host_set_add(s);
        e->addr = e->health_addr = t_host(&b, 0)->addr;
        s->policy.drop = on ? 1000000 : 0;
        sp_host_set_close(s);
        sp_hosts_publish(b.cluster, s);
        t_step(&b, 0);
        assert_int_equal(count_dropped(&b, 20, true), on ? 20 : 0);
    }
    t_bed_free(&b);
}

static void republish(struct t_bed *b, uint64_t stale_ns)
{
    struct sp_host_set *s = sp_host_set_new();
    struct sp_endpoint *e = sp_host_set_add(s);
    assert_int_equal(sp_addr_parse_ip(SP_STR("127.0.0.1"), &e->addr), 0);
    e->addr.port = 1;
    e->health_addr = e->addr;
    s->policy.stale_ns = stale_ns;
    sp_host_set_close(s);
    sp_hosts_publish(b->cluster, s);
    t_step(b, 0);
}

static void test_stale(void **state)
{
    (void)state;
    struct t_bed b;
    bed(&b, "type: EDS\neds_cluster_config: {eds_config: {path: x}}\n", "endpoint_stale_after: 10s");
    t_step(&b, 9000);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    republish(&b, 10 * SP_NS_PER_S); /* the same: they are as new */
    t_step(&b, 9000);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    assert_int_equal(t_stat("assignment_stale"), 0);
    t_step(&b, 1001);
    t_step(&b, 0);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 0);
    assert_int_equal(t_stat("assignment_stale"), 1);
    assert_int_equal(t_stat("assignment_timeout_received"), 2);
    assert_int_equal(t_stat("membership_total"), 0);
    t_step(&b, 20000); /* once */
    assert_int_equal(t_stat("assignment_stale"), 1);
    republish(&b, 0); /* they are back, for ever */
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    t_step(&b, 100000);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    t_bed_free(&b);
    bed(&b, "", "endpoint_stale_after: 10s"); /* as in Envoy: of EDS clusters only */
    t_step(&b, 20000);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    t_bed_free(&b);
}

static void check_refused(const char *policy, const char *expected)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "name: c\nload_assignment: {cluster_name: c, policy: {%s}, endpoints: [{lb_endpoints: [" HOST "]}]}\n", policy);
    char *said = t_cluster_errors(yaml);
    if (!strstr(said, expected))
        fail_msg("%s: %s", policy, said);
    free(said);
}

static void test_refused(void **state)
{
    (void)state;
    check_refused("drop_overloads: [{category: a}, {category: b}]", "2 of them are too many (Envoy takes one: add them up)");
    check_refused("drop_overloads: [{category: a, drop_percentage: {numerator: 10001, denominator: TEN_THOUSAND}}]",
                  "10001 is more than all requests (at most 10000)");
}

static void check_addresses(const char *endpoint, const char *more, const char *expected)
{
    char yaml[4096];
    snprintf(yaml, sizeof(yaml), "name: c\n%sload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {%s}}]}]}\n", more, endpoint);
    char *said = t_cluster_errors(yaml);
    if (!strstr(said, expected))
        fail_msg("%s: %s", endpoint, said);
    free(said);
}

#define AT(ip) "{address: {socket_address: {address: \"" ip "\", port_value: 1}}}"
#define FOUR AT("10.0.0.1") ", " AT("10.0.0.2") ", " AT("10.0.0.3") ", " AT("::1")
#define ONE "address: {socket_address: {address: 127.0.0.1, port_value: 1}}"
#define SOURCE(ip) "{address: {address: \"" ip "\", port_value: 0}}"
#define BIND(extra) "upstream_bind_config: {source_address: {address: 127.0.0.1, port_value: 0}, extra_source_addresses: [" extra "]}\n"

static void test_refused_addresses(void **state)
{
    (void)state;
    check_addresses(ONE ", additional_addresses: [" FOUR ", " FOUR ", " FOUR ", " FOUR "]", "", "16 are too many (at most 15)");
    check_addresses("address: {pipe: {path: /x}}, additional_addresses: [" FOUR "]", "",
                    "only a host with an IP address has further ones (list them as endpoints)");
    check_addresses(ONE ", additional_addresses: [" AT("a.test") "]", "type: STRICT_DNS\n",
                    "only a host with an IP address has further ones (list them as endpoints)");
    check_addresses(ONE ", additional_addresses: [{address: {pipe: {path: /x}}}]", "", "is no IP address (set socket_address)");
    check_addresses(ONE, BIND(SOURCE("::1") ", " SOURCE("::2")), "2 are too many (one, of the other IP family)");
    check_addresses(ONE, BIND(SOURCE("127.0.0.2")), "\"127.0.0.2\" is of the family of source_address (give one of the other)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop), cmocka_unit_test(test_drop_changes), cmocka_unit_test(test_stale), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_refused_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
