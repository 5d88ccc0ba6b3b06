/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.ext_authz: another service says whether a request may pass.  While it does not answer nothing passes,
 * unless the config says so in so many words.
 */
#include "filters/ext_authz.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/fraction.h"
#include "filters/metadata_json.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz Message;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthzPerRoute PerRoute;
typedef Envoy__Extensions__Filters__Http__ExtAuthz__V3__BufferSettings Buffering;
#define OVERRIDE(name) ENVOY__EXTENSIONS__FILTERS__HTTP__EXT_AUTHZ__V3__EXT_AUTHZ_PER_ROUTE__OVERRIDE_##name

static const struct sp_str ns = SP_STR_INIT("envoy.filters.http.ext_authz");

struct buffering {
    uint32_t max; /* 0: the body is not sent */
    bool partial;
};

struct config {
    struct sp_arena arena;
    struct sp_authz_http http;
    struct buffering body;
    struct sp_fraction enabled;
    unsigned status_on_error;
    bool allows, tells, clears, denies_disabled;
    struct {
        struct sp_counter ok, denied, error, disabled, failure_mode_allowed;
    } stats;
};

struct route_config {
    bool disabled, has_body;
    struct buffering body;
};

struct filter {
    struct sp_filter base;
    struct sp_http_call *call;
    struct sp_authz_answer answer;
    struct buffering limit;
    struct sp_buf body; /* what the service is to see of it */
    uint64_t seen;
    bool collects, asks, passed;
};

/* --- compiling --- */

static void config_free(void *config)
{
    struct config *c = config;
    sp_authz_http_done(&c->http);
    sp_arena_done(&c->arena);
    free(c);
}

static struct buffering buffering_of(const Buffering *msg)
{
    return msg ? (struct buffering){msg->max_request_bytes, msg->allow_partial_message} : (struct buffering){0, false};
}

static void count(const struct sp_filter_build *b, struct config *c, const char *prefix)
{
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("ext_authz"), *prefix ? "envoy_ext_authz_prefix" : NULL, sp_str_c(prefix));
    c->stats.ok = sp_stats_counter(scope, SP_STR("ok"));
    c->stats.denied = sp_stats_counter(scope, SP_STR("denied"));
    c->stats.error = sp_stats_counter(scope, SP_STR("error"));
    c->stats.disabled = sp_stats_counter(scope, SP_STR("disabled"));
    c->stats.failure_mode_allowed = sp_stats_counter(scope, SP_STR("failure_mode_allowed"));
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->body = buffering_of(msg->with_request_body);
    c->enabled = msg->filter_enabled ? sp_fraction_of(msg->filter_enabled) : SP_FRACTION_ALL;
    c->status_on_error = msg->status_on_error && msg->status_on_error->code >= 400 ? (unsigned)msg->status_on_error->code : 403;
    c->allows = msg->failure_mode_allow;
    c->tells = msg->failure_mode_allow_header_add;
    c->clears = msg->clear_route_cache;
    c->denies_disabled = msg->deny_at_disable && msg->deny_at_disable->default_value && msg->deny_at_disable->default_value->value;
    if (c->allows)
        sp_doc_warn(b->doc, b->diag, msg, "failure_mode_allow", -1,
                    "every request passes while the service does not answer: whoever can keep it from answering gets in (take it out)");
    if (!sp_authz_http_init(&c->http, b, &c->arena, msg)) {
        config_free(c);
        return NULL;
    }
    count(b, c, msg->stat_prefix);
    return c;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const PerRoute *msg = (const void *)base;
    struct route_config *r = sp_xcalloc(1, sizeof(*r));
    r->disabled = msg->override_case == OVERRIDE(DISABLED);
    if (r->disabled)
        return r;
    if (msg->check_settings->disable_request_body_buffering && msg->check_settings->with_request_body) {
        sp_doc_err(b->doc, b->diag, msg->check_settings, "with_request_body", -1, "not beside disable_request_body_buffering (drop one of them)");
        free(r);
        return NULL;
    }
    r->has_body = msg->check_settings->disable_request_body_buffering || msg->check_settings->with_request_body;
    r->body = buffering_of(msg->check_settings->with_request_body);
    return r;
}

/* --- the answer --- */

static void refuse(struct filter *f, unsigned status, struct sp_str details)
{
    sp_filter_reply(&f->base, &(struct sp_reply){.status = status, .details = details, .flags = SP_FLAG_UAEX});
}

/* A list of names with commas; what frames messages stays. */
static bool remove_named(struct sp_headers *h, struct sp_str names)
{
    struct sp_str name;
    unsigned n = 0;
    while (sp_str_split(&names, ',', &name)) {
        name = sp_str_trim(name);
        for (size_t i = 0; i < name.len; i++)
            ((char *)(uintptr_t)name.ptr)[i] = sp_ascii_lower(name.ptr[i]); /* `names` is the arena's */
        if (name.len && name.ptr[0] != ':' && !sp_str_ieq(name, SP_STR("host")))
            n += sp_headers_remove(h, name);
    }
    return n > 0;
}

static bool change_request(struct filter *f)
{
    const struct sp_authz_answer *a = &f->answer;
    struct sp_headers *h = sp_filter_request(&f->base);
    for (unsigned i = 0; i < a->n_set; i++)
        sp_headers_set(h, a->set[i].name, a->set[i].value);
    for (unsigned i = 0; i < a->n_append; i++)
        sp_headers_add(h, a->append[i].name, a->append[i].value);
    bool removed = remove_named(h, a->remove);
    for (unsigned i = 0; i < a->n_metadata; i++)
        sp_filter_set_metadata(&f->base, ns, a->metadata[i].name, sp_metadata_text(sp_filter_arena(&f->base), a->metadata[i].value));
    return a->n_set || a->n_append || removed;
}

