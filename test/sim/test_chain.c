/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter chain: order, stopping and continuing in both directions, bodies, trailers.
 */
#include "chain_fix.h"

static void test_plain(void **state)
{
    struct fix *x = fix_new(4, 1, 100);
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! route b.dh! c.dh! t.dh! passed");
    fix_resp_headers(x, 200, false);
    fix_expect(x, "c.eh200 b.eh200 a.eh200 out.h200");
    fix_resp_data(x, "hello", false);
    fix_resp_data(x, "", true);
    fix_expect(x, "c.ed5 b.ed5 a.ed5 out.d5 c.ed0! b.ed0! a.ed0! out.d0! fin");
    fix_bytes(&x->to_client, "hello");
    fix_end(x);
}

static void test_bodies_and_trailers(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh b.dh t.dh");
    fix_req_data(x, "ab", false);
    fix_req_trailers(x);
    fix_expect(x, "a.dd2 b.dd2 t.dd2 a.dt b.dt t.dt passed");
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "cd", false);
    fix_resp_trailers(x);
    fix_expect(x, "b.eh200 a.eh200 out.h200 b.ed2 a.ed2 out.d2 b.et a.et out.t fin");
    fix_bytes(&x->to_upstream, "ab");
    fix_bytes(&x->to_client, "cd");
    fix_end(x);
}

static void test_response_without_body(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "HEAD", true);
    fix_resp_headers(x, 204, true);
    fix_expect(x, "route a.dh! t.dh! passed a.eh204! out.h204! fin");
    fix_end(x);
}

/* A filter that stops at the head lets nothing through; data still reaches it, and its CONTINUE lets all go. */
static void test_stop_headers(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh");
    fix_req_data(x, "abc", false);
    fix_expect(x, "a.dd3");
    fix_req_data(x, "de", true);
    fix_expect(x, "a.dd2! b.dh t.dh b.dd5! t.dd5! passed");
    fix_bytes(&x->to_upstream, "abcde");
    fix_end(x);
}

static void test_stop_headers_then_async(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    x->s[0].step[DD][1] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_data(x, "de", true);
    fix_expect(x, "route a.dh a.dd3 a.dd2!");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh b.dd5! t.dd5! passed");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE); /* nothing is stopped any more */
    fix_expect(x, "");
    fix_end(x);
}

/* No data came: the end travels with the head. */
static void test_stop_headers_only(void **state)
{
    struct fix *x = fix_new(3, 1, 100);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[1].step[EH][0] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh!");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "route b.dh! t.dh! passed");
    fix_resp_headers(x, 200, true);
    fix_expect(x, "b.eh200!");
    sp_filter_continue(fix_filter(x, 1), SP_ENCODE);
    fix_expect(x, "a.eh200! out.h200! fin");
    fix_end(x);
}

/* A filter that has no data callback and waits is not passed by the body, nor by trailers. */
static void test_blind_filter(void **state)
{
    struct fix *x = fix_new(3, 0, 4);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].blind = true;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_expect(x, "route a.dh");
    fix_req_data(x, "def", false);
    fix_expect(x, "rx.pause");
    fix_req_data(x, "g", false);
    fix_req_trailers(x);
    fix_expect(x, "");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh rx.resume b.dd7 t.dd7 b.dt t.dt passed");
    fix_bytes(&x->to_upstream, "abcdefg");
    fix_end(x);

    x = fix_new(3, 0, 4); /* only trailers come */
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].blind = true;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh b.dt t.dt passed");
    fix_end(x);
}

static void test_buffer_until_end(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    for (int i = 0; i < 5; i++)
        x->s[1].step[DD][i] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh b.dh t.dh");
    for (int i = 0; i < 5; i++)
        fix_req_data(x, "x", false);
    fix_expect(x, "a.dd1 b.dd1 a.dd1 b.dd1 a.dd1 b.dd1 a.dd1 b.dd1 a.dd1 b.dd1");
    fix_req_trailers(x);
    fix_expect(x, "a.dt b.dt t.dd5 t.dt passed");
    fix_bytes(&x->to_upstream, "xxxxx");
    fix_end(x);
}

