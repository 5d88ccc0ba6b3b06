/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filters/jwt_location.h"

static struct sp_arena arena;
static struct sp_headers h;

static struct sp_jwt_header headers[] = {{SP_STR_INIT("authorization"), SP_STR_INIT("Bearer ")},
                                         {SP_STR_INIT("x-plain"), SP_STR_INIT("")},
                                         {SP_STR_INIT("x-key"), SP_STR_INIT("t=")}};
static struct sp_str params[] = {SP_STR_INIT("access_token"), SP_STR_INIT("jwt")};
static struct sp_str cookies[] = {SP_STR_INIT("sess")};
static const struct sp_jwt_locations all = {headers, params, cookies, 3, 2, 1};

static void begin(const char *path)
{
    sp_headers_init(&h, &arena);
    h.method = SP_STR("GET");
    h.path = sp_str_c(path);
}

static void line(const char *name, const char *value)
{
    sp_headers_add(&h, sp_str_c(name), sp_str_c(value));
}

static void finds(const char *token)
{
    struct sp_str got;
    assert_int_equal(sp_jwt_locate(&all, &h, &arena, &got), SP_JWT_FOUND_ONE);
    assert_string_equal(sp_arena_str(&arena, got).ptr, token);
}

static void finds_none(void)
{
    struct sp_str got = SP_STR("untouched");
    assert_int_equal(sp_jwt_locate(&all, &h, &arena, &got), SP_JWT_FOUND_NONE);
    assert_string_equal(got.ptr, "untouched");
}

static void finds_many(void)
{
    struct sp_str got;
    assert_int_equal(sp_jwt_locate(&all, &h, &arena, &got), SP_JWT_FOUND_MANY);
}

static void in_header(const char *name, const char *value, const char *token)
{
    begin("/");
    line(name, value);
    if (token)
        finds(token);
    else
        finds_none();
}

static void test_headers(void **state)
{
    in_header("authorization", "Bearer a.b.c", "a.b.c");
    in_header("authorization", "bearer a.b.c", "a.b.c"); /* a scheme's case does not count */
    in_header("authorization", "BEARER a.b.c", "a.b.c");
    in_header("authorization", "Bearer   a.b.c", "a.b.c");
    in_header("authorization", "Foo Bearer a.b.c", "a.b.c"); /* anywhere, as Envoy */
    in_header("authorization", "Bearer a.b.c x", "a.b.c x"); /* and what is behind it is no token then */
    in_header("authorization", "Bearer a.b.c,Bearer d.e.f", "a.b.c,Bearer d.e.f");
    in_header("authorization", "Bearer ,;", "Bearer ,;");
    in_header("authorization", "Bearer", NULL);
    in_header("authorization", "Basic YTpi", NULL);
    in_header("authorization", "a.b.c", NULL);
    in_header("authorization", "", NULL);
    in_header("x-plain", "a.b.c", "a.b.c");
    in_header("x-plain", "Bearer a.b.c", "Bearer a.b.c");
    in_header("x-plain", "", NULL);
    in_header("x-key", "u=1,t=a.b.c", "a.b.c");
    in_header("x-key", "t=\"a.b.c\"", "a.b.c\"");
    in_header("x-key", "T=a.b.c", NULL); /* no scheme: its case counts */
    in_header("x-other", "Bearer a.b.c", NULL);
}

static void in_path(const char *path, const char *token)
{
    begin(path);
    if (token)
        finds(token);
    else
        finds_none();
}

static void test_params(void **state)
{
    in_path("/?access_token=a.b.c", "a.b.c");
    in_path("/x?a=1&access_token=a.b.c&b=2", "a.b.c");
    in_path("/x?jwt=a.b.c", "a.b.c");
    in_path("/?access%5Ftoken=a%2Eb%2ec", "a.b.c");
    in_path("/?access_token=a%2", "a%2");
    in_path("/?access_token=a%zz%", "a%zz%");
    in_path("/?access_token=%41", "A");
    in_path("/?access_token", "");
    in_path("/?access_token=", "");
    in_path("/?access_token=a=b", "a=b");
    in_path("/?access_token=a.b.c#x", "a.b.c");
    in_path("/", NULL);
    in_path("/?", NULL);
    in_path("/?Access_token=a", NULL);
    in_path("/?xaccess_token=a&access_tokenx=b", NULL);
    in_path("/access_token=a", NULL);
    in_path("/#?access_token=a", NULL); /* no fragment comes this far; were it to, it is no query */
}

