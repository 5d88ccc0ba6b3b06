/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Internal redirects: a stream that begins anew, with fake filters and a router that asks for it.
 */
#include "stream/redirect.h"

#include <stdlib.h>

#include "stats/stats.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

#define FOLLOWS ", internal_redirect_policy: {max_internal_redirects: 3, redirect_response_codes: [302, 303]"
#define ROUTES \
    "- {match: {prefix: /a}, name: a, route: {cluster: c" FOLLOWS "}}}\n" \
    "- {match: {prefix: /own}, name: own, direct_response: {status: 418}}\n" \
    "- {match: {prefix: /b}, name: b, route: {cluster: c, idle_timeout: 3s}}\n"

static struct sp_chain *chain_of(const struct exchange *e)
{
    return &((struct sp_stream *)e->cs.user)->chain;
}

static struct sp_filter *router_of(const struct exchange *e)
{
    return filter_of(e, chain_of(e)->plan->n - 1);
}

/* What the router does when an answer comes. */
static enum sp_redirect_verdict follow(struct exchange *e, const char *lines, const char *body)
{
    struct sp_headers *h = sp_arena_alloc(&e->arena, sizeof(*h));
    struct sp_buf b;
    t_headers(h, &e->arena, lines);
    sp_buf_init(&b);
    sp_buf_append(&b, body, strlen(body));
    enum sp_redirect_verdict v = sp_stream_redirect(router_of(e), chain_of(e)->route->redirects, h, &b, NULL);
    assert_int_equal(b.len, v == SP_REDIRECT_FOLLOWED && h->status != 303 ? 0 : strlen(body));
    sp_buf_clear(&b);
    return v;
}

#define TO(path) ":status: 302\nlocation: http://a.test" path "\n"

static const char *head(const struct exchange *e, const char *name)
{
    struct exchange copy = {.request = *chain_of(e)->head[SP_DECODE], .arena = e->arena};
    const char *v = routed(&copy, name);
    ((struct exchange *)(uintptr_t)e)->arena = copy.arena;
    return v;
}

static unsigned completed;

static void count_completed(struct sp_filter *f)
{
    completed++;
    assert_string_equal(sp_arena_str(sp_filter_arena(f), sp_filter_info(f)->details).ptr,
                        completed == 1 ? "internal_redirect" : "via_upstream");
}

/* Each filter sees it twice, with objects of its own. */
static void test_again(void **state)
{
    struct world *w = world_new("generate_request_id: true\n", SHIELD_FILTER RESTRICTION_FILTER JWT_FILTER ROUTER_FILTER, ROUTES);
    struct exchange *e = ask(w, GET("/a") "x-mine: 1\n", true);
    completed = 0;
    fake_complete = count_completed;
    const char *id = head(e, "x-request-id");
    sp_headers_set(chain_of(e)->head[SP_DECODE], SP_STR("x-mine"), SP_STR("changed by a filter"));
    assert_int_equal(follow(e, TO("/b?x#y"), ""), SP_REDIRECT_FOLLOWED);
    assert_int_equal(completed, 0); /* not in the caller's stack */
    world_pass(w, 0);
    assert_int_equal(completed, 1);
    for (enum fake i = 0; i < N_FAKES; i++) {
        assert_int_equal(fake_seen[i], i == MUTATION ? 0 : 2);
        assert_int_equal(fake_destroyed[i], i == MUTATION ? 0 : 1);
    }
    assert_string_equal(head(e, ":path"), "/b?x");
    assert_string_equal(head(e, "x-mine"), "1");
    assert_string_equal(head(e, "x-request-id"), id);
    assert_string_equal(head(e, "x-envoy-original-url"), "http://a.test/a");
    assert_null(e->head);
    respond(e, ":status: 200\n", true);
    assert_int_equal(e->head->status, 200);
    over(e, SP_ABORT_NONE);
    assert_int_equal(completed, 2);
    assert_int_equal(world_stat("http.test.downstream_rq_total"), 2);
    assert_int_equal(world_stat("http.test.downstream_rq_completed"), 1);
    assert_int_equal(world_stat("http.test.downstream_rq_active"), 0);
    world_free(w);
}

