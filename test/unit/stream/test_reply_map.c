/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/local_reply.h"
#include "stream/reply_map.h"
#include "support/config.h"

#define DESC &envoy__extensions__filters__network__http_connection_manager__v3__local_reply_config__descriptor
#define STATUS(n) "{status_code_filter: {comparison: {op: EQ, value: {default_value: " #n ", runtime_key: x}}}}"

static struct t_config c;
static struct sp_reply_map *map;
static struct sp_arena arena;
static struct sp_stream_info info;
static struct sp_conn_info conn;
static struct sp_headers request, head;
static struct sp_buf body;

static int setup(void **state)
{
    sp_arena_init(&arena);
    sp_buf_init(&body);
    info = (struct sp_stream_info){.conn = &conn};
    sp_headers_init(&request, &arena);
    request.method = SP_STR("GET");
    request.path = SP_STR("/p");
    return 0;
}

static int teardown(void **state)
{
    sp_buf_clear(&body);
    sp_arena_done(&arena);
    sp_reply_map_free(map);
    map = NULL;
    t_config_done(&c);
    return 0;
}

static void config(const char *yaml)
{
    t_config_load(&c, DESC, yaml);
    map = sp_reply_map_new(c.doc, &c.diag, c.msg);
}

static void rewrite(void *ctx, struct sp_reply *reply, struct sp_headers *h)
{
    const struct sp_format_input in = {.info = &info, .request = &request, .response = h};
    sp_reply_map_apply(map, &in, &info, reply, h, 0);
}

static void make(struct sp_reply reply)
{
    const struct sp_reply_rewriter rewriter = {rewrite, NULL};
    head = (struct sp_headers){0};
    sp_buf_clear(&body);
    sp_local_reply_make(&reply, &request, &arena, &rewriter, &head, &body);
}

static const char *text(void)
{
    char *out = sp_arena_alloc(&arena, body.len + 1);
    sp_buf_peek(&body, out, body.len);
    out[body.len] = 0;
    return out;
}

static const char *line(const char *name)
{
    const struct sp_header *h = sp_headers_find(&head, sp_str_c(name), NULL);
    return h ? sp_arena_str(&arena, h->value).ptr : "-";
}

static void test_the_first_that_fits(void **state)
{
    config("mappers:\n"
           "- {filter: " STATUS(403) ", status_code: 404, body: {inline_string: gone}}\n"
           "- {filter: " STATUS(403) ", status_code: 500}\n"
           "- {filter: " STATUS(404) ", status_code: 501}\n");
    make((struct sp_reply){.status = 403, .body = SP_STR("no"), .no_store = true});
    assert_int_equal(head.status, 404); /* the status that was, not the one that will be, is asked for */
    assert_int_equal(info.response_code, 404);
    assert_string_equal(text(), "gone");
    assert_string_equal(line("content-length"), "4");
    assert_string_equal(line("cache-control"), "no-store");
    make((struct sp_reply){.status = 400, .body = SP_STR("as it was")});
    assert_int_equal(head.status, 400);
    assert_string_equal(text(), "as it was");
}

static void test_formats(void **state)
{
    config("mappers:\n"
           "- {filter: " STATUS(401) ", body_format_override: {json_format: {code: '%RESPONSE_CODE%', why: '%LOCAL_REPLY_BODY%'}}}\n"
           "body_format: {text_format_source: {inline_string: '%REQ(:path)%: %LOCAL_REPLY_BODY%'}, content_type: text/x}\n");
    make((struct sp_reply){.status = 401, .body = SP_STR("\"quoted\"")});
    assert_string_equal(text(), "{\"code\":401,\"why\":\"\\\"quoted\\\"\"}\n");
    assert_string_equal(line("content-type"), "application/json");
    make((struct sp_reply){.status = 403, .body = SP_STR("no"), .content_type = SP_STR("a/b")});
    assert_string_equal(text(), "/p: no");
    assert_string_equal(line("content-type"), "text/x");
    make((struct sp_reply){.status = 204});
    assert_string_equal(text(), "");
    assert_string_equal(line("content-type"), "-");
}

static void test_headers(void **state)
{
    config("mappers:\n"
           "- filter: " STATUS(401) "\n"
           "  headers_to_add:\n"
           "  - {header: {key: cache-control, value: public}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}\n"
           "  - {header: {key: www-authenticate, value: x}, append_action: ADD_IF_ABSENT}\n"
           "  - {header: {key: content-type, value: text/html}}\n");
    const struct sp_header own = {
        .name = SP_STR("www-authenticate"), .value = SP_STR("Bearer"), .id = SP_H_WWW_AUTHENTICATE};
    make((struct sp_reply){.status = 401, .body = SP_STR("no"), .headers = &own, .n_headers = 1, .no_store = true});
    assert_string_equal(line("cache-control"), "no-store"); /* a refusal is not to be kept, whatever a mapper says */
    assert_string_equal(line("www-authenticate"), "Bearer");
    assert_string_equal(line("content-type"), "text/html");
}

static void test_grpc(void **state)
{
    config("body_format: {json_format: {b: '%LOCAL_REPLY_BODY%'}}\n");
    sp_headers_add_id(&request, SP_H_CONTENT_TYPE, SP_STR("application/grpc"));
    make((struct sp_reply){.status = 403, .body = SP_STR("no")});
    assert_int_equal(head.status, 200);
    assert_string_equal(line("grpc-status"), "7");
    assert_string_equal(line("grpc-message"), "{\"b\":\"no\"}");
    assert_string_equal(line("content-type"), "application/grpc");
    assert_int_equal(body.len, 0);
}

static void test_errors(void **state)
{
    config("mappers: [{filter: " STATUS(400) ", body_format_override: {text_format: '%NOTHING%'}}]\n");
    assert_null(map);
    assert_int_equal(c.diag.n_errors, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_first_that_fits), T(test_formats), T(test_headers), T(test_grpc), T(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
