/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/dpop_proof.h"

#include <assert.h>

#include "crypto/ct.h"
#include "crypto/hash.h"
#include "crypto/jwk_embedded.h"
#include "filters/dpop_uri.h"

static bool among(struct sp_str value, const struct sp_str *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_eq(v[i], value))
            return true;
    return false;
}

static enum sp_sender_status check_key(const struct sp_jws *jws, const json_t *header, struct sp_arena *arena,
                                       struct sp_dpop_proof *ret)
{
    uint8_t thumbprint[32];
    const char *why;
    struct sp_jwks *key = sp_jwk_embedded(json_object_get(header, "jwk"), arena, thumbprint, &why);
    if (!key)
        return SP_SENDER_PROOF_JWK;
    struct sp_str text = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)thumbprint, sizeof(thumbprint)));
    assert(text.len == SP_DPOP_THUMBPRINT);
    memcpy(ret->jkt, text.ptr, text.len);
    ret->jkt[text.len] = 0;
    enum sp_jws_result r = sp_jws_verify(jws, key);
    sp_jwks_free(key);
    return r == SP_JWS_OK ? SP_SENDER_OK : SP_SENDER_PROOF_SIGNATURE;
}

/* Before any signature is verified: that costs most. */
static enum sp_sender_status check_header(const struct sp_jws *jws, const json_t *header, const struct sp_dpop_expect *e)
{
    if (!sp_str_ieq(sp_json_str(header, "typ"), SP_STR("dpop+jwt")))
        return SP_SENDER_PROOF_TYP;
    return among(jws->alg, e->algs, e->n_algs) ? SP_SENDER_OK : SP_SENDER_PROOF_ALG;
}

static bool read_claims(const json_t *claims, struct sp_arena *arena, struct sp_dpop_proof *ret)
{
    const json_t *iat = json_object_get(claims, "iat"), *nonce = json_object_get(claims, "nonce");
    struct sp_str jti = sp_json_str(claims, "jti");
    if (!jti.len || jti.len > SP_DPOP_MAX_JTI || !json_is_number(iat) || (nonce && !json_is_string(nonce)))
        return false;
    double seconds = json_number_value(iat);
    if (!(seconds >= 0 && seconds < 1e15))
        return false;
    ret->iat = (int64_t)seconds;
    ret->jti = sp_arena_str(arena, jti);
    ret->nonce = nonce ? sp_arena_str(arena, sp_json_str(claims, "nonce")) : SP_STR_NULL;
    return true;
}

static bool token_ok(const json_t *claims, struct sp_str token, struct sp_arena *arena)
{
    uint8_t hash[32];
    sp_sha256(token, hash);
    struct sp_str text = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)hash, sizeof(hash)));
    return sp_ct_eq(sp_json_str(claims, "ath"), text);
}

static enum sp_sender_status check_claims(const json_t *claims, const struct sp_dpop_expect *e, struct sp_arena *arena,
                                          struct sp_dpop_proof *ret)
{
    struct sp_str uri;
    if (!read_claims(claims, arena, ret))
        return SP_SENDER_PROOF_CLAIMS;
    if (!sp_str_eq(sp_json_str(claims, "htm"), e->method))
        return SP_SENDER_PROOF_METHOD;
    if (!sp_dpop_uri(sp_json_str(claims, "htu"), arena, &uri) || !among(uri, e->uris, e->n_uris))
        return SP_SENDER_PROOF_URI;
    if (ret->iat < e->now - e->window || ret->iat > e->now + e->window)
        return SP_SENDER_PROOF_TIME;
    return token_ok(claims, e->token, arena) ? SP_SENDER_OK : SP_SENDER_PROOF_TOKEN;
}

enum sp_sender_status sp_dpop_check(struct sp_str proof, const struct sp_dpop_expect *e, struct sp_arena *arena,
                                    struct sp_dpop_proof *ret)
{
    assert(e && arena && ret && e->token.len && e->window > 0);
    struct sp_jws jws;
    if (proof.len > SP_DPOP_MAX_BYTES)
        return SP_SENDER_PROOF_MALFORMED;
    switch (sp_jws_parse(proof, arena, &jws)) {
    case SP_JWS_OK:
        break;
    case SP_JWS_ALG:
        return SP_SENDER_PROOF_ALG;
    default:
        return SP_SENDER_PROOF_MALFORMED;
    }
    json_t *header = sp_json_load(jws.header_json, SP_JWS_HEADER_DEPTH, SP_JWT_MAX_VALUES);
    enum sp_sender_status s = header ? check_header(&jws, header, e) : SP_SENDER_PROOF_MALFORMED;
    if (s == SP_SENDER_OK)
        s = check_claims(jws.payload, e, arena, ret);
    if (s == SP_SENDER_OK)
        s = check_key(&jws, header, arena, ret);
    json_decref(header);
    sp_jws_done(&jws);
    return s;
}