static enum sp_status refuse_b(struct sp_filter *f, struct sp_headers *h, bool end)
{
    if (!sp_str_eq(h->path, SP_STR("/b")))
        return SP_CONTINUE;
    sp_filter_reply_text(f, 403, SP_STR("no"), SP_STR("refused"));
    return SP_STOP;
}

/* A filter or a gate that refuses it the second time, with a body still to come through the chain. */
static void test_refused(void **state)
{
    static const enum fake who[] = {SHIELD, JWT};
    for (size_t i = 0; i < SP_ARRAY_LEN(who); i++) {
        struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER, ROUTES);
        fake_decode[who[i]] = refuse_b;
        struct exchange *e = ask(w, GET("/a"), false);
        ask_data(e, "body", true);
        assert_int_equal(follow(e, TO("/b"), "body"), SP_REDIRECT_FOLLOWED);
        world_pass(w, 0);
        assert_int_equal(e->head->status, 403);
        sent_body(e, "no");
        assert_string_equal(details(e), "refused");
        assert_false(e->cancelled); /* the client's request is whole: there is nothing to cut */
        assert_int_equal(world_stat("http.test.downstream_rq_response_before_rq_complete"), 0);
        over(e, SP_ABORT_NONE);
        world_free(w);
    }
}

/* The whole body goes through the chain once more, held where a filter holds it. */
static enum sp_status hold(struct sp_filter *f, struct sp_headers *h, bool end)
{
    return SP_STOP_PAUSE;
}

