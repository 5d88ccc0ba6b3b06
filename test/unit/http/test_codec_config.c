/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configs of codecs that are the same stand once, as long as anybody has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/codec.h"

static struct sp_codec_config make(bool server, const char *host)
{
    struct sp_codec_config c;
    memset(&c, 0, sizeof(c));
    sp_codec_config_init(&c, server);
    c.h1_default_host = sp_str_c(host);
    return c;
}

static void test_same(void **state)
{
    char one[] = "example.com", two[] = "example.com";
    struct sp_codec_config a = make(true, one), b = make(true, two), other = make(true, "other.com"), client = make(false, one);
    const struct sp_codec_config *x = sp_codec_config_share(&a), *y = sp_codec_config_share(&b);
    assert_ptr_equal(x, y);
    memset(one, '-', sizeof(one) - 1); /* the text is its own */
    memset(two, '-', sizeof(two) - 1);
    assert_true(sp_str_eq(x->h1_default_host, SP_STR("example.com")));
    const struct sp_codec_config *z = sp_codec_config_share(&other), *c = sp_codec_config_share(&client);
    assert_ptr_not_equal(z, x);
    assert_ptr_not_equal(c, x);
    assert_false(c->server);
    other.max_headers++;
    const struct sp_codec_config *more = sp_codec_config_share(&other);
    assert_ptr_not_equal(more, z);
    assert_int_equal(more->max_headers, z->max_headers + 1);
    sp_codec_config_unshare(x);
    assert_true(y->server); /* the other's still */
    sp_codec_config_unshare(y);
    sp_codec_config_unshare(z);
    sp_codec_config_unshare(c);
    sp_codec_config_unshare(more);
}

/* Looking for it takes no longer with many of them: then some stand twice, and all are right. */
static void test_many(void **state)
{
    enum { MANY = 300 };
    const struct sp_codec_config *all[2 * MANY];
    struct sp_codec_config c = make(true, "");
    for (unsigned i = 0; i < 2 * MANY; i++) {
        c.max_headers = i % MANY;
        all[i] = sp_codec_config_share(&c);
    }
    for (unsigned i = 0; i < 2 * MANY; i++) {
        assert_int_equal(all[i]->max_headers, i % MANY);
        sp_codec_config_unshare(all[i]);
    }
    c.max_headers = 0;
    const struct sp_codec_config *last = sp_codec_config_share(&c);
    assert_int_equal(last->max_headers, 0);
    sp_codec_config_unshare(last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
