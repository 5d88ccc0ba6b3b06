/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ratelimit: what the service is asked, every answer and every lack of one, gRPC's framing, what is refused in a config. */
#include "fake_call.h"
#include "fake_chain.h"

#include <string.h>

#include "clusters/state.h"
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb-c.h"
#include "envoy/service/ratelimit/v3/rls.pb-c.h"
#include "filters/ratelimit_rls.h"
#include "filters/registry.h"
#include "route/route.h"
#include "support/config.h"

#define DESC &envoy__extensions__filters__http__ratelimit__v3__rate_limit__descriptor
#define ROUTE_DESC &envoy__extensions__filters__http__ratelimit__v3__rate_limit_per_route__descriptor
#define RESPONSE ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__INIT
#define CODE(name) ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__CODE__##name
#define BASE \
    "domain: d\nrate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: limits}}}\n" \
    "rate_limits: [{actions: [{request_headers: {header_name: x-plan, descriptor_key: plan}}]}]\n"
#define ALLOW "failure_mode_deny: false\n"

typedef Envoy__Service__Ratelimit__V3__RateLimitResponse Response;

static struct sp_cluster service = {.name = {"limits", 6}, .options = {.protocol = SP_UPSTREAM_H2}};
static struct sp_cluster origin = {.name = {"o", 1}};
static struct sp_worker worker; /* calls are buried in its turn */
static struct sp_vhost vhost;
static struct sp_route route = {.vhost = &vhost, .kind = SP_ROUTE_CLUSTER, .cluster_name = {"o", 1}, .cluster = &origin};

static struct sp_cluster *find(void *ctx, struct sp_str name)
{
    (void)ctx;
    return sp_str_eq(name, SP_STR("limits")) ? &service : NULL;
}

/* A config, and one request under way. */
struct rig {
    struct t_config c;
    struct fake_config f;
    struct fake_stream s;
    struct sp_filter *filter;
    enum sp_status status;
};

static bool compile(struct rig *r, const char *yaml)
{
    memset(r, 0, sizeof(*r));
    t_config_load(&r->c, DESC, yaml);
    r->f = (struct fake_config){
        .ops = &sp_ratelimit_ops,
        .build = {.doc = r->c.doc, .diag = &r->c.diag, .stat_prefix = "ingress", .filter_name = "f", .find_cluster = find,
                  .scope = sp_stats_scope(sp_stats_root(), SP_STR("http"), "p", SP_STR("ingress"))},
    };
    r->f.config = sp_ratelimit_ops.config_new(&r->f.build, r->c.msg);
    return r->f.config != NULL;
}

static void begin(struct rig *r, const char *yaml, const char *plan)
{
    if (!compile(r, yaml))
        fail_msg("%s", t_config_said(&r->c));
    fake_stream_init(&r->s, "/p");
    r->s.route = &route;
    r->s.turn.worker = &worker;
    if (plan)
        fake_header(&r->s, "x-plan", plan);
    r->filter = fake_filter(&r->s, &r->f);
    r->status = sp_ratelimit_ops.decode_headers(r->filter, &r->s.request, true);
}

static void end(struct rig *r)
{
    sp_ratelimit_ops.destroy(r->filter);
    fake_calls_forget();
    sp_turn_end(&worker.turn);
    fake_stream_done(&r->s);
    sp_ratelimit_ops.config_free(r->f.config);
    t_config_done(&r->c);
}

static uint64_t counted(const char *name)
{
    char full[100];
    uint64_t value;
    snprintf(full, sizeof(full), "cluster.o.ratelimit.%s", name);
    return sp_stats_find(sp_str_c(full), &value) < 0 ? 0 : value;
}

/* The service answers with these bytes. */
static void answer_raw(unsigned status, const char *head, const char *trailers, const void *bytes, size_t n)
{
    struct sp_http_call *call = &fake_calls[0];
    struct sp_headers h, t;
    struct sp_buf body;
    sp_buf_init(&body);
    sp_buf_append(&body, bytes, n);
    t_headers(&h, &call->arena, head);
    t_headers(&t, &call->arena, trailers ? trailers : "");
    fake_call_trailers = trailers ? &t : NULL;
    call->over = true;
    call->done(call->ctx, status, status ? &h : NULL, &body, status ? SP_ABORT_NONE : SP_ABORT_TIMEOUT);
    sp_buf_clear(&body);
}

