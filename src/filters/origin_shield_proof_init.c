/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_proof.h"

#include <assert.h>

#include "config/doc.h"
#include "crypto/hash.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "filters/gate.h"
#include "filters/origin_shield_preset.h"

typedef Sallyport__Filters__Http__OriginShield__V1__Proof Proof;
typedef Sallyport__Filters__Http__OriginShield__V1__ProofSet ProofSet;
typedef Sallyport__Filters__Http__OriginShield__V1__SecretHeader SecretHeader;
typedef Sallyport__Filters__Http__OriginShield__V1__ClientCertificate ClientCertificate;
typedef Sallyport__Filters__Http__OriginShield__V1__HeaderValue HeaderValue;
typedef Sallyport__Filters__Http__OriginShield__V1__PeerAddress PeerAddress;
typedef Sallyport__Filters__Http__OriginShield__V1__SignedToken SignedToken;
typedef Sallyport__Filters__Http__OriginShield__V1__Preset Preset;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;

struct builder {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    struct sp_stats_scope *scope;
    unsigned *n_tokens;
    struct list **lists; /* all that there were */
};

struct list {
    struct list *next;
    const Sallyport__Common__V1__AddressList *msg;
};

#define ERR(b, msg, field, index, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, index, __VA_ARGS__)

static bool header_init(const struct builder *b, const void *msg, const char *name, struct sp_proof_header *ret)
{
    ret->name = sp_gate_header_name(b->build, b->arena, msg, "name", name);
    if (!ret->name.ptr)
        return false;
    ret->id = sp_header_id(ret->name);
    return true;
}

static const char *for_a_header(struct sp_str value)
{
    return sp_header_value_valid(value)
               ? NULL
               : "no header can carry it: it has a line end, another control byte, or space at an end";
}

static bool unique_name(const struct builder *b, const SecretHeader *msg, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(msg->secrets[i]->name, msg->secrets[at]->name) == 0) {
            ERR(b, msg->secrets[at], "name", -1, "there is a secret named '%s' before it (stats need different names)",
                msg->secrets[at]->name);
            return false;
        }
    return true;
}

static bool secret_header_init(const struct builder *b, const SecretHeader *msg, struct sp_proof *p)
{
    const struct sp_named_secret_build build = {.doc = b->build->doc,
                                                .diag = b->build->diag,
                                                .arena = b->arena,
                                                .scope = b->scope,
                                                .owner = SP_STR("origin_shield"),
                                                .check = for_a_header};
    bool good = header_init(b, msg, msg->name[0] ? msg->name : "x-origin-verify", &p->secret.header);
    p->secret.keep = msg->keep;
    p->secret.v = sp_arena_zalloc(b->arena, msg->n_secrets * sizeof(*p->secret.v));
    for (size_t i = 0; i < msg->n_secrets; i++) {
        good &= unique_name(b, msg, i);
        good &= sp_named_secret_init(&p->secret.v[p->secret.n++], &build, msg->secrets[i]->name, msg->secrets[i]->value,
                                     msg->secrets[i]->json_key);
    }
    return good;
}

static bool value_init(const struct builder *b, const HeaderValue *msg, struct sp_proof *p)
{
    if (!header_init(b, msg, msg->name, &p->value.header))
        return false;
    p->value.v = sp_arena_zalloc(b->arena, msg->n_values * sizeof(*p->value.v));
    for (size_t i = 0; i < msg->n_values; i++) {
        p->value.v[i] = sp_arena_str(b->arena, sp_str_c(msg->values[i]));
        p->value.n++;
        if (!sp_header_value_valid(p->value.v[i])) {
            ERR(b, msg, "values", (int)i, "no header can carry it: it has a control byte, or space at an end");
            return false;
        }
    }
    return true;
}

/* Base64 to hex. */
static bool spki_init(const struct builder *b, const ClientCertificate *msg, size_t i, struct sp_str *ret)
{
    struct sp_str raw;
    if (sp_base64_decode(b->arena, SP_BASE64, sp_str_c(msg->spki_sha256[i]), &raw) < 0 || raw.len != 32) {
        ERR(b, msg, "spki_sha256", (int)i, "not the base64 of a SHA-256 hash");
        return false;
    }
    *ret = sp_hex(b->arena, raw.ptr, raw.len);
    return true;
}

/* Hex in any case, with a colon between bytes or without. */
static bool sha256_init(const struct builder *b, const ClientCertificate *msg, size_t i, struct sp_str *ret)
{
    const char *in = msg->sha256[i];
    char *out = sp_arena_alloc(b->arena, 65);
    bool colons = strlen(in) == 95;
    size_t n = 0;
    for (size_t at = 0; in[at]; at++) {
        if (colons && at % 3 == 2 ? in[at] != ':' : n == 64 || !strchr("0123456789abcdefABCDEF", in[at])) {
            n = 0;
            break;
        }
        if (!(colons && at % 3 == 2))
            out[n++] = sp_ascii_lower(in[at]);
    }
    if (n != 64) {
        ERR(b, msg, "sha256", (int)i,
            "not the hex of a SHA-256 hash (64 digits, with a colon between bytes or without)");
        return false;
    }
    out[n] = 0;
    *ret = sp_str_n(out, n);
    return true;
}

