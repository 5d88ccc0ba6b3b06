/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_proof.h"

#include <assert.h>

#include "crypto/ct.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"

static const struct sp_str names[] = {
    [SP_PROOF_SECRET_HEADER] = SP_STR_INIT("secret_header"),
    [SP_PROOF_PEER_ADDRESS] = SP_STR_INIT("peer_address"),
    [SP_PROOF_CLIENT_CERTIFICATE] = SP_STR_INIT("client_certificate"),
    [SP_PROOF_HEADER_VALUE] = SP_STR_INIT("header_value"),
};

struct sp_str sp_proof_name(enum sp_proof_kind leaf)
{
    assert(leaf < SP_PROOF_N_LEAVES);
    return names[leaf];
}

static const struct sp_header *find(const struct sp_proof_header *header, const struct sp_headers *h,
                                    const struct sp_header *after)
{
    return header->id == SP_H_OTHER ? sp_headers_find(h, header->name, after)
                                    : sp_headers_find_id(h, header->id, after);
}

struct sp_str sp_proof_header_value(const struct sp_proof_header *header, const struct sp_headers *h)
{
    const struct sp_header *first = find(header, h, NULL);
    if (!first || find(header, h, first))
        return SP_STR_NULL;
    /* A line without a value is there, but its slice may be NULL. */
    return first->value.ptr ? first->value : SP_STR("");
}

static bool check_secret(const struct sp_proof *p, const struct sp_headers *h)
{
    struct sp_str value = sp_proof_header_value(&p->secret.header, h);
    bool holds = false;
    for (unsigned i = 0; i < p->secret.n; i++) {
        bool hit = sp_ct_eq(value, p->secret.v[i].value);
        if (hit)
            sp_counter_inc(p->secret.v[i].hit);
        holds |= hit;
    }
    return holds;
}

static bool check_value(const struct sp_proof *p, const struct sp_headers *h)
{
    struct sp_str value = sp_proof_header_value(&p->value.header, h);
    bool holds = false;
    for (unsigned i = 0; i < p->value.n; i++)
        holds |= sp_ct_eq(value, p->value.v[i]);
    return holds;
}

static const struct sp_str *sans_of(const struct sp_tls_info *tls, int type, unsigned *ret_n)
{
    switch (type) {
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__EMAIL:
        *ret_n = tls->n_peer_email;
        return tls->peer_email;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__DNS:
        *ret_n = tls->n_peer_dns;
        return tls->peer_dns;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__URI:
        *ret_n = tls->n_peer_uri;
        return tls->peer_uri;
    case ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SUBJECT_ALT_NAME_MATCHER__SAN_TYPE__IP_ADDRESS:
        *ret_n = tls->n_peer_ip;
        return tls->peer_ip;
    default:
        *ret_n = 0;
        return NULL;
    }
}

static bool any_san(const struct sp_proof *p, const struct sp_tls_info *tls)
{
    for (unsigned i = 0; i < p->cert.n_sans; i++) {
        unsigned n;
        const struct sp_str *v = sans_of(tls, p->cert.sans[i].type, &n);
        for (unsigned j = 0; j < n; j++)
            if (sp_string_match(p->cert.sans[i].matcher, v[j]))
                return true;
    }
    return p->cert.n_sans == 0;
}

static bool any_pin(const struct sp_str *pins, unsigned n, struct sp_str of_peer)
{
    bool found = n == 0;
    for (unsigned i = 0; i < n; i++)
        found |= sp_str_eq(pins[i], of_peer);
    return found;
}

static bool any_issuer(const struct sp_proof *p, struct sp_str issuer)
{
    for (unsigned i = 0; i < p->cert.n_issuers; i++)
        if (sp_string_match(p->cert.issuers[i], issuer))
            return true;
    return p->cert.n_issuers == 0;
}

static bool check_cert(const struct sp_proof *p, const struct sp_conn_info *conn)
{
    const struct sp_tls_info *tls = conn->tls;
    return conn->tls_used && tls->peer_presented && tls->peer_verified && any_san(p, tls) &&
           any_pin(p->cert.spki, p->cert.n_spki, tls->peer_spki_sha256) &&
           any_pin(p->cert.sha256, p->cert.n_sha256, tls->peer_sha256) && any_issuer(p, tls->peer_issuer);
}

