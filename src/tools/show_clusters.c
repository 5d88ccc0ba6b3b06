/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clusters: hosts, TLS, checks, limits. */
#include <assert.h>

#include "clusters/proxy_header.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "tools/show.h"

typedef Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions Options;
typedef Envoy__Config__Core__V3__HealthCheck Check;

#define OPTIONS_DESC &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor
#define PROTOCOL(name) ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__UPSTREAM_PROTOCOL_OPTIONS_##name
#define EXPLICIT(name) \
    ENVOY__EXTENSIONS__UPSTREAMS__HTTP__V3__HTTP_PROTOCOL_OPTIONS__EXPLICIT_HTTP_CONFIG__PROTOCOL_CONFIG_##name
#define CHECK(name) ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_##name

static const char *name_of(const ProtobufCEnumDescriptor *desc, int value)
{
    const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value(desc, value);
    return v ? v->name : "?";
}

static const char *protocol_of(const struct sp_show *s, const sp_look_cluster *c)
{
    for (size_t i = 0; i < c->n_typed_extension_protocol_options; i++) {
        const Options *o = sp_doc_any_as(s->doc, c->typed_extension_protocol_options[i]->value, OPTIONS_DESC);
        if (!o)
            continue;
        if (o->upstream_protocol_options_case == PROTOCOL(AUTO_CONFIG))
            return "HTTP/1.1 or HTTP/2 by ALPN";
        if (o->upstream_protocol_options_case == PROTOCOL(USE_DOWNSTREAM_PROTOCOL_CONFIG))
            return "HTTP as the client speaks it";
        if (o->upstream_protocol_options_case == PROTOCOL(EXPLICIT_HTTP_CONFIG) &&
            o->explicit_http_config->protocol_config_case == EXPLICIT(HTTP2_PROTOCOL_OPTIONS))
            return "HTTP/2";
    }
    return "HTTP/1.1";
}

static void show_tls(struct sp_show *s, struct sp_tree_node *n, const sp_look_cluster *c)
{
    const sp_look_up_tls *tls = sp_transport_tls(s->doc, c->transport_socket);
    if (!tls) {
        sp_tree_say(&s->tree, n, "tls", "no TLS");
        return;
    }
    const sp_look_validation *v = tls->common_tls_context ? sp_look_validation_of(tls->common_tls_context) : NULL;
    struct sp_str how = v ? sp_show_validation(s, v) : SP_STR("");
    sp_show_tls(s, n, tls->common_tls_context);
    if (tls->sni[0])
        sp_tree_say(&s->tree, n, "sni", "server name %s", tls->sni);
    if (how.len)
        sp_tree_say(&s->tree, n, "verified", "verified %.*s", SP_STR_ARG(how));
    else
        sp_tree_say(&s->tree, n, "verified", "NOT VERIFIED");
}

static void show_check(struct sp_show *s, struct sp_tree_node *under, const Check *c)
{
    struct sp_tree_node *n = sp_tree_add(&s->tree, under, "health check", SP_STR(""));
    if (c->health_checker_case == CHECK(HTTP_HEALTH_CHECK))
        sp_tree_say(&s->tree, n, "kind", "HTTP %s", c->http_health_check->path);
    else if (c->health_checker_case == CHECK(TCP_HEALTH_CHECK))
        sp_tree_say(&s->tree, n, "kind", "TCP");
    else if (c->health_checker_case == CHECK(GRPC_HEALTH_CHECK))
        sp_tree_say(&s->tree, n, "kind", "gRPC %s", c->grpc_health_check->service_name);
    else
        sp_tree_say(&s->tree, n, "kind", "another kind");
    if (c->name[0])
        sp_tree_say(&s->tree, n, "name", "named %s", c->name);
    if (c->interval)
        sp_tree_say(&s->tree, n, "interval", "every %.*s", SP_STR_ARG(sp_show_duration(s, c->interval)));
    if (c->timeout)
        sp_tree_say(&s->tree, n, "timeout", "answered within %.*s", SP_STR_ARG(sp_show_duration(s, c->timeout)));
}

static uint32_t or(const Google__Protobuf__UInt32Value *v, uint32_t otherwise)
{
    return v ? v->value : otherwise;
}

static void show_breakers(struct sp_show *s, struct sp_tree_node *n, const sp_look_cluster *c)
{
    for (size_t i = 0; c->circuit_breakers && i < c->circuit_breakers->n_thresholds; i++) {
        const Envoy__Config__Cluster__V3__CircuitBreakers__Thresholds *t = c->circuit_breakers->thresholds[i];
        if (t->priority == 0)
            sp_tree_say(&s->tree, n, "limits", "at most %u connections, %u waiting, %u requests, %u retries", or(t->max_connections, 1024),
                        or(t->max_pending_requests, 1024), or(t->max_requests, 1024), or(t->max_retries, 3));
    }
}

static void show_endpoints(struct sp_show *s, struct sp_tree_node *under, const sp_look_cluster *c)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *load = c->load_assignment;
    for (size_t i = 0; load && i < load->n_endpoints; i++)
        for (size_t k = 0; k < load->endpoints[i]->n_lb_endpoints; k++) {
            const Envoy__Config__Endpoint__V3__LbEndpoint *e = load->endpoints[i]->lb_endpoints[k];
            if (e->host_identifier_case != ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT)
                continue;
            struct sp_tree_node *n = sp_tree_add(&s->tree, under, "endpoint", sp_show_address(s, e->endpoint->address));
            if (load->endpoints[i]->priority)
                sp_tree_say(&s->tree, n, "priority", "priority %u", load->endpoints[i]->priority);
            if (e->load_balancing_weight)
                sp_tree_say(&s->tree, n, "weight", "weight %u", e->load_balancing_weight->value);
        }
}

static void show_bind(struct sp_show *s, struct sp_tree_node *n, const sp_look_cluster *c)
{
    const Envoy__Config__Core__V3__BindConfig *b = c->upstream_bind_config;
    if (!b && s->bootstrap->cluster_manager)
        b = s->bootstrap->cluster_manager->upstream_bind_config;
    if (b && b->source_address)
        sp_tree_say(&s->tree, n, "bind", "from %s", b->source_address->address);
}

void sp_show_clusters(struct sp_show *s)
{
    assert(s);
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = s->bootstrap->static_resources;
    for (size_t i = 0; res && i < res->n_clusters; i++) {
        const sp_look_cluster *c = res->clusters[i];
        struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "cluster", sp_str_c(c->name));
        sp_tree_say(&s->tree, n, "type", "%s", name_of(&envoy__config__cluster__v3__cluster__discovery_type__descriptor, (int)c->type));
        sp_tree_say(&s->tree, n, "balancing", "%s", name_of(&envoy__config__cluster__v3__cluster__lb_policy__descriptor, (int)c->lb_policy));
        sp_show_place(s, n, c);
        sp_tree_say(&s->tree, n, "protocol", "%s", protocol_of(s, c));
        show_tls(s, n, c);
        show_bind(s, n, c);
        if (c->connect_timeout)
            sp_tree_say(&s->tree, n, "connect_timeout", "connected within %.*s", SP_STR_ARG(sp_show_duration(s, c->connect_timeout)));
        show_breakers(s, n, c);
        show_endpoints(s, n, c);
        for (size_t k = 0; k < c->n_health_checks; k++)
            show_check(s, n, c->health_checks[k]);
    }
}