/* The certificates that Cloudflare shows for all of its customers alike have names of its own. */
static bool takes_cloudflares(const struct sp_tls_matchers *sans)
{
    static const struct sp_str own[] = {SP_STR_INIT("origin-pull.cloudflare.net"), SP_STR_INIT("cloudflare.com"),
                                        SP_STR_INIT("*.cloudflare.com"), SP_STR_INIT("cloudflare.net"),
                                        SP_STR_INIT("*.cloudflare.net")};
    const struct sp_x509 cert = {.dns = own, .n_dns = SP_ARRAY_LEN(own)};
    return sans && sp_tls_matchers_match(sans, &cert);
}

static bool cert_matchers_init(const struct builder *b, const ClientCertificate *msg, struct sp_proof *p)
{
    unsigned before = b->build->diag->n_errors;
    Validation *names = sp_doc_derive(b->build->doc, msg,
                                      &envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__descriptor);
    names->match_typed_subject_alt_names = msg->sans;
    names->n_match_typed_subject_alt_names = msg->n_sans;
    p->cert.sans = sp_tls_matchers_new(b->build->doc, b->build->diag, names);
    for (size_t i = 0; i < msg->n_issuers; i++)
        p->cert.issuers[p->cert.n_issuers++] = sp_string_matcher_new(b->build->doc, b->build->diag, msg->issuers[i]);
    bool good = b->build->diag->n_errors == before;
    p->cert.cloudflare_own = good && takes_cloudflares(p->cert.sans);
    return good;
}

static bool cert_init(const struct builder *b, const ClientCertificate *msg, struct sp_proof *p)
{
    bool good = b->build->tls && b->build->tls_verifies;
    if (!good)
        ERR(b, msg, NULL, -1, "this filter chain verifies no client certificates (give its DownstreamTlsContext a "
                              "validation_context with trusted_ca, and require_client_certificate)");
    if (!msg->n_sans && !msg->n_spki_sha256 && !msg->n_sha256 && !msg->n_issuers) {
        ERR(b, msg, NULL, -1, "it would take any certificate (set sans, spki_sha256, sha256 or issuers)");
        return false;
    }
    p->cert.spki = sp_arena_zalloc(b->arena, msg->n_spki_sha256 * sizeof(*p->cert.spki));
    p->cert.sha256 = sp_arena_zalloc(b->arena, msg->n_sha256 * sizeof(*p->cert.sha256));
    p->cert.issuers = sp_arena_zalloc(b->arena, msg->n_issuers * sizeof(struct sp_string_matcher *));
    for (size_t i = 0; i < msg->n_spki_sha256; i++)
        good &= spki_init(b, msg, i, &p->cert.spki[p->cert.n_spki++]);
    for (size_t i = 0; i < msg->n_sha256; i++)
        good &= sha256_init(b, msg, i, &p->cert.sha256[p->cert.n_sha256++]);
    return cert_matchers_init(b, msg, p) && good;
}

/* One name is one file: in stats nobody could tell two of them apart. */
static bool list_names_ok(const struct builder *b, Sallyport__Common__V1__AddressList *const *lists, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        for (const struct list *l = *b->lists; l; l = l->next)
            if (strcmp(l->msg->name, lists[i]->name) == 0 && strcmp(l->msg->path, lists[i]->path) != 0) {
                ERR(b, lists[i], "name", -1, "there is a list named '%s' of another file before it (stats need different names)",
                    lists[i]->name);
                good = false;
            }
        struct list *mine = sp_arena_alloc(b->arena, sizeof(*mine));
        *mine = (struct list){*b->lists, lists[i]};
        *b->lists = mine;
    }
    return good;
}

static struct sp_address_set *ranges(const struct builder *b, const void *msg, const char *field, char *const *cidrs,
                                     size_t n_cidrs, Sallyport__Common__V1__AddressList *const *lists, size_t n_lists)
{
    const struct sp_address_fields fields = {.msg = msg,
                                             .field = field,
                                             .cidrs = cidrs,
                                             .n_cidrs = n_cidrs,
                                             .lists = lists,
                                             .n_lists = n_lists,
                                             .narrow = true};
    return sp_address_set_new(b->build->doc, b->build->diag, "origin_shield", b->scope, &fields);
}

