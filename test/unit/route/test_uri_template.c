/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Path templates: what they match, and what is none (test_envoy_rbac.py compares them with Envoy's). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "route/uri_template.h"
#include "support/config.h"

static struct sp_regex *make(struct t_config *c, const char *text)
{
    char yaml[700];
    snprintf(yaml, sizeof(yaml), "path_template: '%s'", text);
    t_config_load(c, &envoy__extensions__path__match__uri_template__v3__uri_template_match_config__descriptor, yaml);
    return sp_uri_template_new(c->doc, &c->diag, c->msg);
}

static bool matches(const char *text, const char *path)
{
    struct t_config c;
    struct sp_regex *r = make(&c, text);
    assert_string_equal(t_config_said(&c), "");
    bool yes = sp_regex_full_match(r, sp_str_c(path), NULL);
    sp_regex_free(r);
    t_config_done(&c);
    return yes;
}

static void good(void **state)
{
    assert_true(matches("/", "/"));
    assert_true(matches("/a/b", "/a/b"));
    assert_false(matches("/a/b", "/a/b/"));
    assert_true(matches("/a/b/", "/a/b/"));
    assert_false(matches("/a.b", "/axb"));
    assert_true(matches("/a=b;c", "/a=b;c"));
    assert_true(matches("/a/*/c", "/a/b/c"));
    assert_false(matches("/a/*/c", "/a//c"));
    assert_false(matches("/a/*/c", "/a/b/b/c"));
    assert_true(matches("/a/**", "/a/"));
    assert_true(matches("/a/**", "/a/b/c"));
    assert_false(matches("/a/**", "/a"));
    assert_true(matches("/{x}/*.mp4", "/a/b.mp4"));
    assert_false(matches("/{x}/*.mp4", "/a/bxmp4"));
    assert_true(matches("/v/{file=a/**}.mp4", "/v/a/b/c.mp4"));
    assert_false(matches("/v/{file=a/*}.mp4", "/v/a/b/c.mp4"));
    assert_false(matches("/a/*", "/a/b\n"));
    assert_true(matches("/a/*", "/a/b=c*"));
    assert_false(matches("/a/*", "/a/b|c")); /* no path has that unescaped */
}

static void bad(void **state)
{
    static const char *const texts[] = {"a", "/a//b", "/a*", "/*a*", "/*a/b", "/**/*", "/**/{x}", "/{x=**}/*", "/{x", "/{}", "/{1x}",
                                        "/{x}/{x}", "/{a}/{b}/{c}/{d}/{e}/{f}", "/{abcdefghijklmnopq}", "/{x=}", "/{x=/a}", "/{x=a/}",
                                        "/{x=*a}", "/{x=a*}", "/{x={y}}", "/a b", "/a?b", "/***", "/*{x}", "/{x}*", "/[a]"};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++) {
        struct t_config c;
        if (make(&c, texts[i]))
            fail_msg("%s", texts[i]);
        assert_non_null(strstr(t_config_said(&c), "path_template: no path template: "));
        t_config_done(&c);
    }
}

/* The longest that the field rules let through. */
static void long_ones(void **state)
{
    char text[257] = "";
    for (unsigned i = 0; i < 128; i++)
        memcpy(text + 2 * i, "/*", 3);
    assert_false(matches(text, "/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(bad), cmocka_unit_test(long_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
