/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_proof.h"

#include <assert.h>

#include "crypto/ct.h"
#include "http/xff.h"
#include "stream/caller.h"

static const struct sp_str names[] = {
    [SP_PROOF_SECRET_HEADER] = SP_STR_INIT("secret_header"),
    [SP_PROOF_PEER_ADDRESS] = SP_STR_INIT("peer_address"),
    [SP_PROOF_CLIENT_CERTIFICATE] = SP_STR_INIT("client_certificate"),
    [SP_PROOF_HEADER_VALUE] = SP_STR_INIT("header_value"),
    [SP_PROOF_AKAMAI_G2O] = SP_STR_INIT("akamai_g2o"),
    [SP_PROOF_SIGNED_TOKEN] = SP_STR_INIT("signed_token"),
    [SP_FAULT_G2O_TIME] = SP_STR_INIT("akamai_g2o_time"),
    [SP_FAULT_G2O_REPLAY] = SP_STR_INIT("akamai_g2o_replay"),
    [SP_FAULT_G2O_FULL] = SP_STR_INIT("akamai_g2o_full"),
    [SP_FAULT_TOKEN_TIME] = SP_STR_INIT("signed_token_time"),
};

const struct sp_proof_header sp_proof_g2o_headers[2] = {
    {SP_STR_INIT("x-akamai-g2o-auth-data"), SP_H_OTHER},
    {SP_STR_INIT("x-akamai-g2o-auth-sign"), SP_H_OTHER},
};