static bool peers_init(const struct builder *b, const PeerAddress *msg, struct sp_proof *p)
{
    if (!msg->n_cidrs && !msg->n_lists) {
        ERR(b, msg, NULL, -1, "there is nothing to look the address up in (set cidrs or lists)");
        return false;
    }
    if (!list_names_ok(b, msg->lists, msg->n_lists))
        return false;
    p->peer.set = ranges(b, msg, "cidrs", msg->cidrs, msg->n_cidrs, msg->lists, msg->n_lists);
    if (!msg->via)
        return p->peer.set;
    p->peer.hops = msg->via->xff_hops;
    p->peer.via = ranges(b, msg->via, "trusted", msg->via->trusted, msg->via->n_trusted, NULL, 0);
    return p->peer.set && p->peer.via;
}

static bool token_init(const struct builder *b, const SignedToken *msg, struct sp_proof *p)
{
    if (*b->n_tokens == SP_PROOF_MAX_TOKENS) {
        ERR(b, msg, NULL, -1, "a shield has 32 of them at most");
        return false;
    }
    p->token.index = (*b->n_tokens)++;
    if (!sp_shield_token_init(&p->token.token, b->build, b->arena, b->scope, msg))
        return false;
    p->token.header = (struct sp_proof_header){p->token.token.kind->header, SP_H_OTHER};
    return true;
}

static bool proof_init(const struct builder *b, const Proof *msg, struct sp_proof *p);

static bool set_init(const struct builder *b, const ProofSet *msg, struct sp_proof *p)
{
    if (msg->n_proofs == 0) {
        ERR(b, msg, "proofs", -1, "without proofs everyone or no one would pass (add one)");
        return false;
    }
    bool good = true;
    p->set.v = sp_arena_zalloc(b->arena, msg->n_proofs * sizeof(*p->set.v));
    for (size_t i = 0; i < msg->n_proofs; i++) {
        struct sp_proof *child = &p->set.v[p->set.n++];
        good &= proof_init(b, msg->proofs[i], child);
        p->set.costly |= child->kind == SP_PROOF_AKAMAI_G2O || child->kind == SP_PROOF_SIGNED_TOKEN ||
                         (child->kind >= SP_PROOF_N_LEAVES && child->set.costly);
    }
    return good;
}

static bool preset_init(const struct builder *b, const Preset *msg, struct sp_proof *p)
{
    const Proof *all = sp_shield_preset_expand(b->build->doc, b->build->diag, b->arena, msg);
    if (!all)
        return false;
    p->kind = SP_PROOF_ALL_OF;
    p->set.cdn = msg->cdn;
    if (!set_init(b, all->all_of, p))
        return false;
    if (sp_proof_names_customer(p))
        return true;
    ERR(b, msg, "proofs", -1,
        "any customer of the CDN could pass: addresses, and what it shows or sends for all of them alike, do not name you "
        "(add a secret_header%s)",
        msg->cdn == SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CDN__AZURE_FRONT_DOOR
            ? ", or x-azure-fdid together with lists"
            : ", a client_certificate of your own, or a signature");
    return false;
}

static bool proof_init(const struct builder *b, const Proof *msg, struct sp_proof *p)
{
    switch (msg->proof_case) {
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_ALL_OF:
        p->kind = SP_PROOF_ALL_OF;
        return set_init(b, msg->all_of, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_ANY_OF:
        p->kind = SP_PROOF_ANY_OF;
        return set_init(b, msg->any_of, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_SECRET_HEADER:
        p->kind = SP_PROOF_SECRET_HEADER;
        return secret_header_init(b, msg->secret_header, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_PEER_ADDRESS:
        p->kind = SP_PROOF_PEER_ADDRESS;
        return peers_init(b, msg->peer_address, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_CLIENT_CERTIFICATE:
        p->kind = SP_PROOF_CLIENT_CERTIFICATE;
        return cert_init(b, msg->client_certificate, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_HEADER_VALUE:
        p->kind = SP_PROOF_HEADER_VALUE;
        return value_init(b, msg->header_value, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_AKAMAI_G2O:
        p->kind = SP_PROOF_AKAMAI_G2O;
        return sp_shield_g2o_init(&p->g2o, b->build, b->arena, b->scope, msg->akamai_g2o);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_SIGNED_TOKEN:
        p->kind = SP_PROOF_SIGNED_TOKEN;
        return token_init(b, msg->signed_token, p);
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_PRESET:
        return preset_init(b, msg->preset, p);
    default:
        ERR(b, msg, NULL, -1, "there is no proof in it");
        return false;
    }
}

bool sp_proof_init(struct sp_proof *p, const struct sp_filter_build *build, struct sp_arena *arena,
                   struct sp_stats_scope *scope, const Proof *msg)
{
    assert(p && build && arena && scope && msg);
    unsigned n_tokens = 0;
    struct list *lists = NULL;
    const struct builder b = {build, arena, scope, &n_tokens, &lists};
    *p = (struct sp_proof){0};
    return proof_init(&b, msg, p);
}