static void pass(struct filter *f)
{
    f->passed = true;
    sp_buf_clear(&f->body);
    sp_filter_continue(&f->base, SP_DECODE);
}

static void deny(struct filter *f)
{
    const struct config *c = f->base.config;
    struct sp_authz_answer *a = &f->answer;
    struct sp_str type = SP_STR_NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < a->n_client; i++) { /* the reply has a content-type of its own */
        if (a->client[i].id == SP_H_CONTENT_TYPE)
            type = a->client[i].value;
        else
            a->client[n++] = a->client[i];
    }
    sp_counter_inc(c->stats.denied);
    sp_filter_reply(&f->base, &(struct sp_reply){.status = a->status, .body = a->body, .content_type = type, .headers = a->client, .n_headers = n,
                                                 .details = SP_STR("ext_authz_denied"), .flags = SP_FLAG_UAEX});
}

static void failed(struct filter *f)
{
    const struct config *c = f->base.config;
    sp_counter_inc(c->stats.error);
    sp_log_limited(SP_LOG_WARNING, "ext_authz", 1, "the service (cluster \"%.*s\"): %s: the request %s",
                   SP_STR_ARG(sp_cluster_name(c->http.target.cluster)), f->answer.why, c->allows ? "passes unasked" : "is refused");
    if (!c->allows) {
        refuse(f, c->status_on_error, SP_STR("ext_authz_error"));
        return;
    }
    sp_counter_inc(c->stats.failure_mode_allowed);
    if (c->tells)
        sp_headers_set(sp_filter_request(&f->base), SP_STR("x-envoy-auth-failure-mode-allowed"), SP_STR("true"));
    pass(f);
}

static void on_answer(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct filter *f = ctx;
    const struct config *c = f->base.config;
    f->call = NULL;
    if (sp_filter_response(&f->base))
        return; /* a timeout answered meanwhile */
    sp_authz_http_answer(&c->http, sp_filter_arena(&f->base), status, h, body, &f->answer);
    if (f->answer.verdict == SP_AUTHZ_ERROR && why)
        f->answer.why = sp_abort_name(why);
    if (f->answer.verdict == SP_AUTHZ_DENIED) {
        deny(f);
        return;
    }
    if (f->answer.verdict == SP_AUTHZ_ERROR) {
        failed(f);
        return;
    }
    sp_counter_inc(c->stats.ok);
    if (change_request(f) && c->clears)
        sp_filter_clear_route(&f->base);
    pass(f);
}

/* --- the request --- */

static void ask(struct filter *f, bool partial)
{
    const struct config *c = f->base.config;
    struct sp_str body = SP_STR_NULL;
    f->asks = true;
    if (f->collects) {
        size_t n = SP_MIN(f->body.len, (size_t)f->limit.max);
        char *text = sp_arena_alloc(sp_filter_arena(&f->base), n + 1);
        body = sp_str_n(text, sp_buf_peek(&f->body, text, n));
        sp_buf_clear(&f->body);
    }
    f->call = sp_authz_http_ask(&c->http, &f->base, body, partial, on_answer, f);
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    const struct route_config *r = sp_filter_route_config(base);
    sp_headers_remove_alike(h, SP_STR("x-envoy-auth-failure-mode-allowed"));
    if (r && r->disabled)
        return SP_CONTINUE;
    if (!sp_fraction_draw(c->enabled)) {
        sp_counter_inc(c->stats.disabled);
        if (!c->denies_disabled)
            return SP_CONTINUE;
        refuse(f, c->status_on_error, SP_STR("ext_authz_disabled"));
        return SP_STOP;
    }
    f->limit = r && r->has_body ? r->body : c->body;
    if (f->limit.max && !end) {
        f->collects = true;
        sp_filter_hold_at_least(base, f->limit.max);
        return SP_STOP;
    }
    ask(f, false);
    return SP_STOP_PAUSE;
}

static enum sp_status decode_data(struct sp_filter *base, struct sp_buf *b, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->collects || f->passed)
        return SP_CONTINUE;
    if (f->asks)
        return SP_STOP_PAUSE;
    f->seen += b->len;
    if (f->seen > f->limit.max && !f->limit.partial) {
        sp_filter_reply(base, &(struct sp_reply){.status = 413, .body = SP_STR("Payload Too Large"), .details = SP_STR("request_payload_too_large")});
        return SP_STOP_BUFFER;
    }
    sp_buf_share(&f->body, b);
    if (!end && f->seen < f->limit.max)
        return SP_STOP_BUFFER;
    if (!end && !f->limit.partial)
        return SP_STOP_BUFFER; /* full to the byte: the end may follow */
    ask(f, !end || f->seen > f->limit.max);
    return SP_STOP_PAUSE;
}

static enum sp_status decode_trailers(struct sp_filter *base, struct sp_headers *t)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->collects || f->passed)
        return SP_CONTINUE;
    if (!f->asks)
        ask(f, false);
    return SP_STOP_PAUSE;
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    const struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    for (unsigned i = 0; f->passed && i < f->answer.n_client; i++)
        sp_headers_add(h, f->answer.client[i].name, f->answer.client[i].value);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *base)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (f->call)
        sp_http_call_cancel(f->call);
    f->call = NULL;
    sp_buf_clear(&f->body);
}

const struct sp_filter_ops sp_ext_authz_ops = {
    .name = "ext_authz",
    .type_url = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = free,
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .destroy = destroy,
};
