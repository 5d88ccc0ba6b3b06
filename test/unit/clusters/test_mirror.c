/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of requests: what is in them, that they end, and that nobody waits for them. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "clusters/mirror.h"
#include "clusters/state.h"
#include "route/mirror.h"

struct copy {
    struct t_bed b;
    struct sp_arena arena;
    struct sp_headers head;
    struct sp_mirror_policy policy;
    struct sp_route route;
    struct sp_list list;
};

static struct sp_cluster *no_cluster(void *ctx, struct sp_str name)
{
    return sp_str_eq(name, SP_STR("c")) ? ctx : NULL;
}

static void setup(struct copy *c, const char *more)
{
    memset(c, 0, sizeof(*c));
    t_bed_hosts(&c->b, 1, more);
    sp_arena_init(&c->arena);
    c->policy.cluster = c->b.cluster;
    c->route.mirrors = &c->policy;
    c->route.n_mirrors = 1;
    sp_list_init(&c->list);
    sp_headers_init(&c->head, &c->arena);
    c->head.method = SP_STR("POST");
    c->head.scheme = SP_STR("http");
    c->head.authority = SP_STR("api.test:8080");
    c->head.path = SP_STR("/x");
}

static void begin_within(struct copy *c, bool end, uint64_t timeout_ns)
{
    sp_mirrors_begin(&c->list, &c->route, &c->head, end, &(struct sp_upstream_setup){
        .cluster = c->b.cluster, .worker = &c->b.workers[0], .timeout_ns = timeout_ns}, 1, no_cluster, c->b.cluster);
}

static void begin(struct copy *c, bool end)
{
    begin_within(c, end, 5 * SP_NS_PER_S);
}

static void data(struct copy *c, const char *text, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, text, strlen(text));
    sp_mirrors_data(&c->list, &b, end);
    assert_int_equal(b.len, strlen(text)); /* the request's own */
    sp_buf_clear(&b);
}

static struct fake_exchange *connected(struct copy *c)
{
    t_step(&c->b, 0);
    fake_connect(fake_wires[fake_n - 1]);
    t_step(&c->b, 0);
    return fake_stream_at(fake_wires[fake_n - 1], 0);
}

static void done(struct copy *c)
{
    sp_mirrors_let_go(&c->list);
    t_bed_free(&c->b);
    sp_arena_done(&c->arena);
}

static void test_what_is_copied(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    sp_headers_add(&c.head, SP_STR("authorization"), SP_STR("client's"));
    sp_headers_add_secret(&c.head, SP_STR("x-ours"), SP_STR("the origin's"));
    sp_headers_add(&c.head, SP_STR("x-b"), SP_STR("2"));
    begin(&c, false);
    struct fake_exchange *s = connected(&c);
    assert_str(s->request->authority, "api.test-shadow:8080");
    assert_str(sp_headers_get(s->request, SP_STR("authorization")), "client's");
    assert_str(sp_headers_get(s->request, SP_STR("x-b")), "2");
    assert_null(sp_headers_find(s->request, SP_STR("x-ours"), NULL));
    assert_str(sp_headers_get(s->request, SP_STR("x-envoy-internal")), "true");
    assert_non_null(sp_headers_find(&c.head, SP_STR("x-ours"), NULL)); /* the request keeps it */
    assert_str(c.head.authority, "api.test:8080");
    data(&c, "abc", false);
    data(&c, "def", true);
    t_step(&c.b, 0);
    assert_true(s->tx_ended);
    assert_memory_equal(s->body, "abcdef", 6);
    sp_mirrors_let_go(&c.list); /* the request is answered; its copy lives on */
    t_step(&c.b, 10);
    assert_false(s->tx_aborted);
    fake_respond(s, 500, false);
    fake_data(s, "nobody reads it", true);
    t_step(&c.b, 0);
    assert_int_equal(t_stat("upstream_rq_500"), 1);
    done(&c);
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *host, *literal, *want;
        bool keep;
    } cases[] = {{"a.test", NULL, "a.test-shadow", false},       {"a.test:1", NULL, "a.test-shadow:1", false},
                 {"[::1]:80", NULL, "[::1]:80", false},          {"[::1]", NULL, "[::1]", false},
                 {"a.test:1", NULL, "a.test:1", true},           {"a.test:1", "m.test", "m.test", false},
                 {"10.0.0.1", NULL, "10.0.0.1-shadow", false}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct copy c;
        setup(&c, NULL);
        c.head.authority = sp_str_c(cases[i].host);
        c.policy.keep_host = cases[i].keep;
        c.policy.host = cases[i].literal ? sp_str_c(cases[i].literal) : SP_STR_NULL;
        begin(&c, true);
        struct fake_exchange *s = connected(&c);
        assert_str(s->request->authority, cases[i].want);
        fake_respond(s, 200, true);
        t_step(&c.b, 0);
        assert_true(sp_list_empty(&c.list)); /* over before its request */
        done(&c);
    }
}

static void test_by_header(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    c.policy.cluster = NULL;
    c.policy.header = SP_STR("x-mirror");
    begin(&c, true);
    assert_true(sp_list_empty(&c.list));
    sp_headers_add(&c.head, SP_STR("x-mirror"), SP_STR("nobody"));
    begin(&c, true);
    assert_true(sp_list_empty(&c.list));
    sp_headers_set(&c.head, SP_STR("x-mirror"), SP_STR("c"));
    begin(&c, true);
    assert_false(sp_list_empty(&c.list));
    done(&c);
}

