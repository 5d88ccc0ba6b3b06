/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/tracing.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/own_node.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb-c.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager HcmMessage;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager__Tracing Message;
typedef Envoy__Extensions__RequestId__Uuid__V3__UuidRequestIdConfig UuidMessage;

#define UUID_DESC &envoy__extensions__request_id__uuid__v3__uuid_request_id_config__descriptor

enum { DEFAULT_MAX_PATH = 256, PERCENT_PARTS = 100, PERCENT_WHOLE = 10000 };

static bool bool_or(const Google__Protobuf__BoolValue *v, bool otherwise)
{
    return v ? v->value : otherwise;
}

static struct sp_trace_share percent(const Envoy__Type__V3__Percent *p)
{
    return (struct sp_trace_share){p ? (uint32_t)(p->value * PERCENT_PARTS) : PERCENT_WHOLE, PERCENT_WHOLE};
}

static struct sp_trace_share fraction(const Envoy__Type__V3__FractionalPercent *p)
{
    static const uint32_t wholes[] = {100, 10000, 1000000};
    return p ? (struct sp_trace_share){p->numerator, wholes[p->denominator]} : (struct sp_trace_share){1, 1};
}

/* Empty: *ret stays NULL. */
static bool format(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, const char *text, struct sp_format **ret)
{
    if (!*text)
        return true;
    *ret = sp_format_new(doc, diag, msg, field, -1, sp_str_c(text));
    return *ret != NULL;
}

/* request_id_extension. */
static bool id_rules(struct sp_id_rules *rules, const struct sp_hcm_build *build, const HcmMessage *msg)
{
    *rules = (struct sp_id_rules){true, true};
    if (!msg->request_id_extension || !msg->request_id_extension->typed_config)
        return true;
    const UuidMessage *m = sp_doc_any_as(build->doc, msg->request_id_extension->typed_config, UUID_DESC);
    if (!m) {
        sp_doc_err(build->doc, build->diag, msg->request_id_extension, "typed_config", -1, "no such kind of id (UuidRequestIdConfig)");
        return false;
    }
    rules->packs = bool_or(m->pack_trace_reason, true);
    rules->decides = bool_or(m->use_request_id_for_trace_sampling, true);
    return true;
}

static void counters(struct sp_tracing *t, struct sp_stats_scope *scope)
{
    t->reasons[SP_TRACE_NOT_TRACEABLE] = sp_stats_counter(scope, SP_STR("tracing.not_traceable"));
    t->reasons[SP_TRACE_SAMPLING] = sp_stats_counter(scope, SP_STR("tracing.random_sampling"));
    t->reasons[SP_TRACE_SERVICE_FORCED] = sp_stats_counter(scope, SP_STR("tracing.service_forced"));
    t->reasons[SP_TRACE_CLIENT_ENABLED] = sp_stats_counter(scope, SP_STR("tracing.client_enabled"));
    t->health_check = sp_stats_counter(scope, SP_STR("tracing.health_check"));
}

bool sp_tracing_new(const struct sp_hcm_build *build, struct sp_stats_scope *scope, const HcmMessage *hcm, struct sp_tracing **ret, bool *ret_packs)
{
    assert(build && scope && hcm && ret && ret_packs);
    const Message *msg = hcm->tracing;
    struct sp_id_rules ids;
    bool good = id_rules(&ids, build, hcm);
    *ret = NULL;
    *ret_packs = ids.packs;
    if (!msg)
        return good;
    if (!msg->provider || !build->make_tracer) {
        sp_doc_warn(build->doc, build->diag, msg, NULL, -1, "no provider: nothing is traced (name one: OpenTelemetryConfig)");
        return good;
    }
    struct sp_tracing *t = sp_xcalloc(1, sizeof(*t));
    sp_arena_init(&t->arena);
    t->ids = ids;
    t->sampling = (struct sp_sampling){percent(msg->client_sampling), percent(msg->random_sampling), percent(msg->overall_sampling)};
    t->rules.verbose = msg->verbose;
    t->rules.upstream = bool_or(msg->spawn_upstream_span, false);
    t->rules.hidden = msg->no_context_propagation;
    t->rules.max_path = msg->max_path_tag_length ? msg->max_path_tag_length->value : DEFAULT_MAX_PATH;
    t->node_id = sp_arena_str(&t->arena, sp_own_id(build->doc));
    t->zone = sp_arena_str(&t->arena, sp_own_locality(build->doc).zone);
    good &= sp_span_tags_init(&t->tags, &t->arena, build->doc, build->diag, msg, msg->custom_tags, msg->n_custom_tags);
    good &= format(build->doc, build->diag, msg, "operation", msg->operation, &t->operation);
    good &= format(build->doc, build->diag, msg, "upstream_operation", msg->upstream_operation, &t->upstream_operation);
    t->rules.tracer = build->make_tracer(build, msg->provider);
    if (good && t->rules.tracer) {
        counters(t, scope);
        *ret = t;
        return true;
    }
    sp_tracing_free(t);
    return false;
}

void sp_tracing_free(struct sp_tracing *t)
{
    if (!t)
        return;
    sp_span_tags_done(&t->tags);
    sp_format_free(t->operation);
    sp_format_free(t->upstream_operation);
    sp_tracer_unref(t->rules.tracer);
    sp_arena_done(&t->arena);
    free(t);
}

static void of_route(struct sp_route_tracing *r, const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Route__V3__Tracing *msg)
{
    r->samples = true;
    r->sampling = (struct sp_sampling){fraction(msg->client_sampling), fraction(msg->random_sampling), fraction(msg->overall_sampling)};
    sp_span_tags_init(&r->tags, &r->arena, doc, diag, msg, msg->custom_tags, msg->n_custom_tags);
    format(doc, diag, msg, "operation", msg->operation, &r->operation);
    format(doc, diag, msg, "upstream_operation", msg->upstream_operation, &r->upstream_operation);
}

struct sp_route_tracing *sp_route_tracing_new(const struct sp_tracing *t, const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Config__Route__V3__Route *msg)
{
    assert(doc && diag && msg);
    if (!msg->tracing && !msg->decorator && !(t && t->tags.of_route))
        return NULL;
    struct sp_route_tracing *r = sp_xcalloc(1, sizeof(*r));
    sp_arena_init(&r->arena);
    if (msg->tracing)
        of_route(r, doc, diag, msg->tracing);
    if (msg->decorator) {
        r->decorator = sp_arena_str(&r->arena, sp_str_c(msg->decorator->operation));
        r->propagate = bool_or(msg->decorator->propagate, true);
    }
    if (!t) { /* it was looked at for its errors */
        sp_route_tracing_free(r);
        return NULL;
    }
    r->values = sp_span_tags_of_route(&t->tags, &r->arena, msg->metadata);
    r->own_values = sp_span_tags_of_route(&r->tags, &r->arena, msg->metadata);
    return r;
}

void sp_route_tracing_free(struct sp_route_tracing *r)
{
    if (!r)
        return;
    sp_span_tags_done(&r->tags);
    sp_format_free(r->operation);
    sp_format_free(r->upstream_operation);
    sp_arena_done(&r->arena);
    free(r);
}
