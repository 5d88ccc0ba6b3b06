/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts that change while the cluster lives: who stays, who leaves, what becomes of connections, counts and checks. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "clusters/lb.h"
#include "clusters/publish.h"

#define CHECK \
    "health_checks: [{timeout: 1s, interval: 10s, unhealthy_threshold: 2, healthy_threshold: 2, http_health_check: " \
    "{path: /health}}]\n"

/* "1 2 3": hosts 127.0.0.1:1 and so on. */
static struct sp_host_set *set_of(const char *ports)
{
    struct sp_host_set *s = sp_host_set_new();
    for (const char *p = ports; *p;) {
        char *end;
        struct sp_endpoint *e = sp_host_set_add(s);
        assert_int_equal(sp_addr_parse_ip(SP_STR("127.0.0.1"), &e->addr), 0);
        e->addr.port = (uint16_t)strtoul(p, &end, 10);
        e->health_addr = e->addr;
        p = *end ? end + 1 : end;
    }
    return s;
}

static void publish(struct t_bed *b, struct sp_host_set *s)
{
    sp_host_set_close(s);
    sp_hosts_publish(b->cluster, s);
    t_step(b, 0); /* the workers change over */
}

static void publish_ports(struct t_bed *b, const char *ports)
{
    publish(b, set_of(ports));
}

/* A call that is answered on this wire. */
static void one(struct t_bed *b, unsigned wire)
{
    struct t_call c = {0};
    t_call_get(&c, b);
    assert_true(fake_n > wire);
    if (!fake_wires[wire]->ready)
        fake_connect(fake_wires[wire]);
    t_step(b, 0);
    fake_respond(fake_stream_at(fake_wires[wire], 0), 200, true);
    t_step(b, 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
}

static unsigned picked(struct t_bed *b, unsigned worker)
{
    struct sp_host *h = sp_lb_pick(t_slot(b, worker), NULL);
    return h ? h->addr.port : 0;
}

static void test_stays(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    struct sp_host *h = t_host(&b, 0);
    one(&b, 0);
    assert_int_equal(t_stat("membership_change"), 1);
    publish_ports(&b, "1 2");
    assert_ptr_equal(t_host(&b, 0), h);
    assert_int_equal(sp_host_sum(h).rq_total, 1);
    assert_int_equal(t_stat("membership_total"), 2);
    assert_int_equal(t_stat("membership_healthy"), 2);
    assert_int_equal(t_stat("membership_change"), 2);
    for (unsigned w = 0; w <= T_WORKERS; w++) {
        unsigned first = picked(&b, w), second = picked(&b, w);
        assert_int_equal(first + second, 3);
    }
    /* Its connection serves on. */
    publish_ports(&b, "1");
    one(&b, 0);
    assert_int_equal(fake_n, 1);
    assert_int_equal(t_stat("membership_total"), 1);
    assert_int_equal(t_stat("membership_healthy"), 1);
    /* Nothing new. */
    publish_ports(&b, "1");
    assert_int_equal(t_stat("update_no_rebuild"), 1);
    assert_int_equal(t_stat("membership_change"), 3);
    t_bed_free(&b);
}

/* close_connections_on_host_set_change: its connection does not serve on; a weight is no change of that kind. */
static void test_close_on_change(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, "common_lb_config: {close_connections_on_host_set_change: true}\n");
    one(&b, 0);
    struct sp_host_set *heavier = set_of("1");
    heavier->v[0].weight = 2;
    publish(&b, heavier);
    assert_int_equal(fake_alive(), 1);
    publish_ports(&b, "1 2");
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 0);
    publish_ports(&b, "1");
    one(&b, 1);
    assert_int_equal(fake_wires[1]->to.port, 1);
    t_bed_free(&b);
}

