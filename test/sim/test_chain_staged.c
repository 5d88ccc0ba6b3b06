/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter chain with a staged filter, b: its replies are let pass, wherever it makes them, and nothing of the request
 * or the response is lost, doubled or out of order.
 */
#include <stdlib.h>

#include "chain_fix.h"

static const struct sp_reply refusal = {.status = 401, .body = SP_STR_INIT("no"), .details = SP_STR_INIT("why not"),
                                        .flags = SP_FLAG_UAEX};

static enum event reply_at;
static unsigned reply_call;

static void replies(struct fix *x, struct sp_filter *f, enum event e)
{
    if (e == reply_at && f->index == 1 && x->s[1].calls[e] == reply_call + 1) {
        sp_filter_reply(f, &refusal);
        sp_filter_reply(f, &refusal); /* said twice counts once */
    }
}

static struct fix *staged(enum event e, unsigned call, bool shadow)
{
    sp_stats_init(1);
    struct fix *x = fix_new(3, 0, 100);
    reply_at = e;
    reply_call = call;
    x->s[1].hook = replies;
    if (e < N_EVENTS)
        x->s[1].step[e][call] = SP_STOP;
    x->slots[1].staging = (struct sp_staging){.staged = true, .shadow = shadow, .sample = {.percent = 100},
                                              .shadow_refused = sp_stats_counter(sp_stats_root(), SP_STR("shadow"))};
    fix_start(x);
    return x;
}

static void finish(struct fix *x, unsigned refusals)
{
    uint64_t n = 77;
    assert_int_equal(sp_stats_find(SP_STR("shadow"), &n), 0);
    assert_int_equal(n, refusals);
    assert_int_equal(x->info.n_shadow, refusals);
    assert_int_equal(x->info.flags, refusals ? 0 : SP_FLAG_UAEX);
    if (refusals)
        assert_true(sp_str_eq(x->info.shadow[0], SP_STR("b:why_not")));
    fix_end(x);
    sp_stats_done();
}

static void test_at_headers(void **state)
{
    struct fix *x = staged(DH, 0, true);
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh b.dh t.dh");
    fix_req_data(x, "abc", false);
    fix_req_trailers(x); /* these it still sees */
    fix_expect(x, "a.dd3 t.dd3 a.dt b.dt t.dt passed");
    fix_bytes(&x->to_upstream, "abc");
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "ok", false);
    fix_resp_trailers(x);
    fix_expect(x, "a.eh200 out.h200 a.ed2 out.d2 a.et out.t fin");
    finish(x, 1);
}

static void test_enforced(void **state)
{
    struct fix *x = staged(DH, 0, false);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "route a.dh! b.dh! b.eh401 a.eh401 out.h401 b.ed2! a.ed2! out.d2! fin");
    finish(x, 0);
}

static void test_at_data_and_trailers(void **state)
{
    struct fix *x = staged(DD, 1, true); /* it held the head until then */
    x->s[1].step[DH][0] = SP_STOP;
    x->s[1].step[DD][0] = SP_STOP_BUFFER;
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "ab", false);
    fix_expect(x, "route a.dh b.dh a.dd2 b.dd2");
    fix_req_data(x, "cd", false);
    fix_expect(x, "a.dd2 b.dd2 t.dh t.dd4");
    fix_req_data(x, "e", true);
    fix_expect(x, "a.dd1! t.dd1! passed");
    fix_bytes(&x->to_upstream, "abcde");
    finish(x, 1);

    x = staged(DT, 0, true);
    x->s[1].step[DH][0] = SP_STOP;
    x->s[1].step[DD][0] = SP_STOP_BUFFER;
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "ab", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh b.dh a.dd2 b.dd2 a.dt b.dt t.dh t.dd2 t.dt passed");
    fix_bytes(&x->to_upstream, "ab");
    finish(x, 1);
}

/* It stopped, and answers later. */
static void test_later(void **state)
{
    static const enum sp_status ways[] = {SP_STOP, SP_STOP_BUFFER, SP_STOP_PAUSE};
    for (unsigned i = 0; i < SP_ARRAY_LEN(ways); i++) {
        struct fix *x = staged(N_EVENTS, 0, true);
        x->s[1].step[DH][0] = ways[i];
        x->s[1].step[DD][0] = SP_STOP_BUFFER;
        fix_req_headers(x, "POST", false);
        fix_req_data(x, "abc", true);
        x->trace[0] = 0;
        sp_filter_reply(fix_filter(x, 1), &refusal);
        fix_expect(x, "t.dh t.dd3! passed");
        fix_bytes(&x->to_upstream, "abc");
        sp_filter_reply(fix_filter(x, 1), &refusal);
        fix_resp_headers(x, 200, true);
        fix_expect(x, "a.eh200! out.h200! fin");
        finish(x, 1);
    }
}

static void test_later_than_the_response(void **state)
{
    struct fix *x = staged(N_EVENTS, 0, true); /* it holds the response when it refuses */
    x->s[1].step[EH][0] = SP_STOP_PAUSE;
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", true);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200");
    sp_filter_reply(fix_filter(x, 1), &refusal);
    fix_expect(x, "a.eh200 out.h200 a.ed3! out.d3! fin");
    fix_bytes(&x->to_client, "abc");
    finish(x, 1);

    x = staged(N_EVENTS, 0, true); /* all is over: nothing to note */
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, true);
    sp_filter_reply(fix_filter(x, 1), &refusal);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200! a.eh200! out.h200! fin");
    assert_int_equal(x->info.n_shadow, 0);
    fix_end(x);
    sp_stats_done();
}

static void test_refuses_the_response(void **state)
{
    struct fix *x = staged(EH, 0, true);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", true);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 a.eh200 out.h200 a.ed3! out.d3! fin");
    finish(x, 1);

    x = staged(ED, 0, true); /* with the head held */
    x->s[1].step[EH][0] = SP_STOP;
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", true);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 b.ed3! a.eh200 out.h200 a.ed3! out.d3! fin");
    fix_bytes(&x->to_client, "abc");
    finish(x, 1);
}

/* Many notes on one stream. */
static void test_notes(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    fix_start(x);
    for (unsigned i = 0; i < 40; i++)
        sp_filter_note_shadow(fix_filter(x, i % 2), sp_arena_printf(&x->arena, "n%u", i));
    assert_int_equal(x->info.n_shadow, 40);
    for (unsigned i = 0; i < 40; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%c:n%u", i % 2 ? 'b' : 'a', i);
        assert_true(sp_str_eq(x->info.shadow[i], sp_str_c(text)));
    }
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, true);
    fix_end(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at_headers),           cmocka_unit_test(test_enforced),
        cmocka_unit_test(test_at_data_and_trailers), cmocka_unit_test(test_later),
        cmocka_unit_test(test_later_than_the_response), cmocka_unit_test(test_refuses_the_response),
        cmocka_unit_test(test_notes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
