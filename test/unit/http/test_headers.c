/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http/codec.h"
#include "http/headers.h"

#define assert_str(got, want)                                                                                          \
    do {                                                                                                               \
        struct sp_str got_ = (got), want_ = sp_str_c(want);                                                            \
        assert_int_equal(got_.len, want_.len);                                                                         \
        assert_memory_equal(got_.ptr, want_.ptr, want_.len);                                                           \
    } while (0)

static struct sp_arena arena;

static int setup(void **state)
{
    sp_arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return 0;
}

/* Fails when the table was changed and scripts/gen_header_hash not run. */
static void every_known_name_has_its_id(void **state)
{
    for (unsigned id = SP_H_OTHER + 1; id < SP_H_COUNT; id++) {
        struct sp_str name = sp_header_name(id);
        assert_int_equal(sp_header_id(name), id);
        assert_true(sp_header_name_valid(name));
        if (id > SP_H_OTHER + 1)
            assert_true(strcmp(sp_header_name(id - 1).ptr, name.ptr) < 0);
    }
}

static void near_misses_are_other(void **state)
{
    for (unsigned id = SP_H_OTHER + 1; id < SP_H_COUNT; id++) {
        struct sp_str name = sp_header_name(id);
        for (size_t i = 0; i < name.len; i++) {
            char *copy = sp_str_dup(name);
            copy[i] ^= 1;
            assert_int_equal(sp_header_id(sp_str_n(copy, name.len)), SP_H_OTHER);
            free(copy);
        }
        char *exact = malloc(name.len); /* a sanitizer sees a read behind it */
        for (size_t n = 0; n + 1 < name.len; n++)
            exact[n] = name.ptr[n];
        assert_int_equal(sp_header_id(sp_str_n(exact, name.len - 1)), SP_H_OTHER);
        free(exact);
    }
    assert_int_equal(sp_header_id(SP_STR("")), SP_H_OTHER);
    assert_int_equal(sp_header_id(SP_STR("a")), SP_H_OTHER);
    assert_int_equal(sp_header_id(SP_STR("x-nobody-knows")), SP_H_OTHER);
    assert_int_equal(sp_header_id(SP_STR("Host")), SP_H_OTHER);
}

static void lines_are_added_found_and_removed(void **state)
{
    struct sp_headers h;
    sp_headers_init(&h, &arena);
    sp_headers_add(&h, SP_STR("x-a"), SP_STR("1"));
    sp_headers_add_id(&h, SP_H_COOKIE, SP_STR("c1"));
    sp_headers_add(&h, SP_STR("x-a"), SP_STR("2"));
    sp_headers_add(&h, SP_STR("cookie"), SP_STR("c2"));
    sp_headers_add(&h, SP_STR("x-b"), SP_STR(""));
    assert_int_equal(h.n, 5);
    assert_int_equal(h.v[3].id, SP_H_COOKIE);
    assert_str(sp_headers_get(&h, SP_STR("x-a")), "1");
    assert_str(sp_headers_get_id(&h, SP_H_COOKIE), "c1");
    assert_null(sp_headers_get(&h, SP_STR("x-c")).ptr);
    assert_non_null(sp_headers_get(&h, SP_STR("x-b")).ptr);
    assert_int_equal(sp_headers_count(&h, SP_STR("x-a")), 2);
    struct sp_header *line = sp_headers_find(&h, SP_STR("x-a"), NULL);
    line = sp_headers_find(&h, SP_STR("x-a"), line);
    assert_str(line->value, "2");
    assert_null(sp_headers_find(&h, SP_STR("x-a"), line));
    assert_null(sp_headers_find(&h, SP_STR("x-b"), &h.v[4]));
    assert_str(sp_headers_joined(&h, SP_STR("x-a")), "1, 2");
    assert_str(sp_headers_joined(&h, SP_STR("x-b")), "");
    assert_null(sp_headers_joined(&h, SP_STR("x-none")).ptr);
    assert_int_equal(sp_headers_remove(&h, SP_STR("x-a")), 2);
    assert_int_equal(sp_headers_remove(&h, SP_STR("x-a")), 0);
    assert_int_equal(sp_headers_remove_id(&h, SP_H_COOKIE), 2);
    assert_int_equal(h.n, 1);
    assert_str(h.v[0].name, "x-b");
}

static void set_keeps_the_first_place(void **state)
{
    struct sp_headers h;
    sp_headers_init(&h, &arena);
    sp_headers_add(&h, SP_STR("a"), SP_STR("1"));
    sp_headers_add(&h, SP_STR("b"), SP_STR("2"));
    sp_headers_add(&h, SP_STR("a"), SP_STR("3"));
    sp_headers_add(&h, SP_STR("c"), SP_STR("4"));
    sp_headers_set(&h, SP_STR("a"), SP_STR("x"));
    assert_int_equal(h.n, 3);
    assert_str(h.v[0].value, "x");
    assert_str(h.v[2].name, "c");
    sp_headers_set(&h, SP_STR("d"), SP_STR("y"));
    assert_str(h.v[3].value, "y");
    sp_headers_set_id(&h, SP_H_SERVER, SP_STR("s"));
    sp_headers_set_id(&h, SP_H_SERVER, SP_STR("t"));
    assert_int_equal(sp_headers_count(&h, SP_STR("server")), 1);
    assert_str(sp_headers_get_id(&h, SP_H_SERVER), "t");
}

