/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets in, and whose word is taken for what. */
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb-c.h"
#include "sallyport/filters/http/admin_pages/v1/admin_pages.pb-c.h"
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"
#include "sallyport/filters/http/staged/v1/staged.pb-c.h"
#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "tools/audit_look.h"

typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Shield;
typedef Sallyport__Filters__Http__OriginShield__V1__Proof Proof;
typedef Sallyport__Filters__Http__OriginShield__V1__ProofSet ProofSet;
typedef Sallyport__Filters__Http__IpRestriction__V1__IpRestriction HttpGate;
typedef Sallyport__Filters__Http__AdminPages__V1__AdminPages Pages;
typedef Envoy__Extensions__Http__OriginalIpDetection__Xff__V3__XffConfig Xff;

#define LISTENER_GATE_DESC &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor
#define PAGES_DESC &sallyport__filters__http__admin_pages__v1__admin_pages__descriptor
#define HTTP_GATE_DESC &sallyport__filters__http__ip_restriction__v1__ip_restriction__descriptor
#define PROXY_DESC &envoy__extensions__filters__listener__proxy_protocol__v3__proxy_protocol__descriptor
#define STAGED_DESC &sallyport__filters__http__staged__v1__staged__descriptor
#define SHIELD_DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor
#define XFF_DESC &envoy__extensions__http__original_ip_detection__xff__v3__xff_config__descriptor
#define PROOF(name) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_##name
#define FORWARD_ALWAYS \
    ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_CONNECTION_MANAGER__FORWARD_CLIENT_CERT_DETAILS__ALWAYS_FORWARD_ONLY

/* ---- what a proof is worth ---- */

enum worth { ADDRESS = 1, IDENTIFIER = 2, SECRET = 4 };

static unsigned worth_of(const Proof *p);

static unsigned worth_of_set(const ProofSet *set, bool any)
{
    unsigned all = any ? ~0u : 0;
    for (size_t i = 0; i < set->n_proofs; i++)
        all = any ? all & worth_of(set->proofs[i]) : all | worth_of(set->proofs[i]);
    return all;
}

static unsigned worth_of(const Proof *p)
{
    switch (p->proof_case) {
    case PROOF(ALL_OF):
        return worth_of_set(p->all_of, false);
    case PROOF(ANY_OF):
        return worth_of_set(p->any_of, true);
    case PROOF(PEER_ADDRESS):
        return ADDRESS;
    case PROOF(HEADER_VALUE):
        return IDENTIFIER;
    default: /* presets are refused unless they name the customer */
        return SECRET;
    }
}

static unsigned worth_of_gates(const struct sp_audit *a, const struct sp_look_chain *c)
{
    const Shield *s = sp_look_shield(a, c->hcm);
    unsigned worth = s && s->proof ? worth_of(s->proof) : 0;
    if (sp_look_needs_certificate(c->tls))
        worth |= SECRET;
    if (sp_look_gated_at_accept(a, c->listener, c->listener->n_listener_filters, true))
        worth |= ADDRESS;
    size_t i = 0;
    for (const HttpGate *g; (g = sp_look_filter_as(a, c->hcm, &i, HTTP_GATE_DESC));)
        if (g->n_allow || g->n_allow_lists)
            worth |= ADDRESS;
    return worth;
}

static bool has_gate(const struct sp_audit *a, const struct sp_look_chain *c)
{
    if (sp_look_gated_at_accept(a, c->listener, c->listener->n_listener_filters, false) || sp_look_needs_certificate(c->tls))
        return true;
    for (size_t i = 0; c->hcm && i < c->hcm->n_http_filters; i++) {
        const struct sp_filter_ops *ops = sp_look_ops(sp_look_filter(a, c->hcm, i));
        if (ops && ops->gate && !ops->certifies)
            return true;
    }
    return false;
}

static const void *place_of(const struct sp_look_chain *c)
{
    return c->hcm ? (const void *)c->hcm : c->chain;
}

static void no_gate(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->outside && !has_gate(a, c))
        sp_audit_found(a, place_of(c), NULL, -1, "everybody who finds this address gets to the routes");
}

static void no_proof(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->outside && has_gate(a, c) && !worth_of_gates(a, c))
        sp_audit_found(a, place_of(c), NULL, -1, "whoever is not on a list of those who may not gets to the routes");
}

static void by_address(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->outside && worth_of_gates(a, c) == ADDRESS)
        sp_audit_found(a, place_of(c), NULL, -1, "an address is all that is proven: every customer of a CDN comes from the same ones");
}

static void by_identifier(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->outside && worth_of_gates(a, c) == IDENTIFIER)
        sp_audit_found(a, place_of(c), NULL, -1, "an identifier is all that is proven, and whoever has seen it can send it");
}

static void unrequired(struct sp_audit *a, const struct sp_look_chain *c)
{
    const sp_look_validation *v = sp_look_client_validation(c->tls);
    if (v && v->trusted_ca && !sp_look_needs_certificate(c->tls) && !sp_look_shield(a, c->hcm))
        sp_audit_found(a, c->tls, "require_client_certificate", -1, "clients may come without the certificate that trusted_ca is for");
}

