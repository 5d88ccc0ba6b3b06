/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_proof.h"

#include <assert.h>

#include "base/mem.h"
#include "config/doc.h"
#include "config/secret.h"
#include "crypto/ct.h"
#include "crypto/hash.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "filters/gate.h"

typedef Sallyport__Filters__Http__OriginShield__V1__Proof Proof;
typedef Sallyport__Filters__Http__OriginShield__V1__ProofSet ProofSet;
typedef Sallyport__Filters__Http__OriginShield__V1__SecretHeader SecretHeader;
typedef Sallyport__Filters__Http__OriginShield__V1__ClientCertificate ClientCertificate;
typedef Sallyport__Filters__Http__OriginShield__V1__HeaderValue HeaderValue;
typedef Sallyport__Filters__Http__OriginShield__V1__PeerAddress PeerAddress;
typedef Sallyport__Common__V1__Secret Secret;

struct builder {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    struct sp_stats_scope *scope;
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

static bool secret_ok(const struct builder *b, const Secret *msg, const struct sp_secret *s)
{
    if (s->len < SP_PROOF_MIN_SECRET)
        ERR(b, msg, "value", -1,
            "%zu bytes can be guessed (use 16 or more random bytes, such as `openssl rand -hex 32`)", s->len);
    else if (s->len > SP_PROOF_MAX_SECRET)
        ERR(b, msg, "value", -1, "larger than 4096 bytes (is it the right file?)");
    else if (!sp_header_value_valid(sp_secret_str(s)))
        ERR(b, msg, "value", -1, "no header can carry it: it has a line end, another control byte, or space at an end");
    else
        return true;
    return false;
}

static bool secret_init(const struct builder *b, const Secret *msg, struct sp_proof_secret *ret)
{
    struct sp_secret s;
    if (sp_secret_read(b->build->doc, b->build->diag, msg->value, SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY, &s) < 0)
        return false;
    bool good = secret_ok(b, msg, &s);
    if (good) {
        ret->value = sp_arena_str(b->arena, sp_secret_str(&s));
        struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("secret"), "sallyport_secret",
                                                      sp_str_c(msg->name));
        ret->hit = sp_stats_counter(scope, SP_STR("hit"));
    }
    sp_secret_done(&s);
    return good;
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
    bool good = header_init(b, msg, msg->name[0] ? msg->name : "x-origin-verify", &p->secret.header);
    p->secret.keep = msg->keep;
    p->secret.v = sp_arena_zalloc(b->arena, msg->n_secrets * sizeof(*p->secret.v));
    for (size_t i = 0; i < msg->n_secrets; i++) {
        good &= unique_name(b, msg, i);
        good &= secret_init(b, msg->secrets[i], &p->secret.v[i]);
        p->secret.n++;
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

static bool cert_matchers_init(const struct builder *b, const ClientCertificate *msg, struct sp_proof *p)
{
    bool good = true;
    for (size_t i = 0; i < msg->n_sans; i++) {
        p->cert.sans[i].type = (int)msg->sans[i]->san_type;
        p->cert.sans[i].matcher = sp_string_matcher_new(b->build->doc, b->build->diag, msg->sans[i]->matcher);
        good &= p->cert.sans[i].matcher != NULL;
        p->cert.n_sans++;
    }
    for (size_t i = 0; i < msg->n_issuers; i++) {
        p->cert.issuers[i] = sp_string_matcher_new(b->build->doc, b->build->diag, msg->issuers[i]);
        good &= p->cert.issuers[i] != NULL;
        p->cert.n_issuers++;
    }
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
    p->cert.sans = sp_arena_zalloc(b->arena, msg->n_sans * sizeof(*p->cert.sans));
    p->cert.spki = sp_arena_zalloc(b->arena, msg->n_spki_sha256 * sizeof(*p->cert.spki));
    p->cert.sha256 = sp_arena_zalloc(b->arena, msg->n_sha256 * sizeof(*p->cert.sha256));
    p->cert.issuers = sp_arena_zalloc(b->arena, msg->n_issuers * sizeof(struct sp_string_matcher *));
    for (size_t i = 0; i < msg->n_spki_sha256; i++)
        good &= spki_init(b, msg, i, &p->cert.spki[p->cert.n_spki++]);
    for (size_t i = 0; i < msg->n_sha256; i++)
        good &= sha256_init(b, msg, i, &p->cert.sha256[p->cert.n_sha256++]);
    return cert_matchers_init(b, msg, p) && good;
}

static bool peers_init(const struct builder *b, const PeerAddress *msg, struct sp_proof *p)
{
    const struct sp_address_fields fields = {.msg = msg,
                                             .field = "cidrs",
                                             .cidrs = msg->cidrs,
                                             .n_cidrs = msg->n_cidrs,
                                             .lists = msg->lists,
                                             .n_lists = msg->n_lists,
                                             .narrow = true};
    p->peers = sp_address_set_new(b->build->doc, b->build->diag, "origin_shield", b->scope, &fields);
    return p->peers != NULL;
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
    for (size_t i = 0; i < msg->n_proofs; i++)
        good &= proof_init(b, msg->proofs[i], &p->set.v[p->set.n++]);
    return good;
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
    default:
        ERR(b, msg, NULL, -1, "there is no proof in it");
        return false;
    }
}

bool sp_proof_init(struct sp_proof *p, const struct sp_filter_build *build, struct sp_arena *arena,
                   struct sp_stats_scope *scope, const Proof *msg)
{
    assert(p && build && arena && scope && msg);
    const struct builder b = {build, arena, scope};
    *p = (struct sp_proof){0};
    return proof_init(&b, msg, p);
}