static void many_lines_grow_the_list(void **state)
{
    struct sp_headers h;
    sp_headers_init(&h, &arena);
    for (unsigned i = 0; i < 1000; i++)
        sp_headers_add(&h, sp_arena_printf(&arena, "x-%u", i), sp_arena_printf(&arena, "%u", i));
    assert_int_equal(h.n, 1000);
    assert_str(sp_headers_get(&h, SP_STR("x-999")), "999");
    assert_str(sp_headers_get(&h, SP_STR("x-0")), "0");
    unsigned cap = h.cap;
    sp_headers_reserve(&h, cap - 1000);
    assert_int_equal(h.cap, cap);
    sp_headers_reserve(&h, cap - 999);
    assert_true(h.cap > cap);
}

static void a_copy_stands_alone(void **state)
{
    struct sp_arena other;
    struct sp_headers from, to;
    sp_arena_init(&other);
    sp_headers_init(&from, &other);
    from.method = sp_arena_str(&other, SP_STR("GET"));
    from.path = sp_arena_str(&other, SP_STR("/p?q"));
    from.authority = sp_arena_str(&other, SP_STR("h"));
    from.version = SP_HTTP_2;
    from.bytes = 77;
    sp_headers_add(&from, sp_arena_str(&other, SP_STR("x-name")), sp_arena_str(&other, SP_STR("value")));
    sp_headers_add_id(&from, SP_H_AUTHORIZATION, sp_arena_str(&other, SP_STR("Bearer t")));
    from.v[1].never_index = true;
    sp_headers_add(&from, sp_arena_str(&other, SP_STR("x-empty")), SP_STR(""));
    sp_headers_copy(&to, &arena, &from);
    sp_arena_done_wipe(&other);
    sp_arena_thread_done();
    assert_str(to.method, "GET");
    assert_str(to.path, "/p?q");
    assert_null(to.scheme.ptr);
    assert_int_equal(to.version, SP_HTTP_2);
    assert_int_equal(to.bytes, 77);
    assert_int_equal(to.n, 3);
    assert_str(to.v[0].name, "x-name");
    assert_str(to.v[0].value, "value");
    assert_true(to.v[1].never_index);
    assert_str(to.v[1].value, "Bearer t");
    assert_non_null(to.v[2].value.ptr);
    sp_headers_add(&to, SP_STR("more"), SP_STR("1"));
    assert_ptr_equal(to.arena, &arena);
}

static void names_and_values_are_checked(void **state)
{
    assert_true(sp_header_name_valid(SP_STR("x-a_b!#$%&'*+.^`|~9")));
    static const char *const bad_names[] = {"",   "a b", "a:", "A", "a\r", "a\n", "\x80",
                                            "a(", "a,",  "a/", "{", "\"",  "@",   ":p"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad_names); i++)
        assert_false(sp_header_name_valid(sp_str_c(bad_names[i])));
    assert_false(sp_header_name_valid(sp_str_n("a\0b", 3)));
    static const char *const good[] = {"", "a", "a b", "a\tb", "\xff\x80", "0123456789abcdef0123456789abcdef\t~"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++)
        assert_true(sp_header_value_valid(sp_str_c(good[i])));
    static const char *const bad[] = {" a", "a ", "\ta", "a\t", "a\nb", "a\rb", "\x7f", "a\x01", " ", "\r\n"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_false(sp_header_value_valid(sp_str_c(bad[i])));
    assert_false(sp_header_value_valid(sp_str_n("a\0b", 3)));
}

/* Every byte at every place of values of every length that takes another path. */
static void values_are_checked_to_the_byte(void **state)
{
    char text[50];
    for (size_t n = 1; n < sizeof(text); n++) {
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                memset(text, 'a', sizeof(text));
                text[n] = '\n'; /* not a part of it */
                text[at] = (char)c;
                bool edge = at == 0 || at == n - 1;
                bool good = c >= 0x20 ? c != 0x7f && !(edge && c == ' ') : c == '\t' && !edge;
                assert_int_equal(sp_header_value_valid(sp_str_n(text, n)), good);
            }
        }
    }
}

