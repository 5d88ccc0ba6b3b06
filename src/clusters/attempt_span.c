/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/attempt_span.h"

#include <assert.h>

#include "stream/server_span.h"

static struct sp_str address(const struct sp_addr *a, struct sp_arena *arena)
{
    char text[SP_ADDR_TEXT_MAX];
    return sp_arena_str(arena, sp_str_n(text, sp_addr_format(a, text)));
}

static struct sp_str name_of(const struct sp_upstream *u, const struct sp_format_input *in)
{
    const struct sp_format *f = sp_request_span_upstream_operation(u->setup.info);
    if (f)
        return sp_format_value(f, in, u->setup.arena);
    return sp_arena_printf(u->setup.arena, "router %.*s egress", SP_STR_ARG(u->slot->cluster->name));
}

static void fill(const struct sp_upstream *u, const struct sp_attempt_span *a, const struct sp_stream_info *info, struct sp_attrs *attrs)
{
    struct sp_arena *arena = u->setup.arena;
    struct sp_str host = address(&info->upstream_host, arena), cluster = u->slot->cluster->name;
    if (a->reason.len) {
        sp_attrs_str(attrs, SP_STR("error.reason"), a->reason);
        sp_attrs_str(attrs, SP_STR("error"), SP_STR("true"));
    }
    if (u->attempts > 1)
        sp_attrs_str(attrs, SP_STR("retry.count"), sp_arena_u64(arena, u->attempts - 1));
    if (a->canceled)
        sp_attrs_str(attrs, SP_STR("canceled"), SP_STR("true"));
    sp_attrs_str(attrs, SP_STR("http.protocol"), sp_span_protocol(info->upstream_protocol));
    sp_attrs_str(attrs, SP_STR("upstream_address"), host);
    sp_attrs_str(attrs, SP_STR("peer.address"), host);
    sp_attrs_str(attrs, SP_STR("component"), SP_STR("proxy"));
    sp_attrs_str(attrs, SP_STR("upstream_cluster"), cluster);
    sp_attrs_str(attrs, SP_STR("upstream_cluster.name"), cluster);
    sp_attrs_str(attrs, SP_STR("http.status_code"), sp_arena_u64(arena, a->status));
    sp_attrs_str(attrs, SP_STR("response_flags"), sp_span_flags(a->flags, arena));
}

/* What is known of the stream is of its attempts so far; formats shall see this one. */
static struct sp_stream_info of_attempt(const struct sp_upstream *u, const struct sp_attempt_span *a)
{
    struct sp_stream_info info = *u->setup.info;
    info.response_code = a->status;
    info.flags = a->flags;
    info.up_first_tx_ns = a->first_tx_ns;
    info.up_first_rx_ns = a->first_rx_ns;
    if (info.up_last_tx_ns < a->span.start_ns)
        info.up_last_tx_ns = 0;
    if (info.up_last_rx_ns < a->span.start_ns)
        info.up_last_rx_ns = 0;
    return info;
}

static void finish(struct sp_upstream *u)
{
    struct sp_attempt_span *a = u->span;
    struct sp_attrs attrs = {.n = 0};
    struct sp_span_event events[SP_SPAN_EVENTS];
    u->span = NULL;
    if (!sp_span_counts(u->setup.info->span)) /* the request's is over already */
        return;
    const struct sp_stream_info info = of_attempt(u, a);
    const struct sp_format_input in = {.info = &info, .request = u->request, .response = a->response, .now_ns = u->slot->turn->now_ns};
    fill(u, a, &info, &attrs);
    bool error = !a->status || a->status >= 500 || a->reason.len;
    error |= sp_span_grpc_tags(a->response, &attrs);
    error |= sp_span_grpc_tags(a->trailers, &attrs);
    if (error)
        sp_attrs_str(&attrs, SP_STR("error"), SP_STR("true"));
    struct sp_span_data data = {.name = name_of(u, &in), .kind = SP_SPAN_CLIENT, .attrs = &attrs, .events = events, .error = error};
    data.n_events = sp_span_events(&a->span, &info, false, events);
    sp_request_span_tags(&info, &in, u->setup.arena, &attrs);
    sp_span_end(&a->span, u->slot->turn, &data);
}

void sp_attempt_span_start(struct sp_upstream *u)
{
    assert(u && u->request && u->host);
    const struct sp_span *parent = u->setup.info->span;
    if (!sp_span_counts(parent) || !parent->rules->upstream)
        return;
    struct sp_attempt_span *a = sp_arena_zalloc(u->setup.arena, sizeof(*a));
    a->finish = finish;
    sp_span_begin_child(&a->span, parent, u->slot->turn);
    u->span = a;
    sp_span_tell(&a->span, u->request);
}
