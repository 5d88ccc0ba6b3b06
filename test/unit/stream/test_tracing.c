/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The span of a request: who gets one, what it is called, what is in it, what the client is told; custom tags. */
#include <stdlib.h>

#include "base/mem.h"
#include "stream/server_span.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define PARENT "traceparent: 00-" TRACE "-b7ad6b7169203331-0"
#define PROVIDER "provider: {name: o, typed_config: {\"@type\": type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig}}"
#define TRACING(more) "tracing: {" PROVIDER more "}\n"
#define OK ":status: 200\ncontent-length: 0\n"
#define REST_OF_ID "-1111-4111-8111-111111111111"

/* What was sent: requests of one span each. */
static char *got;
static size_t got_len;
static unsigned got_n;

static bool send_batch(struct sp_tracer *t, struct sp_span_batch *b, struct sp_turn *turn, struct sp_str request)
{
    (void)t, (void)turn, (void)b;
    got = sp_xrealloc(got, got_len + request.len);
    memcpy(got + got_len, request.ptr, request.len);
    got_len += request.len;
    got_n++;
    return false; /* then nothing waits for an answer */
}

static void tracer_free(struct sp_tracer *t)
{
    sp_tracer_done(t);
    free(t);
}

static const struct sp_tracer_ops ops = {send_batch, tracer_free};

static struct sp_tracer *make(const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__Tracing__Http *provider)
{
    (void)build, (void)provider;
    struct sp_tracer *t = sp_xcalloc(1, sizeof(*t));
    const struct sp_attrs none = {.n = 0};
    t->ops = &ops;
    sp_tracer_init(t);
    sp_otlp_resource(&t->resource, &none);
    t->min_flush = 1;
    return t;
}

static int set_up(void **state)
{
    (void)state;
    fake_tracer = make;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(got);
    got = NULL;
    got_len = got_n = 0;
    return 0;
}

static bool has(struct sp_str bytes)
{
    return got_len && memmem(got, got_len, bytes.ptr, bytes.len);
}

/* An attribute that is a string, as its bytes. */
static bool has_attr(const char *key, const char *value)
{
    char text[512];
    size_t k = strlen(key), v = strlen(value);
    int n = snprintf(text, sizeof(text), "\x0a%c%s\x12%c\x0a%c%s", (char)k, key, (char)(v + 2), (char)v, value);
    return has(sp_str_n(text, (size_t)n));
}

static bool is_named(const char *name)
{
    char text[128];
    int n = snprintf(text, sizeof(text), "\x2a%c%s\x30", (char)strlen(name), name);
    return has(sp_str_n(text, (size_t)n));
}

/* One request from its head to its end. */
static void run(struct world *w, const char *lines, const char *answer)
{
    struct exchange *e = ask(w, lines, true);
    if (answer)
        respond(e, answer, true);
    over(e, SP_ABORT_NONE);
}

static uint64_t count(const char *reason)
{
    char name[64];
    snprintf(name, sizeof(name), "http.test.tracing.%s", reason);
    return world_stat(name);
}

