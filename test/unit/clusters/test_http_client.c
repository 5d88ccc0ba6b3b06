/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The small client: whole answers, limits, and every way not to get one. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "clusters/http_client.h"

struct got {
    unsigned calls, status;
    enum sp_abort why;
    char body[256];
    char kind[64];
    struct t_bed *again; /* starts another from inside */
    struct sp_http_call *next;
};

static void on_done(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct got *g = ctx;
    g->calls++;
    g->status = status;
    g->why = why;
    assert_int_equal(status == 0, why != SP_ABORT_NONE);
    assert_int_equal(h == NULL, status == 0);
    g->body[sp_buf_peek(body, g->body, sizeof(g->body) - 1)] = 0;
    if (h) {
        struct sp_str kind = sp_headers_get(h, SP_STR("content-type"));
        snprintf(g->kind, sizeof(g->kind), "%.*s", SP_STR_ARG(kind));
    }
    if (g->again) {
        struct t_bed *b = g->again;
        g->again = NULL;
        struct sp_http_request r = {.method = SP_STR("GET"), .path = SP_STR("/again"), .max_body = 10};
        g->next = sp_http_call_start(b->cluster, &b->workers[0], &r, on_done, g);
    }
}

static struct sp_http_call *start(struct t_bed *b, struct got *g, const char *body)
{
    static const struct sp_header headers[] = {{.name = SP_STR_INIT("accept"), .value = SP_STR_INIT("application/json")}};
    struct sp_http_request r = {
        .method = body ? SP_STR("POST") : SP_STR("GET"),
        .scheme = SP_STR("https"),
        .authority = SP_STR("keys.test"),
        .path = SP_STR("/jwks"),
        .headers = headers,
        .n_headers = 1,
        .body = sp_str_c(body),
        .timeout_ns = SP_NS_PER_S,
        .max_body = 20,
    };
    memset(g, 0, sizeof(*g));
    return sp_http_call_start(b->cluster, &b->workers[0], &r, on_done, g);
}

static struct fake_exchange *connected(struct t_bed *b)
{
    t_step(b, 0);
    struct sp_wire *w = fake_wires[fake_n - 1];
    if (!w->ready) {
        fake_connect(w);
        t_step(b, 0);
    }
    return fake_stream_at(w, 0);
}

static void test_whole_answer(void **state)
{
    (void)state;
    struct t_bed b;
    struct got g;
    t_bed_hosts(&b, 1, NULL);
    start(&b, &g, "ask=1");
    assert_int_equal(fake_n, 0); /* nothing happens inside */
    struct fake_exchange *s = connected(&b);
    assert_str(s->request->authority, "keys.test");
    assert_str(sp_headers_get_id(s->request, SP_H_CONTENT_LENGTH), "5");
    assert_str(sp_headers_get_id(s->request, SP_H_ACCEPT), "application/json");
    assert_memory_equal(s->body, "ask=1", 5);
    assert_true(s->tx_ended);
    fake_respond_with(s, ":status: 200\ncontent-type: application/json\n", false);
    fake_data(s, "{\"a\"", false);
    fake_data(s, ":1}", true);
    assert_int_equal(g.calls, 0); /* nor inside what the host does */
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.status, 200);
    assert_string_equal(g.body, "{\"a\":1}");
    assert_string_equal(g.kind, "application/json");
    t_bed_free(&b);
}

static void test_no_answers(void **state)
{
    (void)state;
    struct t_bed b;
    struct got g;
    t_bed_hosts(&b, 1, NULL);
    start(&b, &g, NULL);
    t_step(&b, 0);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.why, SP_ABORT_CONNECT);

    start(&b, &g, NULL);
    connected(&b);
    t_step(&b, 1000);
    assert_int_equal(g.why, SP_ABORT_TIMEOUT);

    start(&b, &g, NULL);
    struct fake_exchange *s = connected(&b);
    fake_respond(s, 200, false);
    fake_data(s, "exactly twenty bytes", false);
    fake_data(s, "!", true); /* over max_body */
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.why, SP_ABORT_TOO_LARGE);

    start(&b, &g, NULL);
    s = connected(&b);
    fake_respond(s, 200, false);
    fake_end(s->wire, SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.why, SP_ABORT_PROTOCOL);
    t_bed_free(&b);
    t_bed_hosts(&b, 0, NULL);
    start(&b, &g, NULL);
    t_step(&b, 0);
    assert_int_equal(g.why, SP_ABORT_CONNECT);
    t_bed_free(&b);
}

static void test_limit_is_met_exactly(void **state)
{
    (void)state;
    struct t_bed b;
    struct got g;
    t_bed_hosts(&b, 1, NULL);
    start(&b, &g, NULL);
    struct fake_exchange *s = connected(&b);
    fake_respond(s, 404, false);
    fake_data(s, "exactly twenty bytes", true);
    t_step(&b, 0);
    assert_int_equal(g.status, 404);
    assert_string_equal(g.body, "exactly twenty bytes");
    t_bed_free(&b);
}

static void see_trailers(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sp_http_call **call = ctx;
    const struct sp_headers *t = sp_http_call_trailers(*call);
    assert_int_equal(status, 200);
    assert_non_null(t);
    assert_str(sp_headers_get(t, SP_STR("x-sum")), "1");
    *call = NULL;
}

static void test_trailers(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, NULL);
    struct sp_http_request r = {.method = SP_STR("GET"), .path = SP_STR("/"), .max_body = 10};
    struct sp_http_call *call = sp_http_call_start(b.cluster, &b.workers[0], &r, see_trailers, &call);
    struct fake_exchange *s = connected(&b);
    fake_respond(s, 200, false);
    fake_data(s, "x", false);
    fake_trailers(s);
    t_step(&b, 0);
    assert_null(call);
    t_bed_free(&b);
}

static void test_cancel(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 5; at++) {
        struct t_bed b;
        struct got g;
        t_bed_hosts(&b, 1, NULL);
        struct sp_http_call *call = start(&b, &g, NULL);
        struct fake_exchange *s = NULL;
        if (at >= 1)
            t_step(&b, 0);
        if (at >= 2)
            s = connected(&b);
        if (at >= 3)
            fake_respond(s, 200, false);
        if (at >= 4)
            fake_data(s, "x", true); /* done is on its way */
        sp_http_call_cancel(call);
        t_step(&b, 5000);
        assert_int_equal(g.calls, 0);
        t_bed_free(&b);
    }
}

static void test_from_inside(void **state)
{
    (void)state;
    struct t_bed b;
    struct got g;
    t_bed_hosts(&b, 1, NULL);
    start(&b, &g, NULL);
    g.again = &b;
    fake_respond(connected(&b), 204, true);
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    struct fake_exchange *s = connected(&b);
    assert_str(s->request->path, "/again");
    assert_int_equal(fake_n, 1);
    fake_respond(s, 200, true);
    t_step(&b, 0);
    assert_int_equal(g.calls, 2);
    t_bed_free(&b);
}

/* The worker leaves: the call ends, and is not left hanging. */
static void test_detach(void **state)
{
    (void)state;
    struct t_bed b;
    struct got g;
    t_bed_hosts(&b, 1, NULL);
    start(&b, &g, NULL);
    connected(&b);
    sp_cluster_detach(b.cluster, &b.workers[0], true);
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(g.calls, 1);
    assert_int_equal(g.status, 0);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_answer),
        cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_limit_is_met_exactly),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_from_inside),
        cmocka_unit_test(test_detach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
