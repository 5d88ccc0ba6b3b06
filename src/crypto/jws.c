/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jws.h"

#include <assert.h>

#include "crypto/hash.h"
#include "crypto/jwk_set.h"

enum { MAX_PAYLOAD_DEPTH = 32, KNOWN_TEXT = 256, KNOWN_NAME = 64 };

static const char *const texts[] = {
    [SP_JWS_OK] = "OK",
    [SP_JWS_FORM] = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
    [SP_JWS_TOO_LONG] = "Jwt is too long",
    [SP_JWS_HEADER_BASE64] = "Jwt header is an invalid Base64url encoded",
    [SP_JWS_HEADER_JSON] = "Jwt header is an invalid JSON",
    [SP_JWS_HEADER_ALG] = "Jwt header [alg] field is required and must be a string",
    [SP_JWS_HEADER_KID] = "Jwt header [kid] field is not a string",
    [SP_JWS_ALG] = "Jwt header [alg] is not supported",
    [SP_JWS_CRIT] = "Jwt header [crit] is not supported",
    [SP_JWS_PAYLOAD_BASE64] = "Jwt payload is an invalid Base64url encoded",
    [SP_JWS_PAYLOAD_JSON] = "Jwt payload is an invalid JSON",
    [SP_JWS_SIGNATURE_BASE64] = "Jwt signature is an invalid Base64url encoded",
    [SP_JWS_NO_KEY] = "Jwks doesn't have key to match kid or alg from Jwt",
    [SP_JWS_SIGNATURE] = "Jwt verification fails",
};

const char *sp_jws_result_text(enum sp_jws_result r)
{
    assert(r < SP_ARRAY_LEN(texts));
    return texts[r];
}

static bool split(struct sp_str compact, struct sp_jws *jws)
{
    struct sp_str extra;
    return sp_str_split(&compact, '.', &jws->header_b64) && sp_str_split(&compact, '.', &jws->payload_b64) &&
           sp_str_split(&compact, '.', &jws->signature_b64) && !sp_str_split(&compact, '.', &extra) &&
           jws->header_b64.len && jws->payload_b64.len && jws->signature_b64.len;
}

static enum sp_jws_result take_header(const json_t *header, struct sp_arena *arena, struct sp_jws *jws)
{
    const json_t *kid = json_object_get(header, "kid");
    if (!json_is_string(json_object_get(header, "alg")))
        return SP_JWS_HEADER_ALG;
    if (kid && !json_is_string(kid))
        return SP_JWS_HEADER_KID;
    if (json_object_get(header, "crit"))
        return SP_JWS_CRIT;
    jws->alg = sp_arena_str(arena, sp_json_str(header, "alg"));
    jws->kid = kid ? sp_arena_str(arena, sp_json_str(header, "kid")) : SP_STR_NULL;
    jws->alg_id = (int)sp_jws_alg_parse(jws->alg);
    return jws->alg_id == SP_ALG_UNKNOWN ? SP_JWS_ALG : SP_JWS_OK;
}

static int decode(struct sp_arena *arena, struct sp_str part, bool padded, struct sp_str *ret)
{
    bool has_padding = padded && sp_str_ends(part, SP_STR("="));
    return sp_base64_decode(arena, has_padding ? SP_BASE64URL_PAD : SP_BASE64URL_NOPAD, part, ret);
}

/* The last header that this thread read and found good: tokens of one issuer mostly have the same one, byte by byte. */
static _Thread_local struct {
    char text[KNOWN_TEXT], alg[KNOWN_NAME], kid[KNOWN_NAME];
    size_t n_text, n_alg, n_kid;
    bool has_kid;
    int alg_id;
} known;

static bool is_known(struct sp_arena *arena, struct sp_jws *jws)
{
    if (!known.n_text || !sp_str_eq(jws->header_json, sp_str_n(known.text, known.n_text)))
        return false;
    jws->alg = sp_arena_str(arena, sp_str_n(known.alg, known.n_alg));
    jws->kid = known.has_kid ? sp_arena_str(arena, sp_str_n(known.kid, known.n_kid)) : SP_STR_NULL;
    jws->alg_id = known.alg_id;
    return true;
}