static void answer(const Response *r)
{
    uint8_t bytes[4096] = {0};
    size_t n = protobuf_c_message_pack(&r->base, bytes + 5);
    bytes[3] = (uint8_t)(n >> 8);
    bytes[4] = (uint8_t)n;
    answer_raw(200, "content-type: application/grpc+proto", "grpc-status: 0", bytes, n + 5);
}

static void asks(void **state)
{
    struct rig r;
    begin(&r, BASE ALLOW, "free");
    assert_int_equal(r.status, SP_STOP_PAUSE);
    assert_int_equal(n_fake_calls, 1);
    const struct sp_http_call *call = &fake_calls[0];
    assert_true(sp_str_eq(call->r.path, SP_STR("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")));
    assert_true(sp_str_eq(call->r.authority, SP_STR("limits")));
    assert_int_equal(call->r.timeout_ns, 20 * SP_NS_PER_MS);
    const char *const expected[][2] = {{"content-type", "application/grpc"}, {"te", "trailers"}, {"grpc-timeout", "20000000n"}};
    for (int i = 0; i < 3; i++) {
        assert_string_equal(t_c(&r.s.arena, call->headers[i].name), expected[i][0]);
        assert_string_equal(t_c(&r.s.arena, call->headers[i].value), expected[i][1]);
    }
    const uint8_t *p = (const uint8_t *)call->r.body.ptr;
    assert_int_equal(p[0], 0);
    assert_int_equal((size_t)p[3] << 8 | p[4], call->r.body.len - 5);
    Envoy__Service__Ratelimit__V3__RateLimitRequest *m = (void *)protobuf_c_message_unpack(
        &envoy__service__ratelimit__v3__rate_limit_request__descriptor, NULL, call->r.body.len - 5, p + 5);
    assert_non_null(m);
    assert_string_equal(m->domain, "d");
    assert_int_equal(m->n_descriptors, 1);
    assert_string_equal(m->descriptors[0]->entries[0]->key, "plan");
    assert_string_equal(m->descriptors[0]->entries[0]->value, "free");
    protobuf_c_message_free_unpacked(&m->base, NULL);
    end(&r);
    assert_true(fake_calls[0].cancelled); /* the client went away */
}

/* Else the service could not read the question, and would not count. */
static void asks_in_utf8(void **state)
{
    static const char *const values[][2] = {
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},       {"a\xc3\xa9z", "a\xc3\xa9z"},
        {"a\xc3", "a\xef\xbf\xbd"},                       {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf0\x9f\x9a\xaa", "\xf0\x9f\x9a\xaa"},         {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(values); i++) {
        struct rig r;
        begin(&r, BASE ALLOW, values[i][0]);
        const struct sp_http_call *call = &fake_calls[0];
        Envoy__Service__Ratelimit__V3__RateLimitRequest *m = (void *)protobuf_c_message_unpack(
            &envoy__service__ratelimit__v3__rate_limit_request__descriptor, NULL, call->r.body.len - 5,
            (const uint8_t *)call->r.body.ptr + 5);
        assert_non_null(m);
        assert_string_equal(m->descriptors[0]->entries[0]->value, values[i][1]);
        protobuf_c_message_free_unpacked(&m->base, NULL);
        end(&r);
    }
}

static void does_not_ask(void **state)
{
    struct rig r;
    begin(&r, BASE ALLOW, NULL); /* no descriptor */
    assert_int_equal(r.status, SP_CONTINUE);
    assert_int_equal(n_fake_calls, 0);
    end(&r);
    begin(&r, BASE ALLOW "request_type: internal\n", "free");
    assert_int_equal(r.status, SP_CONTINUE);
    assert_int_equal(n_fake_calls, 0);
    end(&r);
    begin(&r, BASE ALLOW "filter_enabled: {default_value: {numerator: 0}}\n", "free");
    assert_int_equal(r.status, SP_CONTINUE);
    assert_int_equal(n_fake_calls, 0);
    end(&r);
    route.kind = SP_ROUTE_DIRECT;
    begin(&r, BASE ALLOW, "free");
    assert_int_equal(r.status, SP_CONTINUE);
    assert_int_equal(n_fake_calls, 0);
    end(&r);
    route.kind = SP_ROUTE_CLUSTER;
}

