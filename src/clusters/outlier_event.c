/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/outlier_event.h"

#include <assert.h>
#include <stdio.h>

/* Fields in the order of their numbers, as protobuf writes them. */
static json_t *event_of(const struct sp_outlier *o, const struct sp_host *h, const char *type, uint64_t last_ns, const char *action,
                        bool enforced)
{
    char text[SP_ADDR_TEXT_MAX], secs[24];
    struct sp_str url = sp_str_n(text, sp_addr_format(&h->parts[o->slot->index].addr, text));
    json_t *e = json_pack("{s:s,s:o}", "type", type, "timestamp", sp_event_time(o->slot->turn->wall_ns));
    if (last_ns) { /* a 64-bit number: text, in protobuf's JSON */
        snprintf(secs, sizeof(secs), "%llu", (unsigned long long)((o->slot->turn->now_ns - last_ns) / SP_NS_PER_S));
        json_object_set_new(e, "secs_since_last_action", json_string(secs));
    }
    json_object_set_new(e, "cluster_name", sp_event_text(o->cluster->name));
    json_object_set_new(e, "upstream_url", sp_event_text(url));
    json_object_set_new(e, "action", json_string(action));
    json_object_set_new(e, "num_ejections", json_integer(sp_outlier_of(h)->ejections));
    json_object_set_new(e, "enforced", json_boolean(enforced));
    return e;
}

void sp_outlier_tell_out(const struct sp_outlier *o, const struct sp_host *h, enum kind kind, bool enforced)
{
    static const char *const types[] = {
#define X(id, stat, type, text) type,
        KINDS(X)
#undef X
    };
    if (!o->events)
        return;
    json_t *e = event_of(o, h, types[kind], sp_outlier_of(h)->back_ns, "EJECT", enforced);
    bool local = kind == KIND_LOCAL_SUCCESS || kind == KIND_LOCAL_FAILURE;
    int rate = (int)sp_outlier_percent(h, local ? RATE_LOCAL : RATE_EXTERNAL);
    if (kind == KIND_SUCCESS || kind == KIND_LOCAL_SUCCESS)
        json_object_set_new(e, "eject_success_rate_event", json_pack("{s:i,s:i,s:i}", "host_success_rate", rate,
            "cluster_average_success_rate", (int)o->mean[local], "cluster_success_rate_ejection_threshold", (int)SP_MAX(o->least[local], 0)));
    else if (kind == KIND_FAILURE || kind == KIND_LOCAL_FAILURE)
        json_object_set_new(e, "eject_failure_percentage_event", json_pack("{s:i}", "host_success_rate", rate));
    else
        json_object_set_new(e, "eject_consecutive_event", json_object());
    sp_event_log_put(o->events, e);
}

/* Envoy says no more of why it was out. */
void sp_outlier_tell_back(const struct sp_outlier *o, const struct sp_host *h)
{
    if (o->events)
        sp_event_log_put(o->events, event_of(o, h, "CONSECUTIVE_5XX", sp_outlier_of(h)->out_ns, "UNEJECT", false));
}
