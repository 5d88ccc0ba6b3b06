/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Services and upstreams as clusters. */
#include <assert.h>
#include <inttypes.h>

#include "net/addr.h"
#include "tools/convert_parts.h"

enum { DEFAULT_MS = 60000, DEFAULT_WEIGHT = 100, DEFAULT_TARGET_PORT = 8000, MAX_WEIGHT = 128 };

struct sp_str sp_convert_cluster_name(struct sp_convert *c, const struct sp_kong_service *s)
{
    for (const struct sp_kong_service *other = c->kong.services; other < s; other++)
        if (sp_str_eq(other->name, s->name)) /* of services without names, by their hosts */
            return sp_arena_printf(&c->arena, "%.*s-%u", SP_STR_ARG(sp_slug(c, s->name)), (unsigned)(s - c->kong.services));
    return sp_slug(c, s->name);
}

static const struct sp_node *upstream_of(const struct sp_convert *c, const struct sp_kong_service *s)
{
    for (unsigned i = 0; i < c->kong.upstreams.n; i++)
        if (sp_str_eq(sp_kong_str(c->kong.upstreams.v[i], "name", SP_STR_NULL), s->host))
            return c->kong.upstreams.v[i];
    return NULL;
}

/* --- hosts --- */

struct target {
    struct sp_str host;
    uint64_t port, weight;
};

static bool is_ip(struct sp_str host)
{
    struct sp_addr a;
    return sp_addr_parse_ip(host, &a) == 0;
}

static struct target target_of(const struct sp_node *n)
{
    struct target t = {.port = DEFAULT_TARGET_PORT, .weight = sp_kong_u64(n, "weight", DEFAULT_WEIGHT)};
    t.host = sp_kong_str(n, "target", SP_STR_NULL);
    size_t i = t.host.len;
    while (i && t.host.ptr[i - 1] != ':' && t.host.ptr[i - 1] != ']')
        i--;
    if (i && t.host.ptr[i - 1] == ':' && sp_str_u64(sp_str_sub(t.host, i, t.host.len), 65535, &t.port) == 0)
        t.host = sp_str_n(t.host.ptr, i - 1);
    return t;
}

/* With its port, where that is not the protocol's own: as Kong sends it. */
static struct sp_str authority(struct sp_convert *c, const struct sp_kong_service *s, struct sp_str host, uint64_t port)
{
    if (port == (s->tls ? 443 : 80))
        return host;
    return sp_arena_printf(&c->arena, "%.*s:%" PRIu64, SP_STR_ARG(host), port);
}

static struct sp_str bare(struct sp_str host)
{
    return host.len > 1 && host.ptr[0] == '[' ? sp_str_sub(host, 1, host.len - 1) : host;
}

static void put_endpoint(struct sp_convert *c, const struct sp_kong_service *s, const struct target *t, bool weighted)
{
    sp_put(c, 8, "- endpoint:");
    sp_put(c, 12, "hostname: %s", sp_quoted(c, authority(c, s, t->host, t->port)));
    sp_put(c, 12, "address: {socket_address: {address: %s, port_value: %" PRIu64 "}}", sp_quoted(c, bare(t->host)), t->port);
    if (weighted)
        sp_put(c, 10, "load_balancing_weight: %" PRIu64, SP_MAX(t->weight, (uint64_t)1));
}

static void put_endpoints(struct sp_convert *c, const struct sp_kong_service *s, const struct sp_node *upstream)
{
    const struct sp_node *targets = sp_kong_get(upstream, "targets");
    bool weighted = false;
    for (unsigned i = 0; i < sp_kong_count(targets); i++)
        weighted |= target_of(sp_kong_item(targets, i)).weight != DEFAULT_WEIGHT;
    sp_put(c, 4, "load_assignment:");
    sp_put(c, 6, "cluster_name: %s", sp_quoted(c, sp_convert_cluster_name(c, s)));
    sp_put(c, 6, "endpoints:");
    sp_put(c, 6, "- lb_endpoints:");
    if (!upstream)
        put_endpoint(c, s, &(struct target){.host = s->host, .port = s->port}, false);
    for (unsigned i = 0; i < sp_kong_count(targets); i++) {
        const struct sp_node *n = sp_kong_item(targets, i);
        struct target t = target_of(n);
        sp_kong_known(&c->file, n, SP_STR("target"), "target weight upstream");
        if (!t.weight)
            sp_kong_note(&c->file, n, "target %.*s has weight 0: left out", SP_STR_ARG(t.host));
        else
            put_endpoint(c, s, &t, weighted);
    }
}

