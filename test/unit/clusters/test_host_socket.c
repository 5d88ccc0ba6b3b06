/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host takes another transport socket: what was under way over the one before. */
#include "support.h"

#include <string.h>

#include "clusters/publish.h"

#define RAW_FOR_AB \
    "transport_socket_matches: [{name: raw, match: {a: b}, transport_socket: {name: r, typed_config: {\"@type\": " \
    "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}]\n"

static void publish_ab(struct t_bed *b)
{
    struct t_config meta;
    struct sp_host_set *s = sp_host_set_new();
    struct sp_endpoint *e = sp_host_set_add(s);
    assert_int_equal(sp_addr_parse_ip(SP_STR("127.0.0.1"), &e->addr), 0);
    e->addr.port = 1;
    e->health_addr = e->addr;
    t_config_load(&meta, &envoy__config__core__v3__metadata__descriptor, "filter_metadata: {envoy.transport_socket_match: {a: b}}\n");
    e->meta = sp_endpoint_meta_new(meta.msg);
    sp_host_set_close(s);
    sp_hosts_publish(b->cluster, s);
    t_step(b, 0); /* the workers change over */
    t_step(b, 0);
    t_config_done(&meta);
}

/* One that was begun before and is ready after is not used either; who waited for it gets another. */
static void test_other_socket_while_connecting(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, RAW_FOR_AB);
    t_call_get(&c, &b);
    t_step(&b, 0);
    assert_int_equal(fake_n, 1);
    publish_ab(&b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_alive(), 1);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[1], 0), 200, true);
    t_step(&b, 0);
    assert_int_equal(c.status, 200);
    t_call_done(&c);
    t_bed_free(&b);
}

/* Nor does a check go on over a connection of the old kind. */
static void test_other_socket_of_a_check(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, RAW_FOR_AB "health_checks: [{timeout: 1s, interval: 10s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /}}]\n");
    t_step(&b, 0);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, true);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 1);
    publish_ab(&b);
    assert_int_equal(fake_alive(), 0);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_socket_while_connecting),
        cmocka_unit_test(test_other_socket_of_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