static void test_buffer_too_large(void **state)
{
    struct fix *x = fix_new(3, 0, 4);
    x->s[1].step[DH][0] = SP_STOP;
    for (int i = 0; i < 5; i++)
        x->s[1].step[DD][i] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abcd", false);
    fix_expect(x, "route a.dh b.dh a.dd4 b.dd4");
    fix_req_data(x, "e", false);
    fix_expect(x, "a.dd1 b.dd1 large(d) b.eh413 a.eh413 out.h413 b.ed17! a.ed17! out.d17! fin");
    fix_bytes(&x->to_client, "Payload Too Large");
    fix_details(x, "request_payload_too_large");
    fix_req_data(x, "more", true); /* dropped */
    fix_expect(x, "");
    fix_end(x);
}

/* Held unseen from the head on: shown to the filter after it continued. */
static void test_buffer_at_headers(void **state)
{
    struct fix *x = fix_new(3, 0, 6);
    x->s[0].step[DH][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_data(x, "de", true);
    fix_expect(x, "route a.dh");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh a.dd5! b.dd5! t.dd5! passed");
    fix_bytes(&x->to_upstream, "abcde");
    fix_end(x);

    x = fix_new(3, 0, 6);
    x->s[0].step[DH][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abcdefg", false);
    fix_expect(x, "route a.dh large(d) b.eh413 a.eh413 out.h413 b.ed17! a.ed17! out.d17! fin");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE); /* too late */
    fix_expect(x, "");
    fix_end(x);
}

static void test_pause_at_headers(void **state)
{
    struct fix *x = fix_new(3, 0, 4);
    x->s[0].step[DH][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abcd", false);
    fix_expect(x, "route a.dh");
    fix_req_data(x, "e", false);
    fix_expect(x, "rx.pause");
    fix_req_data(x, "f", false); /* what was on its way */
    fix_req_trailers(x);
    fix_expect(x, "");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh rx.resume a.dd6 b.dd6 t.dd6 a.dt b.dt t.dt passed");
    fix_bytes(&x->to_upstream, "abcdef");
    fix_end(x);
}

/* Paused in the middle: what was seen goes on behind the filter, what was not comes to it first. */
static void test_pause_at_data(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    x->s[0].step[DD][1] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "ab", false);
    fix_req_data(x, "cd", false);
    fix_req_data(x, "ef", false);
    fix_req_data(x, "g", true);
    fix_expect(x, "route a.dh b.dh t.dh a.dd2 a.dd2");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dd4 t.dd4 a.dd3! b.dd3! t.dd3! passed");
    fix_bytes(&x->to_upstream, "abcdefg");
    fix_end(x);
}

static void test_pause_again_and_again(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    for (int i = 0; i < 2; i++)
        x->s[0].step[DD][i] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "ab", false);
    fix_req_data(x, "cd", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh t.dh a.dd2");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "t.dd2 a.dd2");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "t.dd2 a.dt t.dt passed");
    fix_end(x);
}

/* The filter takes data away. */
static void test_filter_takes_data(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DD][0] = SP_STOP;
    x->s[0].step[DD][1] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_data(x, "def", true);
    fix_expect(x, "route a.dh b.dh t.dh a.dd3 a.dd3!");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dd0! t.dd0! passed");
    fix_bytes(&x->to_upstream, "");
    fix_end(x);
}

static void test_stop_trailers(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    x->s[0].step[DT][0] = SP_STOP;
    x->s[0].step[ET][0] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh a.dd3 a.dt");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dh t.dh b.dd3 t.dd3 b.dt t.dt passed");
    fix_resp_headers(x, 200, false);
    fix_resp_trailers(x);
    fix_expect(x, "b.eh200 a.eh200 out.h200 b.et a.et");
    sp_filter_continue(fix_filter(x, 0), SP_ENCODE);
    fix_expect(x, "out.t fin");
    fix_end(x);
}

