/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/look.h"

#include <assert.h>

#include "config/descriptor.h"
#include "config/pb_json.h"
#include "filters/registry.h"
#include "net/addr.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "sallyport/tls/v1/early_data.pb-c.h"

#define PATH(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_##name
#define TO(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_##name

const void *sp_look_field(const void *msg, const char *name, ProtobufCType type)
{
    const ProtobufCMessage *m = msg;
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    return f && f->type == type && f->label != PROTOBUF_C_LABEL_REPEATED ? sp_field_ptr(m, f) : NULL;
}

void sp_look_secrets(const ProtobufCMessage *msg, void (*each)(void *arg, const ProtobufCMessage *msg, const char *field, int index,
                                                               const Envoy__Config__Core__V3__DataSource *source), void *arg)
{
    assert(msg && each);
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->descriptor != &envoy__config__core__v3__data_source__descriptor ||
            !sp_pb_is_secret(msg->descriptor, f) || !sp_field_is_set(msg, f))
            continue;
        bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
        Envoy__Config__Core__V3__DataSource *const *v = list ? *(void **)sp_field_ptr(msg, f) : sp_field_ptr(msg, f);
        size_t n = list ? *sp_field_count(msg, f) : 1;
        for (size_t k = 0; k < n; k++)
            each(arg, msg, f->name, list ? (int)k : -1, v[k]);
    }
}

bool sp_look_enforces(const void *msg)
{
    const int *enforcement = sp_look_field(msg, "enforcement", PROTOBUF_C_TYPE_ENUM);
    Google__Protobuf__UInt32Value *const *percent = sp_look_field(msg, "enforced_percent", PROTOBUF_C_TYPE_MESSAGE);
    return (!enforcement || *enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__ENFORCE) &&
           (!percent || !*percent || (*percent)->value >= 100);
}

const struct sp_filter_ops *sp_look_ops(const void *msg)
{
    const struct sp_filter_ops *const *table = sp_filter_registry();
    for (unsigned i = 0; msg && table[i]; i++)
        if (strcmp(table[i]->type_url, ((const ProtobufCMessage *)msg)->descriptor->name) == 0)
            return table[i];
    return NULL;
}

bool sp_look_is_outside(const Envoy__Config__Core__V3__Address *address)
{
    struct sp_addr addr;
    if (!address || address->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS)
        return false;
    struct sp_str text = sp_str_c(address->socket_address->address);
    if (sp_addr_parse_ip(text, &addr) < 0)
        return !sp_str_ieq(text, SP_STR("localhost"));
    return !sp_addr_is_loopback(&addr);
}

const Envoy__Config__Route__V3__RouteConfiguration *sp_look_table(const sp_look_hcm *hcm)
{
    return hcm ? hcm->route_config : NULL;
}

const Envoy__Config__Route__V3__RouteAction *sp_look_action(const sp_look_route *r)
{
    assert(r);
    return r->action_case == ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_ROUTE ? r->route : NULL;
}

const Envoy__Config__Route__V3__RedirectAction *sp_look_redirect(const sp_look_route *r)
{
    assert(r);
    return r->action_case == ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_REDIRECT ? r->redirect : NULL;
}

const sp_look_validation *sp_look_validation_of(const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *c)
{
    return c ? c->validation_context : NULL;
}

bool sp_look_goes_to(const sp_look_route *r, const char *cluster)
{
    assert(r && cluster);
    const Envoy__Config__Route__V3__RouteAction *action = sp_look_action(r);
    if (action && action->cluster_specifier_case == TO(CLUSTER))
        return strcmp(action->cluster, cluster) == 0;
    for (size_t i = 0; action && action->cluster_specifier_case == TO(WEIGHTED_CLUSTERS) && i < action->weighted_clusters->n_clusters; i++)
        if (strcmp(action->weighted_clusters->clusters[i]->name, cluster) == 0)
            return true;
    return false;
}

bool sp_look_early_data(const struct sp_doc *doc, const sp_look_tls *tls)
{
    const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *c = tls ? tls->common_tls_context : NULL;
    return c && c->custom_handshaker && sp_doc_any_as(doc, c->custom_handshaker->typed_config, &sallyport__tls__v1__early_data__descriptor);
}

bool sp_look_takes_all(const Envoy__Config__Route__V3__RouteMatch *m)
{
    if (!m || m->n_headers || m->n_query_parameters || m->n_cookies || m->runtime_fraction || m->grpc || m->tls_context)
        return false;
    if (m->path_specifier_case == PATH(SAFE_REGEX))
        return strcmp(m->safe_regex->regex, ".*") == 0 || strcmp(m->safe_regex->regex, "/.*") == 0;
    return m->path_specifier_case == PATH(PREFIX) && (!m->prefix[0] || strcmp(m->prefix, "/") == 0);
}
