/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The filter chain: replies at each phase and in each direction, aborts and cancels in every order, pauses.
 */
#include <stdlib.h>

#include "chain_fix.h"

static struct sp_reply the_reply;

static void reply_now(struct sp_filter *f)
{
    sp_filter_reply(f, &the_reply);
}

static void set_reply(unsigned status, const char *body)
{
    the_reply = (struct sp_reply){.status = status, .body = sp_str_c(body), .details = SP_STR("no")};
}

static enum event reply_at;
static unsigned reply_filter, reply_call;

static void replies(struct fix *x, struct sp_filter *f, enum event e)
{
    if (e == reply_at && f->index == reply_filter && x->s[f->index].calls[e] == reply_call + 1) {
        fix_say(x, "reply");
        reply_now(f);
        fix_say(x, "back"); /* the reply is run after the callback, not in it */
    }
}

static struct fix *replying(unsigned n, unsigned gates, unsigned filter, enum event e, unsigned call)
{
    struct fix *x = fix_new(n, gates, 100);
    reply_filter = filter;
    reply_at = e;
    reply_call = call;
    for (unsigned i = 0; i < n; i++)
        x->s[i].hook = replies;
    x->s[filter].step[e][call] = SP_STOP;
    fix_start(x);
    return x;
}

static void test_gate_refuses(void **state)
{
    set_reply(403, "go away");
    struct fix *x = replying(4, 2, 0, DH, 0);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! reply back c.eh403 b.eh403 a.eh403 out.h403 c.ed7! b.ed7! a.ed7! out.d7! fin");
    fix_bytes(&x->to_client, "go away");
    fix_details(x, "no");
    fix_end(x);
}

static void test_reply_in_each_decode_callback(void **state)
{
    set_reply(401, "");
    struct fix *x = replying(3, 0, 1, DH, 0);
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh b.dh reply back b.eh401! a.eh401! out.h401! fin");
    fix_req_data(x, "rest", true);
    fix_expect(x, "");
    fix_end(x);

    x = replying(3, 0, 1, DD, 1);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "a", false);
    fix_req_data(x, "b", false);
    fix_expect(x, "route a.dh b.dh t.dh a.dd1 b.dd1 t.dd1 a.dd1 b.dd1 reply back up.cancel(9) b.eh401! a.eh401! "
                  "out.h401! fin");
    fix_resp_headers(x, 200, true); /* the upstream was told, but suppose it had come */
    fix_expect(x, "");
    fix_end(x);

    x = replying(3, 0, 0, DT, 0);
    fix_req_headers(x, "POST", false);
    fix_req_trailers(x);
    fix_expect(x, "route a.dh b.dh t.dh a.dt reply back up.cancel(9) b.eh401! a.eh401! out.h401! fin");
    fix_end(x);
}

static void test_terminal_replies(void **state)
{
    set_reply(503, "");
    struct fix *x = replying(3, 0, 2, DH, 0);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "route a.dh! b.dh! t.dh! reply back up.cancel(9) b.eh503! a.eh503! out.h503! fin");
    fix_end(x);
}

/* The callback that replied returns SP_CONTINUE all the same: nothing goes on. */
static void test_reply_and_continue(void **state)
{
    set_reply(401, "");
    struct fix *x = replying(3, 0, 0, DH, 0);
    x->s[0].step[DH][0] = SP_CONTINUE;
    fix_req_headers(x, "GET", true);
    fix_expect(x, "route a.dh! reply back b.eh401! a.eh401! out.h401! fin");
    fix_end(x);
}

/* The response is in the filters already: the answer goes past them. */
static void test_reply_in_encode_callbacks(void **state)
{
    set_reply(502, "bad");
    struct fix *x = replying(3, 0, 1, EH, 0);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 reply back up.cancel(9) out.h502 out.d3! fin");
    fix_resp_data(x, "abc", true);
    fix_expect(x, "");
    fix_bytes(&x->to_client, "bad");
    fix_end(x);

    x = replying(3, 0, 1, ED, 0); /* the head is held, so that it can still be replaced */
    x->s[1].step[EH][0] = SP_STOP;
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", false);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 b.ed3 reply back up.cancel(9) out.h502 out.d3! fin");
    fix_end(x);

    x = replying(3, 0, 1, ED, 0); /* the head has gone: all that is left is to reset */
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", false);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 a.eh200 out.h200 b.ed3 reply back up.cancel(9) reset(8)");
    fix_end(x);

    x = replying(3, 0, 0, ET, 0);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_trailers(x);
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 a.eh200 out.h200 b.et a.et reply back up.cancel(9) reset(8)");
    fix_end(x);
}