static void in_cookie(const char *value, const char *token)
{
    begin("/");
    line("cookie", value);
    if (token)
        finds(token);
    else
        finds_none();
}

static void test_cookies(void **state)
{
    in_cookie("sess=a.b.c", "a.b.c");
    in_cookie("x=1; sess=a.b.c; y=2", "a.b.c");
    in_cookie("x=1;sess = a.b.c ;y=2", "a.b.c");
    in_cookie("sess=\"a.b.c\"", "a.b.c");
    in_cookie("sess=\"", "\"");
    in_cookie("sess=", "");
    in_cookie("xsess=a; Sess=b; sessx=c", NULL);
    begin("/");
    line("cookie", "a=1"); /* HTTP/2 may send one line a cookie */
    line("cookie", "sess=a.b.c");
    finds("a.b.c");
}

static void test_several(void **state)
{
    begin("/?access_token=a.b.c");
    line("authorization", "Bearer a.b.c");
    line("cookie", "sess=a.b.c");
    finds("a.b.c"); /* the same one everywhere */
    begin("/?access_token=a.b.d");
    line("authorization", "Bearer a.b.c");
    finds_many();
    begin("/?access_token=a.b.c&access_token=x");
    finds_many();
    begin("/?access_token=a.b.c&jwt=x");
    finds_many();
    begin("/");
    line("authorization", "Bearer a.b.c");
    line("authorization", "Bearer a.b.d");
    finds_many();
    begin("/");
    line("authorization", "Bearer a.b.c");
    line("authorization", "Basic x");
    finds("a.b.c");
    begin("/");
    line("cookie", "sess=a; sess=b");
    finds_many();
    begin("/");
    line("x-plain", "a");
    line("x-plain", "");
    finds("a");
}

static void removes(const char *path, const char *left)
{
    begin(path);
    sp_jwt_remove(&all, &h);
    assert_string_equal(sp_arena_str(&arena, h.path).ptr, left);
    finds_none();
}

static void test_remove_params(void **state)
{
    removes("/a?access_token=x", "/a");
    removes("/a?access_token=x&b=1", "/a?b=1");
    removes("/a?b=1&access_token=x", "/a?b=1");
    removes("/a?b=1&access_token=x&c=%20&d", "/a?b=1&c=%20&d");
    removes("/a?access_token=x&access%5Ftoken=y&jwt=z", "/a");
    removes("/a?b=1&jwt=z&b=2&access_token", "/a?b=1&b=2");
    removes("/a?b=1", "/a?b=1");
    removes("/a?", "/a?");
    removes("/a", "/a");
    removes("/a?access_token=x#f", "/a#f");
}

static void test_remove_headers(void **state)
{
    begin("/");
    line("authorization", "Bearer a.b.c");
    line("authorization", "Basic x");
    line("x-plain", "a");
    line("x-key", "u=1");
    line("accept", "*/*");
    sp_jwt_remove(&all, &h);
    assert_int_equal(h.n, 2);
    assert_int_equal(sp_headers_count(&h, SP_STR("x-key")), 1); /* it carried no token */
    assert_int_equal(sp_headers_count(&h, SP_STR("accept")), 1);
    begin("/");
    line("authorization", "Basic x");
    sp_jwt_remove(&all, &h);
    assert_int_equal(h.n, 1);
}

static void test_remove_cookies(void **state)
{
    begin("/");
    line("cookie", "a=1; sess=x; b=2");
    line("accept", "*/*");
    line("cookie", "sess=x");
    line("cookie", "c=3");
    line("cookie", " sess = x ; sess=y;d=4");
    sp_jwt_remove(&all, &h);
    assert_int_equal(sp_headers_count(&h, SP_STR("cookie")), 3);
    assert_string_equal(sp_arena_str(&arena, sp_headers_joined(&h, SP_STR("cookie"))).ptr, "a=1; b=2, c=3, d=4");
    assert_int_equal(sp_headers_count(&h, SP_STR("accept")), 1);
    finds_none();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_params),         cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_several),       cmocka_unit_test(test_remove_params),
            cmocka_unit_test(test_remove_headers),
        cmocka_unit_test(test_remove_cookies),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
