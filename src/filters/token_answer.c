/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_answer.h"

#include <assert.h>

#include "crypto/hash.h"
#include "filters/jwt_claims.h"

static bool string_or_absent(const json_t *claims, const char *name)
{
    const json_t *v = json_object_get(claims, name);
    return !v || json_is_string(v);
}

/* One string with spaces (RFC 7662 section 2.2), or, as some servers have it, a list of strings. */
static bool scope_ok(const json_t *scope)
{
    size_t i;
    json_t *item;
    json_array_foreach(scope, i, item)
        if (!json_is_string(item))
            return false;
    return !scope || json_is_string(scope) || json_is_array(scope);
}

static bool well_typed(const json_t *claims)
{
    struct sp_jwt_claims c;
    return sp_jwt_claims_read(claims, &c) == SP_JWT_OK && scope_ok(json_object_get(claims, "scope")) &&
           string_or_absent(claims, "token_type") && string_or_absent(claims, "client_id") &&
           string_or_absent(claims, "username");
}

enum sp_token_status sp_token_answer_read(struct sp_str body, json_t **ret_claims)
{
    assert(ret_claims);
    enum sp_token_status s = SP_TOKEN_BAD_ANSWER;
    json_t *claims = body.len ? sp_json_load(body, SP_TOKEN_ANSWER_DEPTH, SP_TOKEN_ANSWER_VALUES) : NULL;
    const json_t *active = json_is_object(claims) ? json_object_get(claims, "active") : NULL;
    if (json_is_false(active)) {
        s = SP_TOKEN_INACTIVE;
    } else if (json_is_true(active) && well_typed(claims)) {
        *ret_claims = claims;
        return SP_TOKEN_OK;
    }
    json_decref(claims);
    return s;
}

int64_t sp_token_answer_exp(const json_t *claims)
{
    struct sp_jwt_claims c;
    return sp_jwt_claims_read(claims, &c) == SP_JWT_OK ? c.exp : INT64_MIN;
}

static bool among(struct sp_str value, const struct sp_str *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_eq(v[i], value))
            return true;
    return false;
}

static bool any_among(const json_t *aud, const struct sp_str *v, unsigned n)
{
    size_t i;
    json_t *item;
    if (json_is_string(aud))
        return among(sp_str_n(json_string_value(aud), json_string_length(aud)), v, n);
    json_array_foreach(aud, i, item)
        if (among(sp_str_n(json_string_value(item), json_string_length(item)), v, n))
            return true;
    return false;
}

/* A refresh token or an ID token is active, too, and must not open anything. */
static bool type_ok(const json_t *claims, const struct sp_token_policy *p)
{
    static const struct sp_str usual[] = {SP_STR_INIT("Bearer"), SP_STR_INIT("DPoP"), SP_STR_INIT("access_token")};
    const struct sp_str *v = p->n_types ? p->types : usual;
    unsigned n = p->n_types ? p->n_types : SP_ARRAY_LEN(usual);
    struct sp_str type = sp_json_str(claims, "token_type");
    if (!type.ptr)
        return p->n_types == 0;
    for (unsigned i = 0; i < n; i++)
        if (sp_str_ieq(v[i], type))
            return true;
    return false;
}

static enum sp_token_status check_time(const struct sp_jwt_claims *c, const struct sp_token_policy *p, int64_t now)
{
    if (!c->has_exp && p->require_expiration)
        return SP_TOKEN_NO_EXPIRATION;
    switch (sp_jwt_claims_check_time(c, now, p->skew)) {
    case SP_JWT_OK:
        return SP_TOKEN_OK;
    case SP_JWT_NOT_YET_VALID:
        return SP_TOKEN_NOT_YET_VALID;
    default:
        return SP_TOKEN_EXPIRED;
    }
}

enum sp_token_status sp_token_answer_check(const json_t *claims, const struct sp_token_policy *p, int64_t now)
{
    assert(claims && p);
    struct sp_jwt_claims c;
    if (sp_jwt_claims_read(claims, &c) != SP_JWT_OK)
        return SP_TOKEN_BAD_ANSWER;
    enum sp_token_status s = check_time(&c, p, now);
    if (s != SP_TOKEN_OK)
        return s;
    if (p->n_issuers && !among(c.iss, p->issuers, p->n_issuers))
        return SP_TOKEN_ISSUER;
    if (p->n_audiences && !(c.aud && any_among(c.aud, p->audiences, p->n_audiences)))
        return SP_TOKEN_AUDIENCE;
    return type_ok(claims, p) ? SP_TOKEN_OK : SP_TOKEN_TYPE;
}

static bool has_scope(const json_t *scope, struct sp_str wanted)
{
    struct sp_str rest, item;
    if (json_is_array(scope))
        return any_among(scope, &wanted, 1);
    rest = sp_str_n(json_string_value(scope), json_string_length(scope));
    while (sp_str_split(&rest, ' ', &item))
        if (sp_str_eq(item, wanted))
            return true;
    return false;
}

bool sp_token_answer_has_scopes(const json_t *claims, const struct sp_str *scopes, unsigned n)
{
    assert(claims && (scopes || n == 0));
    const json_t *scope = json_object_get(claims, "scope");
    for (unsigned i = 0; i < n; i++)
        if (!has_scope(scope, scopes[i]))
            return false;
    return true;
}

static bool token_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-._~+/", c));
}

bool sp_token_well_formed(struct sp_str token)
{
    size_t i = 0;
    while (i < token.len && token_char(token.ptr[i]))
        i++;
    if (i == 0)
        return false;
    while (i < token.len && token.ptr[i] == '=')
        i++;
    return i == token.len;
}

bool sp_token_is_jwt(struct sp_str token, struct sp_arena *arena)
{
    assert(arena);
    struct sp_str rest = token, head, payload, signature, extra, json;
    if (!sp_str_split(&rest, '.', &head) || !sp_str_split(&rest, '.', &payload) || !sp_str_split(&rest, '.', &signature) ||
        sp_str_split(&rest, '.', &extra))
        return false;
    if (sp_base64_decode(arena, SP_BASE64URL_NOPAD, head, &json) < 0 || !json.len)
        return false;
    json_t *header = sp_json_load(json, SP_TOKEN_ANSWER_DEPTH, SP_TOKEN_ANSWER_VALUES);
    bool object = json_is_object(header);
    json_decref(header);
    return object;
}