static bool all_ips(const struct sp_kong_service *s, const struct sp_node *upstream)
{
    const struct sp_node *targets = sp_kong_get(upstream, "targets");
    bool all = upstream || is_ip(s->host);
    for (unsigned i = 0; i < sp_kong_count(targets); i++)
        all &= is_ip(target_of(sp_kong_item(targets, i)).host);
    return all;
}

static bool has_target(const struct sp_node *upstream)
{
    const struct sp_node *targets = sp_kong_get(upstream, "targets");
    for (unsigned i = 0; i < sp_kong_count(targets); i++)
        if (target_of(sp_kong_item(targets, i)).weight)
            return true;
    return false;
}

/* --- balancing, health --- */

static void put_policy(struct sp_convert *c, const struct sp_node *upstream)
{
    struct sp_str a = sp_kong_str(upstream, "algorithm", SP_STR("round-robin"));
    bool least = sp_str_eq(a, SP_STR("least-connections"));
    if (least || sp_str_eq(a, SP_STR("latency")))
        sp_put(c, 4, "lb_policy: LEAST_REQUEST");
    if (!least && !sp_str_eq(a, SP_STR("round-robin")))
        sp_kong_drop(&c->file, sp_kong_get(upstream, "algorithm"), "upstream %.*s: algorithm %.*s (%s instead)",
                     SP_STR_ARG(sp_kong_str(upstream, "name", SP_STR_NULL)), SP_STR_ARG(a),
                     sp_str_eq(a, SP_STR("latency")) ? "least-connections" : "round-robin");
}

/* Half-open ranges of the statuses, each for itself but for runs. */
static void put_statuses(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR_NULL;
    for (unsigned i = 0; i < sp_kong_count(list); i++) {
        uint64_t from, to;
        if (sp_str_u64(sp_kong_item_str(list, i), 599, &from) < 0)
            continue;
        for (to = from + 1; i + 1 < sp_kong_count(list); i++, to++) {
            uint64_t next;
            if (sp_str_u64(sp_kong_item_str(list, i + 1), 599, &next) < 0 || next != to)
                break;
        }
        out = sp_arena_printf(&c->arena, "%.*s%s{start: %" PRIu64 ", end: %" PRIu64 "}", SP_STR_ARG(out), out.len ? ", " : "", from, to);
    }
    if (out.len)
        sp_put(c, 8, "expected_statuses: [%.*s]", SP_STR_ARG(out));
}

static uint64_t interval_ms(const struct sp_node *half)
{
    struct sp_str s = sp_kong_str(half, "interval", SP_STR("0")), whole;
    uint64_t v = 0;
    sp_str_split(&s, '.', &whole);
    sp_str_u64(whole, 86400, &v);
    return v * 1000;
}

