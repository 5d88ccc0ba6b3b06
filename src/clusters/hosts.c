/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hosts.h"

#include <assert.h>
#include <sys/un.h>

#include "base/map.h"
#include "clusters/dns_config.h"
#include "clusters/options.h"
#include "net/race.h"

typedef Envoy__Config__Endpoint__V3__LocalityLbEndpoints locality_msg;
typedef Envoy__Config__Endpoint__V3__LbEndpoint endpoint_msg;
typedef Envoy__Config__Endpoint__V3__ClusterLoadAssignment__Policy policy_msg;
typedef Envoy__Config__Cluster__V3__UpstreamConnectionOptions__HappyEyeballsConfig order_msg;

struct build {
    struct sp_host_set *set;
    struct sp_endpoint_meta *locality_meta; /* of the locality that is read */
    uint32_t locality_weight;
    bool names; /* hosts may be names */
    int first_family;     /* happy_eyeballs_config: AF_UNSPEC: the address's */
    unsigned first_count;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static bool port_of(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__SocketAddress *socket,
                    uint16_t *ret)
{
    if (!socket->port_value) {
        sp_doc_err(doc, diag, socket, "port_value", -1, "0 is no port to connect to (set 1 to 65535)");
        return false;
    }
    *ret = (uint16_t)socket->port_value;
    return true;
}

static bool ip_address(const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Config__Core__V3__SocketAddress *socket, struct sp_addr *ret)
{
    if (sp_addr_parse_ip(sp_str_c(socket->address), ret) < 0) {
        sp_doc_err(doc, diag, socket, "address", -1,
                   "\"%s\" is not an IP address (hosts of a STATIC or EDS cluster are IP addresses or pipes; set type to "
                   "STRICT_DNS or LOGICAL_DNS for a name)", socket->address);
        return false;
    }
    return port_of(doc, diag, socket, &ret->port);
}

static bool pipe_address(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                         const Envoy__Config__Core__V3__Pipe *pipe, struct sp_addr *ret)
{
    struct sp_str path = sp_str_c(pipe->path);
    size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (path.len > most) {
        sp_doc_err(doc, diag, pipe, "path", -1, "has %zu bytes (a unix socket's path has at most %zu)", path.len, most);
        return false;
    }
    *ret = (struct sp_addr){.family = AF_UNIX, .path = sp_arena_str(arena, path).ptr};
    return true;
}

bool sp_hosts_address(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                      const Envoy__Config__Core__V3__Address *address, struct sp_addr *ret)
{
    assert(arena && doc && diag && msg && address && ret);
    switch (address->address_case) {
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS:
        return ip_address(doc, diag, address->socket_address, ret);
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE:
        return pipe_address(arena, doc, diag, address->pipe, ret);
    default: /* a field rule demands one of them */
        sp_doc_err(doc, diag, msg, "address", -1, "is empty (set socket_address or pipe)");
        return false;
    }
}

/* A name, or an address: then `ret_name` stays empty. */
static bool named_address(struct build *b, const endpoint_msg *msg, struct sp_addr *ret, struct sp_str *ret_name)
{
    const Envoy__Config__Core__V3__Address *address = msg->endpoint->address;
    if (address->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS) {
        sp_doc_err(b->doc, b->diag, msg->endpoint, "address", -1, "is no name to resolve (set socket_address)");
        return false;
    }
    const Envoy__Config__Core__V3__SocketAddress *socket = address->socket_address;
    if (sp_addr_parse_ip(sp_str_c(socket->address), ret) == 0)
        return port_of(b->doc, b->diag, socket, &ret->port);
    const char *wrong = sp_dns_bad_name(sp_str_c(socket->address));
    if (wrong)
        sp_doc_err(b->doc, b->diag, socket, "address", -1, "\"%s\" %s (write it such as \"origin.example.com\")",
                   socket->address, wrong);
    *ret = (struct sp_addr){0};
    *ret_name = sp_arena_str(&b->set->arena, sp_str_c(socket->address));
    return port_of(b->doc, b->diag, socket, &ret->port) && !wrong;
}

static void health_target(struct build *b, struct sp_endpoint *h,
                          const Envoy__Config__Endpoint__V3__Endpoint__HealthCheckConfig *hc)
{
    h->health_addr = h->addr;
    if (!hc)
        return;
    h->no_active_hc = hc->disable_active_health_check;
    h->health_hostname = sp_arena_str(&b->set->arena, sp_str_c(hc->hostname));
    if (hc->address)
        sp_hosts_address(&b->set->arena, b->doc, b->diag, hc, hc->address, &h->health_addr);
    if (hc->port_value && h->health_addr.family == AF_UNIX)
        sp_doc_err(b->doc, b->diag, hc, "port_value", -1, "a pipe has no port (set address to check elsewhere)");
    else if (hc->port_value)
        h->health_addr.port = (uint16_t)hc->port_value;
}

static uint32_t eds_health(const endpoint_msg *e)
{
    switch (e->health_status) {
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__UNHEALTHY:
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__TIMEOUT:
        return SP_HEALTH_FAILED_EDS;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING:
        return SP_HEALTH_EDS_DRAINING;
    case ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DEGRADED:
        return SP_HEALTH_DEGRADED_EDS;
    default:
        return 0;
    }
}

/* With its other addresses, in the order in which they are tried. */
static void take_race(struct build *b, struct sp_endpoint *e, const Envoy__Config__Endpoint__V3__Endpoint *msg)
{
    struct sp_addr all[SP_RACE_MOST] = {e->addr};
    size_t n = msg->n_additional_addresses;
    if (!n)
        return;
    if (n >= SP_RACE_MOST) {
        sp_doc_err(b->doc, b->diag, msg, "additional_addresses", -1, "%zu are too many (at most %d)", n, SP_RACE_MOST - 1);
        return;
    }
    if (b->names || e->addr.family == AF_UNIX) {
        sp_doc_err(b->doc, b->diag, msg, "additional_addresses", -1, "only a host with an IP address has further ones (list them as endpoints)");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const Envoy__Config__Core__V3__Address *a = msg->additional_addresses[i]->address;
        if (!a || a->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS) {
            sp_doc_err(b->doc, b->diag, msg->additional_addresses[i], "address", -1, "is no IP address (set socket_address)");
            return;
        }
        if (!ip_address(b->doc, b->diag, a->socket_address, &all[i + 1]))
            return;
    }
    struct sp_addr *sorted = sp_arena_alloc(&b->set->arena, (n + 1) * sizeof(*sorted));
    sp_race_sort(all, (unsigned)n + 1, b->first_family, b->first_count, sorted);
    e->race = sorted;
    e->n_race = (unsigned)n + 1;
}

static void take_endpoint(struct build *b, const locality_msg *l, unsigned locality, const endpoint_msg *msg)
{
    struct sp_arena *a = &b->set->arena;
    struct sp_addr addr;
    struct sp_str name = SP_STR_NULL;
    bool good = b->names ? named_address(b, msg, &addr, &name)
                         : sp_hosts_address(a, b->doc, b->diag, msg->endpoint, msg->endpoint->address, &addr);
    if (!good)
        return;
    struct sp_endpoint *e = sp_host_set_add(b->set);
    e->addr = addr;
    e->text = name;
    e->hostname = msg->endpoint->hostname[0] ? sp_arena_str(a, sp_str_c(msg->endpoint->hostname)) : name;
    e->weight = msg->load_balancing_weight ? msg->load_balancing_weight->value : 1;
    e->priority = l->priority;
    e->locality = locality;
    e->locality_weight = b->locality_weight;
    e->eds_health = eds_health(msg);
    e->meta = sp_endpoint_meta_new(msg->metadata);
    e->locality_meta = sp_endpoint_meta_ref(b->locality_meta);
    if (l->locality) {
        e->region = sp_arena_str(a, sp_str_c(l->locality->region));
        e->zone = sp_arena_str(a, sp_str_c(l->locality->zone));
        e->sub_zone = sp_arena_str(a, sp_str_c(l->locality->sub_zone));
    }
    health_target(b, e, msg->endpoint->health_check_config);
    take_race(b, e, msg->endpoint);
}

/* A locality of one priority. */
struct place {
    unsigned first;  /* of its entries */
    uint32_t weight; /* the last one that is written; hosts without a locality have none */
};

/* As Envoy: entries of one locality are one. Of each entry its place; in the set's arena. */
static struct place **find_places(struct build *b, const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la)
{
    struct sp_arena *a = &b->set->arena;
    struct sp_map by_name;
    struct place **all = sp_arena_zalloc(a, (la->n_endpoints + 1) * sizeof(struct place *));
    sp_map_init(&by_name);
    for (size_t i = 0; i < la->n_endpoints; i++) {
        const locality_msg *l = la->endpoints[i];
        const Envoy__Config__Core__V3__Locality *x = l->locality;
        struct sp_str name = x ? sp_arena_printf(a, "%u\n%s\n%s\n%s", l->priority, x->region, x->zone, x->sub_zone)
                               : sp_arena_printf(a, "%u", l->priority);
        all[i] = sp_map_get(&by_name, name);
        if (!all[i]) {
            all[i] = sp_arena_zalloc(a, sizeof(*all[i]));
            all[i]->first = (unsigned)i;
            sp_map_add(&by_name, name, all[i]);
        }
        if (x && l->load_balancing_weight)
            all[i]->weight = l->load_balancing_weight->value;
    }
    sp_map_done(&by_name);
    return all;
}

static void take_order(struct build *b, const order_msg *msg)
{
    static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
    b->first_count = msg && msg->first_address_family_count ? SP_MAX(msg->first_address_family_count->value, 1u) : 1;
    b->first_family = msg ? families[SP_MIN((unsigned)msg->first_address_family_version, 2u)] : AF_UNSPEC;
}

/* Of a million. */
static uint32_t drop_of(struct build *b, const policy_msg *msg)
{
    static const uint32_t wholes[] = {100, 10000, SP_DROP_ALL};
    if (msg->n_drop_overloads > 1)
        sp_doc_err(b->doc, b->diag, msg, "drop_overloads", -1, "%zu of them are too many (Envoy takes one: add them up)", msg->n_drop_overloads);
    const Envoy__Type__V3__FractionalPercent *p = msg->n_drop_overloads ? msg->drop_overloads[0]->drop_percentage : NULL;
    if (!p)
        return 0;
    uint32_t whole = wholes[SP_MIN((unsigned)p->denominator, 2u)];
    if (p->numerator > whole)
        sp_doc_err(b->doc, b->diag, p, "numerator", -1, "%u is more than all requests (at most %u)", p->numerator, whole);
    return p->numerator > whole ? 0 : p->numerator * (SP_DROP_ALL / whole);
}

static void take_policy(struct build *b, const policy_msg *msg, bool eds)
{
    struct sp_host_policy *p = &b->set->policy;
    if (msg->overprovisioning_factor)
        p->overprovisioning = msg->overprovisioning_factor->value;
    p->weighted_health = msg->weighted_priority_health;
    p->drop = drop_of(b, msg);
    p->stale_ns = eds ? sp_duration_ns(msg->endpoint_stale_after, 0) : 0;
}

struct sp_host_set *sp_hosts_read(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg, bool names)
{
    assert(doc && diag && msg);
    struct build b = {.set = sp_host_set_new(), .names = names, .doc = doc, .diag = diag};
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    take_order(&b, msg->upstream_connection_options ? msg->upstream_connection_options->happy_eyeballs_config : NULL);
    if (la && la->policy)
        take_policy(&b, la->policy, msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS);
    struct place **places = la ? find_places(&b, la) : NULL;
    for (size_t i = 0; la && i < la->n_endpoints; i++) {
        b.locality_meta = sp_endpoint_meta_new(la->endpoints[i]->metadata);
        b.locality_weight = places[i]->weight;
        for (size_t k = 0; k < la->endpoints[i]->n_lb_endpoints; k++) {
            const endpoint_msg *e = la->endpoints[i]->lb_endpoints[k];
            if (e->endpoint && e->endpoint->address) /* else reported by the field rules */
                take_endpoint(&b, la->endpoints[i], places[i]->first, e);
        }
        sp_endpoint_meta_unref(b.locality_meta);
    }
    return b.set;
}