/* A host that takes another transport socket from now on: what it has is not used again. Others are left alone. */
static void test_other_socket(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_config meta;
    t_bed_hosts(&b, 1, "transport_socket_matches: [{name: raw, match: {a: b}, transport_socket: {name: r, typed_config: {\"@type\": "
                       "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}]\n");
    one(&b, 0);
    struct sp_host *h = t_host(&b, 0);
    assert_int_equal(t_stat("default.total_match_count"), 1);
    publish_ports(&b, "1 2");
    assert_int_equal(fake_alive(), 1);
    t_config_load(&meta, &envoy__config__core__v3__metadata__descriptor, "filter_metadata: {envoy.transport_socket_match: {a: b, c: 1}}\n");
    struct sp_host_set *s = set_of("1");
    s->v[0].meta = sp_endpoint_meta_new(meta.msg);
    publish(&b, s);
    t_step(&b, 0);
    assert_ptr_equal(t_host(&b, 0), h);
    assert_int_equal(h->parts[0].socket, 1);
    assert_int_equal(fake_alive(), 0);
    assert_int_equal(t_stat("default.total_match_count"), 2);
    assert_int_equal(t_stat("raw.total_match_count"), 1);
    one(&b, 1);
    t_config_done(&meta);
    t_bed_free(&b);
}

/* A host that comes to a running cluster is in slow start; those that it began with are not. */
static void test_new_is_slow(void **state)
{
    (void)state;
    struct t_bed b;
    unsigned fresh = 0;
    t_bed_hosts(&b, 1, "round_robin_lb_config: {slow_start_config: {slow_start_window: 10s}}\n");
    publish_ports(&b, "1 2");
    t_step(&b, 5000);
    for (unsigned i = 0; i < 300; i++)
        fresh += picked(&b, 0) == 2;
    assert_in_range(fresh, 90, 102); /* half its weight: a third of all, after its first turn */
    t_step(&b, 5000);
    fresh = 0;
    for (unsigned i = 0; i < 300; i++)
        fresh += picked(&b, 0) == 2;
    assert_int_equal(fresh, 150);
    t_bed_free(&b);
}

static void test_idle_close(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    one(&b, 0);
    assert_int_equal(fake_alive(), 1);
    publish_ports(&b, "2");
    assert_int_equal(fake_alive(), 0);
    assert_true(sp_list_empty(&t_slot(&b, 0)->pools));
    assert_int_equal(picked(&b, 0), 2);
    assert_int_equal(t_stat("membership_total"), 1);
    one(&b, 1);
    assert_int_equal(fake_wires[1]->to.port, 2);
    t_bed_free(&b);
}

static void test_under_way(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call open = {0}, waiting = {0};
    t_bed_hosts(&b, 1, NULL);
    t_call_get(&open, &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    t_call_begin(&waiting, &b, 1, NULL, NULL, true); /* in line: its connection is being made */
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, false);
    publish_ports(&b, "2");
    publish_ports(&b, "3");
    assert_int_equal(fake_alive(), 2);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[1], 0), 201, true);
    fake_data(fake_stream_at(fake_wires[0], 0), "all", true);
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(open.status, 200);
    assert_true(open.ended);
    assert_int_equal(waiting.status, 201);
    assert_true(waiting.ended);
    assert_int_equal(fake_alive(), 0); /* nobody may use them again */
    assert_true(sp_list_empty(&t_slot(&b, 0)->pools) && sp_list_empty(&t_slot(&b, 1)->pools));
    t_call_done(&open);
    t_call_done(&waiting);
    t_bed_free(&b);
}

/* A retry that waits remembers a host that is gone meanwhile. */
static void test_gone_while_pausing(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 2, NULL);
    t_call_get(&c, &b);
    unsigned first = fake_wires[0]->to.port;
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -111, NULL, SP_ABORT_CONNECT);
    publish_ports(&b, first == 1 ? "2" : "1");
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_wires[1]->to.port, 3 - first);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[1], 0), 200, true);
    t_step(&b, 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
    t_bed_free(&b);
}

static void test_none_and_back(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    publish_ports(&b, "");
    assert_int_equal(picked(&b, 0), 0);
    struct t_call c = {0};
    t_call_get(&c, &b);
    assert_int_equal(c.failure.status, 503);
    assert_true(c.failure.flags & SP_FLAG_UH);
    t_call_done(&c);
    assert_int_equal(t_stat("membership_total"), 0);
    publish_ports(&b, "1");
    one(&b, 0);
    t_bed_free(&b);
}