static void yes(void **state)
{
    struct rig r;
    Response m = RESPONSE;
    Envoy__Config__Core__V3__HeaderValue h[4];
    const char *const headers[4][2] = {{"X-Seen", "1"}, {"content-length", "5"}, {"x-bad", "a\nb"}, {":path", "/"}};
    Envoy__Config__Core__V3__HeaderValue *list[4];
    for (int i = 0; i < 4; i++) {
        envoy__config__core__v3__header_value__init(&h[i]);
        h[i].key = (char *)(uintptr_t)headers[i][0];
        h[i].value = (char *)(uintptr_t)headers[i][1];
        list[i] = &h[i];
    }
    m.overall_code = CODE(OK);
    m.request_headers_to_add = m.response_headers_to_add = list;
    m.n_request_headers_to_add = m.n_response_headers_to_add = 4;
    uint64_t before = counted("ok");
    begin(&r, BASE ALLOW, "free");
    answer(&m);
    assert_int_equal(r.s.continued[SP_DECODE], 1);
    assert_false(r.s.replied);
    assert_string_equal(t_headers_text(&r.s.request, &r.s.arena), ":method: GET\n:scheme: https\n:authority: door.example\n:path: /p\nx-plan: free\nx-seen: 1\n");
    t_headers(&r.s.response, &r.s.arena, ":status: 200");
    assert_int_equal(sp_ratelimit_ops.encode_headers(r.filter, &r.s.response, true), SP_CONTINUE);
    assert_string_equal(t_headers_text(&r.s.response, &r.s.arena), ":status: 200\nx-seen: 1\n");
    assert_int_equal(counted("ok"), before + 1);
    end(&r);
}

/* In nanoseconds these would wrap around to nothing, and to a third of a second. */
static void long_timeouts(void **state)
{
    static const char *const timeouts[] = {"18446744073.709551616s", "18446744074s", "315576000000s"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(timeouts); i++) {
        struct rig r;
        char yaml[1024];
        snprintf(yaml, sizeof(yaml), BASE ALLOW "timeout: %s\n", timeouts[i]);
        begin(&r, yaml, "free");
        assert_int_equal(n_fake_calls, 1);
        assert_true(fake_calls[0].r.timeout_ns > 365 * 86400 * SP_NS_PER_S);
        end(&r);
    }
}

/* While the service was asked a timeout answered, and the client has not read all of that yet. */
static void too_late(void **state)
{
    struct rig r;
    Response m = RESPONSE;
    uint64_t ok = counted("ok"), over = counted("over_limit"), errors = counted("error");
    for (int i = 0; i < 3; i++) {
        begin(&r, BASE "failure_mode_deny: true\n", "free");
        r.s.has_response = true;
        m.overall_code = i ? CODE(OVER_LIMIT) : CODE(OK);
        if (i < 2)
            answer(&m);
        else
            answer_raw(0, "", NULL, "", 0);
        assert_int_equal(r.s.continued[SP_DECODE], 0);
        assert_false(r.s.replied);
        end(&r);
    }
    assert_int_equal(counted("ok") + counted("over_limit") + counted("error"), ok + over + errors);
}