/* Trailers that a stopped filter lets pass take head and body with them. */
static void test_trailers_let_go(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DH][0] = SP_STOP;
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh a.dd3 a.dt b.dh t.dh b.dd3 t.dd3 b.dt t.dt passed");
    fix_end(x);
}

/* Two filters hold at once: the second its head, the first data that came later. */
static void test_two_hold(void **state)
{
    struct fix *x = fix_new(4, 0, 100);
    x->s[1].step[DH][0] = SP_STOP_PAUSE;
    x->s[0].step[DD][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_data(x, "de", true);
    fix_expect(x, "route a.dh b.dh a.dd3");
    sp_filter_continue(fix_filter(x, 1), SP_DECODE);
    fix_expect(x, "c.dh t.dh");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "b.dd3 c.dd3 t.dd3 a.dd2! b.dd2! c.dd2! t.dd2! passed");
    fix_bytes(&x->to_upstream, "abcde");
    fix_end(x);

    x = fix_new(4, 0, 100); /* the other order */
    x->s[1].step[DH][0] = SP_STOP_PAUSE;
    x->s[0].step[DD][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_req_data(x, "de", true);
    fix_expect(x, "route a.dh b.dh a.dd3");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "a.dd2!");
    sp_filter_continue(fix_filter(x, 1), SP_DECODE);
    fix_expect(x, "c.dh t.dh b.dd5! c.dd5! t.dd5! passed");
    fix_bytes(&x->to_upstream, "abcde");
    fix_end(x);
}

/* A later filter stops at what an earlier one lets go. */
static void test_stops_hand_over(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DH][0] = SP_STOP_PAUSE;
    x->s[1].step[DH][0] = SP_STOP;
    x->s[1].step[DD][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", true);
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "route a.dh b.dh a.dd3! b.dd3!");
    sp_filter_continue(fix_filter(x, 1), SP_DECODE);
    fix_expect(x, "t.dh t.dd3! passed");
    fix_end(x);
}

/* The terminal filter may hold the body back, too. */
static void test_terminal_holds(void **state)
{
    struct fix *x = fix_new(2, 0, 2);
    x->s[1].step[DH][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", true);
    fix_expect(x, "route a.dh t.dh a.dd3! rx.pause");
    sp_filter_continue(fix_filter(x, 1), SP_DECODE);
    fix_expect(x, "rx.resume t.dd3! passed");
    fix_end(x);

    x = fix_new(2, 0, 2); /* SP_STOP is its "I took it" */
    x->s[1].step[DH][0] = SP_STOP;
    x->s[1].step[DD][0] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", true);
    fix_expect(x, "route a.dh t.dh a.dd3! t.dd3! passed");
    fix_bytes(&x->to_upstream, "abc");
    fix_end(x);
}

static void test_encode_buffers(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[1].step[EH][0] = SP_STOP;
    x->s[1].step[ED][0] = SP_STOP_BUFFER;
    x->s[1].step[ED][1] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", false);
    fix_resp_data(x, "def", false);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 b.ed3 b.ed3");
    fix_resp_data(x, "g", true);
    fix_expect(x, "b.ed1! a.eh200 out.h200 a.ed7! out.d7! fin");
    fix_bytes(&x->to_client, "abcdefg");
    fix_end(x);
}

/* The response begins, and even ends, while the request still comes. */
static void test_early_response(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_resp_headers(x, 200, false);
    fix_req_data(x, "ab", false);
    fix_resp_data(x, "cd", false);
    fix_req_data(x, "ef", true);
    fix_resp_data(x, "gh", true);
    fix_expect(x, "route a.dh t.dh a.eh200 out.h200 a.dd2 t.dd2 a.ed2 out.d2 a.dd2! t.dd2! passed a.ed2! out.d2! fin");
    fix_end(x);

    x = fix_new(2, 0, 100);
    x->s[0].step[DD][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "ab", false);
    fix_resp_headers(x, 200, true);
    fix_expect(x, "route a.dh t.dh a.dd2 a.eh200! out.h200! fin");
    fix_req_data(x, "cd", false); /* not wanted any more */
    fix_req_data(x, "", true);
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "");
    fix_end(x);
}

