/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/tls_name.h"

#include <assert.h>

enum { NAME_MAX_LEN = 255 };

static struct sp_str without_port(struct sp_str authority)
{
    if (authority.len && authority.ptr[0] == '[') {
        ptrdiff_t end = sp_str_chr(authority, ']');
        return end < 0 ? SP_STR_NULL : sp_str_sub(authority, 1, (size_t)end);
    }
    ptrdiff_t colon = sp_str_chr(authority, ':');
    return colon < 0 ? authority : sp_str_sub(authority, 0, (size_t)colon);
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

struct sp_str sp_tls_name(struct sp_str authority, struct sp_arena *arena, bool *ret_ip)
{
    assert(arena && ret_ip);
    struct sp_str host = without_port(authority);
    struct sp_addr addr;
    *ret_ip = host.len && sp_addr_parse_ip(host, &addr) == 0;
    if (*ret_ip)
        return host;
    if (host.len && host.ptr[host.len - 1] == '.')
        host.len--;
    if (!host.len || host.len > NAME_MAX_LEN)
        return SP_STR_NULL;
    char *out = sp_arena_alloc(arena, host.len + 1);
    for (size_t i = 0; i < host.len; i++) {
        out[i] = sp_ascii_lower(host.ptr[i]);
        if (!name_char(out[i]))
            return SP_STR_NULL;
    }
    out[host.len] = 0;
    return sp_str_n(out, host.len);
}

void sp_tls_name_key(const struct sp_cluster_options *o, const struct sp_headers *h, struct sp_arena *arena,
                     struct sp_pool_key *key)
{
    assert(o && h && arena && key);
    key->sni = key->verify_name = SP_STR_NULL;
    if (SP_LIKELY(!o->auto_sni && !o->auto_san))
        return;
    struct sp_str from = o->sni_header.len ? sp_headers_get(h, o->sni_header) : SP_STR_NULL;
    bool ip;
    struct sp_str name = sp_tls_name(from.len ? from : h->authority, arena, &ip);
    if (o->auto_sni && !ip)
        key->sni = name;
    if (o->auto_san)
        key->verify_name = name;
}
