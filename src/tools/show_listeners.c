/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners, what runs on a connection, and filter chains. */
#include <assert.h>

#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "tools/show.h"

typedef Envoy__Config__Listener__V3__FilterChain Chain;
typedef Envoy__Config__Listener__V3__FilterChainMatch Match;
typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction Gate;

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor
#define TLS_DESC &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
#define GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor

static void show_gate(struct sp_show *s, struct sp_tree_node *n, const Gate *g)
{
    if (g->n_allow || g->n_allow_lists)
        sp_tree_say(&s->tree, n, "allow", "allows %.*s%s%zu list%s", SP_STR_ARG(sp_show_list(s, g->allow, g->n_allow)), g->n_allow ? ", " : "",
                    g->n_allow_lists, g->n_allow_lists == 1 ? "" : "s");
    if (g->n_deny || g->n_deny_lists)
        sp_tree_say(&s->tree, n, "deny", "denies %.*s%s%zu list%s", SP_STR_ARG(sp_show_list(s, g->deny, g->n_deny)), g->n_deny ? ", " : "",
                    g->n_deny_lists, g->n_deny_lists == 1 ? "" : "s");
    if (!sp_look_enforces(g))
        sp_tree_say(&s->tree, n, "enforcement", "ON TRIAL");
}

static void show_listener_filters(struct sp_show *s, struct sp_tree_node *under, const sp_look_listener *l)
{
    for (size_t i = 0; i < l->n_listener_filters; i++) {
        const ProtobufCMessage *msg = sp_doc_any(s->doc, l->listener_filters[i]->typed_config);
        struct sp_tree_node *n = sp_tree_add(&s->tree, under, "listener filter", sp_show_type(s, msg));
        if (msg && msg->descriptor == GATE_DESC)
            show_gate(s, n, (const Gate *)msg);
    }
}

static void show_match(struct sp_show *s, struct sp_tree_node *n, const Match *m)
{
    if (!m)
        return;
    if (m->destination_port)
        sp_tree_say(&s->tree, n, "destination_port", "port %u", m->destination_port->value);
    if (m->n_prefix_ranges)
        sp_tree_say(&s->tree, n, "prefix_ranges", "to %.*s", SP_STR_ARG(sp_show_cidrs(s, m->prefix_ranges, m->n_prefix_ranges)));
    if (m->n_server_names)
        sp_tree_say(&s->tree, n, "server_names", "for %.*s", SP_STR_ARG(sp_show_list(s, m->server_names, m->n_server_names)));
    if (m->transport_protocol[0])
        sp_tree_say(&s->tree, n, "transport_protocol", "over %s", m->transport_protocol);
    if (m->n_application_protocols)
        sp_tree_say(&s->tree, n, "application_protocols", "asking for %.*s",
                    SP_STR_ARG(sp_show_list(s, m->application_protocols, m->n_application_protocols)));
    if (m->n_direct_source_prefix_ranges)
        sp_tree_say(&s->tree, n, "direct_source_prefix_ranges", "from socket %.*s",
                    SP_STR_ARG(sp_show_cidrs(s, m->direct_source_prefix_ranges, m->n_direct_source_prefix_ranges)));
    if (m->n_source_prefix_ranges)
        sp_tree_say(&s->tree, n, "source_prefix_ranges", "from %.*s",
                    SP_STR_ARG(sp_show_cidrs(s, m->source_prefix_ranges, m->n_source_prefix_ranges)));
    if (m->source_type)
        sp_tree_say(&s->tree, n, "source_type", m->source_type == 1 ? "from this machine" : "from other machines");
}

static void show_client_certificates(struct sp_show *s, struct sp_tree_node *n, const sp_look_tls *tls)
{
    const sp_look_validation *v = tls->common_tls_context ? sp_look_validation_of(tls->common_tls_context) : NULL;
    bool needed = sp_look_true(tls->require_client_certificate);
    if (!v && !needed)
        sp_tree_say(&s->tree, n, "client_certificates", "no client certificates");
    else
        sp_tree_say(&s->tree, n, "client_certificates", "client certificates %s%s%.*s", needed ? "required" : "optional", v ? ", verified " : "",
                    SP_STR_ARG(v ? sp_show_validation(s, v) : SP_STR("")));
}