static void any_name(struct sp_audit *a, const struct sp_look_chain *c)
{
    const sp_look_validation *v = sp_look_client_validation(c->tls);
    const Shield *s = sp_look_shield(a, c->hcm);
    if (!c->outside || !v || !sp_look_needs_certificate(c->tls) || (s && s->proof && (worth_of(s->proof) & SECRET)))
        return;
    if (!v->n_match_typed_subject_alt_names && !v->n_match_subject_alt_names && !v->n_verify_certificate_spki && !v->n_verify_certificate_hash)
        sp_audit_found(a, v, NULL, -1, "any certificate of this CA opens the door; a CDN's own is shown for all of its customers");
}

/* ---- trials, ways round ---- */

static void on_trial(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const struct sp_filter_ops *ops = sp_look_ops(msg);
    bool gate = msg->descriptor == LISTENER_GATE_DESC || (ops && ops->gate);
    if (gate && !sp_look_enforces(msg))
        sp_audit_found(a, msg, NULL, -1, "this gate is on trial: it lets pass whom it should refuse");
}

static void staged_trial(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == STAGED_DESC && !sp_look_enforces(msg))
        sp_audit_found(a, msg, NULL, -1, "this filter is on trial: it lets pass what it should refuse");
}

static void exemptions(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const Shield *s = (const Shield *)msg;
    for (size_t i = 0; msg->descriptor == SHIELD_DESC && i < s->n_exemptions; i++)
        if (s->exemptions[i]->forward)
            sp_audit_found(a, s, "exemptions", (int)i, "whoever comes from these addresses reaches the origin without a proof");
}

static void kept_secret(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == &sallyport__filters__http__origin_shield__v1__secret_header__descriptor &&
        ((const Sallyport__Filters__Http__OriginShield__V1__SecretHeader *)msg)->keep)
        sp_audit_found(a, msg, "keep", -1, "the secret that opens this door goes on to the origin, and into its logs");
}

/* ---- whose word is taken ---- */

static void proxy_protocol(struct sp_audit *a, const sp_look_listener *l)
{
    bool pipe = l->address && l->address->address_case == ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE;
    for (size_t k = 0; !pipe && k < l->n_listener_filters; k++)
        if (sp_doc_any_as(a->doc, l->listener_filters[k]->typed_config, PROXY_DESC) && !sp_look_gated_at_accept(a, l, k, true))
            sp_audit_found(a, l, "listener_filters", (int)k, "whoever can connect may name any PEER");
}

static void extension_trust(struct sp_audit *a, const sp_look_hcm *hcm)
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

static void client_trust(struct sp_audit *a, const struct sp_look_chain *c)
{
    const sp_look_hcm *hcm = c->hcm;
    if (!hcm || sp_look_knows_peer(a, c))
        return;
    if (hcm->xff_num_trusted_hops)
        sp_audit_found(a, hcm, "xff_num_trusted_hops", -1, "whoever sends x-forwarded-for says who the client is");
    else if (!sp_look_true(hcm->use_remote_address) && !hcm->n_original_ip_detection_extensions)
        sp_audit_found(a, hcm, "use_remote_address", -1,
                       "not set: the client's own x-forwarded-for and x-forwarded-proto are believed");
    extension_trust(a, hcm);
}

static void forwarded_certificate(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->hcm && c->hcm->forward_client_cert_details == FORWARD_ALWAYS && !sp_look_knows_peer(a, c))
        sp_audit_found(a, c->hcm, "forward_client_cert_details", -1, "whoever sends x-forwarded-client-cert says which certificate he has");
}

static void check_admin(struct sp_audit *a)
{
    const Envoy__Config__Bootstrap__V3__Admin *m = a->bootstrap->admin;
    if (m && sp_look_is_outside(m->address) && !m->n_allow_paths)
        sp_audit_found(a, m, "address", -1, "the admin page has no login and can be reached from outside");
}

static void check_admin_paths(struct sp_audit *a)
{
    const Envoy__Config__Bootstrap__V3__Admin *m = a->bootstrap->admin;
    if (m && sp_look_is_outside(m->address) && m->n_allow_paths)
        sp_audit_found(a, m, "allow_paths", -1, "these pages have no login and can be reached from outside");
}

/* Whether something in front of http_filters[i] asks who comes. */
static bool asks_before(const struct sp_audit *a, const sp_look_hcm *hcm, size_t i)
{
    static const char *const askers[] = {"ip_restriction", "jwt_authn", "basic_auth", "api_key_auth", "token_introspection", "ext_authz", "rbac"};
    for (size_t k = 0; k < i; k++) {
        const struct sp_filter_ops *ops = sp_look_ops(sp_look_filter(a, hcm, k));
        for (size_t n = 0; ops && n < SP_ARRAY_LEN(askers); n++)
            if (strcmp(ops->name, askers[n]) == 0)
                return true;
    }
    return false;
}