static void test_in_place(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 2, NULL);
    struct sp_host *h = t_host(&b, 0);
    struct sp_host_set *s = set_of("1 2");
    s->v[0].weight = 3;
    s->v[0].region = SP_STR("eu");
    s->v[1].eds_health = SP_HEALTH_DEGRADED_EDS;
    publish(&b, s);
    assert_ptr_equal(t_host(&b, 0), h);
    assert_int_equal(t_stat("membership_change"), 1);
    assert_int_equal(t_stat("membership_healthy"), 1);
    assert_int_equal(t_stat("membership_degraded"), 1);
    struct sp_buf out;
    sp_buf_init(&out);
    sp_cluster_text(b.cluster, false, &out);
    size_t n = out.len;
    struct sp_str text = sp_str_n(sp_buf_pullup(&out, n), n);
    assert_true(sp_str_find(text, SP_STR("c::127.0.0.1:1::weight::3\nc::127.0.0.1:1::region::eu\n")) >= 0);
    assert_true(sp_str_find(text, SP_STR("c::127.0.0.1:2::health_flags::/degraded_eds_health\n")) >= 0);
    sp_buf_clear(&out);
    publish_ports(&b, "1 2");
    assert_int_equal(t_stat("membership_degraded"), 0);
    assert_int_equal(t_stat("membership_healthy"), 2);
    /* By weight. */
    s = set_of("1 2");
    s->v[0].weight = 3;
    publish(&b, s);
    unsigned first = 0;
    for (unsigned i = 0; i < 400; i++)
        first += picked(&b, 0) == 1;
    assert_int_equal(first, 300);
    /* Another priority. */
    s = set_of("1 2");
    s->v[0].priority = 1;
    publish(&b, s);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(picked(&b, 1), 2);
    t_bed_free(&b);
}

/* An address may stand twice; a name makes it another host. */
static void test_twice(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    struct sp_host *h = t_host(&b, 0);
    publish_ports(&b, "1 1");
    assert_ptr_equal(t_host(&b, 0), h);
    assert_ptr_not_equal(t_host(&b, 1), h);
    assert_int_equal(t_stat("membership_total"), 2);
    struct sp_host *second = t_host(&b, 1);
    publish_ports(&b, "1 1");
    assert_ptr_equal(t_host(&b, 1), second);
    assert_int_equal(t_stat("update_no_rebuild"), 1);
    struct sp_host_set *s = set_of("1");
    s->v[0].hostname = SP_STR("other.test");
    publish(&b, s);
    assert_ptr_not_equal(t_host(&b, 0), h);
    assert_int_equal(t_stat("membership_total"), 1);
    t_bed_free(&b);
}

static void answer_checks(struct t_bed *b, unsigned status)
{
    for (unsigned i = 0; i < fake_n; i++) {
        if (fake_wires[i]->dead)
            continue;
        if (!fake_wires[i]->ready)
            fake_connect(fake_wires[i]);
        t_step(b, 0);
        struct fake_exchange *s = fake_stream_at(fake_wires[i], 0);
        if (s)
            fake_respond(s, status, true);
    }
    t_step(b, 0);
}

static void answer_checks_of(struct t_bed *b, struct sp_wire *w, unsigned status)
{
    struct fake_exchange *s = fake_stream_at(w, 0);
    assert_non_null(s);
    fake_respond(s, status, true);
    t_step(b, 0);
}

static void test_checks(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK);
    t_step(&b, 0);
    answer_checks(&b, 200);
    assert_true(sp_cluster_warm(b.cluster));
    assert_int_equal(t_stat("health_check.healthy"), 1);
    /* A new host is nobody's until its first check. */
    publish_ports(&b, "1 2");
    assert_int_equal(t_stat("membership_total"), 2);
    assert_int_equal(t_stat("membership_healthy"), 1);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(picked(&b, 0), 1);
    t_step(&b, 0);
    assert_int_equal(t_stat("health_check.attempt"), 2); /* host 1 keeps its session and its interval */
    answer_checks(&b, 200);
    assert_int_equal(t_stat("membership_healthy"), 2);
    assert_int_equal(t_stat("health_check.healthy"), 2);
    /* A host that leaves is not checked any more, also in the middle of a check. */
    publish_ports(&b, "2 3");
    t_step(&b, 0);
    assert_int_equal(t_stat("health_check.attempt"), 3);
    publish_ports(&b, "2");
    assert_int_equal(t_stat("membership_healthy"), 1);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    unsigned n = fake_alive();
    t_step(&b, 0);
    assert_int_equal(fake_alive(), n);
    assert_int_equal(n, 1);
    /* Many new ones make no panic. */
    publish_ports(&b, "2 5 6 7 8");
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(picked(&b, 0), 2);
    assert_int_equal(t_stat("lb_healthy_panic"), 0);
    t_bed_free(&b);
}

