/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_claims.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "crypto/hash.h"
#include "http/headers.h"
#include "stream/caller.h"

static const double two_63 = 9223372036854775808.0;

/* NumericDate (RFC 7519 section 2): a number, not always an integer. `up`: which second counts. */
static enum sp_jwt_status date(const json_t *v, bool up, enum sp_jwt_status type, enum sp_jwt_status range,
                               int64_t *ret)
{
    if (json_is_integer(v)) {
        *ret = json_integer_value(v);
        return *ret < 0 ? range : SP_JWT_OK;
    }
    if (!json_is_real(v))
        return type;
    double d = up ? ceil(json_real_value(v)) : floor(json_real_value(v));
    if (!(d >= 0 && d < two_63))
        return range;
    *ret = (int64_t)d;
    return SP_JWT_OK;
}

static bool string_list(const json_t *aud)
{
    size_t i;
    json_t *v;
    if (!json_is_array(aud))
        return json_is_string(aud);
    json_array_foreach(aud, i, v)
        if (!json_is_string(v))
            return false;
    return true;
}

static bool wrong_string(const json_t *payload, const char *name)
{
    const json_t *v = json_object_get(payload, name);
    return v && !json_is_string(v);
}

static enum sp_jwt_status read_dates(const json_t *payload, struct sp_jwt_claims *c)
{
    const json_t *iat = json_object_get(payload, "iat"), *nbf = json_object_get(payload, "nbf"),
                 *exp = json_object_get(payload, "exp");
    enum sp_jwt_status s = SP_JWT_OK;
    if (iat)
        s = date(iat, false, SP_JWT_IAT_TYPE, SP_JWT_IAT_RANGE, &c->iat);
    if (s == SP_JWT_OK && nbf)
        s = date(nbf, true, SP_JWT_NBF_TYPE, SP_JWT_NBF_RANGE, &c->nbf);
    if (s == SP_JWT_OK && exp)
        s = date(exp, false, SP_JWT_EXP_TYPE, SP_JWT_EXP_RANGE, &c->exp);
    c->has_exp = exp != NULL;
    return s;
}

enum sp_jwt_status sp_jwt_claims_read(const json_t *payload, struct sp_jwt_claims *ret)
{
    assert(json_is_object(payload) && ret);
    struct sp_jwt_claims c = {.exp = INT64_MAX, .nbf = INT64_MIN, .iat = INT64_MIN};
    if (wrong_string(payload, "iss"))
        return SP_JWT_ISS_TYPE;
    if (wrong_string(payload, "sub"))
        return SP_JWT_SUB_TYPE;
    enum sp_jwt_status s = read_dates(payload, &c);
    if (s != SP_JWT_OK)
        return s;
    if (wrong_string(payload, "jti"))
        return SP_JWT_JTI_TYPE;
    c.aud = json_object_get(payload, "aud");
    if (c.aud && !string_list(c.aud))
        return SP_JWT_AUD_TYPE;
    c.iss = sp_json_str(payload, "iss");
    c.sub = sp_json_str(payload, "sub");
    *ret = c;
    return SP_JWT_OK;
}

enum sp_jwt_status sp_jwt_claims_check_time(const struct sp_jwt_claims *c, int64_t now, int64_t skew)
{
    assert(c && now >= 0 && skew >= 0 && skew <= UINT32_MAX);
    if (c->nbf > now + skew)
        return SP_JWT_NOT_YET_VALID;
    return now - skew > c->exp ? SP_JWT_EXPIRED : SP_JWT_OK;
}

struct sp_str sp_jwt_audience(struct sp_str aud)
{
    if (sp_str_starts(aud, SP_STR("http://")))
        aud = sp_str_sub(aud, 7, aud.len);
    else if (sp_str_starts(aud, SP_STR("https://")))
        aud = sp_str_sub(aud, 8, aud.len);
    return sp_str_ends(aud, SP_STR("/")) ? sp_str_sub(aud, 0, aud.len - 1) : aud;
}

static bool among(const json_t *aud, const struct sp_str *allowed, unsigned n_allowed)
{
    struct sp_str text = sp_jwt_audience(sp_str_n(json_string_value(aud), json_string_length(aud)));
    for (unsigned i = 0; i < n_allowed; i++)
        if (sp_str_eq(text, allowed[i]))
            return true;
    return false;
}

bool sp_jwt_claims_audience_ok(const struct sp_jwt_claims *c, const struct sp_str *allowed, unsigned n_allowed)
{
    assert(c && (allowed || n_allowed == 0));
    size_t i;
    json_t *v;
    if (n_allowed == 0)
        return true;
    if (!c->aud)
        return false;
    if (json_is_string(c->aud))
        return among(c->aud, allowed, n_allowed);
    json_array_foreach(c->aud, i, v)
        if (among(v, allowed, n_allowed))
            return true;
    return false;
}

const json_t *sp_jwt_claim(const json_t *payload, struct sp_str name)
{
    const json_t *v = payload;
    struct sp_str rest = name, part;
    while (v && sp_str_split(&rest, '.', &part))
        v = json_object_getn(v, part.ptr, part.len);
    return v ? v : json_object_getn(payload, name.ptr, name.len);
}

struct sp_str sp_jwt_json(const json_t *value, struct sp_arena *arena)
{
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t n = json_dumpb(value, NULL, 0, flags);
    char *out = sp_arena_alloc(arena, n + 1);
    n = json_dumpb(value, out, n, flags);
    return sp_str_n(out, n);
}

struct sp_str sp_jwt_claim_text(const json_t *claim, struct sp_arena *arena)
{
    struct sp_str text;
    if (!claim || json_is_null(claim))
        return SP_STR_NULL;
    if (json_is_string(claim))
        text = sp_arena_str(arena, sp_str_n(json_string_value(claim), json_string_length(claim)));
    else if (json_is_object(claim) || json_is_array(claim))
        text = sp_base64_encode(arena, SP_BASE64, sp_jwt_json(claim, arena));
    else
        text = sp_jwt_json(claim, arena);
    /* A line end in a claim would be a header of its own to some origins. */
    return text.len && sp_header_value_valid(text) ? text : SP_STR_NULL;
}

void sp_jwt_caller(const json_t *claims, struct sp_caller *out)
{
    assert(claims && out);
    sp_caller_say(out, SP_STR("issuer"), sp_json_str(claims, "iss"));
    sp_caller_say(out, SP_STR("subject"), sp_json_str(claims, "sub"));
    sp_caller_say(out, SP_STR("client_id"), sp_json_str(claims, "client_id"));
    sp_caller_say(out, SP_STR("client_id"), sp_json_str(claims, "azp"));
}