static void keep_header(const struct sp_jws *jws)
{
    if (jws->header_json.len > KNOWN_TEXT || jws->alg.len > KNOWN_NAME || jws->kid.len > KNOWN_NAME)
        return;
    memcpy(known.text, jws->header_json.ptr, known.n_text = jws->header_json.len);
    memcpy(known.alg, jws->alg.ptr, known.n_alg = jws->alg.len);
    known.has_kid = jws->kid.ptr != NULL;
    known.n_kid = jws->kid.len;
    if (known.n_kid)
        memcpy(known.kid, jws->kid.ptr, known.n_kid);
    known.alg_id = jws->alg_id;
}

static enum sp_jws_result parse_header(struct sp_arena *arena, bool padded, struct sp_jws *jws)
{
    if (decode(arena, jws->header_b64, padded, &jws->header_json) < 0)
        return SP_JWS_HEADER_BASE64;
    if (is_known(arena, jws))
        return SP_JWS_OK;
    json_t *header = sp_json_load(jws->header_json, SP_JWS_HEADER_DEPTH, SP_JWT_MAX_VALUES);
    enum sp_jws_result r = json_is_object(header) ? take_header(header, arena, jws) : SP_JWS_HEADER_JSON;
    json_decref(header);
    if (r == SP_JWS_OK)
        keep_header(jws);
    return r;
}

static enum sp_jws_result parse_bytes(struct sp_str compact, struct sp_arena *arena, bool padded, struct sp_jws *ret)
{
    struct sp_jws jws = {0};
    if (compact.len > SP_JWT_MAX_BYTES)
        return SP_JWS_TOO_LONG;
    if (!split(compact, &jws))
        return SP_JWS_FORM;
    enum sp_jws_result r = parse_header(arena, padded, &jws);
    if (r != SP_JWS_OK)
        return r;
    if (decode(arena, jws.payload_b64, padded, &jws.payload_json) < 0)
        return SP_JWS_PAYLOAD_BASE64;
    if (decode(arena, jws.signature_b64, padded, &jws.signature) < 0)
        return SP_JWS_SIGNATURE_BASE64;
    *ret = jws;
    return SP_JWS_OK;
}

enum sp_jws_result sp_jws_parse_bytes(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret)
{
    assert(arena && ret);
    return parse_bytes(compact, arena, false, ret);
}

static enum sp_jws_result parse(struct sp_str compact, struct sp_arena *arena, bool padded, struct sp_jws *ret)
{
    struct sp_jws jws;
    enum sp_jws_result r = parse_bytes(compact, arena, padded, &jws);
    if (r != SP_JWS_OK)
        return r;
    jws.payload = sp_json_load(jws.payload_json, MAX_PAYLOAD_DEPTH, SP_JWT_MAX_VALUES);
    if (!json_is_object(jws.payload)) {
        json_decref(jws.payload);
        return SP_JWS_PAYLOAD_JSON;
    }
    *ret = jws;
    return SP_JWS_OK;
}

enum sp_jws_result sp_jws_parse(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret)
{
    assert(arena && ret);
    return parse(compact, arena, false, ret);
}

enum sp_jws_result sp_jws_parse_padded(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret)
{
    assert(arena && ret);
    return parse(compact, arena, true, ret);
}

void sp_jws_done(struct sp_jws *jws)
{
    assert(jws);
    json_decref(jws->payload);
    jws->payload = NULL;
}

enum sp_jws_result sp_jws_verify(const struct sp_jws *jws, const struct sp_jwks *keys)
{
    assert(jws && keys && jws->payload_b64.ptr);
    const char *from = jws->header_b64.ptr, *to = jws->payload_b64.ptr + jws->payload_b64.len;
    struct sp_str input = sp_str_n(from, (size_t)(to - from));
    enum sp_jws_alg alg = (enum sp_jws_alg)jws->alg_id;
    unsigned tries = 0;
    if (keys->algs && !(keys->algs & 1u << alg))
        return SP_JWS_NO_KEY;
    for (unsigned i = 0; i < keys->n && tries < SP_JWS_MAX_TRIES; i++) {
        const struct sp_jwk *k = &keys->keys[i];
        /* A token without kid may be of any key, and a key without kid may be any token's. */
        if (!sp_jwk_takes(k, alg) || (jws->kid.len && k->kid.len && !sp_str_eq(jws->kid, k->kid)))
            continue;
        if (sp_jwk_verify(k, alg, input, jws->signature))
            return SP_JWS_OK;
        tries++;
    }
    return tries ? SP_JWS_SIGNATURE : SP_JWS_NO_KEY;
}