static bool check_leaf(const struct sp_proof *p, const struct sp_headers *h, const struct sp_conn_info *conn)
{
    switch (p->kind) {
    case SP_PROOF_SECRET_HEADER:
        return check_secret(p, h);
    case SP_PROOF_PEER_ADDRESS:
        return sp_address_set_find(p->peers, &conn->socket, NULL, NULL);
    case SP_PROOF_CLIENT_CERTIFICATE:
        return check_cert(p, conn);
    case SP_PROOF_HEADER_VALUE:
        return check_value(p, h);
    default:
        return false;
    }
}

/* Blames the first that fails of all, and every one of any. */
static bool check_set(const struct sp_proof *p, const struct sp_headers *h, const struct sp_conn_info *conn,
                      unsigned *ret_failed)
{
    bool all = true, any = false;
    unsigned first = 0, every = 0;
    for (unsigned i = 0; i < p->set.n; i++) {
        unsigned failed;
        bool holds = sp_proof_check(&p->set.v[i], h, conn, &failed);
        if (all)
            first = failed;
        every |= failed;
        all &= holds;
        any |= holds;
    }
    bool holds = p->set.n && (p->kind == SP_PROOF_ALL_OF ? all : any);
    *ret_failed = holds ? 0 : p->kind == SP_PROOF_ALL_OF ? first : every;
    return holds;
}

bool sp_proof_check(const struct sp_proof *p, const struct sp_headers *h, const struct sp_conn_info *conn,
                    unsigned *ret_failed)
{
    assert(p && h && conn && ret_failed);
    if (p->kind >= SP_PROOF_N_LEAVES)
        return check_set(p, h, conn, ret_failed);
    bool holds = check_leaf(p, h, conn);
    *ret_failed = holds ? 0 : 1u << p->kind;
    return holds;
}

/* What a proof is bound to in every way in which it can hold; who names the customer names his profile as well. */
enum { NAMES_PROFILE = 1, NAMES_CUSTOMER = 2 | NAMES_PROFILE, BOUND_TO_ADDRESS = 4 };

static unsigned strength(const struct sp_proof *p)
{
    unsigned all = 0, common = ~0u;
    switch (p->kind) {
    case SP_PROOF_SECRET_HEADER:
        return NAMES_CUSTOMER;
    case SP_PROOF_PEER_ADDRESS:
        return BOUND_TO_ADDRESS;
    case SP_PROOF_CLIENT_CERTIFICATE:
        /* Issuers alone: any certificate of a CA that may serve every tenant. */
        return p->cert.n_sans || p->cert.n_spki || p->cert.n_sha256 ? NAMES_CUSTOMER : 0;
    case SP_PROOF_HEADER_VALUE:
        return sp_str_eq(p->value.header.name, SP_STR("x-azure-fdid")) ? NAMES_PROFILE : 0;
    case SP_PROOF_ALL_OF:
    case SP_PROOF_ANY_OF:
        break;
    }
    for (unsigned i = 0; i < p->set.n; i++) {
        unsigned s = strength(&p->set.v[i]);
        all |= s;
        common &= s;
    }
    if (p->kind == SP_PROOF_ANY_OF)
        return p->set.n ? common : 0;
    /* Front Door sets the id itself, but whoever is not Front Door may write what he likes. */
    if ((all & NAMES_PROFILE) && (all & BOUND_TO_ADDRESS))
        all |= NAMES_CUSTOMER;
    return all;
}

bool sp_proof_names_customer(const struct sp_proof *p)
{
    assert(p);
    return (strength(p) & NAMES_CUSTOMER) == NAMES_CUSTOMER;
}

void sp_proof_done(struct sp_proof *p)
{
    switch (p->kind) {
    case SP_PROOF_ALL_OF:
    case SP_PROOF_ANY_OF:
        for (unsigned i = 0; i < p->set.n; i++)
            sp_proof_done(&p->set.v[i]);
        break;
    case SP_PROOF_PEER_ADDRESS:
        sp_address_set_free(p->peers);
        break;
    case SP_PROOF_CLIENT_CERTIFICATE:
        for (unsigned i = 0; i < p->cert.n_sans; i++)
            sp_string_matcher_free(p->cert.sans[i].matcher);
        for (unsigned i = 0; i < p->cert.n_issuers; i++)
            sp_string_matcher_free(p->cert.issuers[i]);
        break;
    default:
        break;
    }
    *p = (struct sp_proof){0};
}
