/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two versions of a listener: what of the older one's sockets and connections the newer one can take over. */
#include <assert.h>

#include "listeners/listener_impl.h"

typedef Envoy__Config__Listener__V3__Listener Message;
typedef Envoy__Config__Listener__V3__FilterChain ChainMessage;

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor

/*
 * What concerns streams alone, so that a change of it does not touch connections. A field that is in none of these lists
 * makes them drain: a new one errs on the safe side.
 */
static const char *const stream_fields[] = {
    "route_config", "rds", "http_filters", "access_log", "use_remote_address", "xff_num_trusted_hops", "skip_xff_append", "via",
    "server_name", "server_header_transformation", "scheme_header_transformation", "generate_request_id",
    "preserve_external_request_id", "always_set_request_id_in_response", "forward_client_cert_details",
    "set_current_client_cert_details", "internal_address_config", "original_ip_detection_extensions",
    "early_header_mutation_extensions", "append_x_forwarded_port", "append_local_overload", "normalize_path", "merge_slashes",
    "path_with_escaped_slashes_action", "strip_matching_host_port", "strip_any_host_port", "strip_trailing_host_dot",
    "stream_idle_timeout", "request_timeout", "local_reply_config", "add_user_agent", "proxy_status_config",
    "upgrade_configs", "access_log_options", NULL};
static const char *const chain_fields[] = {"name", "filters", "transport_socket", NULL};
static const char *const listener_fields[] = {"filter_chains", "default_filter_chain", "access_log", "tcp_backlog_size",
                                              "name", NULL};

static void hash_chain(struct sp_filter_chain *c, const struct sp_listener_build *b, const ChainMessage *msg)
{
    struct sp_hash hcm;
    const Google__Protobuf__Any *any = msg->filters[msg->n_filters - 1]->typed_config;
    sp_doc_hash(b->doc, msg, chain_fields, &c->wire);
    sp_doc_hash(b->doc, sp_doc_any_as(b->doc, any, HCM_DESC), stream_fields, &hcm);
    sp_hash_mix_hash(&c->wire, &hcm);
    if (msg->filter_chain_match)
        sp_doc_hash(b->doc, msg->filter_chain_match, NULL, &c->match);
}

void sp_listener_hash(struct sp_listener *l, const struct sp_listener_build *b, const Message *msg)
{
    assert(l && b && msg);
    sp_doc_hash(b->doc, msg, listener_fields, &l->base);
    for (unsigned i = 0; i < msg->n_filter_chains; i++)
        hash_chain(&l->chains[i], b, msg->filter_chains[i]);
    if (msg->default_filter_chain)
        hash_chain(&l->chains[l->n_chains - 1], b, msg->default_filter_chain);
}

bool sp_listener_same_base(const struct sp_listener *a, const struct sp_listener *b)
{
    assert(a && b);
    return sp_hash_eq(&a->base, &b->base);
}

static bool same_keepalive(const struct sp_sock_options *a, const struct sp_sock_options *b)
{
    return a->keepalive == b->keepalive && a->keepalive_time == b->keepalive_time &&
           a->keepalive_interval == b->keepalive_interval && a->keepalive_probes == b->keepalive_probes;
}

bool sp_listener_same_socket(const struct sp_listener *a, const struct sp_listener *b)
{
    assert(a && b);
    return sp_addr_eq(&a->addr, &b->addr, true) && a->reuse_port == b->reuse_port && a->v4_compat == b->v4_compat &&
           a->unix_mode == b->unix_mode && a->freebind == b->freebind && a->transparent == b->transparent &&
           same_keepalive(&a->keepalive, &b->keepalive) &&
           (a->addr.port || a->addr.family == AF_UNIX || sp_str_eq(a->name, b->name));
}

/* By name, if it has one; else by what it matches. The default chain succeeds the default chain. */
static bool succeeds(const struct sp_filter_chain *fresh, const struct sp_filter_chain *old)
{
    if (fresh->fallback || old->fallback)
        return fresh->fallback && old->fallback;
    if (old->name.len || fresh->name.len)
        return sp_str_eq(old->name, fresh->name);
    return sp_hash_eq(&fresh->match, &old->match);
}

const struct sp_filter_chain *sp_listener_successor(const struct sp_listener *l, const struct sp_filter_chain *chain,
                                                    bool *ret_stays)
{
    assert(l && chain && ret_stays);
    *ret_stays = false;
    for (unsigned i = 0; i < l->n_chains; i++) {
        const struct sp_filter_chain *c = &l->chains[i];
        if (!succeeds(c, chain))
            continue;
        *ret_stays = c->tls == chain->tls && sp_hash_eq(&c->wire, &chain->wire) && sp_hash_eq(&c->match, &chain->match);
        return c;
    }
    return NULL;
}
