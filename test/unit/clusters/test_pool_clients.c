/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections that begin with a PROXY header: each client's own, as long as the client's lasts. */
#include "support.h"

#include <string.h>

#include "clusters/pool.h"
#include "clusters/state.h"

enum { MANY = 60 };

struct client {
    struct sp_conn_info conn;
    struct sp_list watches;
};

static void client_init(struct client *c, unsigned port)
{
    char text[32];
    memset(c, 0, sizeof(*c));
    snprintf(text, sizeof(text), "192.0.2.1:%u", port);
    assert_int_equal(sp_addr_parse(sp_str_c(text), &c->conn.peer), 0);
    assert_int_equal(sp_addr_parse(SP_STR("192.0.2.2:443"), &c->conn.local), 0);
    sp_list_init(&c->watches);
    c->conn.watches = &c->watches;
}

/* As listeners/downstream_conn does. */
static void client_end(struct client *c)
{
    c->conn.watches = NULL;
    for (struct sp_list *n; (n = sp_list_pop(&c->watches)) != NULL;) {
        struct sp_conn_watch *w = SP_CONTAINER_OF(n, struct sp_conn_watch, link);
        w->gone(w);
    }
}

static void bed(struct t_bed *b)
{
    t_bed_hosts(b, 1, "transport_socket: {name: p, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3."
                      "ProxyProtocolUpstreamTransport, config: {version: V1}, transport_socket: {name: r, typed_config: {"
                      "\"@type\": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}}}\n");
}

static void begin(struct t_call *call, struct t_bed *b, struct client *c)
{
    t_call_begin(call, b, 0, &(struct sp_upstream_setup){.conn = &c->conn}, NULL, true);
}

static void answer(struct t_bed *b, struct sp_wire *w, struct t_call *call)
{
    if (!w->ready)
        fake_connect(w);
    t_step(b, 0);
    fake_respond(fake_stream_at(w, 0), 200, true);
    t_step(b, 0);
    assert_int_equal(call->status, 200);
    t_call_done(call);
}

static unsigned n_pools(struct t_bed *b)
{
    unsigned n = 0;
    SP_LIST_FOREACH(at, &t_slot(b, 0)->pools)
        n++;
    assert_int_equal(n, t_slot(b, 0)->n_named);
    return n;
}

static void test_ends_with_its_client(void **state)
{
    (void)state;
    struct t_bed b;
    struct client one, two;
    struct t_call call = {0};
    bed(&b);
    client_init(&one, 1);
    client_init(&two, 2);
    struct client *const order[] = {&one, &two, &one, &two};
    for (unsigned i = 0; i < 4; i++) {
        begin(&call, &b, order[i]);
        answer(&b, fake_wires[i % 2], &call);
        assert_int_equal(fake_n, i ? 2 : 1);
    }
    client_end(&one);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 1);
    assert_false(fake_wires[1]->close_asked);
    assert_int_equal(n_pools(&b), 1);
    client_end(&two);
    t_step(&b, 0);
    assert_int_equal(n_pools(&b), 0);
    assert_int_equal(t_stat("upstream_cx_destroy_local"), 2);
    t_bed_free(&b);
}

/* What is under way ends first: of a copy, say, which outlives its client. */
static void test_after_what_is_under_way(void **state)
{
    (void)state;
    struct t_bed b;
    struct client one;
    struct t_call call = {0}, late = {0};
    bed(&b);
    client_init(&one, 1);
    begin(&call, &b, &one);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    client_end(&one);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 1);
    answer(&b, fake_wires[0], &call);
    assert_int_equal(fake_alive(), 0);
    begin(&late, &b, &one); /* another attempt: its client has ended before it */
    answer(&b, fake_wires[1], &late);
    assert_int_equal(fake_alive(), 0);
    assert_int_equal(n_pools(&b), 0);
    t_bed_free(&b);
}

/* Two connections of which a proxy in front says the same. */
static void test_one_name_for_two(void **state)
{
    (void)state;
    struct t_bed b;
    struct client one, same;
    struct t_call call = {0};
    bed(&b);
    client_init(&one, 1);
    client_init(&same, 1);
    begin(&call, &b, &one);
    answer(&b, fake_wires[0], &call);
    begin(&call, &b, &same);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, false);
    client_end(&one);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 1);
    t_call_done(&call); /* cut off: an HTTP/1 connection ends with that */
    begin(&call, &b, &same);
    answer(&b, fake_wires[1], &call);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 1); /* it is the other's now */
    client_end(&same);
    t_step(&b, 0);
    assert_int_equal(fake_alive(), 0);
    t_bed_free(&b);
}

static void test_nobodys_stays(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call call = {0};
    bed(&b);
    for (unsigned i = 0; i < 3; i++) {
        t_call_get(&call, &b);
        answer(&b, fake_wires[0], &call);
    }
    assert_int_equal(fake_n, 1);
    t_bed_free(&b);
}

static void test_a_cluster_that_goes_first(void **state)
{
    (void)state;
    struct t_bed b;
    struct client one;
    struct t_call call = {0};
    bed(&b);
    client_init(&one, 1);
    begin(&call, &b, &one);
    answer(&b, fake_wires[0], &call);
    t_bed_free(&b);
    assert_true(sp_list_empty(&one.watches));
}

/* They come and go in any order, and each finds its own. */
static void test_many(void **state)
{
    (void)state;
    static struct t_call calls[MANY];
    struct client *clients = calloc(MANY, sizeof(*clients));
    struct t_bed b;
    bed(&b);
    for (unsigned i = 0; i < MANY; i++) {
        client_init(&clients[i], i + 1);
        begin(&calls[i], &b, &clients[i]);
        answer(&b, fake_wires[i], &calls[i]);
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        client_end(&clients[i]);
        t_step(&b, 0);
    }
    assert_int_equal(n_pools(&b), MANY - MANY / 3);
    for (unsigned i = MANY; i-- > 0;) {
        if (i % 3 == 0)
            continue;
        begin(&calls[i], &b, &clients[i]);
        answer(&b, fake_wires[i], &calls[i]);
    }
    assert_int_equal(fake_n, MANY);
    for (unsigned i = 0; i < MANY; i++)
        client_end(&clients[i]);
    t_step(&b, 0);
    assert_int_equal(n_pools(&b), 0);
    t_bed_free(&b);
    free(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_with_its_client), cmocka_unit_test(test_after_what_is_under_way),
        cmocka_unit_test(test_one_name_for_two), cmocka_unit_test(test_nobodys_stays),
        cmocka_unit_test(test_a_cluster_that_goes_first), cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