/* Hosts that go stay until those that come were checked. */
static void test_handover(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK);
    t_step(&b, 0);
    answer_checks(&b, 200);
    publish_ports(&b, "2 3");
    assert_int_equal(t_stat("membership_total"), 3);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(picked(&b, 0), 1);
    /* The same again, as DNS says it at each refresh. */
    publish_ports(&b, "2 3");
    assert_int_equal(t_stat("membership_total"), 3);
    t_step(&b, 0);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[1], 0), 200, true); /* one of them is well */
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 3);
    t_step(&b, 1000); /* the other runs into its timeout */
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 2);
    assert_int_equal(t_stat("membership_healthy"), 1);
    unsigned at = picked(&b, 0);
    assert_true(at == 2 || at == 3);
    /* Where nobody is well there is nothing to wait for. */
    publish_ports(&b, at == 2 ? "3" : "2");
    assert_int_equal(t_stat("membership_total"), 1);
    publish_ports(&b, "4");
    assert_int_equal(t_stat("membership_total"), 1);
    /* A stop in the middle. */
    answer_checks(&b, 200);
    publish_ports(&b, "5");
    assert_int_equal(t_stat("membership_total"), 2);
    t_bed_free(&b);
}

static void test_check_elsewhere(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK);
    t_step(&b, 0);
    answer_checks(&b, 200);
    struct sp_host_set *s = set_of("1");
    s->v[0].health_addr.port = 99;
    publish(&b, s);
    assert_int_equal(t_stat("membership_healthy"), 1);
    t_step(&b, 60001);
    assert_int_equal(fake_wires[fake_n - 1]->to.port, 99);
    answer_checks(&b, 200);
    /* No checks of this one: it is well. */
    s = set_of("1 2");
    s->v[1].no_active_hc = true;
    publish(&b, s);
    assert_int_equal(t_stat("membership_healthy"), 2);
    s = set_of("1 2");
    s->v[0].no_active_hc = s->v[1].no_active_hc = true;
    publish(&b, s);
    assert_int_equal(t_stat("health_check.healthy"), 0);
    assert_int_equal(t_stat("membership_healthy"), 2);
    t_bed_free(&b);
}

/* What had turned unhealthy gets new connections when it is well again. */
static void test_failure_drains(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call busy = {0};
    t_bed_hosts(&b, 1, CHECK "common_lb_config: {healthy_panic_threshold: {value: 0}}\nclose_connections_on_host_health_failure: true\n");
    t_step(&b, 0);
    answer_checks(&b, 200);
    unsigned first = fake_n; /* 0: the check's */
    t_call_get(&busy, &b);
    fake_connect(fake_wires[first]);
    t_step(&b, 0);
    one(&b, first + 1);
    assert_int_equal(t_stat("upstream_cx_active"), 2);
    t_step(&b, 60000);
    answer_checks_of(&b, fake_wires[0], 500);
    assert_int_equal(t_stat("membership_healthy"), 0);
    t_step(&b, 0);
    assert_true(fake_wires[first + 1]->dead || fake_wires[first + 1]->close_asked); /* idle */
    assert_false(fake_wires[first]->dead);
    fake_respond(fake_stream_at(fake_wires[first], 0), 200, true);
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(busy.status, 200);
    assert_int_equal(t_stat("upstream_cx_active"), 0);
    t_call_done(&busy);
    t_bed_free(&b);
}

