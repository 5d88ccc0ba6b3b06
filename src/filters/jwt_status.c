/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_status.h"

#include <assert.h>

static const struct {
    struct sp_str text;
    unsigned code;
} table[] = {
#define X(id, number, sentence) [SP_JWT_##id] = {SP_STR_INIT(sentence), number},
    SP_JWT_STATUS_TABLE(X)
#undef X
};

struct sp_str sp_jwt_status_text(enum sp_jwt_status s)
{
    assert(s < SP_JWT_N_STATUS);
    return table[s].text;
}

unsigned sp_jwt_status_code(enum sp_jwt_status s)
{
    assert(s < SP_JWT_N_STATUS);
    return table[s].code;
}

/* Spaces would break the columns of an access log. */
struct sp_str sp_jwt_status_details(enum sp_jwt_status s, struct sp_arena *arena)
{
    struct sp_str text = sp_jwt_status_text(s);
    struct sp_str d = sp_arena_printf(arena, "jwt_authn_access_denied{%.*s}", SP_STR_ARG(text));
    char *p = (char *)(uintptr_t)d.ptr;
    for (size_t i = 0; i < d.len; i++)
        if (p[i] == ' ')
            p[i] = '_';
    return d;
}

struct sp_str sp_jwt_status_reason(enum sp_jwt_status s)
{
    switch (s) {
    case SP_JWT_SUBJECT:
        return SP_STR("the subject is not allowed");
    case SP_JWT_LIFETIME:
        return SP_STR("it has no expiration, or lives longer than max_lifetime");
    case SP_JWT_SIGNATURE:
        return SP_STR("the signature is wrong");
    default:
        return sp_jwt_status_text(s);
    }
}

enum sp_jwt_status sp_jwt_status_of(enum sp_jws_result r)
{
    static const enum sp_jwt_status of[] = {
        [SP_JWS_OK] = SP_JWT_OK,
        [SP_JWS_FORM] = SP_JWT_FORM,
        [SP_JWS_TOO_LONG] = SP_JWT_TOO_LONG,
        [SP_JWS_HEADER_BASE64] = SP_JWT_HEADER_BASE64,
        [SP_JWS_HEADER_JSON] = SP_JWT_HEADER_JSON,
        [SP_JWS_HEADER_ALG] = SP_JWT_HEADER_ALG,
        [SP_JWS_HEADER_KID] = SP_JWT_HEADER_KID,
        [SP_JWS_ALG] = SP_JWT_ALG,
        [SP_JWS_CRIT] = SP_JWT_CRIT,
        [SP_JWS_PAYLOAD_BASE64] = SP_JWT_PAYLOAD_BASE64,
        [SP_JWS_PAYLOAD_JSON] = SP_JWT_PAYLOAD_JSON,
        [SP_JWS_SIGNATURE_BASE64] = SP_JWT_SIGNATURE_BASE64,
        [SP_JWS_NO_KEY] = SP_JWT_NO_KEY,
        [SP_JWS_SIGNATURE] = SP_JWT_SIGNATURE,
    };
    assert(r < SP_ARRAY_LEN(of));
    return of[r];
}

static unsigned says(enum sp_jwt_status s)
{
    return s == SP_JWT_OK ? 0 : s == SP_JWT_MISSING ? 1 : s == SP_JWT_ISSUER ? 2 : 3;
}

enum sp_jwt_status sp_jwt_status_worse(enum sp_jwt_status before, enum sp_jwt_status now)
{
    return says(now) >= says(before) ? now : before;
}