static void methods_and_authorities_are_checked(void **state)
{
    assert_true(sp_method_valid(SP_STR("GET")));
    assert_true(sp_method_valid(SP_STR("m-search")));
    assert_true(sp_method_valid(SP_STR("12345678901234567890123456789012")));
    assert_false(sp_method_valid(SP_STR("123456789012345678901234567890123")));
    assert_false(sp_method_valid(SP_STR("")));
    assert_false(sp_method_valid(SP_STR("GE T")));
    assert_false(sp_method_valid(SP_STR("GET\t")));
    static const char *const forged[] = {"get", "Get", "GEt", "gET", "delete", "oPTIONS", "PRI"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(forged); i++)
        assert_true(sp_method_forged(sp_str_c(forged[i])));
    static const char *const own[] = {"GET", "PATCH", "m-search", "GETx", "Propfind", "PRIx", "PR", "`|~"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(own); i++)
        assert_false(sp_method_forged(sp_str_c(own[i])));
    static const char *const good[] = {
        "a", "a.b:80", "1.2.3.4:65535", "[::1]", "[::1]:8080", "[::ffff:1.2.3.4]:1", "a_b-c~d", "x,y", "a:0"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++)
        assert_true(sp_authority_valid(sp_str_c(good[i])));
    static const char *const bad[] = {"",
                                      ":80",
                                      "a:",
                                      "a:65536",
                                      "A%2Fb",
                                      "%61",
                                      "a:-1",
                                      "a:+1",
                                      "a:8 0",
                                      "a b",
                                      "a@b",
                                      "a/b",
                                      "a?b",
                                      "a#b",
                                      "a\\b",
                                      "[",
                                      "[]",
                                      "[::1",
                                      "[::1]x",
                                      "::1",
                                      "a:1:2",
                                      "[v1.x]",
                                      "%zz",
                                      "a%2",
                                      "a%",
                                      "a<b",
                                      "\xc3\xa4",
                                      "[:]",
                                      "a:000080",
                                      "a\"b",
                                      "[fe80::1%25eth0]",
                                      "a]",
                                      "http://a",
                                      "a\tb",
                                      "a{b}"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (sp_authority_valid(sp_str_c(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

static void underscores_make_no_other_name(void **state)
{
    struct sp_headers h;
    sp_headers_init(&h, &arena);
    sp_headers_add(&h, SP_STR("x-user"), SP_STR("1"));
    sp_headers_add(&h, SP_STR("x_user"), SP_STR("2"));
    sp_headers_add(&h, SP_STR("x-user-id"), SP_STR("3"));
    sp_headers_add(&h, SP_STR("x.user"), SP_STR("4"));
    assert_int_equal(sp_headers_remove_alike(&h, SP_STR("x-user")), 2);
    assert_int_equal(h.n, 2);
    assert_str(h.v[0].value, "3");
    assert_int_equal(sp_headers_remove_alike(&h, SP_STR("x_user_id")), 1);
    sp_headers_add(&h, SP_STR("x-user"), SP_STR("5"));
    sp_headers_add(&h, SP_STR("x_user"), SP_STR("6"));
    sp_headers_add(&h, SP_STR("x-user"), SP_STR("7"));
    assert_int_equal(sp_headers_remove_lookalikes(&h, SP_STR("x-user")), 1);
    assert_int_equal(sp_headers_count(&h, SP_STR("x-user")), 2);
    assert_int_equal(sp_header_id_alike(SP_STR("x_forwarded-for")), SP_H_X_FORWARDED_FOR);
    assert_int_equal(sp_header_id_alike(SP_STR("x-forwarded-for")), SP_H_OTHER);
    assert_int_equal(sp_header_id_alike(SP_STR("x_forwarded_four")), SP_H_OTHER);
}

static void names_of_statuses_and_aborts(void **state)
{
    assert_str(sp_status_reason(200), "OK");
    assert_str(sp_status_reason(431), "Request Header Fields Too Large");
    assert_str(sp_status_reason(0), "Unknown");
    assert_str(sp_status_reason(299), "Unknown");
    assert_str(sp_status_reason(999), "Unknown");
    assert_string_equal(sp_abort_name(SP_ABORT_NONE), "none");
    assert_string_equal(sp_abort_name(SP_ABORT_CANCEL), "cancel");
    for (unsigned i = 0; i <= SP_ABORT_CANCEL; i++)
        assert_non_null(sp_abort_name(i));
}

static void codec_defaults(void **state)
{
    struct sp_codec_config c;
    sp_codec_config_init(&c, true);
    assert_true(c.server && c.h1_allow_absolute_url && c.h2_stream_error_on_invalid);
    assert_false(c.h1_accept_10 || c.h1_allow_chunked_length || c.tls || c.h1_trailers);
    assert_int_equal(c.max_headers, 100);
    assert_int_equal(c.max_header_bytes, 61440);
    assert_int_equal(c.h2_conn_window, 1048576);
    sp_codec_config_init(&c, false);
    assert_false(c.server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_known_name_has_its_id),       cmocka_unit_test(near_misses_are_other),
        cmocka_unit_test(lines_are_added_found_and_removed), cmocka_unit_test(set_keeps_the_first_place),
        cmocka_unit_test(many_lines_grow_the_list),          cmocka_unit_test(a_copy_stands_alone),
        cmocka_unit_test(names_and_values_are_checked),      cmocka_unit_test(methods_and_authorities_are_checked),
        cmocka_unit_test(values_are_checked_to_the_byte),    cmocka_unit_test(underscores_make_no_other_name),
        cmocka_unit_test(names_of_statuses_and_aborts),      cmocka_unit_test(codec_defaults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
