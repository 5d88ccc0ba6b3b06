/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cluster's hosts as they are now, in the form of a ClusterLoadAssignment: for /config_dump?include_eds. */
#include <assert.h>

#include "base/json.h"
#include "clusters/cluster_overview.h"
#include "clusters/current.h"

static json_t *address_of(const struct sp_addr *a)
{
    char text[SP_ADDR_TEXT_MAX];
    if (a->family == AF_UNIX)
        return json_pack("{s:{s:o}}", "pipe", "path", sp_json_text(sp_str_c(a->path)));
    size_t n = sp_addr_format_ip(a, text);
    return json_pack("{s:{s:s%,s:i}}", "socket_address", "address", text, n, "port_value", (int)a->port);
}

static json_t *host_of(const struct sp_endpoint *e)
{
    static const char *const healths[] = {[SP_HEALTHY] = "HEALTHY", [SP_DEGRADED] = "DEGRADED", [SP_UNHEALTHY] = "UNHEALTHY"};
    json_t *endpoint = json_pack("{s:o}", "address", address_of(&e->addr));
    if (e->hostname.len)
        json_object_set_new(endpoint, "hostname", sp_json_text(e->hostname));
    return json_pack("{s:o, s:s, s:I}", "endpoint", endpoint, "health_status", healths[sp_host_health(e->host)], "load_balancing_weight",
                     (json_int_t)e->weight);
}

static bool same_place(const struct sp_endpoint *a, const struct sp_endpoint *b)
{
    return a->priority == b->priority && sp_str_eq(a->region, b->region) && sp_str_eq(a->zone, b->zone) && sp_str_eq(a->sub_zone, b->sub_zone);
}

static json_t *place_of(const struct sp_endpoint *e)
{
    json_t *locality = json_object();
    const struct {
        const char *name;
        struct sp_str value;
    } parts[] = {{"region", e->region}, {"zone", e->zone}, {"sub_zone", e->sub_zone}};
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        if (parts[i].value.len)
            json_object_set_new(locality, parts[i].name, sp_json_text(parts[i].value));
    json_t *j = json_pack("{s:o, s:[]}", "locality", locality, "lb_endpoints");
    if (e->priority)
        json_object_set_new(j, "priority", json_integer((json_int_t)e->priority));
    if (e->locality_weight)
        json_object_set_new(j, "load_balancing_weight", json_integer((json_int_t)e->locality_weight));
    return j;
}

json_t *sp_cluster_assignment(const struct sp_cluster *c)
{
    assert(c);
    json_t *list = json_array(), *place = NULL;
    const struct sp_endpoint *last = NULL;
    struct sp_host_set *set = sp_hosts_get(c);
    for (unsigned i = 0; i < set->n; i++) { /* those of one locality stand together */
        const struct sp_endpoint *e = &set->v[i];
        if (!last || !same_place(last, e)) {
            place = place_of(e);
            json_array_append_new(list, place);
        }
        json_array_append_new(json_object_get(place, "lb_endpoints"), host_of(e));
        last = e;
    }
    json_t *j = json_pack("{s:s, s:o, s:o, s:{s:I}}", "@type", "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
                          "cluster_name", sp_json_text(c->name), "endpoints", list, "policy", "overprovisioning_factor",
                          (json_int_t)set->policy.overprovisioning);
    sp_host_set_unref(set);
    return j;
}
