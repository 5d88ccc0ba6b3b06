/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Windows of the HTTP/2 codec's streams that grow while their readers keep up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "h2_rig.h"

enum { KIB = 1024, FRAME = 8 * KIB, FIRST = 64 * KIB, GROWN = 256 * KIB };

static void grows(struct sp_codec_config *c)
{
    c->h2_grown_window = GROWN;
}

static void stays(struct sp_codec_config *c)
{
    c->h2_stream_window = FIRST;
}

static void put(struct rig *r, size_t n, bool end)
{
    static const uint8_t zeros[FRAME];
    for (; n > FRAME; n -= FRAME)
        h2f_frame(&r->in, H2F_DATA, 0, 1, zeros, FRAME);
    h2f_frame(&r->in, H2F_DATA, end ? H2F_END_STREAM : 0, 1, zeros, n);
    rig_go(r);
}

static struct rig *begin(void (*configure)(struct sp_codec_config *c))
{
    struct rig *r = rig_new(true, configure);
    h2f_post(&r->in, 1, 0);
    rig_go(r);
    return r;
}

/* How much the peer may send on the stream, `sent` bytes after its beginning. */
static size_t left(const struct rig *r, size_t sent)
{
    return FIRST + r->s[1].window - sent;
}

static void test_grows(void **state)
{
    (void)state;
    struct rig *r = begin(grows);
    put(r, 56 * KIB, false);
    assert_in_range(left(r, 56 * KIB), 1, FIRST);
    put(r, 40 * KIB, false);
    assert_in_range(left(r, 96 * KIB), GROWN / 2, GROWN);
    size_t sent = 96 * KIB;
    for (unsigned i = 0; i < 40; i++) {
        size_t before = r->s[1].window, n = SP_MIN(left(r, sent), (size_t)100 * KIB);
        put(r, n, false);
        sent += n;
        assert_in_range(left(r, sent), GROWN / 2, GROWN);
        assert_true(r->s[1].window == before || r->s[1].window - before >= GROWN / 4); /* not for little */
    }
    put(r, 10, true);
    assert_int_equal(r->side.x[0]->n_body, sent + 10);
    rig_free(r);
}

/* What the reader does not take is the larger window, to the byte, and a byte more ends the stream. */
static void test_is_exact(void **state)
{
    (void)state;
    struct rig *r = begin(grows);
    struct cu_exchange *x = r->side.x[0];
    put(r, 56 * KIB, false);
    put(r, 40 * KIB, false);
    x->cs->rx.ops->pause(&x->cs->rx);
    size_t rest = left(r, 96 * KIB);
    put(r, rest, false);
    assert_int_equal(left(r, 96 * KIB + rest), 0);
    assert_int_equal(x->n_body, 96 * KIB);
    assert_int_equal(r->s[1].reset, RIG_NO_CODE);
    put(r, 1, false);
    assert_int_equal(r->s[1].reset, 3); /* FLOW_CONTROL_ERROR */
    rig_free(r);
}

static void expect_first(struct rig *r)
{
    for (size_t sent = 0; sent < 640 * KIB;) {
        size_t n = SP_MIN(left(r, sent), (size_t)32 * KIB);
        assert_true(n > 0);
        put(r, n, false);
        sent += n;
        assert_in_range(left(r, sent), 0, FIRST);
    }
    rig_free(r);
}

static void test_stays(void **state)
{
    (void)state;
    expect_first(begin(stays)); /* the config says so */
    struct rig *r = begin(grows);
    struct cu_exchange *x = r->side.x[0];
    x->cs->rx.ops->pause(&x->cs->rx); /* the reader was waited for */
    x->cs->rx.ops->resume(&x->cs->rx);
    expect_first(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_is_exact),
        cmocka_unit_test(test_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
