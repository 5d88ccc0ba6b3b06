/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/dpop_uri.h"

#include <assert.h>

#include "http/headers.h"

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unreserved(int c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* Section 6.2.2.1 and .2: escapes in capitals, and none for what needs none. False on a broken escape or a control. */
static bool unescape(struct sp_str path, char *out, size_t *ret_n)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if ((unsigned char)c <= ' ' || c == 127)
            return false;
        if (c != '%') {
            out[n++] = c;
            continue;
        }
        int hi = i + 2 < path.len ? hex(path.ptr[i + 1]) : -1, lo = hi < 0 ? -1 : hex(path.ptr[i + 2]);
        if (lo < 0)
            return false;
        i += 2;
        if (unreserved(hi << 4 | lo)) {
            out[n++] = (char)(hi << 4 | lo);
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[hi];
        out[n++] = digits[lo];
    }
    *ret_n = n;
    return true;
}

/* Section 5.2.4, in place; the path begins with '/'. */
static size_t remove_dots(char *p, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n;) {
        size_t end = i + 1;
        while (end < n && p[end] != '/')
            end++;
        struct sp_str part = sp_str_n(p + i + 1, end - i - 1);
        bool up = sp_str_eq(part, SP_STR("..")), here = sp_str_eq(part, SP_STR("."));
        if (up)
            while (to > 0 && p[--to] != '/')
                ;
        if (!up && !here) {
            memmove(p + to, p + i, end - i);
            to += end - i;
        } else if (end == n) {
            p[to++] = '/';
        }
        i = end;
    }
    if (!to)
        p[to++] = '/';
    return to;
}

/* Without the scheme's own port; lower-case. */
static bool host_of(struct sp_str authority, bool tls, struct sp_arena *arena, struct sp_str *ret)
{
    if (!sp_authority_valid(authority))
        return false;
    struct sp_str port = tls ? SP_STR(":443") : SP_STR(":80");
    if (sp_str_ends(authority, port))
        authority.len -= port.len;
    struct sp_str lower = sp_arena_str(arena, authority);
    char *p = (char *)(uintptr_t)lower.ptr;
    for (size_t i = 0; i < lower.len; i++)
        p[i] = sp_ascii_lower(p[i]);
    *ret = lower;
    return true;
}

bool sp_dpop_uri(struct sp_str uri, struct sp_arena *arena, struct sp_str *ret)
{
    assert(arena && ret);
    bool tls = sp_str_istarts(uri, SP_STR("https://"));
    if (!tls && !sp_str_istarts(uri, SP_STR("http://")))
        return false;
    struct sp_str rest = sp_str_sub(uri, tls ? 8 : 7, uri.len), host;
    size_t slash = 0, end = 0, n = 0;
    while (end < rest.len && rest.ptr[end] != '?' && rest.ptr[end] != '#')
        end++;
    while (slash < end && rest.ptr[slash] != '/')
        slash++;
    if (!host_of(sp_str_sub(rest, 0, slash), tls, arena, &host))
        return false;
    struct sp_str path = sp_str_sub(rest, slash, end);
    char *out = sp_arena_alloc(arena, path.len + 2);
    if (!unescape(path, out, &n))
        return false;
    if (!n)
        out[n++] = '/';
    n = remove_dots(out, n);
    *ret = sp_arena_printf(arena, "%s://%.*s%.*s", tls ? "https" : "http", SP_STR_ARG(host), (int)n, out);
    return true;
}