static void test_informational(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 103, false);
    fix_resp_headers(x, 103, false);
    fix_expect(x, "route a.dh! t.dh! passed out.i103 out.i103");
    fix_resp_headers(x, 200, true);
    fix_expect(x, "a.eh200! out.h200! fin");
    fix_end(x);
}

static void test_expect_continue(void **state)
{
    struct fix *x = fix_new(3, 1, 100); /* asked for at the terminal filter */
    x->s[0].step[DH][0] = SP_STOP;
    fix_start(x);
    x->chain.expects = true;
    fix_req_headers(x, "POST", false);
    fix_expect(x, "a.dh"); /* never for a gate */
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    fix_expect(x, "route b.dh t.dh want");
    fix_end(x);

    x = fix_new(3, 1, 100); /* a filter waits for the body */
    x->s[1].step[DH][0] = SP_STOP;
    fix_start(x);
    x->chain.expects = true;
    fix_req_headers(x, "POST", false);
    fix_expect(x, "a.dh route b.dh want");
    fix_end(x);

    x = fix_new(3, 1, 100); /* a filter waits for something else */
    x->s[1].step[DH][0] = SP_STOP_PAUSE;
    fix_start(x);
    x->chain.expects = true;
    fix_req_headers(x, "POST", false);
    fix_expect(x, "a.dh route b.dh");
    sp_filter_continue(fix_filter(x, 1), SP_DECODE);
    fix_expect(x, "t.dh want");
    fix_end(x);
}

static void clears_route(struct fix *x, struct sp_filter *f, enum event e)
{
    if (e == DH)
        sp_filter_clear_route(f);
}

static void test_clear_route(void **state)
{
    struct fix *x = fix_new(4, 1, 100);
    x->s[0].hook = x->s[1].hook = clears_route; /* a gate's means nothing */
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! route b.dh! route c.dh! t.dh! passed");
    fix_end(x);
}

static bool skips_b(struct fix *x)
{
    x->chain.skip = 2;
    return true;
}

static void test_skipped_filters(void **state)
{
    struct fix *x = fix_new(4, 1, 100);
    x->s[2].off = true; /* by default, and the route changes its mind about both */
    x->route = skips_b;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "a", true);
    fix_expect(x, "a.dh route c.dh t.dh a.dd1! c.dd1! t.dd1! passed");
    fix_resp_headers(x, 200, true);
    fix_expect(x, "c.eh200! a.eh200! out.h200! fin");
    fix_end(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_bodies_and_trailers),
        cmocka_unit_test(test_response_without_body),
        cmocka_unit_test(test_stop_headers),
        cmocka_unit_test(test_stop_headers_then_async),
        cmocka_unit_test(test_stop_headers_only),
        cmocka_unit_test(test_blind_filter),
        cmocka_unit_test(test_buffer_until_end),
        cmocka_unit_test(test_buffer_too_large),
        cmocka_unit_test(test_buffer_at_headers),
        cmocka_unit_test(test_pause_at_headers),
        cmocka_unit_test(test_pause_at_data),
        cmocka_unit_test(test_pause_again_and_again),
        cmocka_unit_test(test_filter_takes_data),
        cmocka_unit_test(test_stop_trailers),
        cmocka_unit_test(test_trailers_let_go),
        cmocka_unit_test(test_two_hold),
        cmocka_unit_test(test_stops_hand_over),
        cmocka_unit_test(test_terminal_holds),
        cmocka_unit_test(test_encode_buffers),
        cmocka_unit_test(test_early_response),
        cmocka_unit_test(test_informational),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_clear_route),
        cmocka_unit_test(test_skipped_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
