/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/trace_config.h"

#include <assert.h>
#include <stdlib.h>

#include "config/runtime.h"
#include "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/always_on_sampler.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler.pb-c.h"
#include "sallyport_version.h"

typedef Envoy__Config__Trace__V3__OpenTelemetryConfig Message;
typedef Envoy__Config__Core__V3__TypedExtensionConfig Extension;
typedef Envoy__Extensions__Tracers__Opentelemetry__Samplers__V3__ParentBasedSamplerConfig Parent;
typedef Envoy__Extensions__Tracers__Opentelemetry__Samplers__V3__TraceIdRatioBasedSamplerConfig Ratio;
typedef Envoy__Extensions__Tracers__Opentelemetry__ResourceDetectors__V3__StaticConfigResourceDetectorConfig Static;

#define SAMPLER(name) &envoy__extensions__tracers__opentelemetry__samplers__v3__##name##_sampler_config__descriptor
#define DETECTOR(name) &envoy__extensions__tracers__opentelemetry__resource_detectors__v3__##name##_resource_detector_config__descriptor

static const char default_name[] = "unknown_service:sallyport", environment[] = "OTEL_RESOURCE_ATTRIBUTES";

static bool bool_or(const Google__Protobuf__BoolValue *v, bool otherwise)
{
    return v ? v->value : otherwise;
}

/* --- the sampler --- */

static void ratio(struct sp_sampler *s, const Ratio *msg)
{
    static const uint32_t wholes[] = {100, 10000, 1000000};
    s->kind = SP_SAMPLE_RATIO;
    s->whole = 1;
    if (!msg->sampling_percentage)
        return;
    s->parts = msg->sampling_percentage->numerator;
    s->whole = wholes[msg->sampling_percentage->denominator];
}

static bool sampler(struct sp_sampler *s, const struct sp_hcm_build *b, const Extension *msg)
{
    const Parent *parent = sp_doc_any_as(b->doc, msg->typed_config, SAMPLER(parent_based));
    const Ratio *part = sp_doc_any_as(b->doc, msg->typed_config, SAMPLER(trace_id_ratio_based));
    if (parent && !s->parent_first) {
        s->parent_first = true;
        return sampler(s, b, parent->wrapped_sampler);
    }
    if (sp_doc_any_as(b->doc, msg->typed_config, SAMPLER(always_on))) {
        s->kind = SP_SAMPLE_ALWAYS;
        return true;
    }
    if (part) {
        ratio(s, part);
        return true;
    }
    sp_doc_err(b->doc, b->diag, msg, "typed_config", -1,
               "no such sampler (AlwaysOnSamplerConfig, TraceIdRatioBasedSamplerConfig, or one of them in ParentBasedSamplerConfig)");
    return false;
}

/* --- the resource --- */

static bool from_environment(struct sp_attrs *attrs, const struct sp_doc *doc, struct sp_diag *diag, const Extension *msg)
{
    struct sp_str rest = sp_str_c(getenv(environment)), pair;
    if (!rest.len)
        sp_doc_warn(doc, diag, msg, "typed_config", -1, "%s is not set: nothing is taken from it (set it, or take the detector out)", environment);
    while (rest.len && sp_str_split(&rest, ',', &pair)) {
        ptrdiff_t at = sp_str_chr(pair, '=');
        struct sp_str key = sp_str_trim(sp_str_sub(pair, 0, at < 0 ? 0 : (size_t)at));
        if (!key.len) {
            sp_doc_err(doc, diag, msg, "typed_config", -1, "%s is not of the form key=value,key=value (mend it)", environment);
            return false;
        }
        sp_attrs_str(attrs, key, sp_str_trim(sp_str_sub(pair, (size_t)at + 1, pair.len)));
    }
    return true;
}