/* A logical host: its address is for new connections. */
static void test_logical(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call busy = {0}, second = {0};
    t_bed_hosts(&b, 1, NULL);
    struct sp_host_set *s = set_of("7");
    s->logical = true;
    s->v[0].hostname = SP_STR("www.test");
    publish(&b, s);
    struct sp_host *h = t_host(&b, 0);
    one(&b, 0);
    assert_int_equal(fake_wires[0]->to.port, 7);
    s = set_of("8");
    s->logical = true;
    s->v[0].hostname = SP_STR("www.test");
    publish(&b, s);
    assert_ptr_equal(t_host(&b, 0), h);
    assert_int_equal(fake_alive(), 1); /* the connection lives on */
    t_call_get(&busy, &b);
    assert_int_equal(busy.info.upstream_host.port, 7);
    t_call_get(&second, &b);
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_wires[1]->to.port, 8);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    assert_int_equal(second.info.upstream_host.port, 8);
    for (unsigned i = 0; i < 2; i++)
        fake_respond(fake_stream_at(fake_wires[i], 0), 200, true);
    t_step(&b, 0);
    t_call_done(&busy);
    t_call_done(&second);
    t_bed_free(&b);
}

static void test_posted(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    struct sp_host_set *s = set_of("1 2 3");
    sp_host_set_close(s);
    sp_hosts_post(b.cluster, s);
    assert_int_equal(t_stat("membership_total"), 1);
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 3);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 3);
    /* After the stop nothing is published; before the start it waits. */
    sp_cluster_stop(b.cluster);
    for (unsigned i = 0; i < 2; i++) {
        s = set_of(i ? "4" : "5 6");
        sp_host_set_close(s);
        sp_hosts_post(b.cluster, s);
    }
    t_step(&b, 0);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 3);
    sp_cluster_start(b.cluster, &b.workers[T_WORKERS]);
    t_step(&b, 0);
    assert_int_equal(t_slot(&b, 0)->hosts->n, 1);
    assert_int_equal(picked(&b, 0), 4);
    assert_int_equal(t_stat("membership_total"), 1);
    t_bed_free(&b);
}

/* Many changes with requests under way: nothing is lost, nothing leaks (t_bed_free looks). */
static void churn(const char *policy)
{
    struct t_bed b;
    struct t_call calls[8] = {0};
    t_bed_hosts(&b, 3, policy);
    unsigned seed = 1, failed = 0;
    for (unsigned round = 0; round < 500; round++) {
        char ports[64] = "";
        seed = seed * 1103515245 + 12345;
        for (unsigned i = 0; i < 6; i++)
            if (seed >> (8 + i) & 1 || i == 5)
                snprintf(ports + strlen(ports), sizeof(ports) - strlen(ports), "%s%u", *ports ? " " : "", i + 1);
        publish_ports(&b, ports);
        struct t_call *c = &calls[round % 8];
        if (c->up.ops) {
            for (unsigned i = 0; i < fake_n; i++) {
                if (fake_wires[i]->dead)
                    continue;
                if (!fake_wires[i]->ready)
                    fake_connect(fake_wires[i]);
                t_step(&b, 0);
                if (fake_stream_at(fake_wires[i], 0))
                    fake_respond(fake_stream_at(fake_wires[i], 0), 200, true);
            }
            t_step(&b, 0);
            failed += c->status != 200;
            t_call_done(c);
        }
        if (fake_n > FAKE_MAX - 8) /* the fake remembers no more */
            break;
        t_call_begin(c, &b, seed >> 20 & 1, NULL, NULL, true);
    }
    assert_int_equal(failed, 0);
    for (unsigned i = 0; i < 8; i++)
        if (calls[i].up.ops)
            t_call_done(&calls[i]);
    t_bed_free(&b);
}

static void test_churn(void **state)
{
    (void)state;
    churn(NULL);
    churn("lb_policy: MAGLEV\nmaglev_lb_config: {table_size: 101}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stays),     cmocka_unit_test(test_close_on_change),
        cmocka_unit_test(test_new_is_slow), cmocka_unit_test(test_other_socket), cmocka_unit_test(test_idle_close),
        cmocka_unit_test(test_under_way), cmocka_unit_test(test_gone_while_pausing),
        cmocka_unit_test(test_none_and_back), cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_twice),     cmocka_unit_test(test_checks),
        cmocka_unit_test(test_handover), cmocka_unit_test(test_failure_drains),
        cmocka_unit_test(test_check_elsewhere), cmocka_unit_test(test_logical),
        cmocka_unit_test(test_posted),    cmocka_unit_test(test_churn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
