/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/rate_limit_values.h"

#include <assert.h>

#include "net/cidr.h"
#include "stream/format_metadata.h"

/* The first line, as Envoy; never a secret of ours: limits may be kept elsewhere. */
static struct sp_str line(const struct sp_header *h)
{
    return !h || h->secret ? SP_STR_NULL : h->value.ptr ? h->value : SP_STR("");
}

struct sp_str sp_rate_limit_header(const struct sp_headers *h, struct sp_str name)
{
    assert(h && name.len);
    struct sp_str s = SP_STR_NULL;
    if (name.ptr[0] != ':')
        return sp_str_eq(name, SP_STR("host")) ? h->authority : line(sp_headers_find(h, name, NULL));
    if (sp_str_eq(name, SP_STR(":path")))
        s = h->path;
    else if (sp_str_eq(name, SP_STR(":method")))
        s = h->method;
    else if (sp_str_eq(name, SP_STR(":authority")))
        s = h->authority;
    else if (sp_str_eq(name, SP_STR(":scheme")))
        s = h->scheme;
    return s.len ? s : SP_STR_NULL;
}

static int hex(char c)
{
    char l = sp_ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1; '+' stays, as in Envoy. What is no escape stays as it is. */
static struct sp_str decode(struct sp_str s, struct sp_arena *arena)
{
    if (sp_str_chr(s, '%') < 0)
        return s.ptr ? s : SP_STR("");
    char *out = sp_arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        int high = s.ptr[i] == '%' && i + 2 < s.len ? hex(s.ptr[i + 1]) : -1;
        int low = high >= 0 ? hex(s.ptr[i + 2]) : -1;
        out[n++] = low >= 0 ? (char)(high * 16 + low) : s.ptr[i];
        if (low >= 0)
            i += 2;
    }
    return sp_str_n(out, n);
}

struct sp_str sp_rate_limit_parameter(struct sp_str path, struct sp_str name, struct sp_arena *arena)
{
    assert(name.len && arena);
    ptrdiff_t mark = sp_str_chr(path, '?');
    struct sp_str all = mark < 0 ? SP_STR_NULL : sp_str_sub(path, (size_t)mark + 1, path.len), item;
    ptrdiff_t hash = sp_str_chr(all, '#');
    if (hash >= 0)
        all = sp_str_sub(all, 0, (size_t)hash);
    while (sp_str_split(&all, '&', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        size_t end = eq < 0 ? item.len : (size_t)eq;
        if (sp_str_eq(decode(sp_str_sub(item, 0, end), arena), name))
            return eq < 0 ? SP_STR("") : decode(sp_str_sub(item, end + 1, item.len), arena);
    }
    return SP_STR_NULL;
}

static const struct sp_addr *address(const struct sp_stream_info *info)
{
    const struct sp_addr *a = info->client_failed ? &info->conn->peer : &info->client;
    return a->family == AF_INET || a->family == AF_INET6 ? a : NULL;
}

struct sp_str sp_rate_limit_address(const struct sp_stream_info *info, struct sp_arena *arena)
{
    assert(info && arena);
    const struct sp_addr *a = address(info);
    char text[SP_ADDR_TEXT_MAX];
    return a ? sp_arena_str(arena, sp_str_n(text, sp_addr_format_ip(a, text))) : SP_STR_NULL;
}

struct sp_str sp_rate_limit_network(const struct sp_stream_info *info, unsigned bits4, unsigned bits6,
                                    struct sp_arena *arena)
{
    assert(info && arena && bits4 <= 32 && bits6 <= 128);
    const struct sp_addr *a = address(info);
    if (!a)
        return SP_STR_NULL;
    struct sp_addr masked = *a;
    unsigned size = a->family == AF_INET ? 4 : 16, bits = a->family == AF_INET ? bits4 : bits6;
    for (unsigned i = 0; i < size; i++) {
        unsigned keep = bits > 8 * i ? SP_MIN(bits - 8 * i, 8u) : 0;
        masked.ip[i] &= (uint8_t)(0xff00u >> keep);
    }
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(&masked, text);
    return sp_arena_printf(arena, "%.*s/%u", (int)n, text, bits);
}

/* The JSON text at a path; a NULL slice when there is none. */
static struct sp_str find(const struct sp_stream_info *info, struct sp_str ns, const struct sp_str *path, unsigned n)
{
    struct sp_str json = SP_STR_NULL;
    /* What was set last holds. */
    for (const struct sp_metadata *m = info->metadata; m; m = m->next)
        if (n && sp_str_eq(m->ns, ns) && sp_str_eq(m->key, path[0]))
            json = m->json;
    for (unsigned i = 1; i < n && json.ptr; i++)
        json = sp_json_member(json, path[i]);
    return json;
}

bool sp_rate_limit_override(const struct sp_stream_info *info, struct sp_str ns, const struct sp_str *path, unsigned n,
                            uint32_t *ret_requests, uint8_t *ret_unit)
{
    static const struct sp_str units[] = {SP_STR_INIT("UNKNOWN"), SP_STR_INIT("SECOND"), SP_STR_INIT("MINUTE"), SP_STR_INIT("HOUR"),
                                          SP_STR_INIT("DAY"), SP_STR_INIT("MONTH"), SP_STR_INIT("YEAR"), SP_STR_INIT("WEEK")};
    assert(info && ret_requests && ret_unit);
    struct sp_str json = find(info, ns, path, n), unit;
    uint64_t requests;
    if (sp_str_u64(sp_json_member(json, SP_STR("requests_per_unit")), UINT32_MAX, &requests) < 0 ||
        !sp_json_is_string(sp_json_member(json, SP_STR("unit")), &unit))
        return false;
    for (unsigned i = 1; i < SP_ARRAY_LEN(units); i++)
        if (sp_str_eq(unit, units[i])) {
            *ret_requests = (uint32_t)requests;
            *ret_unit = i;
            return true;
        }
    return false;
}

struct sp_str sp_rate_limit_metadata(const struct sp_stream_info *info, struct sp_str ns, const struct sp_str *path,
                                     unsigned n, struct sp_arena *arena)
{
    assert(info && arena);
    struct sp_str json = find(info, ns, path, n), inner;
    if (!json.len || json.ptr[0] == '{' || json.ptr[0] == '[' || sp_str_eq(json, SP_STR("null")))
        return SP_STR_NULL;
    if (!sp_json_is_string(json, &inner))
        return json;
    char *out = sp_arena_alloc(arena, inner.len + 1);
    return sp_str_n(out, sp_json_unescape(inner, out));
}