static void admin_pages(struct sp_audit *a, const struct sp_look_chain *c)
{
    size_t i = 0;
    const Pages *p = c->hcm ? sp_look_filter_as(a, c->hcm, &i, PAGES_DESC) : NULL;
    if (!p || !c->outside || sp_look_needs_certificate(c->tls) || sp_look_gated_at_accept(a, c->listener, c->listener->n_listener_filters, true) ||
        asks_before(a, c->hcm, i - 1))
        return;
    sp_audit_found(a, p, NULL, -1, p->allow_changes ? "whoever finds this address can read these pages and change what runs"
                                                    : "whoever finds this address can read these pages");
}

static void plaintext(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (c->outside && !c->tls)
        sp_audit_found(a, c->chain, NULL, -1,
                       "no TLS on an address that can be reached from outside: secrets and tokens travel in the clear");
}

static const struct sp_audit_check checks[] = {
    {"admin-exposed", SP_AUDIT_CRITICAL, "the admin page can be reached from other machines",
     "bind it to 127.0.0.1, ::1 or a unix socket", SP_CONTROL_ADMIN, .whole = check_admin},
    {"admin-partly-exposed", SP_AUDIT_MEDIUM, "pages of the admin page can be reached from other machines",
     "bind it to 127.0.0.1, ::1 or a unix socket, or let allow_paths name no more than /ready and /stats", SP_CONTROL_ADMIN,
     .whole = check_admin_paths},
    {"admin-pages-exposed", SP_AUDIT_HIGH, "pages of the admin page on a listener that asks nobody who he is",
     "require client certificates, or put an ip_restriction that allows the scrapers before admin_pages", SP_CONTROL_ADMIN, .chain = admin_pages},
    {"no-gate", SP_AUDIT_CRITICAL, "a listener that anybody can use",
     "put an origin_shield or ip_restriction first in http_filters, an ip_restriction in listener_filters, or require client "
     "certificates", SP_CONTROL_BYPASS, .chain = no_gate},
    {"no-proof", SP_AUDIT_HIGH, "nothing proves that requests come through the CDN",
     "put an origin_shield first in http_filters: a secret that your CDN adds, or the certificate that it shows for you alone",
     SP_CONTROL_BYPASS, .chain = no_proof},
    {"proof-by-address", SP_AUDIT_MEDIUM, "addresses alone prove some customer of the CDN",
     "pair them with what is yours alone: an origin_shield with a secret header, your own client certificate or a signature",
     SP_CONTROL_TENANT, .chain = by_address},
    {"proof-by-identifier", SP_AUDIT_MEDIUM, "a header value that is no secret proves nothing alone",
     "pair it with the CDN's addresses (all_of with peer_address), or use a preset", SP_CONTROL_TENANT, .chain = by_identifier},
    {"client-certificate-optional", SP_AUDIT_HIGH, "client certificates are verified, but nobody has to show one",
     "set require_client_certificate: true", SP_CONTROL_CERTIFICATE, .chain = unrequired},
    {"client-certificate-any-name", SP_AUDIT_MEDIUM, "any certificate of a CA opens the door",
     "set match_typed_subject_alt_names or a pin, or prove it with an origin_shield (client_certificate)",
     SP_CONTROL_CERTIFICATE, .chain = any_name},
    {"gate-on-trial", SP_AUDIT_LOW, "a gate that does not refuse everybody yet",
     "once its shadow counters are what you expect: enforcement ENFORCE, enforced_percent 100", SP_CONTROL_TRIAL, .message = on_trial},
    {"filter-on-trial", SP_AUDIT_LOW, "a filter that does not refuse everything yet",
     "once its shadow counter is what you expect: enforcement ENFORCE, enforced_percent 100", SP_CONTROL_TRIAL, .message = staged_trial},
    {"exemption-forwards", SP_AUDIT_LOW, "a probe's exemption that reaches the origin",
     "let the door answer probes itself: forward: false", SP_CONTROL_BYPASS, .message = exemptions},
    {"secret-kept", SP_AUDIT_LOW, "the door's secret is sent on to the origin", "leave keep out: the header is then removed",
     SP_CONTROL_SECRETS, .message = kept_secret},
    {"proxy-protocol-open", SP_AUDIT_HIGH, "PROXY headers of anybody are believed",
     "list an ip_restriction that allows the load balancers before proxy_protocol", SP_CONTROL_PROXY, .listener = proxy_protocol},
    {"client-trust", SP_AUDIT_MEDIUM, "clients say themselves who they are",
     "prove the peer first with an origin_shield, or set use_remote_address: true, or trust proxies by xff_trusted_cidrs",
     SP_CONTROL_CLIENT, .chain = client_trust},
    {"certificate-header-trust", SP_AUDIT_MEDIUM, "clients say themselves which certificate they have",
     "set forward_client_cert_details to SANITIZE or SANITIZE_SET, or prove the peer first", SP_CONTROL_IDENTITY,
     .chain = forwarded_certificate},
    {"plaintext", SP_AUDIT_MEDIUM, "a listener without TLS",
     "give the filter chain a DownstreamTlsContext, or bind the listener to loopback", SP_CONTROL_OWN_TLS, .chain = plaintext},
};

const struct sp_audit_area sp_audit_trust = {"Who gets in", checks, SP_ARRAY_LEN(checks)};