/* A filter refuses the local reply of another one. */
static void test_reply_to_a_reply(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    set_reply(500, "worse");
    reply_filter = 0;
    reply_at = EH;
    reply_call = 0;
    x->s[0].hook = replies;
    x->s[1].step[DH][0] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    sp_filter_reply_text(fix_filter(x, 1), 403, SP_STR("first"), SP_STR("one"));
    fix_expect(x, "route a.dh! b.dh! b.eh403 a.eh403 reply back out.h500 out.d5! fin");
    fix_bytes(&x->to_client, "worse");
    fix_details(x, "no");
    fix_end(x);
}

/* A local reply may be held by an encode filter, and continued. */
static void test_reply_is_held(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[1].step[EH][0] = SP_STOP;
    x->s[1].step[ED][0] = SP_STOP_BUFFER;
    x->s[0].step[DH][0] = SP_STOP;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    sp_filter_reply_text(fix_filter(x, 0), 403, SP_STR("text"), SP_STR("one"));
    fix_req_data(x, "body that nobody wants", false);
    fix_expect(x, "route a.dh b.eh403 b.ed4!");
    sp_filter_continue(fix_filter(x, 1), SP_ENCODE);
    fix_expect(x, "a.eh403 out.h403 a.ed4! out.d4! fin");
    fix_end(x);
}