static void no(void **state)
{
    struct rig r;
    Response m = RESPONSE;
    Envoy__Service__Ratelimit__V3__RateLimitResponse__RateLimit limits[2];
    Envoy__Service__Ratelimit__V3__RateLimitResponse__DescriptorStatus s[3], *list[3] = {&s[0], &s[1], &s[2]};
    Google__Protobuf__Duration until = GOOGLE__PROTOBUF__DURATION__INIT;
    static char name[] = "minute";
    for (int i = 0; i < 3; i++)
        envoy__service__ratelimit__v3__rate_limit_response__descriptor_status__init(&s[i]);
    for (int i = 0; i < 2; i++) {
        envoy__service__ratelimit__v3__rate_limit_response__rate_limit__init(&limits[i]);
        limits[i].requests_per_unit = i ? 100 : 3;
        limits[i].unit = i ? ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__RATE_LIMIT__UNIT__WEEK
                           : ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__RATE_LIMIT__UNIT__MINUTE;
        s[i].current_limit = &limits[i];
        s[i].limit_remaining = i ? 50 : 0;
        s[i].duration_until_reset = &until;
    }
    limits[0].name = name;
    until.seconds = 17;
    m.overall_code = CODE(OVER_LIMIT);
    m.statuses = list;
    m.n_statuses = 3;
    begin(&r, BASE ALLOW "enable_x_ratelimit_headers: DRAFT_VERSION_03\n", "free");
    answer(&m);
    fake_replied(&r.s, 429, "", "request_rate_limited");
    assert_int_equal(r.s.reply.flags, SP_FLAG_RL);
    assert_int_equal(r.s.continued[SP_DECODE], 0);
    t_headers(&r.s.response, &r.s.arena, ":status: 429");
    sp_ratelimit_ops.encode_headers(r.filter, &r.s.response, true);
    assert_string_equal(t_headers_text(&r.s.response, &r.s.arena),
                        ":status: 429\nx-envoy-ratelimited: true\nx-ratelimit-limit: 3, 3;w=60;name=\"minute\", 100;w=604800\n"
                        "x-ratelimit-remaining: 0\nx-ratelimit-reset: 17\n");
    end(&r);
    /* a part of them is let pass */
    begin(&r, BASE ALLOW "filter_enforced: {default_value: {numerator: 0}}\n", "free");
    answer(&m);
    assert_false(r.s.replied);
    assert_int_equal(r.s.continued[SP_DECODE], 1);
    assert_true(sp_str_eq(r.s.shadow, SP_STR("request_rate_limited")));
    end(&r);
}