static void test_a_slow_mirror_is_given_up(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, "per_connection_buffer_limit_bytes: 100\n");
    begin(&c, false);
    struct fake_exchange *s = connected(&c);
    data(&c, "first", false);
    fake_pause_request(s);
    char text[61];
    memset(text, 'x', 60);
    text[60] = 0;
    data(&c, text, false);
    assert_int_equal(s->body_total, 5);
    fake_resume_request(s); /* it reads on, and gets what waited */
    t_step(&c.b, 0);
    assert_int_equal(s->body_total, 65);
    fake_pause_request(s);
    data(&c, text, false);
    data(&c, text, false); /* over 100 bytes */
    assert_true(s->tx_aborted);
    assert_true(sp_list_empty(&c.list));
    assert_int_equal(t_stat("retry_or_shadow_abandoned"), 1);
    data(&c, "more", true);
    done(&c);
}

static void test_a_request_that_is_cut_off(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    begin(&c, false);
    struct fake_exchange *s = connected(&c);
    data(&c, "half", false);
    sp_mirrors_let_go(&c.list);
    assert_true(s->tx_aborted);
    t_step(&c.b, 0);
    done(&c);
}

static void test_nobody_there(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    begin(&c, false);
    data(&c, "half", false);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, "", SP_ABORT_CLOSED);
    t_step(&c.b, 0);
    assert_true(sp_list_empty(&c.list));
    data(&c, "more", true);
    assert_int_equal(t_stat("upstream_cx_connect_fail"), 1);
    done(&c);
}

static void test_timeout(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    begin(&c, true);
    struct fake_exchange *s = connected(&c);
    sp_mirrors_let_go(&c.list);
    fake_respond(s, 200, false);
    t_step(&c.b, 5001);
    assert_int_equal(t_stat("upstream_rq_timeout"), 1);
    done(&c);
}

/* Without a timeout of the route: as long as the request itself, and a while longer, whatever the mirror says meanwhile. */
static void test_without_a_timeout(void **state)
{
    (void)state;
    struct copy c;
    setup(&c, NULL);
    begin_within(&c, true, 0);
    struct fake_exchange *s = connected(&c);
    t_step(&c.b, 3600 * 1000);
    fake_respond(s, 200, false);
    sp_mirrors_let_go(&c.list);
    t_step(&c.b, 299 * 1000);
    fake_data(s, "more", false);
    t_step(&c.b, 0);
    assert_int_equal(t_stat("upstream_rq_active"), 1);
    t_step(&c.b, 1001);
    assert_int_equal(t_stat("upstream_rq_active"), 0);
    assert_int_equal(t_stat("upstream_rq_timeout"), 1);
    done(&c);
}

static struct fake_exchange *slow(struct copy *c)
{
    setup(c, NULL);
    begin(c, false);
    struct fake_exchange *s = connected(c);
    fake_pause_request(s);
    data(c, "abc", false);
    assert_int_equal(s->body_total, 0);
    return s;
}

/* What is whole needs no reader to end: a mirror that reads nothing would hold it, and a place among its cluster's requests, for ever. */
static void test_a_whole_one_ends(void **state)
{
    (void)state;
    struct copy c;
    struct fake_exchange *s = slow(&c);
    data(&c, "def", true);
    sp_mirrors_let_go(&c.list);
    assert_true(s->tx_ended);
    t_step(&c.b, 4999);
    assert_int_equal(t_stat("upstream_rq_active"), 1);
    t_step(&c.b, 2);
    assert_int_equal(t_stat("upstream_rq_timeout"), 1);
    assert_int_equal(t_stat("upstream_rq_active"), 0);
    done(&c);
}

static void test_trailers_come_last(void **state)
{
    (void)state;
    struct copy c;
    struct sp_headers trailers;
    struct fake_exchange *s = slow(&c);
    sp_headers_init(&trailers, &c.arena);
    sp_headers_add(&trailers, SP_STR("grpc-x"), SP_STR("1"));
    sp_mirrors_trailers(&c.list, &trailers);
    assert_int_equal(s->body_total, 3);
    assert_true(s->tx_trailers);
    done(&c);
}

static void test_a_part_of_them(void **state)
{
    (void)state;
    struct sp_mirror_policy p = {.numerator = 30, .denominator = 100};
    unsigned n[3] = {0}, both = 0;
    for (uint64_t random = 0; random < 100000; random++) { /* in a row: the worst there can be */
        bool first = sp_mirror_takes(&p, 0, random), second = sp_mirror_takes(&p, 1, random);
        n[0] += first;
        n[1] += second;
        both += first && second;
        n[2] += first && random % 100 < 30; /* what the route's own fraction goes by */
    }
    assert_in_range(n[0], 29000, 31000);
    assert_in_range(n[1], 29000, 31000);
    assert_in_range(both, 8500, 9500);
    assert_in_range(n[2], 8500, 9500);
    p.numerator = 0;
    assert_false(sp_mirror_takes(&p, 0, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_copied), cmocka_unit_test(test_hosts), cmocka_unit_test(test_by_header),
        cmocka_unit_test(test_a_slow_mirror_is_given_up), cmocka_unit_test(test_a_request_that_is_cut_off),
        cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_without_a_timeout), cmocka_unit_test(test_a_whole_one_ends), cmocka_unit_test(test_trailers_come_last),
        cmocka_unit_test(test_a_part_of_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