static void show_chain(struct sp_show *s, struct sp_tree_node *under, const Chain *c, const char *kind, size_t number)
{
    struct sp_str name = c->name[0] ? sp_str_c(c->name) : sp_arena_printf(&s->tree.arena, "%zu", number);
    struct sp_tree_node *n = sp_tree_add(&s->tree, under, kind, name);
    show_match(s, n, c->filter_chain_match);
    const sp_look_tls *tls = c->transport_socket ? sp_doc_any_as(s->doc, c->transport_socket->typed_config, TLS_DESC) : NULL;
    if (tls) {
        sp_show_tls(s, n, tls->common_tls_context);
        show_client_certificates(s, n, tls);
        if (sp_look_early_data(s->doc, tls))
            sp_tree_say(&s->tree, n, "early_data", "EARLY DATA is taken");
    } else {
        sp_tree_say(&s->tree, n, "tls", "no TLS");
    }
    for (size_t i = 0; i < c->n_filters; i++) {
        const ProtobufCMessage *msg = sp_doc_any(s->doc, c->filters[i]->typed_config);
        if (msg && msg->descriptor == HCM_DESC)
            sp_show_http(s, n, (const sp_look_hcm *)msg);
        else
            sp_tree_add(&s->tree, n, "network filter", sp_show_type(s, msg));
    }
}

/* Keys of layered_runtime, of whatever depth, by their full names. */
static void show_runtime(struct sp_show *s, struct sp_str base, const Google__Protobuf__Struct *st, unsigned depth)
{
    for (size_t i = 0; st && i < st->n_fields && depth < 16; i++) {
        const Google__Protobuf__Value *v = st->fields[i]->value;
        struct sp_str key = sp_arena_printf(&s->tree.arena, "%.*s%s%s", SP_STR_ARG(base), base.len ? "." : "", st->fields[i]->key);
        if (v && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
            show_runtime(s, key, v->struct_value, depth + 1);
        else if (v && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE)
            sp_tree_say(&s->tree, sp_tree_add(&s->tree, NULL, "runtime key", key), "value", "%.0f", v->number_value);
    }
}

static void show_process(struct sp_show *s)
{
    const Envoy__Config__Bootstrap__V3__LayeredRuntime *r = s->bootstrap->layered_runtime;
    for (size_t i = 0; r && i < r->n_layers; i++)
        if (r->layers[i]->layer_specifier_case == ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_STATIC_LAYER)
            show_runtime(s, SP_STR(""), r->layers[i]->static_layer, 0);
    const Envoy__Config__Overload__V3__OverloadManager *o = s->bootstrap->overload_manager;
    for (size_t i = 0; o && i < o->n_resource_monitors; i++)
        sp_tree_add(&s->tree, NULL, "overload monitor", sp_str_c(o->resource_monitors[i]->name));
    for (size_t i = 0; o && i < o->n_actions; i++)
        sp_tree_add(&s->tree, NULL, "overload action", sp_str_c(o->actions[i]->name));
}

void sp_show_listeners(struct sp_show *s)
{
    assert(s);
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = s->bootstrap->static_resources;
    for (size_t i = 0; res && i < res->n_listeners; i++) {
        const sp_look_listener *l = res->listeners[i];
        struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "listener", sp_str_c(l->name));
        sp_tree_say(&s->tree, n, "address", "%.*s", SP_STR_ARG(sp_show_address(s, l->address)));
        sp_show_place(s, n, l);
        if (l->per_connection_buffer_limit_bytes)
            sp_tree_say(&s->tree, n, "buffer_limit", "at most %u bytes held", l->per_connection_buffer_limit_bytes->value);
        if (l->listener_filters_timeout)
            sp_tree_say(&s->tree, n, "listener_filters_timeout", "first bytes within %.*s", SP_STR_ARG(sp_show_duration(s, l->listener_filters_timeout)));
        show_listener_filters(s, n, l);
        for (size_t k = 0; k < l->n_filter_chains; k++)
            show_chain(s, n, l->filter_chains[k], "filter chain", k + 1);
        if (l->default_filter_chain)
            show_chain(s, n, l->default_filter_chain, "default filter chain", 1);
    }
    if (s->bootstrap->admin && s->bootstrap->admin->address)
        sp_tree_say(&s->tree, sp_tree_add(&s->tree, NULL, "admin page", SP_STR("")), "address", "%.*s",
                    SP_STR_ARG(sp_show_address(s, s->bootstrap->admin->address)));
    show_process(s);
}
