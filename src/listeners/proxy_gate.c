/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/proxy_gate.h"

#include <assert.h>
#include <errno.h>

typedef Envoy__Extensions__Filters__Listener__ProxyProtocol__V3__ProxyProtocol Message;

/* Envoy's names, which belong to no listener: a stat_prefix tells two of them apart. */
static void init_stats(struct sp_proxy_gate *g, struct sp_str prefix)
{
    static const char *const versions[] = {[1] = "versions.v1", [2] = "versions.v2"};
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("proxy_proto"),
                                                  prefix.len ? "envoy_proxy_protocol_prefix" : NULL, prefix);
    g->not_found_allowed = sp_stats_counter(scope, SP_STR("not_found_allowed"));
    g->not_found_disallowed = sp_stats_counter(scope, SP_STR("not_found_disallowed"));
    g->any_error = sp_stats_counter(sp_stats_root(), SP_STR("downstream_cx_proxy_proto_error"));
    for (unsigned v = 1; v <= 2; v++) {
        struct sp_stats_scope *one = sp_stats_scope(scope, sp_str_c(versions[v]), NULL, SP_STR_NULL);
        g->found[v] = sp_stats_counter(one, SP_STR("found"));
        g->refused[v] = sp_stats_counter(one, SP_STR("disallowed"));
        g->error[v] = sp_stats_counter(one, SP_STR("error"));
    }
}

bool sp_proxy_gate_init(struct sp_proxy_gate *g, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(g && doc && diag && msg);
    *g = (struct sp_proxy_gate){.set = true, .optional = msg->allow_requests_without_proxy_protocol};
    for (size_t i = 0; i < msg->n_disallowed_versions; i++)
        g->disallowed[msg->disallowed_versions[i] == ENVOY__CONFIG__CORE__V3__PROXY_PROTOCOL_CONFIG__VERSION__V1 ? 1 : 2] =
            true;
    if (g->disallowed[1] && g->disallowed[2]) {
        sp_doc_err(doc, diag, msg, "disallowed_versions", -1,
                   "leaves no version (to refuse PROXY protocol altogether, take the filter away)");
        return false;
    }
    init_stats(g, sp_str_c(msg->stat_prefix));
    return true;
}

static int refuse(const struct sp_proxy_gate *g, unsigned version)
{
    sp_counter_inc(g->any_error);
    sp_counter_inc(version ? g->error[version] : g->not_found_disallowed);
    return -1;
}

int sp_proxy_gate_read(const struct sp_proxy_gate *g, struct sp_buf *in, struct sp_proxy_header *ret,
                       const char **ret_why)
{
    assert(g && g->set && in && ret && ret_why);
    int r = sp_proxy_parse(in, ret, ret_why);
    if (g->disallowed[ret->version]) { /* whatever else is in it, and as soon as that is known */
        sp_counter_inc(g->found[ret->version]);
        sp_counter_inc(g->refused[ret->version]);
        *ret_why = "PROXY protocol: this version is disallowed";
        return -1;
    }
    if (r == 0)
        return 0;
    if (r == -ENOENT && g->optional) {
        sp_counter_inc(g->not_found_allowed);
        return 1;
    }
    if (r < 0)
        return refuse(g, ret->version);
    sp_counter_inc(g->found[ret->version]);
    sp_buf_drain(in, ret->len);
    return 1;
}
