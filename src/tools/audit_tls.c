/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS on both sides: versions and names are refused where they are too old; here is what may be written and is weak. */
#include "tools/audit_look.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsParameters Params;

#define PARAMS_DESC &envoy__extensions__transport_sockets__tls__v3__tls_parameters__descriptor
#define VALIDATION_DESC &envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__descriptor

/* CBC with HMAC: padding oracles were found in it again and again. Those with AEAD are named by it. */
static bool is_cbc(struct sp_str name)
{
    return (sp_str_find(name, SP_STR("-SHA")) >= 0 || sp_str_find(name, SP_STR("_SHA")) >= 0) && sp_str_find(name, SP_STR("GCM")) < 0 &&
           sp_str_find(name, SP_STR("CHACHA20")) < 0;
}

static void weak_cipher(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const Params *p = (const Params *)msg;
    if (msg->descriptor != PARAMS_DESC)
        return;
    for (size_t i = 0; i < p->n_cipher_suites; i++) {
        struct sp_str rest = sp_str_c(p->cipher_suites[i]), one;
        while (sp_str_split(&rest, '|', &one))
            if (is_cbc(one))
                sp_audit_found(a, p, "cipher_suites", (int)i, "%.*s is CBC with HMAC, which leaks through its padding", SP_STR_ARG(one));
    }
}

static void expired_allowed(struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor == VALIDATION_DESC && ((const sp_look_validation *)msg)->allow_expired_certificate)
        sp_audit_found(a, msg, "allow_expired_certificate", -1, "a certificate that was lost years ago still opens");
}

static void untrusted(struct sp_audit *a, const ProtobufCMessage *msg)
{
    const sp_look_validation *v = (const sp_look_validation *)msg;
    if (msg->descriptor == VALIDATION_DESC && v->trust_chain_verification && !v->n_verify_certificate_spki && !v->n_verify_certificate_hash)
        sp_audit_found(a, msg, "trust_chain_verification", -1, "certificates that anybody can make himself are taken");
}

static void no_revocation(struct sp_audit *a, const struct sp_look_chain *c)
{
    const sp_look_validation *v = sp_look_client_validation(c->tls);
    if (v && v->trusted_ca && !v->crl && !v->custom_validator_config)
        sp_audit_found(a, v, NULL, -1, "a client certificate that was stolen is good until it expires");
}

static void early_data(struct sp_audit *a, const struct sp_look_chain *c)
{
    if (sp_look_early_data(a->doc, c->tls))
        sp_audit_found(a, c->tls->common_tls_context, "custom_handshaker", -1,
                       "what comes with the ClientHello is handed on before the handshake is done: an origin may be told so, and not look");
}

static const struct sp_audit_check checks[] = {
    {"weak-cipher", SP_AUDIT_MEDIUM, "cipher suites with CBC", "leave cipher_suites out: then it is AEAD with ECDHE",
     SP_CONTROL_OWN_TLS, .message = weak_cipher},
    {"expired-certificates-taken", SP_AUDIT_HIGH, "the dates of certificates are not looked at", "take allow_expired_certificate out",
     SP_CONTROL_CERTIFICATE, .message = expired_allowed},
    {"untrusted-certificates-taken", SP_AUDIT_HIGH, "certificates of unknown issuers are taken",
     "take trust_chain_verification out, or pin keys (verify_certificate_spki)", SP_CONTROL_CERTIFICATE, .message = untrusted},
    {"no-revocation", SP_AUDIT_INFO, "client certificates cannot be revoked",
     "set crl, or custom_validator_config with sallyport.tls.v1.Revocation (OCSP)", SP_CONTROL_REVOKED, .chain = no_revocation},
    {"early-data", SP_AUDIT_INFO, "requests come before the handshake is done (0-RTT)",
     "have origins answer 425 to what must not be done twice, or take custom_handshaker out", SP_CONTROL_EARLY_DATA, .chain = early_data},
};

const struct sp_audit_area sp_audit_tls = {"TLS", checks, SP_ARRAY_LEN(checks)};
