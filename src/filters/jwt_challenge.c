/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_challenge.h"

#include <assert.h>

enum { MAX_REALM_PATH = 256 };

/* What closes a quoted string, and all that is no plain text, percent-encoded: the realm cannot be left. */
static void realm_part(struct sp_str text, char *out, size_t *len)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c > ' ' && c < 127 && c != '"' && c != '\\') {
            out[(*len)++] = (char)c;
        } else {
            out[(*len)++] = '%';
            out[(*len)++] = digits[c >> 4];
            out[(*len)++] = digits[c & 15];
        }
    }
}

/* A query that holds a token does not come back. */
static struct sp_str realm_path(const struct sp_jwt_providers *all, const struct sp_headers *h)
{
    struct sp_str path = sp_str_sub(h->path, 0, MAX_REALM_PATH);
    ptrdiff_t query = sp_str_chr(path, '?');
    for (unsigned i = 0; query >= 0 && i < all->n; i++) {
        struct sp_jwt_locations params = all->v[i].locations;
        struct sp_str token;
        params.n_headers = params.n_cookies = 0;
        if (sp_jwt_locate(&params, h, h->arena, &token) != SP_JWT_FOUND_NONE)
            return sp_str_sub(path, 0, (size_t)query);
    }
    return path;
}

struct sp_str sp_jwt_challenge(const struct sp_jwt_providers *all, const struct sp_headers *h, bool missing)
{
    assert(all && h);
    struct sp_str path = realm_path(all, h), authority = sp_str_sub(h->authority, 0, MAX_REALM_PATH);
    struct sp_str scheme = sp_str_eq(h->scheme, SP_STR("https")) ? SP_STR("https") : SP_STR("http");
    char *realm = sp_arena_alloc(h->arena, 3 * (path.len + authority.len) + 1);
    size_t len = 0;
    realm_part(authority, realm, &len);
    realm_part(path, realm, &len);
    return sp_arena_printf(h->arena, "Bearer realm=\"%s://%.*s\"%s", scheme.ptr, (int)len, realm,
                           missing ? "" : ", error=\"invalid_token\"");
}