/* Every way not to answer: let pass, or refused with failure_mode_deny. */
static void failures(void **state)
{
    static const char good[] = "\0\0\0\0\2\x08\1", compressed[] = "\1\0\0\0\2\x08\1", longer[] = "\0\0\0\0\2\x08\1\0",
                      shorter[] = "\0\0\0\0\3\x08\1", unknown[] = "\0\0\0\0\2\x08\0", garbage[] = "\0\0\0\0\2\xff\xff";
    static const struct {
        unsigned status;
        const char *head, *trailers, *body;
        size_t n;
    } bad[] = {
        {0, "", NULL, "", 0},                                                               /* no answer in time */
        {503, "content-type: text/plain", NULL, good, 7},
        {200, "content-type: text/html", "grpc-status: 0", good, 7},
        {200, "content-type: application/grpc", NULL, good, 7},                             /* no status at all */
        {200, "content-type: application/grpc\ngrpc-status: 8\ngrpc-message: busy", NULL, "", 0}, /* a head alone */
        {200, "content-type: application/grpc", "grpc-status: 14", good, 7},
        {200, "content-type: application/grpc", "grpc-status: 17", good, 7},
        {200, "content-type: application/grpc", "grpc-status: x", good, 7},
        {200, "content-type: application/grpc", "grpc-status: 0", "", 0},
        {200, "content-type: application/grpc", "grpc-status: 0", compressed, 7},
        {200, "content-type: application/grpc", "grpc-status: 0", longer, 8},
        {200, "content-type: application/grpc", "grpc-status: 0", shorter, 7},
        {200, "content-type: application/grpc", "grpc-status: 0", unknown, 7},
        {200, "content-type: application/grpc", "grpc-status: 0", garbage, 7},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        for (int deny = 0; deny < 2; deny++) {
            struct rig r;
            uint64_t errors = counted("error"), allowed = counted("failure_mode_allowed");
            begin(&r, deny ? BASE "failure_mode_deny: true\n" : BASE ALLOW, "free");
            answer_raw(bad[i].status, bad[i].head, bad[i].trailers, bad[i].body, bad[i].n);
            assert_int_equal(counted("error"), errors + 1);
            assert_int_equal(counted("failure_mode_allowed"), allowed + !deny);
            assert_int_equal(r.s.continued[SP_DECODE], !deny);
            assert_int_equal(r.s.replied, deny);
            if (deny) {
                fake_replied(&r.s, 500, "", "rate_limiter_error");
                assert_int_equal(r.s.reply.flags, SP_FLAG_RLSE);
            }
            end(&r);
        }
    struct rig r;
    begin(&r, BASE ALLOW, "free");
    answer_raw(200, "content-type: application/grpc", "grpc-status: 0", good, 7);
    assert_int_equal(r.s.continued[SP_DECODE], 1);
    end(&r);
    begin(&r, BASE "failure_mode_deny_percent: {default_value: {numerator: 100}}\nstatus_on_error: {code: ServiceUnavailable}\n", "free");
    answer_raw(0, "", NULL, "", 0);
    fake_replied(&r.s, 503, "", "rate_limiter_error");
    end(&r);
}

static void of_a_route(void **state)
{
    struct fake_config *route_config = fake_route_config_new(&sp_ratelimit_ops, ROUTE_DESC,
        "domain: other\nrate_limits: [{actions: [{generic_key: {descriptor_value: g}}]}]\n");
    struct rig r;
    assert_true(compile(&r, BASE ALLOW));
    fake_stream_init(&r.s, "/p");
    r.s.route = &route;
    r.s.turn.worker = &worker;
    r.s.route_config = route_config->config;
    r.filter = fake_filter(&r.s, &r.f);
    assert_int_equal(sp_ratelimit_ops.decode_headers(r.filter, &r.s.request, true), SP_STOP_PAUSE);
    assert_true(sp_str_find(fake_calls[0].r.body, SP_STR("other")) >= 0);
    assert_true(sp_str_find(fake_calls[0].r.body, SP_STR("generic_key")) >= 0);
    end(&r);
    fake_config_free(route_config);
}

static void configs(void **state)
{
#define SERVICE(fields) "domain: d\nfailure_mode_deny: true\nrate_limit_service: {transport_api_version: V3, grpc_service: {" fields "}}\n"
    static const char *const bad[][2] = {
        {SERVICE("envoy_grpc: {cluster_name: none}"), "there is no cluster \"none\""},
        {BASE ALLOW "request_type: any\n", "is none of internal, external, both"},
        {SERVICE("envoy_grpc: {cluster_name: limits}, initial_metadata: [{key: grpc-timeout, value: x}]"), "cannot be sent as metadata"},
    };
    struct rig r;
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_false(compile(&r, bad[i][0]));
        if (!strstr(t_config_said(&r.c), bad[i][1]))
            fail_msg("expected \"%s\" in: %s", bad[i][1], t_config_said(&r.c));
        t_config_done(&r.c);
    }
    service.options.protocol = SP_UPSTREAM_H1;
    assert_false(compile(&r, BASE ALLOW));
    assert_non_null(strstr(t_config_said(&r.c), "does not speak HTTP/2"));
    t_config_done(&r.c);
    service.options.protocol = SP_UPSTREAM_H2;
    assert_true(compile(&r, BASE));
    assert_non_null(strstr(t_config_said(&r.c), "there are no limits while the service does not answer"));
    sp_ratelimit_ops.config_free(r.f.config);
    t_config_done(&r.c);
    assert_true(compile(&r, BASE ALLOW));
    assert_string_equal(t_config_said(&r.c), "");
    sp_ratelimit_ops.config_free(r.f.config);
    t_config_done(&r.c);
    fake_config_refused(&sp_ratelimit_ops, DESC, SERVICE("google_grpc: {}"), "google_grpc");
    fake_config_refused(&sp_ratelimit_ops, DESC, "domain: d\nrate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: limits}}}",
                        "transport_api_version");
}

static int setup(void **state)
{
    fake_setup(state);
    sp_turn_init(&worker.turn);
    sp_cluster_stats_init(&origin.stats, SP_STR("o"), false, false);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks), cmocka_unit_test(asks_in_utf8),     cmocka_unit_test(does_not_ask), cmocka_unit_test(yes),
        cmocka_unit_test(long_timeouts), cmocka_unit_test(too_late), cmocka_unit_test(no),
        cmocka_unit_test(failures), cmocka_unit_test(of_a_route),   cmocka_unit_test(configs),
    };
    return cmocka_run_group_tests(tests, setup, fake_teardown);
}