static bool detect(struct sp_attrs *attrs, const struct sp_doc *doc, struct sp_diag *diag, const Extension *msg)
{
    const Static *fixed = sp_doc_any_as(doc, msg->typed_config, DETECTOR(static_config));
    if (sp_doc_any_as(doc, msg->typed_config, DETECTOR(environment)))
        return from_environment(attrs, doc, diag, msg);
    for (size_t i = 0; fixed && i < fixed->n_attributes; i++)
        if (fixed->attributes[i]->key[0])
            sp_attrs_str(attrs, sp_str_c(fixed->attributes[i]->key), sp_str_c(fixed->attributes[i]->value));
    if (!fixed)
        sp_doc_err(doc, diag, msg, "typed_config", -1,
                   "no such detector (EnvironmentResourceDetectorConfig, StaticConfigResourceDetectorConfig)");
    return fixed != NULL;
}

bool sp_trace_detect(struct sp_attrs *attrs, const struct sp_doc *doc, struct sp_diag *diag, Extension *const *v, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good &= detect(attrs, doc, diag, v[i]);
    return good;
}

static bool resource(struct sp_tracer *t, const struct sp_hcm_build *b, const Message *msg)
{
    struct sp_attrs attrs = {.n = 0};
    bool good = true;
    if (bool_or(msg->set_service_name_resource_attribute, true))
        sp_attrs_str(&attrs, SP_STR("service.name"), sp_str_c(msg->service_name[0] ? msg->service_name : default_name));
    if (bool_or(msg->set_telemetry_sdk_resource_attributes, true)) {
        sp_attrs_str(&attrs, SP_STR("telemetry.sdk.language"), SP_STR("c"));
        sp_attrs_str(&attrs, SP_STR("telemetry.sdk.name"), SP_STR("sallyport"));
        sp_attrs_str(&attrs, SP_STR("telemetry.sdk.version"), SP_STR(SP_VERSION));
    }
    good &= sp_trace_detect(&attrs, b->doc, b->diag, msg->resource_detectors, msg->n_resource_detectors);
    sp_otlp_resource(&t->resource, &attrs);
    if (bool_or(msg->set_instrumentation_scope, true))
        sp_otlp_scope(&t->scope, SP_STR("sallyport"), SP_STR(SP_VERSION));
    return good;
}

/* --- headers --- */

static bool propagators(struct sp_propagators *p, const struct sp_hcm_build *b, const Sallyport__Tracing__V1__OpenTelemetry *msg)
{
    p->n = 0;
    for (size_t i = 0; i < msg->n_propagators; i++) {
        for (unsigned k = 0; k < p->n; k++) {
            if (p->v[k] != msg->propagators[i])
                continue;
            sp_doc_err(b->doc, b->diag, msg, "propagators", (int)i, "stands above already (each once)");
            return false;
        }
        p->v[p->n++] = (uint8_t)msg->propagators[i];
    }
    return true;
}

static unsigned limit(const struct sp_doc *doc, struct sp_str key, unsigned otherwise)
{
    double n = sp_runtime_number(doc, key, otherwise);
    return n >= 1 && n <= UINT32_MAX ? (unsigned)n : otherwise;
}

bool sp_trace_config_read(struct sp_tracer *t, const struct sp_hcm_build *b, const Message *msg, const Sallyport__Tracing__V1__OpenTelemetry *own)
{
    assert(t && b && msg);
    bool good = resource(t, b, msg);
    if (msg->sampler)
        good &= sampler(&t->sampler, b, msg->sampler);
    if (own)
        good &= propagators(&t->propagators, b, own);
    if (msg->max_cache_size)
        t->max_spans = msg->max_cache_size->value;
    t->min_flush = limit(b->doc, SP_STR("tracing.opentelemetry.min_flush_spans"), t->min_flush);
    t->flush_ns = limit(b->doc, SP_STR("tracing.opentelemetry.flush_interval_ms"), (unsigned)(t->flush_ns / SP_NS_PER_MS)) * SP_NS_PER_MS;
    return good;
}
