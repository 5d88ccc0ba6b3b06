/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport audit` looks for.  A check sees a config that compiles; it says what is open, never what is a matter of
 * taste.
 */
#include "tools/audit_checks.h"

#include <assert.h>

#include "config/pb_json.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "filters/registry.h"
#include "net/addr.h"
#include "sallyport/filters/http/staged/v1/staged.pb-c.h"
#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "stream/staged.h"

typedef Envoy__Config__Listener__V3__Listener Listener;
typedef Envoy__Config__Listener__V3__FilterChain Chain;
typedef Envoy__Config__Core__V3__Address Address;
typedef Envoy__Config__Core__V3__DataSource DataSource;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Tls;
typedef Envoy__Extensions__Http__OriginalIpDetection__Xff__V3__XffConfig Xff;
typedef Sallyport__Filters__Listener__IpRestriction__V1__IpRestriction ListenerGate;

#define HCM_DESC \
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor
#define GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor
#define PROXY_DESC &envoy__extensions__filters__listener__proxy_protocol__v3__proxy_protocol__descriptor
#define TLS_DESC &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
#define STAGED_DESC &sallyport__filters__http__staged__v1__staged__descriptor
#define XFF_DESC &envoy__extensions__http__original_ip_detection__xff__v3__xff_config__descriptor

/* ---- what is in a config ---- */

static const void *field_of(const ProtobufCMessage *msg, const char *name, ProtobufCType type)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, name);
    return f && f->type == type && f->label != PROTOBUF_C_LABEL_REPEATED ? (const char *)msg + f->offset : NULL;
}

/* Whether a gate refuses everybody whom it should: the fields are the same in all of our gates. */
static bool enforces(const ProtobufCMessage *msg)
{
    const int *enforcement = field_of(msg, "enforcement", PROTOBUF_C_TYPE_ENUM);
    Google__Protobuf__UInt32Value *const *percent = field_of(msg, "enforced_percent", PROTOBUF_C_TYPE_MESSAGE);
    return (!enforcement || *enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__ENFORCE) &&
           (!percent || !*percent || (*percent)->value >= 100);
}

static const struct sp_filter_ops *ops_of(const ProtobufCMessage *msg)
{
    const struct sp_filter_ops *const *table = sp_filter_registry();
    for (unsigned i = 0; msg && table[i]; i++)
        if (strcmp(table[i]->type_url, msg->descriptor->name) == 0)
            return table[i];
    return NULL;
}

static bool is_loopback(const Address *a)
{
    struct sp_addr addr;
    return !a || a->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS ||
           (sp_addr_parse_ip(sp_str_c(a->socket_address->address), &addr) == 0 && sp_addr_is_loopback(&addr));
}

static void each_chain(struct sp_audit *a, void (*each)(struct sp_audit *a, const Listener *l, const Chain *c))
{
    for (size_t i = 0; a->bootstrap->static_resources && i < a->bootstrap->static_resources->n_listeners; i++) {
        const Listener *l = a->bootstrap->static_resources->listeners[i];
        for (size_t k = 0; k < l->n_filter_chains; k++)
            each(a, l, l->filter_chains[k]);
        if (l->default_filter_chain)
            each(a, l, l->default_filter_chain);
    }
}

static const Hcm *hcm_of(const struct sp_audit *a, const Chain *c)
{
    const Hcm *found = NULL;
    for (size_t i = 0; !found && i < c->n_filters; i++)
        found = sp_doc_any_as(a->doc, c->filters[i]->typed_config, HCM_DESC);
    return found;
}

static const Tls *tls_of(const struct sp_audit *a, const Chain *c)
{
    return c->transport_socket ? sp_doc_any_as(a->doc, c->transport_socket->typed_config, TLS_DESC) : NULL;
}

/* An enforcing ip_restriction among the first `n` listener filters; with `allow`: one that knows who may, not who may not. */
static bool gated_at_accept(const struct sp_audit *a, const Listener *l, size_t n, bool allow)
{
    for (size_t i = 0; i < n; i++) {
        const ListenerGate *g = sp_doc_any_as(a->doc, l->listener_filters[i]->typed_config, GATE_DESC);
        if (g && enforces(&g->base) && (!allow || g->n_allow || g->n_allow_lists))
            return true;
    }
    return false;
}

static bool asks_for_certificate(const Tls *tls)
{
    return tls && tls->require_client_certificate && tls->require_client_certificate->value;
}

/* An enforcing gate of the chain, or only one that proves. */
static bool gated_by_filter(const struct sp_audit *a, const Hcm *hcm, bool proves)
{
    for (size_t i = 0; hcm && i < hcm->n_http_filters; i++) {
        const ProtobufCMessage *msg = sp_staged_content(a->doc, hcm->http_filters[i]->typed_config);
        const struct sp_filter_ops *ops = ops_of(msg);
        if (ops && (proves ? ops->proves : ops->gate && !ops->certifies) && enforces(msg))
            return true;
    }
    return false;
}

/* ---- the checks ---- */

static void check_proxy_protocol(struct sp_audit *a)
{
    for (size_t i = 0; a->bootstrap->static_resources && i < a->bootstrap->static_resources->n_listeners; i++) {
        const Listener *l = a->bootstrap->static_resources->listeners[i];
        bool pipe = l->address && l->address->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE;
        for (size_t k = 0; !pipe && k < l->n_listener_filters; k++)
            if (sp_doc_any_as(a->doc, l->listener_filters[k]->typed_config, PROXY_DESC) && !gated_at_accept(a, l, k, true))
                sp_audit_found(a, l, "listener_filters", (int)k, "whoever can connect may name any PEER");
    }
}

static void no_gate(struct sp_audit *a, const Listener *l, const Chain *c)
{
    const Hcm *hcm = hcm_of(a, c);
    if (gated_at_accept(a, l, l->n_listener_filters, false) || asks_for_certificate(tls_of(a, c)) || gated_by_filter(a, hcm, false))
        return;
    sp_audit_found(a, hcm ? (const void *)hcm : c, NULL, -1, "no gate: everybody who finds this address gets to the routes");
}

static void check_gates(struct sp_audit *a)
{
    each_chain(a, no_gate);
}

static void on_trial(void *arg, const ProtobufCMessage *msg)
{
    const struct sp_filter_ops *ops = ops_of(msg);
    bool gate = msg->descriptor == GATE_DESC || (ops && ops->gate);
    if (gate && !enforces(msg))
        sp_audit_found(arg, msg, NULL, -1, "this gate is on trial: it lets pass whom it should refuse");
}

static void check_trials(struct sp_audit *a)
{
    sp_doc_each(a->doc, on_trial, a);
}

static void staged_trial(void *arg, const ProtobufCMessage *msg)
{
    if (msg->descriptor == STAGED_DESC && !enforces(msg))
        sp_audit_found(arg, msg, NULL, -1, "this filter is on trial: it lets pass what it should refuse");
}

static void check_staged(struct sp_audit *a)
{
    sp_doc_each(a->doc, staged_trial, a);
}

/* Public keys are no secret; shared ones are. */
static bool is_public(const char *field, const DataSource *source)
{
    return strcmp(field, "local_jwks") == 0 && source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING &&
           !strstr(source->inline_string, "oct");
}

static void inline_secret(void *arg, const ProtobufCMessage *msg)
{
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
        DataSource *const *source = field_of(msg, f->name, PROTOBUF_C_TYPE_MESSAGE);
        if (!source || f->descriptor != &envoy__config__core__v3__data_source__descriptor || !sp_pb_is_secret(msg->descriptor, f))
            continue;
        if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *(const uint32_t *)((const char *)msg + f->quantifier_offset) != f->id)
            continue; /* another member of a oneof */
        bool written = *source && ((*source)->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING ||
                                   (*source)->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES);
        if (written && !is_public(f->name, *source))
            sp_audit_found(arg, msg, f->name, -1, "a secret stands in the config itself");
    }
}

static void check_secrets(struct sp_audit *a)
{
    sp_doc_each(a->doc, inline_secret, a);
}

static void extension_trust(struct sp_audit *a, const Hcm *hcm)
{
    for (size_t i = 0; i < hcm->n_original_ip_detection_extensions; i++) {
        const Xff *xff = sp_doc_any_as(a->doc, hcm->original_ip_detection_extensions[i]->typed_config, XFF_DESC);
        if (!xff)
            sp_audit_found(a, hcm, "original_ip_detection_extensions", (int)i, "whoever sends this header says who the client is");
        else if (!xff->xff_trusted_cidrs)
            sp_audit_found(a, hcm, "original_ip_detection_extensions", (int)i,
                           "whoever sends x-forwarded-for says who the client is");
    }
}

static void client_trust(struct sp_audit *a, const Listener *l, const Chain *c)
{
    const Hcm *hcm = hcm_of(a, c);
    if (!hcm || gated_by_filter(a, hcm, true) || gated_at_accept(a, l, l->n_listener_filters, true) ||
        asks_for_certificate(tls_of(a, c)))
        return;
    bool edge = hcm->use_remote_address && hcm->use_remote_address->value;
    if (hcm->xff_num_trusted_hops)
        sp_audit_found(a, hcm, "xff_num_trusted_hops", -1, "whoever sends x-forwarded-for says who the client is");
    else if (!edge && !hcm->n_original_ip_detection_extensions)
        sp_audit_found(a, hcm, "use_remote_address", -1,
                       "not set: the client's own x-forwarded-for and x-forwarded-proto are believed");
    extension_trust(a, hcm);
}

static void check_client_trust(struct sp_audit *a)
{
    each_chain(a, client_trust);
}

static void check_admin(struct sp_audit *a)
{
    if (a->bootstrap->admin && !is_loopback(a->bootstrap->admin->address))
        sp_audit_found(a, a->bootstrap->admin, "address", -1, "the admin page has no login and can be reached from outside");
}

static void plaintext(struct sp_audit *a, const Listener *l, const Chain *c)
{
    if (!is_loopback(l->address) && !tls_of(a, c))
        sp_audit_found(a, c, NULL, -1, "no TLS on an address that can be reached from outside: secrets and tokens travel in the clear");
}

static void check_plaintext(struct sp_audit *a)
{
    each_chain(a, plaintext);
}

static const struct sp_audit_check checks[] = {
    {"proxy-protocol-open", SP_AUDIT_HIGH, "list an ip_restriction that allows the load balancers before proxy_protocol",
     check_proxy_protocol},
    {"no-gate", SP_AUDIT_HIGH,
     "put an origin_shield or ip_restriction first in http_filters, an ip_restriction in listener_filters, or require client "
     "certificates", check_gates},
    {"gate-on-trial", SP_AUDIT_LOW, "once its shadow counters are what you expect: enforcement ENFORCE, enforced_percent 100",
     check_trials},
    {"filter-on-trial", SP_AUDIT_LOW, "once its shadow counter is what you expect: enforcement ENFORCE, enforced_percent 100",
     check_staged},
    {"inline-secret", SP_AUDIT_MEDIUM, "name a file, which is read again when it changes, or an environment variable", check_secrets},
    {"client-trust", SP_AUDIT_MEDIUM,
     "prove the peer first with an origin_shield, or set use_remote_address: true, or trust proxies by xff_trusted_cidrs",
     check_client_trust},
    {"admin-exposed", SP_AUDIT_HIGH, "bind it to 127.0.0.1, ::1 or a unix socket", check_admin},
    {"plaintext", SP_AUDIT_MEDIUM, "give the filter chain a DownstreamTlsContext, or bind the listener to loopback", check_plaintext},
};

const struct sp_audit_check *sp_audit_checks(size_t *ret_n)
{
    assert(ret_n);
    *ret_n = SP_ARRAY_LEN(checks);
    return checks;
}
