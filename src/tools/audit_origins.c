/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way from the door to its origins, and how an origin can tell the door from others. */
#include "clusters/proxy_header.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"
#include "tools/audit_look.h"

typedef Envoy__Extensions__Upstreams__Http__V3__HttpProtocolOptions Options;

#define OPTIONS_DESC &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor
#define INJECTOR_DESC &envoy__extensions__filters__http__credential_injector__v3__credential_injector__descriptor
#define JWT_DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor
#define TOKEN_DESC &sallyport__filters__http__token_introspection__v1__token_introspection__descriptor
#define MIRROR_DESC &envoy__config__route__v3__route_action__request_mirror_policy__descriptor
#define HEADER_DESC &envoy__config__core__v3__header_value__descriptor

static const sp_look_up_tls *tls_of(const struct sp_audit *a, const sp_look_cluster *c)
{
    return sp_transport_tls(a->doc, c->transport_socket);
}

static const sp_look_validation *validation_of(const sp_look_up_tls *tls)
{
    return sp_look_validation_of(tls->common_tls_context);
}

static bool has_pins(const sp_look_validation *v)
{
    return v && (v->n_verify_certificate_spki || v->n_verify_certificate_hash);
}

static bool has_ca(const sp_look_validation *v)
{
    return v && (v->trusted_ca || v->system_root_certs);
}

/* Each of transport_socket_matches as if it were the cluster's. */
static void each_socket(struct sp_audit *a, const sp_look_cluster *c, void (*look)(struct sp_audit *a, const sp_look_cluster *c))
{
    look(a, c);
    for (size_t i = 0; i < c->n_transport_socket_matches; i++) {
        sp_look_cluster *with = sp_doc_derive(a->doc, c, &envoy__config__cluster__v3__cluster__descriptor);
        with->transport_socket = c->transport_socket_matches[i]->transport_socket;
        look(a, with);
    }
}

static void unverified_socket(struct sp_audit *a, const sp_look_cluster *c)
{
    const sp_look_up_tls *tls = tls_of(a, c);
    const sp_look_validation *v = tls ? validation_of(tls) : NULL;
    if (tls && !has_ca(v) && !has_pins(v))
        sp_audit_found(a, v ? (const void *)v : tls, NULL, -1, "whoever is on the way can be the origin, and read and change what passes");
}

static void unverified(struct sp_audit *a, const sp_look_cluster *c)
{
    each_socket(a, c, unverified_socket);
}

static bool goes_by_host(const struct sp_audit *a, const sp_look_cluster *c)
{
    for (size_t i = 0; i < c->n_typed_extension_protocol_options; i++) {
        const Options *o = sp_doc_any_as(a->doc, c->typed_extension_protocol_options[i]->value, OPTIONS_DESC);
        if (o && o->upstream_http_protocol_options && o->upstream_http_protocol_options->auto_san_validation)
            return true;
    }
    return false;
}

static void any_name_socket(struct sp_audit *a, const sp_look_cluster *c)
{
    const sp_look_up_tls *tls = tls_of(a, c);
    const sp_look_validation *v = tls ? validation_of(tls) : NULL;
    if (has_ca(v) && !has_pins(v) && !tls->auto_sni_san_validation && !v->n_match_typed_subject_alt_names && !v->n_match_subject_alt_names && !goes_by_host(a, c))
        sp_audit_found(a, v, NULL, -1, "whoever has any certificate of this CA can be the origin%s",
                       v->system_root_certs ? ", and public CAs give one to everybody" : "");
}

static void any_name(struct sp_audit *a, const sp_look_cluster *c)
{
    each_socket(a, c, any_name_socket);
}

/* ---- which clusters are origins, and where ---- */

static bool chain_goes_to(const struct sp_look_chain *c, const char *cluster)
{
    const Envoy__Config__Route__V3__RouteConfiguration *r = sp_look_table(c->hcm);
    for (size_t i = 0; r && i < r->n_virtual_hosts; i++)
        for (size_t k = 0; k < r->virtual_hosts[i]->n_routes; k++)
            if (sp_look_goes_to(r->virtual_hosts[i]->routes[k], cluster))
                return true;
    return false;
}