static void put_active(struct sp_convert *c, const struct sp_kong_service *s, const struct sp_node *upstream, const struct sp_node *active)
{
    const struct sp_node *healthy = sp_kong_get(active, "healthy"), *unhealthy = sp_kong_get(active, "unhealthy");
    uint64_t good = interval_ms(healthy), bad = interval_ms(unhealthy);
    struct sp_str type = sp_kong_str(active, "type", SP_STR("http"));
    if (!good && !bad)
        return;
    sp_kong_known(&c->file, active, SP_STR("healthchecks.active"),
                  "type timeout healthy unhealthy http_path concurrency=10 https_verify_certificate=true");
    sp_put(c, 4, "health_checks:");
    sp_put(c, 4, "- timeout: %s", sp_seconds(c, sp_kong_u64(active, "timeout", 1) * 1000));
    sp_put(c, 6, "interval: %s", sp_seconds(c, good ? good : bad));
    if (bad && good && bad != good)
        sp_put(c, 6, "unhealthy_interval: %s", sp_seconds(c, bad));
    uint64_t failures = sp_kong_u64(unhealthy, "http_failures", 0), tcp = sp_kong_u64(unhealthy, "tcp_failures", 0);
    sp_put(c, 6, "unhealthy_threshold: %" PRIu64, failures ? failures : tcp ? tcp : 1);
    sp_put(c, 6, "healthy_threshold: %" PRIu64, SP_MAX(sp_kong_u64(healthy, "successes", 1), (uint64_t)1));
    if (sp_str_eq(type, SP_STR("tcp"))) {
        sp_put(c, 6, "tcp_health_check: {}");
        return;
    }
    sp_put(c, 6, "http_health_check:");
    sp_put(c, 8, "path: %s", sp_quoted(c, sp_kong_str(active, "http_path", SP_STR("/"))));
    sp_put(c, 8, "host: %s", sp_quoted(c, sp_kong_str(upstream, "host_header", s->host)));
    put_statuses(c, sp_kong_get(healthy, "http_statuses"));
}

static void put_health(struct sp_convert *c, const struct sp_kong_service *s, const struct sp_node *upstream)
{
    const struct sp_node *checks = sp_kong_get(upstream, "healthchecks"), *passive = sp_kong_get(checks, "passive");
    const struct sp_node *bad = sp_kong_get(passive, "unhealthy");
    put_active(c, s, upstream, sp_kong_get(checks, "active"));
    if (sp_kong_u64(bad, "http_failures", 0) || sp_kong_u64(bad, "tcp_failures", 0) || sp_kong_u64(bad, "timeouts", 0))
        sp_kong_drop(&c->file, passive, "upstream %.*s: passive health checks (circuit breaker)", SP_STR_ARG(sp_kong_str(upstream, "name", SP_STR_NULL)));
    sp_kong_known(&c->file, checks, SP_STR("healthchecks"), "active passive threshold=0");
}

/* --- TLS --- */