static void test_one(void **state)
{
    struct world *w = world_new(TRACING(), NULL, NULL);
    run(w, GET("/a?b") "user-agent: curl\n", OK);
    assert_int_equal(got_n, 1);
    assert_true(is_named("ingress"));
    static const char *const wanted[][2] = {{"http.method", "GET"}, {"user_agent", "curl"}, {"http.status_code", "200"}, {"response_flags", "-"},
                                            {"component", "proxy"}, {"downstream_cluster", "-"}, {"http.protocol", "HTTP/1.1"},
                                            {"request_size", "0"}, {"response_size", "0"}, {"http.url", "http://a.test/a?b"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(wanted); i++)
        if (!has_attr(wanted[i][0], wanted[i][1]))
            fail_msg("%s is not \"%s\"", wanted[i][0], wanted[i][1]);
    assert_false(has(SP_STR("error")));
    assert_int_equal(count("random_sampling"), 1);
    run(w, GET("/a"), ":status: 503\ncontent-length: 0\n");
    assert_true(has_attr("error", "true"));
    world_free(w);
}

/* Whose trace it is, and whether it is sampled: both the flag and the connection manager have to want it. */
static void test_continued(void **state)
{
    static const struct {
        const char *yaml, *head;
        bool sampled, known;
    } cases[] = {{TRACING(), PARENT "1\n", true, true},
                 {TRACING(), PARENT "0\n", false, true},
                 {TRACING(", random_sampling: {value: 0}"), PARENT "1\n", false, true},
                 {TRACING(", random_sampling: {value: 0}"), "", false, false},
                 {TRACING(", random_sampling: {value: 0}"), "x-client-trace-id: c\n", true, false},
                 {TRACING(", random_sampling: {value: 0}"), PARENT "1\nx-client-trace-id: c\n", true, true},
                 {TRACING(), "traceparent: rubbish\n", true, false},
                 {TRACING(), PARENT "1\n" PARENT "1\n", true, false}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char lines[512];
        snprintf(lines, sizeof(lines), "%s%s", GET("/"), cases[i].head);
        struct world *w = world_new(cases[i].yaml, NULL, NULL);
        struct exchange *e = ask(w, lines, true);
        const struct sp_span *s = info_of(e)->span;
        assert_non_null(s);
        assert_int_equal(s->ctx.sampled, cases[i].sampled);
        assert_int_equal(s->ctx.trace[0] == 0x0af7651916cd43ddull && s->ctx.trace[1] == 0x8448eb211c80319cull, cases[i].known);
        assert_int_equal(s->parent, cases[i].known ? 0xb7ad6b7169203331ull : 0);
        assert_true(s->ctx.span && s->ctx.span != s->parent);
        respond(e, OK, true);
        over(e, SP_ABORT_NONE);
        assert_int_equal(got_n, cases[i].sampled);
        tear_down(NULL);
        world_free(w);
    }
}

/* The id says why; whose it is, and who may force. */
static void test_ids(void **state)
{
    struct world *w = world_new(TRACING(", random_sampling: {value: 0}"), NULL, NULL);
    struct exchange *e = ask(w, GET("/") "x-client-trace-id: c\nx-request-id: 11111111" REST_OF_ID "\n", true);
    assert_string_equal(routed(e, "x-request-id"), "11111111-1111-b111-8111-111111111111");
    assert_true(sp_str_eq(info_of(e)->request_id, SP_STR("11111111-1111-b111-8111-111111111111")));
    over(e, SP_ABORT_CLOSED);
    e = ask(w, GET("/") "x-envoy-force-trace: 1\n", true); /* of a stranger: it is not even there */
    assert_false(info_of(e)->span->ctx.sampled);
    respond(e, OK, true);
    assert_string_equal(sent(e, "x-request-id"), "-");
    over(e, SP_ABORT_NONE);
    assert_int_equal(count("not_traceable"), 1);
    world_free(w);
    w = world_new("internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n" TRACING(", random_sampling: {value: 0}"), NULL, NULL);
    e = ask(w, GET("/") "x-envoy-force-trace: 1\nx-forwarded-for: 10.0.0.1\n", true);
    assert_true(info_of(e)->span->ctx.sampled);
    respond(e, OK, true);
    assert_string_equal(sent(e, "x-request-id"), routed(e, "x-request-id"));
    over(e, SP_ABORT_NONE);
    assert_int_equal(count("service_forced"), 1);
    world_free(w);
}

static void test_id_rules(void **state)
{
#define IDS(more) "request_id_extension: {typed_config: {\"@type\": type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig, " more "}}\n"
    struct world *w = world_new(IDS("pack_trace_reason: false") TRACING(), NULL, NULL);
    struct exchange *e = ask(w, GET("/") "x-request-id: 11111111" REST_OF_ID "\n", true);
    assert_string_equal(routed(e, "x-request-id"), "11111111" REST_OF_ID);
    assert_true(info_of(e)->span->ctx.sampled);
    over(e, SP_ABORT_CLOSED);
    world_free(w);
    w = world_new(IDS("use_request_id_for_trace_sampling: false") TRACING(", random_sampling: {value: 0}"), NULL, NULL);
    e = ask(w, GET("/") "x-request-id: foo\n", true);
    assert_true(info_of(e)->span->ctx.sampled);
    over(e, SP_ABORT_CLOSED);
    world_free(w);
}

#define DECORATED "- {match: {path: /a}, decorator: {operation: deco}, route: {cluster: c}}\n" \
                  "- {match: {path: /quiet}, decorator: {operation: deco, propagate: false}, route: {cluster: c}}\n" \
                  "- {match: {path: /named}, tracing: {operation: 'op %RESPONSE_CODE%'}, decorator: {operation: deco}, route: {cluster: c}}\n" \
                  "- {match: {path: /none}, tracing: {random_sampling: {numerator: 0}}, route: {cluster: c}}\n"

static void test_names(void **state)
{
    static const struct {
        const char *head, *name, *told, *origin;
    } cases[] = {{GET("/a"), "deco", "deco", "-"},
                 {GET("/quiet"), "deco", "-", "-"},
                 {GET("/a") "x-envoy-decorator-operation: mine\n", "mine", "-", "-"},
                 {GET("/named") "x-envoy-decorator-operation: mine\n", "op 200", "deco", "mine"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct world *w = world_new(TRACING(), NULL, DECORATED);
        struct exchange *e = ask(w, cases[i].head, true);
        assert_string_equal(routed(e, "x-envoy-decorator-operation"), cases[i].origin);
        respond(e, OK, true);
        assert_string_equal(sent(e, "x-envoy-decorator-operation"), cases[i].told);
        over(e, SP_ABORT_NONE);
        assert_true(is_named(cases[i].name));
        tear_down(NULL);
        world_free(w);
    }
    struct world *w = world_new(TRACING(), NULL, DECORATED);
    run(w, GET("/none"), OK);
    assert_int_equal(got_n, 0);
    world_free(w);
}

static enum sp_status refuse(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 403, SP_STR("no"), SP_STR("refused_by_test"));
    return SP_STOP;
}

/* Who no gate lets pass costs no span; who finds no route does. */
static void test_who(void **state)
{
    struct world *w = world_new(TRACING(), SHIELD_FILTER JWT_FILTER ROUTER_FILTER, DECORATED);
    fake_decode[SHIELD] = refuse;
    run(w, GET("/a"), NULL);
    assert_int_equal(got_n, 0);
    fake_decode[SHIELD] = NULL;
    run(w, GET("/nowhere"), NULL);
    assert_int_equal(got_n, 1);
    assert_true(has_attr("http.status_code", "404") && has_attr("response_flags", "NR"));
    fake_decode[JWT] = refuse;
    run(w, GET("/a"), NULL);
    assert_int_equal(got_n, 2);
    assert_true(has_attr("http.status_code", "403"));
    fake_decode[JWT] = NULL;
    struct exchange *e = ask(w, GET("/a"), true);
    info_of(e)->health_check = true;
    respond(e, OK, true);
    over(e, SP_ABORT_NONE);
    assert_int_equal(got_n, 2);
    assert_int_equal(count("health_check"), 1);
    assert_int_equal(count("not_traceable"), 1);
    assert_int_equal(count("random_sampling"), 2);
    e = ask(w, GET("/a"), false); /* it goes before there was an answer */
    over(e, SP_ABORT_CLOSED);
    assert_true(has_attr("http.status_code", "0") && has_attr("response_flags", "DC"));
    world_free(w);
}

static enum sp_status leave_metadata(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_set_metadata(f, SP_STR("ns"), SP_STR("a"), SP_STR("{\"b\": [1, 2], \"c\": \"text\"}"));
    return SP_CONTINUE;
}

static void test_tags(void **state)
{
    setenv("SP_TEST_TAG", "of-env", 1);
    struct world *w = world_new(
        TRACING(", custom_tags: [{tag: lit, literal: {value: v}}, {tag: env, environment: {name: SP_TEST_TAG}},"
                "{tag: noenv, environment: {name: SP_TEST_NONE}}, {tag: enved, environment: {name: SP_TEST_NONE, default_value: d}},"
                "{tag: hdr, request_header: {name: X-H, default_value: none}}, {tag: val, value: '%REQ(:METHOD)% %RESPONSE_CODE%'},"
                "{tag: md, metadata: {kind: {request: {}}, metadata_key: {key: ns, path: [{key: a}, {key: c}]}}},"
                "{tag: list, metadata: {kind: {request: {}}, metadata_key: {key: ns, path: [{key: a}, {key: b}]}}},"
                "{tag: nomd, metadata: {kind: {request: {}}, metadata_key: {key: ns, path: [{key: z}]}, default_value: nmd}},"
                "{tag: rt, metadata: {kind: {route: {}}, metadata_key: {key: r, path: [{key: x}, {key: z}]}}},"
                "{tag: over, literal: {value: hcm}}, {tag: component, literal: {value: door}},"
                "{tag: int, value: '12', value_type: INT}, {tag: noint, value: '12x', value_type: INT}, {tag: bool, value: 'true', value_type: BOOL},"
                "{tag: ids, value: '%TRACE_ID%/%SPAN_ID%'}]"),
        JWT_FILTER ROUTER_FILTER,
        "- {match: {prefix: /}, route: {cluster: c}, metadata: {filter_metadata: {r: {x: {z: of-route}}}},\n"
        "   tracing: {custom_tags: [{tag: over, literal: {value: route}}, {tag: own, metadata: {kind: {route: {}}, metadata_key: {key: r, path: [{key: x}]}}}]}}\n");
    fake_decode[JWT] = leave_metadata;
    struct exchange *e = ask(w, GET("/") "x-h: seen\n" PARENT "1\n", true);
    char ids[64];
    snprintf(ids, sizeof(ids), TRACE "/%016llx", (unsigned long long)info_of(e)->span->ctx.span);
    respond(e, OK, true);
    over(e, SP_ABORT_NONE);
    static const char *const wanted[][2] = {{"lit", "v"}, {"env", "of-env"}, {"enved", "d"}, {"hdr", "seen"}, {"val", "GET 200"}, {"md", "text"},
                                            {"list", "[1,2]"}, {"nomd", "nmd"}, {"rt", "of-route"}, {"over", "route"}, {"component", "door"},
                                            {"noint", "12x"}, {"own", "{\"z\":\"of-route\"}"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(wanted); i++)
        if (!has_attr(wanted[i][0], wanted[i][1]))
            fail_msg("%s is not \"%s\"", wanted[i][0], wanted[i][1]);
    assert_true(has_attr("ids", ids));
    assert_false(has(SP_STR("noenv")) || has(SP_STR("proxy")) || has(SP_STR("hcm")));
    assert_true(has(SP_STR("\x0a\x03int\x12\x02\x18\x0c")) && has(SP_STR("\x0a\x04" "bool\x12\x02\x10\x01")));
    world_free(w);
}

static void test_path_length(void **state)
{
    struct world *w = world_new(TRACING(", max_path_tag_length: 4, verbose: true"), NULL, NULL);
    run(w, GET("/abcdef?x=1"), OK);
    assert_true(has_attr("http.url", "http://a.test/abc"));
    assert_true(has(SP_STR("last_downstream_rx_byte_received")) && has(SP_STR("last_downstream_tx_byte_sent")));
    world_free(w);
}

static void says(const char *yaml, const char *routes, const char *text)
{
    char *said = world_errors(yaml, NULL, routes, false);
    if (!strstr(said, text))
        fail_msg("\"%s\" is not in: %s", text, said);
    free(said);
}

static void test_config(void **state)
{
    says("tracing: {}\n", NULL, "tracing: no provider: nothing is traced (name one: OpenTelemetryConfig)");
    says("request_id_extension: {typed_config: {\"@type\": type.googleapis.com/envoy.extensions.regex_engines.v3.GoogleRE2}}\n", NULL,
         "no such kind of id (UuidRequestIdConfig)");
#define TAG(t) TRACING(", custom_tags: [{tag: t, " t "}]")
    says(TAG("value: '%NO_SUCH_OPERATOR%'"), NULL, "custom_tags[0].value: unknown operator %NO_SUCH_OPERATOR%");
    says(TAG("metadata: {metadata_key: {key: ns, path: [{key: p}]}}"), NULL, "whose metadata (request or route)");
    says(TAG("metadata: {kind: {request: {}}}"), NULL, "needs a key and a path (such as key: ns, path: [{key: name}])");
    says(TRACING(", operation: '%NO_SUCH%'"), NULL, "tracing.operation: unknown operator %NO_SUCH%");
    says("", "- {match: {prefix: /}, route: {cluster: c}, tracing: {upstream_operation: '%NO_SUCH%'}}\n", "tracing.upstream_operation: unknown operator %NO_SUCH%");
    char yaml[8192] = "tracing: {" PROVIDER ", custom_tags: [";
    for (unsigned i = 0; i < 33; i++)
        strcat(yaml, "{tag: t, literal: {value: v}}, ");
    strcat(yaml, "]}\n");
    says(yaml, NULL, "custom_tags: more than 32 of them (take some out)");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {T(test_one), T(test_continued), T(test_ids), T(test_id_rules), T(test_names),
                                       T(test_who), T(test_tags), T(test_path_length), T(test_config)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