struct sp_str sp_proof_faults(unsigned mask, struct sp_arena *arena)
{
    assert(mask < 1u << SP_PROOF_N_FAULTS && arena);
    struct sp_str text = SP_STR("");
    for (unsigned i = 0; i < SP_PROOF_N_FAULTS; i++)
        if (mask & 1u << i)
            text = text.len ? sp_arena_printf(arena, "%.*s,%.*s", SP_STR_ARG(text), SP_STR_ARG(names[i])) : names[i];
    return text;
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

static bool check_secret(const struct sp_proof *p, const struct sp_proof_request *r)
{
    struct sp_str value = sp_proof_header_value(&p->secret.header, r->h);
    bool holds = false;
    for (unsigned i = 0; i < p->secret.n; i++) {
        bool hit = sp_ct_eq(value, sp_named_secret_get(&p->secret.v[i]));
        if (hit)
            sp_named_secret_hit(&p->secret.v[i], r->now);
        if (hit && r->held)
            r->held->secret = &p->secret.v[i];
        holds |= hit;
    }
    return holds;
}

/* SOCKET, or what a load balancer of ours saw as its own. */
static bool check_peer(const struct sp_proof *p, const struct sp_proof_request *r)
{
    static const struct sp_proof_header xff = {SP_STR_INIT("x-forwarded-for"), SP_H_X_FORWARDED_FOR};
    const struct sp_addr *socket = &r->info->conn->socket;
    struct sp_addr seen;
    if (!p->peer.via)
        return sp_address_set_find(p->peer.set, socket, NULL, NULL);
    struct sp_str entry = sp_xff_from_right(sp_proof_header_value(&xff, r->h), p->peer.hops - 1);
    return sp_address_set_find(p->peer.via, socket, NULL, NULL) && entry.len && sp_addr_parse(entry, &seen) == 0 &&
           sp_address_set_find(p->peer.set, &seen, NULL, NULL);
}

static bool check_value(const struct sp_proof *p, const struct sp_proof_request *r)
{
    struct sp_str value = sp_proof_header_value(&p->value.header, r->h);
    bool holds = false;
    for (unsigned i = 0; i < p->value.n; i++)
        holds |= sp_ct_eq(value, p->value.v[i]);
    return holds;
}

/* The names as the context's own matchers take them: a wildcard stands for one label. */
static bool any_san(const struct sp_proof *p, const struct sp_tls_info *tls)
{
    const struct sp_x509 names_only = {.dns = tls->peer_dns,
                                       .n_dns = tls->n_peer_dns,
                                       .uri = tls->peer_uri,
                                       .n_uri = tls->n_peer_uri,
                                       .email = tls->peer_email,
                                       .n_email = tls->n_peer_email,
                                       .ip = tls->peer_ip,
                                       .n_ip = tls->n_peer_ip,
                                       .other = tls->peer_other,
                                       .n_other = tls->n_peer_other};
    return !p->cert.sans || sp_tls_matchers_match(p->cert.sans, &names_only);
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

static unsigned check_g2o(const struct sp_proof *p, const struct sp_proof_request *r)
{
    struct sp_str data = sp_proof_header_value(&sp_proof_g2o_headers[0], r->h),
                  sign = sp_proof_header_value(&sp_proof_g2o_headers[1], r->h);
    switch (sp_shield_g2o_check(&p->g2o, data, sign, r->info->raw_path, r->now, r->arena)) {
    case SP_G2O_OK:
        return 0;
    case SP_G2O_TIME:
        return 1u << SP_FAULT_G2O_TIME;
    case SP_G2O_REPLAY:
        return 1u << SP_FAULT_G2O_REPLAY;
    case SP_G2O_FULL:
        return 1u << SP_FAULT_G2O_FULL;
    default:
        return 1u << SP_PROOF_AKAMAI_G2O;
    }
}

static unsigned check_token(const struct sp_proof *p, struct sp_proof_request *r)
{
    struct sp_str text = sp_proof_header_value(&p->token.header, r->h);
    enum sp_token_result result = sp_shield_token_check(&p->token.token, text, r->turn, r->worker, r->arena);
    if (result == SP_TOKEN_OK) {
        r->good_tokens |= 1u << p->token.index;
        return 0;
    }
    return 1u << (result == SP_TOKEN_TIME ? (unsigned)SP_FAULT_TOKEN_TIME : (unsigned)SP_PROOF_SIGNED_TOKEN);
}

/* Of a leaf that was left out, since all depends on another one that failed. */
#define NOT_ASKED (1u << 31)

/* The faults, 0 when it holds. */
static unsigned judge_leaf(const struct sp_proof *p, struct sp_proof_request *r)
{
    bool holds = false;
    switch (p->kind) {
    case SP_PROOF_SECRET_HEADER:
        holds = check_secret(p, r);
        break;
    case SP_PROOF_PEER_ADDRESS:
        holds = check_peer(p, r);
        break;
    case SP_PROOF_CLIENT_CERTIFICATE:
        holds = check_cert(p, r->info->conn);
        break;
    case SP_PROOF_HEADER_VALUE:
        holds = check_value(p, r);
        break;
    case SP_PROOF_AKAMAI_G2O:
        return r->hopeless ? NOT_ASKED : check_g2o(p, r);
    case SP_PROOF_SIGNED_TOKEN:
        return r->hopeless ? NOT_ASKED : check_token(p, r);
    default:
        break;
    }
    return holds ? 0 : 1u << p->kind;
}

static unsigned check_leaf(const struct sp_proof *p, struct sp_proof_request *r)
{
    unsigned faults = judge_leaf(p, r);
    if (!faults && r->held)
        r->held->leaf[p->kind] = p;
    return faults;
}

static unsigned check(const struct sp_proof *p, struct sp_proof_request *r);

/*
 * What the connection itself is decides first: a stranger gets no signature verified, and uses up nobody's. He knows his own
 * address and certificate, so that the time tells him nothing.
 */
static bool is_strangers(const struct sp_proof *p, struct sp_proof_request *r)
{
    for (unsigned i = 0; i < p->set.n; i++) {
        enum sp_proof_kind kind = p->set.v[i].kind;
        if ((kind == SP_PROOF_PEER_ADDRESS || kind == SP_PROOF_CLIENT_CERTIFICATE) && check_leaf(&p->set.v[i], r))
            return true;
    }
    return false;
}

/* Blames the first that fails of all, and every one of any. */
static unsigned check_set(const struct sp_proof *p, struct sp_proof_request *r)
{
    unsigned first = 0, every = 0;
    bool any = false, hopeless = r->hopeless;
    if (p->kind == SP_PROOF_ALL_OF && p->set.costly)
        r->hopeless |= is_strangers(p, r);
    for (unsigned i = 0; i < p->set.n; i++) {
        unsigned faults = check(&p->set.v[i], r);
        if (!first || first == NOT_ASKED)
            first = faults ? faults : first;
        every |= faults;
        any |= !faults;
    }
    r->hopeless = hopeless;
    assert(p->set.n > 0);
    return p->kind == SP_PROOF_ALL_OF ? first : any ? 0 : every;
}

static unsigned check(const struct sp_proof *p, struct sp_proof_request *r)
{
    return p->kind >= SP_PROOF_N_LEAVES ? check_set(p, r) : check_leaf(p, r);
}

bool sp_proof_check(const struct sp_proof *p, struct sp_proof_request *r)
{
    assert(p && r && r->h && r->info && r->arena && r->turn);
    r->good_tokens = 0;
    r->hopeless = false;
    unsigned faults = check(p, r);
    r->failed = faults & ~NOT_ASKED;
    return faults == 0;
}

static struct sp_str list_of(const struct sp_proof *p, const struct sp_addr *a)
{
    struct sp_str list = SP_STR("");
    if (!sp_address_set_find(p->peer.via ? p->peer.via : p->peer.set, a, NULL, &list))
        return SP_STR_NULL;
    return list.len ? list : SP_STR("ranges");
}

void sp_proof_caller(const struct sp_proof_held *held, const struct sp_stream_info *info, struct sp_caller *out)
{
    assert(held && info && out);
    const struct sp_proof *const *leaf = held->leaf;
    if (held->secret)
        sp_caller_say(out, SP_STR("secret"), held->secret->name);
    if (leaf[SP_PROOF_PEER_ADDRESS])
        sp_caller_say(out, SP_STR("network"), list_of(leaf[SP_PROOF_PEER_ADDRESS], &info->conn->socket));
    if (leaf[SP_PROOF_CLIENT_CERTIFICATE])
        sp_caller_say(out, SP_STR("peer_certificate"), info->conn->tls->peer_subject);
    if (leaf[SP_PROOF_HEADER_VALUE])
        sp_caller_say(out, SP_STR("header"), leaf[SP_PROOF_HEADER_VALUE]->value.header.name);
    if (leaf[SP_PROOF_AKAMAI_G2O])
        sp_caller_say(out, SP_STR("signature"), names[SP_PROOF_AKAMAI_G2O]);
    if (leaf[SP_PROOF_SIGNED_TOKEN])
        sp_caller_say(out, SP_STR("signed_token"), leaf[SP_PROOF_SIGNED_TOKEN]->token.header.name);
}

/*
 * What a proof is bound to in every way in which it can hold; who names the customer names his profile as well.  OF_CDN: only
 * the customer's CDN can show it, so that what else it says is the CDN's word.
 */
enum { NAMES_PROFILE = 1, NAMES_CUSTOMER = 2 | NAMES_PROFILE, BOUND_TO_ADDRESS = 4, OF_CDN = 8 | NAMES_CUSTOMER };

typedef Sallyport__Filters__Http__OriginShield__V1__Cdn Cdn;
#define CDN(x) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CDN__##x

static unsigned strength(const struct sp_proof *p, Cdn cdn);

static unsigned set_strength(const struct sp_proof *p, Cdn cdn)
{
    unsigned all = 0, common = ~0u;
    for (unsigned i = 0; i < p->set.n; i++) {
        unsigned s = strength(&p->set.v[i], p->set.cdn ? p->set.cdn : cdn);
        all |= s;
        common &= s;
    }
    if (p->kind == SP_PROOF_ANY_OF)
        return p->set.n ? common : 0;
    /* Front Door sets the id itself, but whoever is not Front Door may write what he likes. */
    if ((all & NAMES_PROFILE) && (all & BOUND_TO_ADDRESS))
        all |= OF_CDN;
    return all;
}

/* `cdn`: of the preset that it stands in, or 0. */
static unsigned strength(const struct sp_proof *p, Cdn cdn)
{
    switch (p->kind) {
    case SP_PROOF_SECRET_HEADER:
    case SP_PROOF_AKAMAI_G2O:
        return OF_CDN;
    case SP_PROOF_SIGNED_TOKEN: /* who has one in his browser can bring it here himself, and say what he likes beside it */
        return p->token.token.kind->of_user ? NAMES_CUSTOMER : OF_CDN;
    case SP_PROOF_PEER_ADDRESS:
        return BOUND_TO_ADDRESS;
    case SP_PROOF_CLIENT_CERTIFICATE:
        /* Issuers alone: any certificate of a CA that may serve every tenant; and Cloudflare's global one does. */
        if (p->cert.n_spki || p->cert.n_sha256)
            return OF_CDN;
        return p->cert.sans && !p->cert.cloudflare_own ? OF_CDN : 0;
    case SP_PROOF_HEADER_VALUE:
        /* No other CDN takes out what a client, or another tenant, writes there. */
        return sp_str_eq(p->value.header.name, SP_STR("x-azure-fdid")) && (!cdn || cdn == CDN(AZURE_FRONT_DOOR))
                   ? NAMES_PROFILE
                   : 0;
    case SP_PROOF_ALL_OF:
    case SP_PROOF_ANY_OF:
        return set_strength(p, cdn);
    }
    return 0;
}

bool sp_proof_names_customer(const struct sp_proof *p)
{
    assert(p);
    return (strength(p, 0) & NAMES_CUSTOMER) == NAMES_CUSTOMER;
}

bool sp_proof_vouches(const struct sp_proof *p)
{
    assert(p);
    return (strength(p, 0) & OF_CDN) == OF_CDN;
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
        sp_address_set_free(p->peer.set);
        sp_address_set_free(p->peer.via);
        break;
    case SP_PROOF_CLIENT_CERTIFICATE:
        sp_tls_matchers_free(p->cert.sans);
        for (unsigned i = 0; i < p->cert.n_issuers; i++)
            sp_string_matcher_free(p->cert.issuers[i]);
        break;
    case SP_PROOF_AKAMAI_G2O:
        sp_shield_g2o_done(&p->g2o);
        break;
    case SP_PROOF_SIGNED_TOKEN:
        sp_shield_token_done(&p->token.token);
        break;
    default:
        break;
    }
    *p = (struct sp_proof){0};
}