static bool is_elsewhere(const sp_look_cluster *c)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *load = c->load_assignment;
    for (size_t i = 0; load && i < load->n_endpoints; i++)
        for (size_t k = 0; k < load->endpoints[i]->n_lb_endpoints; k++) {
            const Envoy__Config__Endpoint__V3__LbEndpoint *e = load->endpoints[i]->lb_endpoints[k];
            bool here = e->host_identifier_case == ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT;
            if (here && sp_look_is_outside(e->endpoint->address))
                return true;
        }
    return false;
}

struct users {
    unsigned n, with_token, with_secret; /* filter chains that lead to a cluster */
};

static void find_secret(void *arg, const ProtobufCMessage *msg)
{
    const Envoy__Config__Core__V3__HeaderValue *h = (const void *)msg;
    if (msg->descriptor == HEADER_DESC && strstr(h->value, "%SECRET("))
        *(bool *)arg = true;
}

/* Looked for once. */
static bool secret_in_headers(struct sp_audit *a)
{
    bool found = false;
    if (!a->header_secrets) {
        sp_doc_each(a->doc, find_secret, &found);
        a->header_secrets = found ? 1 : -1;
    }
    return a->header_secrets > 0;
}

static struct users users_of(struct sp_audit *a, const sp_look_cluster *cluster)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = a->bootstrap->static_resources;
    struct users u = {0};
    struct sp_look_chain c;
    bool in_header = secret_in_headers(a);
    for (size_t i = 0; i < res->n_listeners; i++)
        for (size_t k = 0; sp_look_chain_of(a, res->listeners[i], k, &c); k++) {
            if (!chain_goes_to(&c, cluster->name))
                continue;
            u.n++;
            u.with_token += sp_look_has_filter(a, c.hcm, JWT_DESC) || sp_look_has_filter(a, c.hcm, TOKEN_DESC);
            u.with_secret += in_header || sp_look_has_filter(a, c.hcm, INJECTOR_DESC);
        }
    return u;
}

static bool is_fixed(const Envoy__Config__Core__V3__BindConfig *b)
{
    const Envoy__Config__Core__V3__SocketAddress *s = b ? b->source_address : NULL;
    return s && strcmp(s->address, "0.0.0.0") != 0 && strcmp(s->address, "::") != 0;
}

static bool has_fixed_address(const struct sp_audit *a, const sp_look_cluster *c)
{
    if (c->upstream_bind_config)
        return is_fixed(c->upstream_bind_config);
    return a->bootstrap->cluster_manager && is_fixed(a->bootstrap->cluster_manager->upstream_bind_config);
}

struct copies {
    const char *cluster;
    bool found;
};

static void find_copies(void *arg, const ProtobufCMessage *msg)
{
    const Envoy__Config__Route__V3__RouteAction__RequestMirrorPolicy *p = (const void *)msg;
    struct copies *c = arg;
    if (msg->descriptor == MIRROR_DESC && strcmp(p->cluster, c->cluster) == 0)
        c->found = true;
}

/* Copies have all that clients send. */
static bool gets_copies(const struct sp_audit *a, const sp_look_cluster *cluster)
{
    struct copies c = {.cluster = cluster->name};
    sp_doc_each(a->doc, find_copies, &c);
    return c.found;
}

static void plaintext_socket(struct sp_audit *a, const sp_look_cluster *c)
{
    if (is_elsewhere(c) && !tls_of(a, c) && (users_of(a, c).n || gets_copies(a, c)))
        sp_audit_found(a, c, "transport_socket", -1, "no TLS to an origin on another machine: what the door protects travels in the clear behind it");
}

static void plaintext(struct sp_audit *a, const sp_look_cluster *c)
{
    each_socket(a, c, plaintext_socket);
}

