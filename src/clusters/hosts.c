/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hosts.h"

#include <assert.h>
#include <sys/un.h>

typedef Envoy__Config__Endpoint__V3__LocalityLbEndpoints locality_msg;
typedef Envoy__Config__Endpoint__V3__LbEndpoint endpoint_msg;

struct build {
    struct sp_host_set *set;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static bool ip_address(const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Config__Core__V3__SocketAddress *socket, struct sp_addr *ret)
{
    if (sp_addr_parse_ip(sp_str_c(socket->address), ret) < 0) {
        sp_doc_err(doc, diag, socket, "address", -1,
                   "\"%s\" is not an IP address (hosts of a STATIC cluster are IP addresses or pipes)", socket->address);
        return false;
    }
    if (!socket->port_value) {
        sp_doc_err(doc, diag, socket, "port_value", -1, "0 is no port to connect to (set 1 to 65535)");
        return false;
    }
    ret->port = (uint16_t)socket->port_value;
    return true;
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

static void take_endpoint(struct build *b, const locality_msg *l, const endpoint_msg *msg)
{
    struct sp_arena *a = &b->set->arena;
    struct sp_addr addr;
    if (!sp_hosts_address(a, b->doc, b->diag, msg->endpoint, msg->endpoint->address, &addr))
        return;
    struct sp_endpoint *e = sp_host_set_add(b->set);
    e->addr = addr;
    e->hostname = sp_arena_str(a, sp_str_c(msg->endpoint->hostname));
    e->weight = msg->load_balancing_weight ? msg->load_balancing_weight->value : 1;
    e->priority = l->priority;
    e->eds_health = eds_health(msg);
    if (l->locality) {
        e->region = sp_arena_str(a, sp_str_c(l->locality->region));
        e->zone = sp_arena_str(a, sp_str_c(l->locality->zone));
        e->sub_zone = sp_arena_str(a, sp_str_c(l->locality->sub_zone));
    }
    health_target(b, e, msg->endpoint->health_check_config);
}

struct sp_host_set *sp_hosts_read(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg)
{
    assert(doc && diag && msg);
    struct build b = {.set = sp_host_set_new(), .doc = doc, .diag = diag};
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    for (size_t i = 0; la && i < la->n_endpoints; i++)
        for (size_t k = 0; k < la->endpoints[i]->n_lb_endpoints; k++) {
            const endpoint_msg *e = la->endpoints[i]->lb_endpoints[k];
            if (e->endpoint && e->endpoint->address) /* else reported by the field rules */
                take_endpoint(&b, la->endpoints[i], e);
        }
    sp_host_set_close(b.set);
    return b.set;
}