static void put_tls(struct sp_convert *c, const struct sp_kong_service *s)
{
    const struct sp_node *cert = sp_kong_get(s->node, "client_certificate"), *cas = sp_kong_get(s->node, "ca_certificates");
    const struct sp_node *entity = sp_kong_find(&c->kong.certificates, cert);
    bool verify = sp_kong_bool(s->node, "tls_verify", false);
    if (!s->tls)
        return;
    sp_put(c, 4, "transport_socket:");
    sp_put(c, 6, "name: tls");
    sp_put(c, 6, "typed_config:");
    sp_put(c, 8, "\"@type\": " SP_T "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
    sp_put(c, 8, "common_tls_context:");
    if (cert && !entity)
        sp_kong_drop(&c->file, cert, "service %.*s: its client certificate is not in the file", SP_STR_ARG(s->name));
    if (entity) {
        sp_put(c, 10, "tls_certificates:");
        sp_convert_certificate(c, 10, entity);
    }
    if (verify) {
        sp_put(c, 10, "validation_context:");
        if (sp_kong_count(cas))
            sp_put(c, 12, "trusted_ca: %s", sp_convert_cas(c, cas, sp_arena_cat(&c->arena, s->name, SP_STR("-ca"))));
        else
            sp_put(c, 12, "trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}");
        if (sp_kong_get(s->node, "tls_verify_depth"))
            sp_put(c, 12, "max_verify_depth: %" PRIu64, sp_kong_u64(s->node, "tls_verify_depth", 1));
        return;
    }
    if (!entity)
        sp_put(c, 10, "tls_certificates: []");
    sp_put_remark(c, 10, NULL, "tls_verify is not set: whoever is on the way can be this origin");
    sp_kong_note(&c->file, s->node, "service %.*s: its certificate is not verified, as in Kong (set tls_verify and ca_certificates)", SP_STR_ARG(s->name));
}

/* The protocol, and which name is asked for: Kong's is that of the Host it sends. */
static void put_protocol(struct sp_convert *c, const struct sp_kong_service *s)
{
    if (!s->tls && !s->h2)
        return;
    sp_put(c, 4, "typed_extension_protocol_options:");
    sp_put(c, 6, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions:");
    sp_put(c, 8, "\"@type\": " SP_T "envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    if (s->tls)
        sp_put(c, 8, "upstream_http_protocol_options: {auto_sni: true, auto_san_validation: %s}",
               sp_kong_bool(s->node, "tls_verify", false) ? "true" : "false");
    sp_put(c, 8, "explicit_http_config: {%s: {}}", s->h2 ? "http2_protocol_options" : "http_protocol_options");
}

/* --- all of it --- */

static void put_cluster(struct sp_convert *c, const struct sp_kong_service *s)
{
    const struct sp_node *upstream = upstream_of(c, s);
    sp_put_remark(c, 2, s->node, "service %.*s%s%.*s", SP_STR_ARG(s->name), upstream ? ", upstream " : "", SP_STR_ARG(upstream ? s->host : SP_STR_NULL));
    sp_put(c, 2, "- name: %s", sp_quoted(c, sp_convert_cluster_name(c, s)));
    sp_put(c, 4, "type: %s", all_ips(s, upstream) ? "STATIC" : "STRICT_DNS");
    sp_put(c, 4, "connect_timeout: %s", sp_seconds(c, sp_kong_u64(s->node, "connect_timeout", DEFAULT_MS)));
    if (upstream)
        put_policy(c, upstream);
    if (!upstream || has_target(upstream))
        put_endpoints(c, s, upstream);
    else
        sp_kong_note(&c->file, upstream, "upstream %.*s has no target: requests get 503", SP_STR_ARG(s->host));
    if (upstream && has_target(upstream))
        put_health(c, s, upstream);
    put_tls(c, s);
    put_protocol(c, s);
}

void sp_convert_host(struct sp_convert *c, unsigned indent, const struct sp_kong_service *s)
{
    const struct sp_node *upstream = upstream_of(c, s);
    struct sp_str host = sp_kong_str(upstream, "host_header", SP_STR_NULL);
    if (upstream && !host.len)
        sp_put(c, indent, "auto_host_rewrite: true");
    else
        sp_put(c, indent, "host_rewrite_literal: %s", sp_quoted(c, host.len ? host : authority(c, s, s->host, s->port)));
}

static void inspect(struct sp_convert *c)
{
    for (unsigned i = 0; i < c->kong.n_services; i++) {
        const struct sp_kong_service *s = &c->kong.services[i];
        sp_kong_known(&c->file, s->node, sp_arena_cat(&c->arena, SP_STR("service "), s->name),
                      "url protocol host port path retries connect_timeout write_timeout read_timeout tls_verify tls_verify_depth ca_certificates "
                      "client_certificate enabled routes plugins");
        if (!s->enabled)
            sp_kong_note(&c->file, s->node, "service %.*s is disabled: left out, with its routes", SP_STR_ARG(s->name));
    }
    for (unsigned i = 0; i < c->kong.upstreams.n; i++)
        sp_kong_known(&c->file, c->kong.upstreams.v[i], SP_STR("upstream"),
                      "targets algorithm host_header healthchecks slots hash_on=none hash_fallback=none hash_on_cookie_path=/ "
                      "use_srv_name=false sticky_sessions_cookie_path=/");
}

void sp_convert_clusters(struct sp_convert *c)
{
    inspect(c);
    sp_put(c, 2, "clusters:");
    for (unsigned i = 0; i < c->kong.n_services; i++)
        if (c->kong.services[i].enabled)
            put_cluster(c, &c->kong.services[i]);
    sp_convert_issuer_clusters(c);
}