static void test_body(void **state)
{
    struct world *w = world_new(NULL, JWT_FILTER ROUTER_FILTER, ROUTES);
    struct exchange *e = ask(w, GET("/a") "content-length: 4\n", false);
    ask_data(e, "body", true);
    assert_int_equal(follow(e, TO("/b"), "bod"), SP_REDIRECT_NOTHING); /* not of the length that its head says */
    assert_int_equal(follow(e, TO("/b"), "body"), SP_REDIRECT_FOLLOWED);
    fake_decode[JWT] = hold;
    world_pass(w, 0);
    assert_int_equal(fake_seen[ROUTER], 1);
    assert_int_equal(chain_of(e)->held[SP_DECODE], 4);
    sp_filter_continue(filter_of(e, 0), SP_DECODE);
    assert_int_equal(fake_seen[ROUTER], 2);
    assert_int_equal(chain_of(e)->held[SP_DECODE], 0);
    assert_true(chain_of(e)->request_end);
    respond(e, ":status: 200\n", true);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* RFC 9110 section 15.4.4. */
static void test_see_other(void **state)
{
    struct world *w = world_new(NULL, NULL, ROUTES);
    struct exchange *e = ask(w, ":method: POST\n:scheme: http\n:authority: a.test\n:path: /a\ncontent-length: 4\nexpect: 100-continue\n", false);
    ask_data(e, "body", true);
    assert_int_equal(follow(e, ":status: 303\nlocation: http://a.test/b\n", "body"), SP_REDIRECT_FOLLOWED);
    world_pass(w, 0);
    assert_true(sp_str_eq(chain_of(e)->head[SP_DECODE]->method, SP_STR("GET")));
    assert_string_equal(head(e, "content-length"), "-");
    assert_string_equal(head(e, "expect"), "-");
    assert_true(chain_of(e)->request_end);
    over(e, SP_ABORT_CLOSED);
    world_free(w);
}

/* Until the end of the turn it may still end otherwise. */
static void test_others_are_faster(void **state)
{
    struct world *w = world_new(NULL, NULL, ROUTES);
    struct exchange *e = ask(w, GET("/a"), true);
    assert_int_equal(follow(e, TO("/b"), ""), SP_REDIRECT_FOLLOWED);
    over(e, SP_ABORT_CLOSED);
    world_pass(w, 0);
    assert_int_equal(fake_seen[ROUTER], 1);
    e = ask(w, GET("/a"), false);
    ask_data(e, "body", true);
    assert_int_equal(follow(e, TO("/b"), "body"), SP_REDIRECT_FOLLOWED);
    sp_filter_reply_text(router_of(e), 504, SP_STR("late"), SP_STR("late"));
    world_pass(w, 0);
    assert_int_equal(e->head->status, 504);
    assert_int_equal(follow(e, TO("/b"), ""), SP_REDIRECT_NOTHING); /* and then there is none */
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_verdicts(void **state)
{
    struct world *w = world_new("normalize_path: true\n", NULL, ROUTES);
    struct exchange *e = ask(w, GET("/a"), false);
    assert_int_equal(follow(e, TO("/b"), ""), SP_REDIRECT_NOTHING); /* the request is not whole */
    ask_data(e, "", true);
    assert_int_equal(follow(e, ":status: 302\n", ""), SP_REDIRECT_NOTHING);
    assert_int_equal(follow(e, TO("/b") "location: http://a.test/b\n", ""), SP_REDIRECT_BAD_LOCATION);
    assert_int_equal(follow(e, ":status: 302\nlocation: /b\n", ""), SP_REDIRECT_BAD_LOCATION);
    assert_int_equal(follow(e, TO("/%00"), ""), SP_REDIRECT_BAD_LOCATION);
    assert_int_equal(follow(e, ":status: 302\nlocation: https://a.test/b\n", ""), SP_REDIRECT_UNSAFE_SCHEME);
    assert_int_equal(follow(e, TO("/none"), ""), SP_REDIRECT_NO_ROUTE);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(follow(e, TO("/x/../a"), ""), SP_REDIRECT_FOLLOWED);
        world_pass(w, 0);
        assert_string_equal(head(e, ":path"), "/a");
    }
    assert_int_equal(follow(e, TO("/a"), ""), SP_REDIRECT_TOO_MANY);
    respond(e, TO("/a"), true); /* the client's to follow */
    assert_int_equal(e->head->status, 302);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* To a route that answers itself; idle times are the new route's. */
static void test_routes(void **state)
{
    struct world *w = world_new("stream_idle_timeout: 10s\n", NULL, ROUTES);
    struct exchange *e = ask(w, GET("/a"), true);
    assert_int_equal(follow(e, TO("/own"), ""), SP_REDIRECT_FOLLOWED);
    world_pass(w, 0);
    assert_int_equal(e->head->status, 418);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/a"), true);
    assert_int_equal(follow(e, TO("/b"), ""), SP_REDIRECT_FOLLOWED);
    world_pass(w, 0);
    world_pass(w, 2999);
    assert_null(e->head);
    world_pass(w, 1);
    assert_int_equal(e->head->status, 504);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* A client that reads nothing yet stands for the second answer as for the first. */
static void test_pauses(void **state)
{
    struct world *w = world_new(NULL, NULL, ROUTES);
    struct exchange *e = ask(w, GET("/a"), true);
    struct sp_source *tx = e->cs.tx.source;
    tx->ops->pause(tx);
    assert_int_equal(follow(e, TO("/b"), ""), SP_REDIRECT_FOLLOWED);
    world_pass(w, 0);
    e->up_pauses = 0;
    respond(e, ":status: 200\n", false);
    assert_int_equal(e->up_pauses, 1);
    tx->ops->resume(tx);
    assert_int_equal(e->up_pauses, 0);
    respond_data(e, "x", true);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_again),   cmocka_unit_test(test_refused),           cmocka_unit_test(test_body),
        cmocka_unit_test(test_see_other), cmocka_unit_test(test_others_are_faster), cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_routes),  cmocka_unit_test(test_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
