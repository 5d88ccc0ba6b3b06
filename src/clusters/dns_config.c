/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/dns_config.h"

#include <assert.h>

#include "clusters/options.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb-c.h"
#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.pb-c.h"
#include "event/turn.h"

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;
typedef Envoy__Extensions__Clusters__Dns__V3__DnsCluster dns_msg;
typedef Envoy__Extensions__Network__DnsResolver__Cares__V3__CaresDnsResolverConfig cares_msg;
typedef Envoy__Config__Core__V3__Address address_msg;
typedef Envoy__Config__Core__V3__TypedExtensionConfig typed_msg;

enum { DEFAULT_REFRESH_S = 5, DEFAULT_MAX_TIMES = 10, DNS_PORT = 53 };

struct build {
    struct sp_dns_options *o;
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static void take_servers(struct build *b, const void *msg, const char *field, address_msg **list, size_t n)
{
    struct sp_addr *v = sp_arena_zalloc(b->arena, (n + 1) * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        const Envoy__Config__Core__V3__SocketAddress *s =
            list[i]->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS ? list[i]->socket_address : NULL;
        if (!s || sp_addr_parse_ip(sp_str_c(s->address), &v[i]) < 0)
            sp_doc_err(b->doc, b->diag, msg, field, (int)i, "is not the IP address of a DNS server (set socket_address)");
        else
            v[i].port = s->port_value ? (uint16_t)s->port_value : DNS_PORT;
    }
    b->o->servers.v = v;
    b->o->servers.n = (unsigned)n;
}

static void take_resolver_options(struct build *b, const Envoy__Config__Core__V3__DnsResolverOptions *o)
{
    b->o->servers.tcp = o && o->use_tcp_for_dns_lookups;
    b->o->servers.no_search = o && o->no_default_search_domain;
}

/* False when there is none. */
static bool take_typed(struct build *b, const typed_msg *typed)
{
    if (!typed || !typed->typed_config)
        return false;
    const cares_msg *c = sp_doc_any_as(b->doc, typed->typed_config,
                                       &envoy__extensions__network__dns_resolver__cares__v3__cares_dns_resolver_config__descriptor);
    if (!c) {
        sp_doc_err(b->doc, b->diag, typed, "typed_config", -1,
                   "is no resolver (use a CaresDnsResolverConfig, or take it out)");
        return true;
    }
    take_servers(b, c, "resolvers", c->resolvers, c->n_resolvers);
    take_resolver_options(b, c->dns_resolver_options);
    b->o->servers.fallback = c->use_resolvers_as_fallback;
    b->o->servers.timeout_s = c->query_timeout_seconds ? (unsigned)c->query_timeout_seconds->value : 0;
    b->o->servers.tries = c->query_tries ? c->query_tries->value : 0;
    return true;
}

static void take_resolver(struct build *b, const cluster_msg *msg, const dns_msg *dns, const typed_msg *bootstrap)
{
    if (dns && take_typed(b, dns->typed_dns_resolver_config))
        return;
    if (take_typed(b, msg->typed_dns_resolver_config))
        return;
    if (msg->dns_resolution_config) {
        take_servers(b, msg->dns_resolution_config, "resolvers", msg->dns_resolution_config->resolvers,
                     msg->dns_resolution_config->n_resolvers);
        take_resolver_options(b, msg->dns_resolution_config->dns_resolver_options);
        return;
    }
    if (msg->n_dns_resolvers || msg->use_tcp_for_dns_lookups) {
        take_servers(b, msg, "dns_resolvers", msg->dns_resolvers, msg->n_dns_resolvers);
        b->o->servers.tcp = msg->use_tcp_for_dns_lookups;
        return;
    }
    take_typed(b, bootstrap);
}

static void take_failure(struct build *b, const void *msg, const Google__Protobuf__Duration *base,
                         const Google__Protobuf__Duration *max)
{
    struct sp_dns_options *o = b->o;
    o->failure_ns = o->failure_max_ns = o->refresh_ns;
    if (!base)
        return;
    o->failure_ns = sp_duration_ns(base, 0);
    uint64_t times = o->failure_ns > UINT64_MAX / DEFAULT_MAX_TIMES ? UINT64_MAX : o->failure_ns * DEFAULT_MAX_TIMES;
    o->failure_max_ns = sp_duration_ns(max, times);
    if (o->failure_max_ns < o->failure_ns)
        sp_doc_err(b->doc, b->diag, msg, "max_interval", -1, "is less than base_interval (make it at least that)");
}

static void take_legacy(struct build *b, const cluster_msg *msg)
{
    struct sp_dns_options *o = b->o;
    o->logical = msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__LOGICAL_DNS;
    o->respect_ttl = msg->respect_dns_ttl;
    o->family = (enum sp_dns_family)msg->dns_lookup_family;
    o->refresh_ns = sp_duration_ns(msg->dns_refresh_rate, DEFAULT_REFRESH_S * SP_NS_PER_S);
    o->jitter_ns = sp_duration_ns(msg->dns_jitter, 0);
    const Envoy__Config__Cluster__V3__Cluster__RefreshRate *f = msg->dns_failure_refresh_rate;
    take_failure(b, f, f ? f->base_interval : NULL, f ? f->max_interval : NULL);
}

static void take_extension(struct build *b, const dns_msg *dns)
{
    struct sp_dns_options *o = b->o;
    o->logical = dns->all_addresses_in_single_endpoint;
    o->respect_ttl = dns->respect_dns_ttl;
    /* The same list as the legacy one, behind UNSPECIFIED. */
    o->family = dns->dns_lookup_family ? (enum sp_dns_family)(dns->dns_lookup_family - 1) : SP_DNS_AUTO;
    o->refresh_ns = sp_duration_ns(dns->dns_refresh_rate, DEFAULT_REFRESH_S * SP_NS_PER_S);
    o->jitter_ns = sp_duration_ns(dns->dns_jitter, 0);
    const Envoy__Extensions__Clusters__Dns__V3__DnsCluster__RefreshRate *f = dns->dns_failure_refresh_rate;
    take_failure(b, f, f ? f->base_interval : NULL, f ? f->max_interval : NULL);
}

static void init_stats(struct sp_dns_stats *s)
{
    struct sp_stats_scope *dns = sp_stats_scope(sp_stats_root(), SP_STR("dns"), NULL, SP_STR_NULL);
    struct sp_stats_scope *cares = sp_stats_scope(dns, SP_STR("cares"), NULL, SP_STR_NULL);
    s->resolve_total = sp_stats_counter(cares, SP_STR("resolve_total"));
    s->not_found = sp_stats_counter(cares, SP_STR("not_found"));
    s->get_addr_failure = sp_stats_counter(cares, SP_STR("get_addr_failure"));
    s->timeouts = sp_stats_counter(cares, SP_STR("timeouts"));
    s->pending_resolutions = sp_stats_gauge(cares, SP_STR("pending_resolutions"));
}

static bool is_extension(const cluster_msg *msg)
{
    return msg->cluster_discovery_type_case == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__CLUSTER_DISCOVERY_TYPE_CLUSTER_TYPE;
}

static bool is_legacy(const cluster_msg *msg)
{
    return !is_extension(msg) && (msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__STRICT_DNS ||
                                  msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__LOGICAL_DNS);
}

bool sp_dns_is_named(const struct sp_doc *doc, const cluster_msg *msg)
{
    assert(doc && msg);
    return is_legacy(msg) || (is_extension(msg) && sp_doc_any_as(doc, msg->cluster_type->typed_config,
                                                                 &envoy__extensions__clusters__dns__v3__dns_cluster__descriptor));
}

bool sp_dns_options_init(struct sp_dns_options *o, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                         const cluster_msg *msg, const typed_msg *resolver)
{
    assert(o && arena && doc && diag && msg);
    struct build b = {o, arena, doc, diag};
    const dns_msg *dns = NULL;
    *o = (struct sp_dns_options){.wait = !msg->wait_for_warm_on_init || msg->wait_for_warm_on_init->value};
    if (is_extension(msg)) {
        dns = sp_doc_any_as(doc, msg->cluster_type->typed_config,
                            &envoy__extensions__clusters__dns__v3__dns_cluster__descriptor);
        if (!dns) {
            sp_doc_err(doc, diag, msg->cluster_type, "typed_config", -1, "is no way to find hosts (use a DnsCluster, or type)");
            return false;
        }
        take_extension(&b, dns);
    } else if (is_legacy(msg)) {
        take_legacy(&b, msg);
    } else {
        return false;
    }
    take_resolver(&b, msg, dns, resolver);
    init_stats(&o->servers.stats);
    return true;
}

const char *sp_dns_bad_name(struct sp_str name)
{
    size_t label = 0;
    if (!name.len || name.len > 254)
        return name.len ? "is longer than 254 characters" : "is empty";
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '.') {
            if (!label)
                return "has an empty label";
            label = 0;
        } else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return "has characters that no host name has (a scheme, port or path has no place here)";
        } else if (++label > 63) {
            return "has a label of more than 63 characters";
        }
    }
    return NULL;
}
