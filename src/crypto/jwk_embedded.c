/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jwk_embedded.h"

#include <assert.h>

#include "crypto/hash.h"

/* The members that make a key, in the order of RFC 7638 section 3.3: NULL where a kind has fewer. */
static const struct kind {
    struct sp_str kty;
    const char *members[4];
} kinds[] = {
    {SP_STR_INIT("EC"), {"crv", "kty", "x", "y"}},
    {SP_STR_INIT("RSA"), {"e", "kty", "n", NULL}},
    {SP_STR_INIT("OKP"), {"crv", "kty", "x", NULL}}, /* RFC 8037 section 2 */
};

static const struct kind *kind_of(const json_t *jwk)
{
    struct sp_str kty = sp_json_str(jwk, "kty");
    for (unsigned i = 0; i < SP_ARRAY_LEN(kinds); i++)
        if (sp_str_eq(kinds[i].kty, kty))
            return &kinds[i];
    return NULL;
}

static bool has_private(const json_t *jwk)
{
    static const char *const names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(names); i++)
        if (json_object_get(jwk, names[i]))
            return true;
    return false;
}

/* Names of curves and base64url: nothing that JSON would escape. */
static bool plain(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
            return false;
    }
    return s.len > 0;
}

struct sp_jwks *sp_jwk_embedded(const json_t *jwk, struct sp_arena *arena, uint8_t thumbprint[32], const char **ret_why)
{
    assert(arena && thumbprint && ret_why);
    const struct kind *kind = json_is_object(jwk) ? kind_of(jwk) : NULL;
    struct sp_str text = SP_STR("{");
    *ret_why = "it is no RSA, EC or OKP key";
    if (!kind)
        return NULL;
    *ret_why = "it has a private member";
    if (has_private(jwk))
        return NULL;
    for (unsigned i = 0; i < SP_ARRAY_LEN(kind->members) && kind->members[i]; i++) {
        struct sp_str value = sp_json_str(jwk, kind->members[i]);
        *ret_why = "a member that makes the key is absent or malformed";
        if (!plain(value))
            return NULL;
        text = sp_arena_printf(arena, "%.*s%s\"%s\":\"%.*s\"", SP_STR_ARG(text), i ? "," : "", kind->members[i],
                               SP_STR_ARG(value));
    }
    text = sp_arena_cat(arena, text, SP_STR("}"));
    sp_sha256(text, thumbprint);
    return sp_jwks_new(sp_arena_printf(arena, "{\"keys\":[%.*s]}", SP_STR_ARG(text)), arena, ret_why);
}
