/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health_event.h"

#include <assert.h>

#include "clusters/event_log.h"

static const char *failure_type(const struct sp_health_told *t)
{
    if (t->timed_out)
        return "NETWORK_TIMEOUT";
    return t->result == SP_PROBE_NETWORK ? "NETWORK" : t->result == SP_PROBE_PASSIVE ? "PASSIVE" : "ACTIVE";
}

static json_t *body(enum sp_health_event e, const struct sp_health_told *t)
{
    switch (e) {
    case SP_HEALTH_EVENT_OUT:
        return json_pack("{s:s,s:i}", "failure_type", failure_type(t), "http_status_code", (int)t->status);
    case SP_HEALTH_EVENT_BACK:
        return json_pack("{s:b}", "first_check", (int)t->first);
    case SP_HEALTH_EVENT_FAILURE:
        return json_pack("{s:s,s:b,s:i}", "failure_type", failure_type(t), "first_check", (int)t->first, "http_status_code", (int)t->status);
    default:
        return json_object();
    }
}

/* Fields in the order of their numbers, as protobuf writes them. */
void sp_health_tell(const struct sp_health_config *c, enum sp_health_event e, const struct sp_health_told *t)
{
    static const char *const kinds[] = {[SP_HEALTH_HTTP] = "HTTP", [SP_HEALTH_TCP] = "TCP", [SP_HEALTH_GRPC] = "GRPC"};
    static const char *const names[] = {
        [SP_HEALTH_EVENT_OUT] = "eject_unhealthy_event", [SP_HEALTH_EVENT_BACK] = "add_healthy_event",
        [SP_HEALTH_EVENT_FAILURE] = "health_check_failure_event", [SP_HEALTH_EVENT_DEGRADED] = "degraded_healthy_host",
        [SP_HEALTH_EVENT_NO_LONGER] = "no_longer_degraded_host", [SP_HEALTH_EVENT_SUCCESS] = "successful_health_check_event"};
    assert(c && t && t->cluster && t->endpoint);
    if (!c->events)
        return;
    const struct sp_endpoint *h = t->endpoint;
    json_t *o = json_pack("{s:s,s:o,s:o}", "health_checker_type", kinds[c->kind], "host", sp_event_address(&h->host->addr),
                          "cluster_name", sp_event_text(t->cluster->name));
    bool early = e == SP_HEALTH_EVENT_OUT || e == SP_HEALTH_EVENT_BACK;
    if (early)
        json_object_set_new(o, names[e], body(e, t));
    json_object_set_new(o, "timestamp", sp_event_time(t->wall_ns));
    if (!early && e != SP_HEALTH_EVENT_SUCCESS)
        json_object_set_new(o, names[e], body(e, t));
    json_object_set_new(o, "locality", json_pack("{s:o,s:o,s:o}", "region", sp_event_text(h->region), "zone", sp_event_text(h->zone),
                                                 "sub_zone", sp_event_text(h->sub_zone)));
    if (e == SP_HEALTH_EVENT_SUCCESS)
        json_object_set_new(o, names[e], body(e, t));
    sp_event_log_put(c->events, o);
}
