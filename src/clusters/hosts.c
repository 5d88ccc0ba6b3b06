/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hosts.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/un.h>

#include "base/mem.h"

typedef Envoy__Config__Endpoint__V3__LocalityLbEndpoints locality_msg;
typedef Envoy__Config__Endpoint__V3__LbEndpoint endpoint_msg;

struct build {
    struct sp_cluster *c;
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

static void health_target(struct build *b, struct sp_host *h,
                          const Envoy__Config__Endpoint__V3__Endpoint__HealthCheckConfig *hc)
{
    h->health_addr = h->addr;
    if (!hc)
        return;
    h->no_active_hc = hc->disable_active_health_check;
    h->health_hostname = sp_arena_str(&b->c->arena, sp_str_c(hc->hostname));
    if (hc->address)
        sp_hosts_address(&b->c->arena, b->doc, b->diag, hc, hc->address, &h->health_addr);
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

static struct sp_host *host_new(struct build *b, const locality_msg *l, const endpoint_msg *e)
{
    struct sp_host *h = aligned_alloc(SP_CACHELINE, sizeof(*h));
    if (!h)
        abort();
    memset(h, 0, sizeof(*h));
    struct sp_arena *a = &b->c->arena;
    if (!sp_hosts_address(a, b->doc, b->diag, e->endpoint, e->endpoint->address, &h->addr)) {
        free(h);
        return NULL;
    }
    char text[SP_ADDR_TEXT_MAX];
    h->text = sp_arena_str(a, sp_str_n(text, sp_addr_format(&h->addr, text)));
    h->hostname = sp_arena_str(a, sp_str_c(e->endpoint->hostname));
    h->weight = e->load_balancing_weight ? e->load_balancing_weight->value : 1;
    h->priority = l->priority;
    if (l->locality) {
        h->region = sp_arena_str(a, sp_str_c(l->locality->region));
        h->zone = sp_arena_str(a, sp_str_c(l->locality->zone));
        h->sub_zone = sp_arena_str(a, sp_str_c(l->locality->sub_zone));
    }
    health_target(b, h, e->endpoint->health_check_config);
    atomic_init(&h->health, eds_health(e));
    atomic_init(&h->active, 0);
    return h;
}

static size_t count_endpoints(const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la)
{
    size_t n = 0;
    for (size_t i = 0; i < la->n_endpoints; i++)
        n += la->endpoints[i]->n_lb_endpoints;
    return n;
}

static void add_host(struct sp_cluster *c, struct sp_host *h)
{
    h->index = c->n_hosts;
    c->hosts[c->n_hosts++] = h;
    c->n_priorities = SP_MAX(c->n_priorities, h->priority + 1);
}

static void fill_priorities(struct sp_cluster *c)
{
    c->priorities = sp_arena_zalloc(&c->arena, c->n_priorities * sizeof(*c->priorities));
    for (unsigned i = 0; i < c->n_hosts; i++)
        c->priorities[c->hosts[i]->priority].n++;
    for (unsigned p = 0; p < c->n_priorities; p++) {
        c->priorities[p].hosts = sp_arena_alloc(&c->arena, (c->priorities[p].n + 1) * sizeof(struct sp_host *));
        c->priorities[p].n = 0;
    }
    for (unsigned i = 0; i < c->n_hosts; i++) {
        struct sp_priority *p = &c->priorities[c->hosts[i]->priority];
        p->hosts[p->n++] = c->hosts[i];
    }
}

static void make_counts(struct sp_cluster *c)
{
    size_t size = ((size_t)c->n_hosts * c->n_slots + 1) * sizeof(*c->counts);
    c->counts = aligned_alloc(SP_CACHELINE, size);
    if (!c->counts)
        abort();
    memset(c->counts, 0, size);
    for (unsigned i = 0; i < c->n_hosts; i++)
        c->hosts[i]->counts = &c->counts[(size_t)i * c->n_slots];
}

void sp_hosts_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                   const Envoy__Config__Cluster__V3__Cluster *msg)
{
    assert(c && c->n_slots && doc && diag && msg);
    struct build b = {.c = c, .doc = doc, .diag = diag};
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    size_t n = la ? count_endpoints(la) : 0;
    c->n_priorities = 1;
    c->hosts = sp_arena_alloc(&c->arena, (n + 1) * sizeof(struct sp_host *));
    for (size_t i = 0; la && i < la->n_endpoints; i++)
        for (size_t k = 0; k < la->endpoints[i]->n_lb_endpoints; k++) {
            const endpoint_msg *e = la->endpoints[i]->lb_endpoints[k];
            struct sp_host *h =
                e->endpoint && e->endpoint->address ? host_new(&b, la->endpoints[i], e) : NULL; /* NULL: reported */
            if (h)
                add_host(c, h);
        }
    if (!n)
        sp_doc_warn(doc, diag, msg, "load_assignment", -1, "has no endpoints: every request will get 503");
    fill_priorities(c);
    make_counts(c);
}

void sp_hosts_done(struct sp_cluster *c)
{
    assert(c);
    for (unsigned i = 0; i < c->n_hosts; i++)
        free(c->hosts[i]);
    free(c->counts);
    c->n_hosts = 0;
    c->counts = NULL;
}