static void no_bundle(struct sp_audit *a, const sp_look_cluster *c)
{
    if (!is_elsewhere(c))
        return;
    struct users u = users_of(a, c);
    const sp_look_up_tls *tls = tls_of(a, c);
    bool fixed = has_fixed_address(a, c), mtls = tls && tls->common_tls_context && tls->common_tls_context->n_tls_certificates;
    bool secret = u.with_secret == u.n, token = u.with_token == u.n;
    if (!u.n || (fixed && (mtls || (secret && token))))
        return;
    if (!fixed && !mtls && !secret)
        sp_audit_found(a, c, NULL, -1, "the origin has nothing to tell the door from others by: whoever finds its address goes round the door");
    else
        sp_audit_found(a, c, NULL, -1, "the origin knows the door by%s%s%s only (a fixed address: %s; a client certificate: %s; a secret: %s; callers with tokens: %s)",
                       fixed ? " address" : "", mtls ? " certificate" : "", secret ? " secret" : "", fixed ? "yes" : "no", mtls ? "yes" : "no",
                       secret ? "yes" : "no", token ? "yes" : "no");
}

/* An endpoint that is the admin page of this process. */
static bool is_admin(const struct sp_audit *a, const Envoy__Config__Core__V3__Address *e)
{
    const Envoy__Config__Core__V3__Address *m = a->bootstrap->admin ? a->bootstrap->admin->address : NULL;
    if (!m || !e || m->address_case != e->address_case)
        return false;
    if (m->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE)
        return strcmp(m->pipe->path, e->pipe->path) == 0;
    if (m->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS || !m->socket_address->port_value)
        return false;
    bool same = strcmp(m->socket_address->address, e->socket_address->address) == 0;
    return m->socket_address->port_value == e->socket_address->port_value && (same || !sp_look_is_outside(e));
}

static void admin_routed(struct sp_audit *a, const sp_look_cluster *c)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *load = c->load_assignment;
    for (size_t i = 0; load && i < load->n_endpoints; i++)
        for (size_t k = 0; k < load->endpoints[i]->n_lb_endpoints; k++) {
            const Envoy__Config__Endpoint__V3__LbEndpoint *e = load->endpoints[i]->lb_endpoints[k];
            if (e->host_identifier_case == ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT &&
                is_admin(a, e->endpoint->address) && users_of(a, c).n)
                sp_audit_found(a, e->endpoint, "address", -1, "a route leads to the admin page, which takes this process for a local user");
        }
}

/* Several hosts, and nothing that tells which of them is well. */
static void unchecked(struct sp_audit *a, const sp_look_cluster *c)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *load = c->load_assignment;
    size_t n = 0;
    for (size_t i = 0; load && i < load->n_endpoints; i++)
        n += load->endpoints[i]->n_lb_endpoints;
    if (n > 1 && !c->n_health_checks && !c->outlier_detection && users_of(a, c).n)
        sp_audit_found(a, c, "load_assignment", -1, "%zu hosts, and one that fails goes on getting its share of the requests", n);
}

static const struct sp_audit_check checks[] = {
    {"admin-routed", SP_AUDIT_CRITICAL, "a route that leads to the admin page", "take the route out; scrape stats on the admin page's own address",
     SP_CONTROL_ADMIN, .cluster = admin_routed},
    {"upstream-unverified", SP_AUDIT_HIGH, "an origin whose certificate is not verified",
     "set trusted_ca or system_root_certs, and match_typed_subject_alt_names", SP_CONTROL_UPSTREAM, .cluster = unverified},
    {"upstream-any-name", SP_AUDIT_MEDIUM, "an origin whose name is not verified",
     "set match_typed_subject_alt_names, or auto_san_validation of HttpProtocolOptions", SP_CONTROL_UPSTREAM, .cluster = any_name},
    {"upstream-plaintext", SP_AUDIT_MEDIUM, "an origin on another machine without TLS", "give the cluster an UpstreamTlsContext",
     SP_CONTROL_UPSTREAM, .cluster = plaintext},
    {"no-bundle", SP_AUDIT_MEDIUM, "an origin that cannot tell the door from others",
     "set upstream_bind_config and a client certificate; or upstream_bind_config, a secret for the origin (credential_injector) and tokens "
     "for callers (jwt_authn or token_introspection)", SP_CONTROL_EGRESS, .cluster = no_bundle},
    {"hosts-unchecked", SP_AUDIT_LOW, "several hosts, and nobody looks at which of them is well",
     "set health_checks, or outlier_detection with a max_ejection_percent that lets one of them go", SP_CONTROL_FAILING, .cluster = unchecked},
};

const struct sp_audit_area sp_audit_origins = {"Origins", checks, SP_ARRAY_LEN(checks)};