static void test_async_reply(void **state)
{
    struct fix *x = fix_new(3, 0, 100); /* while stopped */
    x->s[0].step[DH][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    sp_filter_reply_text(fix_filter(x, 0), 401, SP_STR_NULL, SP_STR("jwt"));
    fix_expect(x, "route a.dh b.eh401! a.eh401! out.h401! fin");
    sp_filter_continue(fix_filter(x, 0), SP_DECODE);
    sp_filter_reply_text(fix_filter(x, 0), 500, SP_STR_NULL, SP_STR("again"));
    fix_expect(x, "");
    fix_details(x, "jwt");
    fix_end(x);

    x = fix_new(3, 0, 100); /* the router's timeout, say */
    fix_start(x);
    fix_req_headers(x, "GET", true);
    sp_filter_reply_text(fix_filter(x, 2), 504, SP_STR_NULL, SP_STR("response_timeout"));
    fix_expect(x, "route a.dh! b.dh! t.dh! passed up.cancel(9) b.eh504! a.eh504! out.h504! fin");
    fix_end(x);

    x = fix_new(3, 0, 100); /* too late: the response is on its way */
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    sp_filter_reply_text(fix_filter(x, 2), 504, SP_STR_NULL, SP_STR("response_timeout"));
    fix_expect(x, "route a.dh! b.dh! t.dh! passed b.eh200 a.eh200 out.h200 up.cancel(9) reset(8)");
    fix_end(x);
}

static void test_reset_refusal(void **state)
{
    set_reply(0, "");
    the_reply.reset = true;
    struct fix *x = replying(3, 1, 0, DH, 0);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! reply back reset(8)");
    assert_int_equal(x->status, 0);
    fix_end(x);
}

static bool refuses_route(struct fix *x)
{
    sp_chain_reply(&x->chain, &(struct sp_reply){.status = 404, .details = SP_STR("route_not_found"),
                                                 .flags = SP_FLAG_NR});
    return false;
}

static void test_owner_answers(void **state)
{
    struct fix *x = fix_new(3, 1, 100);
    x->route = refuses_route;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! route b.eh404! a.eh404! out.h404! fin");
    assert_int_equal(x->info.flags, SP_FLAG_NR);
    fix_end(x);

    x = fix_new(3, 1, 100);
    x->at_terminal = refuses_route;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_expect(x, "a.dh! route b.dh! b.eh404! a.eh404! out.h404! fin");
    fix_end(x);
}

static void test_head_has_no_body(void **state)
{
    set_reply(403, "text");
    struct fix *x = replying(2, 0, 0, DH, 0);
    fix_req_headers(x, "HEAD", true);
    fix_expect(x, "route a.dh! reply back a.eh403! out.h403! fin");
    struct sp_str length = sp_headers_get_id(x->chain.head[SP_ENCODE], SP_H_CONTENT_LENGTH);
    assert_true(sp_str_eq(length, SP_STR("4")));
    fix_end(x);
}

static void test_grpc(void **state)
{
    set_reply(403, "50% no\n");
    struct fix *x = replying(2, 0, 0, DH, 0);
    sp_headers_add_id(&x->request, SP_H_CONTENT_TYPE, SP_STR("application/grpc+proto"));
    fix_req_headers(x, "POST", false);
    fix_expect(x, "route a.dh reply back a.eh200! out.h200! fin");
    const struct sp_headers *h = x->chain.head[SP_ENCODE];
    assert_true(sp_str_eq(sp_headers_get_id(h, SP_H_GRPC_STATUS), SP_STR("7")));
    assert_true(sp_str_eq(sp_headers_get_id(h, SP_H_GRPC_MESSAGE), SP_STR("50%25 no%0A")));
    assert_true(sp_str_eq(sp_headers_get_id(h, SP_H_CONTENT_TYPE), SP_STR("application/grpc")));
    fix_end(x);
}

static void test_response_too_large(void **state)
{
    struct fix *x = fix_new(2, 0, 4);
    x->s[0].step[EH][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abcde", false);
    fix_expect(x, "route a.dh! t.dh! passed a.eh200 large(e) up.cancel(9) out.h500 out.d21! fin");
    fix_details(x, "response_payload_too_large");
    fix_end(x);

    x = fix_new(2, 0, 4); /* the head has gone */
    x->s[0].step[ED][0] = SP_STOP_BUFFER;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abcde", false);
    fix_expect(x, "route a.dh! t.dh! passed a.eh200 out.h200 a.ed5 large(e) up.cancel(9) reset(8)");
    fix_end(x);
}

static void test_switching_protocols(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 101, false);
    fix_expect(x, "route a.dh! t.dh! passed up.cancel(9) a.eh502! out.h502! fin");
    fix_end(x);
}

/* --- aborts --- */

static void test_upstream_aborts(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_abort(x, SP_ABORT_CLOSED);
    fix_expect(x, "route a.dh! t.dh! passed a.eh503 out.h503 a.ed42! out.d42! fin");
    fix_end(x);

    x = fix_new(2, 0, 100); /* the head is held */
    x->s[0].step[EH][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "abc", false);
    fix_resp_abort(x, SP_ABORT_CLOSED);
    fix_expect(x, "route a.dh! t.dh! passed a.eh200 out.h503 out.d42! fin");
    fix_end(x);

    x = fix_new(2, 0, 100); /* the head has gone */
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    fix_resp_abort(x, SP_ABORT_RESET);
    fix_expect(x, "route a.dh! t.dh! passed a.eh200 out.h200 reset(1)");
    fix_end(x);
}

static void abort_chain(struct fix *x, enum sp_abort why)
{
    sp_chain_abort(&x->chain, why);
    x->aborted = true;
}

/* The client goes away at every point there is; nothing is called after it, late events do no harm. */
static void test_client_aborts_anywhere(void **state)
{
    for (unsigned at = 0; at < 7; at++) {
        struct fix *x = fix_new(3, 1, 100);
        x->quiet = true;
        x->s[0].step[DH][0] = SP_STOP_PAUSE;
        x->s[1].step[DD][0] = SP_STOP_PAUSE;
        x->s[1].step[EH][0] = SP_STOP_PAUSE;
        fix_start(x);
        if (at == 0)
            abort_chain(x, SP_ABORT_CLOSED);
        fix_req_headers(x, "POST", false);
        if (at == 1)
            abort_chain(x, SP_ABORT_CLOSED);
        fix_req_data(x, "abc", false);
        if (at == 2)
            abort_chain(x, SP_ABORT_RESET);
        sp_filter_continue(fix_filter(x, 0), SP_DECODE);
        sp_filter_request_pause(fix_filter(x, 2));
        if (at == 3)
            abort_chain(x, SP_ABORT_RESET);
        fix_resp_headers(x, 200, false);
        sp_chain_response_pause(&x->chain);
        if (at == 4)
            abort_chain(x, SP_ABORT_RESET);
        fix_resp_data(x, "def", false);
        sp_filter_continue(fix_filter(x, 1), SP_DECODE);
        if (at == 5)
            abort_chain(x, SP_ABORT_RESET);
        sp_filter_continue(fix_filter(x, 1), SP_ENCODE);
        sp_filter_reply_text(fix_filter(x, 1), 500, SP_STR_NULL, SP_STR_NULL);
        if (at == 6)
            abort_chain(x, SP_ABORT_RESET);
        fix_resp_data(x, "ghi", true);
        if (at < 6)
            assert_int_equal(x->status, 0);
        assert_null(x->up.sink);
        fix_end(x);
    }
}

/* Destroyed with everything under way. */
static void test_destroy_cancels(void **state)
{
    struct fix *x = fix_new(3, 0, 100);
    x->s[0].step[DD][0] = SP_STOP_PAUSE;
    x->s[1].step[EH][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    fix_req_data(x, "abc", false);
    fix_resp_headers(x, 200, false);
    fix_resp_data(x, "def", false);
    x->trace[0] = 0;
    sp_chain_complete(&x->chain);
    sp_chain_destroy(&x->chain);
    fix_expect(x, "up.cancel(9)");
    assert_int_equal(sp_buf_thread_chunks(), 0);
    for (int i = 0; i < 3; i++)
        assert_true(x->s[i].completed == 1 && x->s[i].destroyed == 1);
    sp_arena_done(&x->arena);
    sp_turn_done(&x->turn);
    free(x);
}

/* --- pauses --- */

static void test_terminal_pauses(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    fix_start(x);
    fix_req_headers(x, "POST", false);
    sp_filter_request_pause(fix_filter(x, 1));
    sp_filter_request_pause(fix_filter(x, 1));
    sp_filter_request_resume(fix_filter(x, 1));
    fix_expect(x, "route a.dh t.dh rx.pause rx.pause rx.resume");
    assert_int_equal(x->rx_pauses, 1);
    fix_resp_headers(x, 200, true); /* the answer is there: pauses are taken back */
    fix_expect(x, "a.eh200! out.h200! rx.resume fin");
    sp_filter_request_pause(fix_filter(x, 1)); /* too late to mean anything */
    sp_filter_request_resume(fix_filter(x, 1));
    fix_expect(x, "");
    fix_end(x);
}

static void test_codec_pauses(void **state)
{
    struct fix *x = fix_new(2, 0, 2);
    x->s[0].step[ED][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    fix_resp_headers(x, 200, false);
    sp_chain_response_pause(&x->chain);
    fix_expect(x, "route a.dh! t.dh! passed a.eh200 out.h200 up.pause");
    fix_resp_data(x, "abc", false);
    fix_expect(x, "a.ed3 up.pause");
    sp_chain_response_resume(&x->chain);
    fix_expect(x, "up.resume");
    assert_int_equal(x->up_pauses, 1);
    sp_filter_continue(fix_filter(x, 0), SP_ENCODE);
    fix_expect(x, "up.resume out.d3");
    assert_int_equal(x->up_pauses, 0);
    fix_resp_data(x, "", true);
    fix_end(x);
}

/* The codec paused before the terminal filter had a source: it is paused once it shows itself. */
static void test_pause_before_link(void **state)
{
    struct fix *x = fix_new(2, 0, 100);
    x->link_up = false;
    fix_start(x);
    fix_req_headers(x, "GET", true);
    sp_chain_response_pause(&x->chain);
    fix_expect(x, "route a.dh! t.dh! passed");
    sp_link(&x->up, sp_filter_response_sink(fix_filter(x, 1)));
    fix_resp_headers(x, 200, false);
    fix_expect(x, "up.pause a.eh200 out.h200");
    sp_chain_response_resume(&x->chain);
    fix_expect(x, "up.resume");
    fix_resp_data(x, "", true);
    fix_end(x);
}

/* A reply takes the pauses of the request back, the watermark's too. */
static void test_reply_unwinds_pauses(void **state)
{
    struct fix *x = fix_new(3, 0, 2);
    x->s[0].step[DD][0] = SP_STOP_PAUSE;
    fix_start(x);
    fix_req_headers(x, "POST", false);
    sp_filter_request_pause(fix_filter(x, 2));
    fix_req_data(x, "abc", false);
    assert_int_equal(x->rx_pauses, 2);
    sp_filter_reply_text(fix_filter(x, 0), 403, SP_STR_NULL, SP_STR_NULL);
    assert_int_equal(x->rx_pauses, 0);
    fix_end(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_refuses),
        cmocka_unit_test(test_reply_in_each_decode_callback),
        cmocka_unit_test(test_terminal_replies),
        cmocka_unit_test(test_reply_and_continue),
        cmocka_unit_test(test_reply_in_encode_callbacks),
        cmocka_unit_test(test_reply_to_a_reply),
        cmocka_unit_test(test_reply_is_held),
        cmocka_unit_test(test_async_reply),
        cmocka_unit_test(test_reset_refusal),
        cmocka_unit_test(test_owner_answers),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_grpc),
        cmocka_unit_test(test_response_too_large),
        cmocka_unit_test(test_switching_protocols),
        cmocka_unit_test(test_upstream_aborts),
        cmocka_unit_test(test_client_aborts_anywhere),
        cmocka_unit_test(test_destroy_cancels),
        cmocka_unit_test(test_terminal_pauses),
        cmocka_unit_test(test_codec_pauses),
        cmocka_unit_test(test_pause_before_link),
        cmocka_unit_test(test_reply_unwinds_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
