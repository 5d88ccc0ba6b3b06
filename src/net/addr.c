/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static void set_v6(struct sp_addr *a, const void *bytes, uint32_t scope)
{
    *a = (struct sp_addr){.family = AF_INET6, .scope = scope};
    if (memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        *a = (struct sp_addr){.family = AF_INET};
        memcpy(a->ip, (const uint8_t *)bytes + 12, 4);
        return;
    }
    memcpy(a->ip, bytes, 16);
}

/* The zone index behind '%': digits only, since a name would need the system. */
static int cut_scope(struct sp_str *text, uint32_t *ret_scope)
{
    ptrdiff_t at = sp_str_chr(*text, '%');
    *ret_scope = 0;
    if (at < 0)
        return 0;
    uint64_t scope;
    if (sp_str_u64(sp_str_sub(*text, (size_t)at + 1, text->len), UINT32_MAX, &scope) || !scope)
        return -EINVAL;
    *ret_scope = (uint32_t)scope;
    *text = sp_str_sub(*text, 0, (size_t)at);
    return 0;
}

static int parse_v6(struct sp_str text, struct sp_addr *ret)
{
    uint32_t scope;
    char z[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    if (cut_scope(&text, &scope) || text.len >= sizeof(z) || memchr(text.ptr, 0, text.len))
        return -EINVAL;
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    if (inet_pton(AF_INET6, z, &in6) != 1)
        return -EINVAL;
    set_v6(ret, &in6, scope);
    return 0;
}

static int parse_v4(struct sp_str text, struct sp_addr *ret)
{
    uint8_t ip[4];
    struct sp_str part;
    unsigned n = 0;
    while (sp_str_split(&text, '.', &part)) {
        uint64_t v;
        /* A leading zero would be octal to some readers: refuse what can be read in two ways. */
        if (n == 4 || part.len > 3 || (part.len > 1 && part.ptr[0] == '0') || sp_str_u64(part, 255, &v))
            return -EINVAL;
        ip[n++] = (uint8_t)v;
    }
    if (n != 4)
        return -EINVAL;
    *ret = (struct sp_addr){.family = AF_INET};
    memcpy(ret->ip, ip, 4);
    return 0;
}

int sp_addr_parse_ip(struct sp_str text, struct sp_addr *ret)
{
    assert(ret);
    if (!text.len)
        return -EINVAL;
    if (text.ptr[0] == '[') {
        if (text.len < 3 || text.ptr[text.len - 1] != ']')
            return -EINVAL;
        return parse_v6(sp_str_sub(text, 1, text.len - 1), ret);
    }
    return sp_str_chr(text, ':') >= 0 ? parse_v6(text, ret) : parse_v4(text, ret);
}

int sp_addr_parse(struct sp_str text, struct sp_addr *ret)
{
    assert(ret);
    ptrdiff_t colon = -1;
    if (text.len && text.ptr[0] == '[') {
        ptrdiff_t close = sp_str_chr(text, ']');
        if (close < 0)
            return -EINVAL;
        if ((size_t)close + 1 < text.len)
            colon = close + 1;
    } else {
        colon = sp_str_chr(text, ':');
        if (colon >= 0 && sp_str_chr(sp_str_sub(text, (size_t)colon + 1, text.len), ':') >= 0)
            colon = -1; /* more than one: an IPv6 address without brackets */
    }
    uint64_t port = 0;
    if (colon >= 0) {
        if (text.ptr[colon] != ':' || sp_str_u64(sp_str_sub(text, (size_t)colon + 1, text.len), 65535, &port))
            return -EINVAL;
        text = sp_str_sub(text, 0, (size_t)colon);
    }
    struct sp_addr a;
    int r = sp_addr_parse_ip(text, &a);
    if (r)
        return r;
    a.port = (uint16_t)port;
    *ret = a;
    return 0;
}

static const char *unix_path(const struct sockaddr_un *un, socklen_t len, struct sp_arena *arena)
{
    size_t off = offsetof(struct sockaddr_un, sun_path);
    if (len <= off || !arena)
        return "";
    size_t n = SP_MIN((size_t)len - off, sizeof(un->sun_path));
    if (un->sun_path[0])
        return sp_arena_str(arena, sp_str_n(un->sun_path, strnlen(un->sun_path, n))).ptr;
    return sp_arena_cat(arena, SP_STR("@"), sp_str_n(un->sun_path + 1, n - 1)).ptr;
}

int sp_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct sp_arena *arena, struct sp_addr *ret)
{
    assert(sa && ret);
    if (len < sizeof(sa->sa_family))
        return -EAFNOSUPPORT;
    if (sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof(in));
        *ret = (struct sp_addr){.family = AF_INET, .port = ntohs(in.sin_port)};
        memcpy(ret->ip, &in.sin_addr, 4);
        return 0;
    }
    if (sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof(in6));
        set_v6(ret, &in6.sin6_addr, in6.sin6_scope_id);
        ret->port = ntohs(in6.sin6_port);
        return 0;
    }
    if (sa->sa_family == AF_UNIX) {
        struct sockaddr_un un = {0};
        memcpy(&un, sa, SP_MIN((size_t)len, sizeof(un)));
        *ret = (struct sp_addr){.family = AF_UNIX};
        ret->path = unix_path(&un, len, arena);
        return 0;
    }
    return -EAFNOSUPPORT;
}

static socklen_t unix_sockaddr(const struct sp_addr *a, struct sockaddr_storage *ret)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(a->path), off = offsetof(struct sockaddr_un, sun_path);
    if (n >= sizeof(un.sun_path))
        return 0;
    memcpy(un.sun_path, a->path, n);
    socklen_t len = (socklen_t)(off + n + (n ? 1 : 0));
    if (n && a->path[0] == '@') { /* abstract names are told by their length, without a NUL behind */
        un.sun_path[0] = '\0';
        len--;
    }
    memcpy(ret, &un, sizeof(un));
    return len;
}

socklen_t sp_addr_to_sockaddr(const struct sp_addr *a, struct sockaddr_storage *ret)
{
    assert(a && ret);
    memset(ret, 0, sizeof(*ret));
    if (a->family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(ret, &in, sizeof(in));
        return sizeof(in);
    }
    if (a->family == AF_INET6) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
        memcpy(&in6.sin6_addr, a->ip, 16);
        memcpy(ret, &in6, sizeof(in6));
        return sizeof(in6);
    }
    return a->family == AF_UNIX ? unix_sockaddr(a, ret) : 0;
}

static size_t format_v4(const uint8_t *ip, char *out)
{
    char *p = out;
    for (int i = 0; i < 4; i++) { /* by hand: this is on the path of every request (x-forwarded-for, access log) */
        unsigned v = ip[i];
        if (v >= 100)
            *p++ = (char)('0' + v / 100);
        if (v >= 10)
            *p++ = (char)('0' + v / 10 % 10);
        *p++ = (char)('0' + v % 10);
        *p++ = '.';
    }
    *--p = '\0';
    return (size_t)(p - out);
}

size_t sp_addr_format_ip(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX])
{
    assert(a && out);
    if (a->family == AF_INET)
        return format_v4(a->ip, out);
    if (a->family == AF_INET6) {
        inet_ntop(AF_INET6, a->ip, out, INET6_ADDRSTRLEN);
        size_t n = strlen(out);
        if (a->scope)
            n += (size_t)snprintf(out + n, SP_ADDR_TEXT_MAX - n, "%%%u", a->scope);
        return n;
    }
    int n = snprintf(out, SP_ADDR_TEXT_MAX, "%s", a->family == AF_UNIX ? a->path : "-");
    return SP_MIN((size_t)n, (size_t)SP_ADDR_TEXT_MAX - 1);
}

const char *sp_addr_ip_text(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX])
{
    sp_addr_format_ip(a, out);
    return out;
}

/* By hand: every line of an access log has an address in it. */
static size_t format_port(unsigned port, char *out)
{
    size_t n = 1 + (port >= 10) + (port >= 100) + (port >= 1000) + (port >= 10000);
    out[0] = ':';
    out[1 + n] = 0;
    for (size_t i = n; i; port /= 10)
        out[i--] = (char)('0' + port % 10);
    return 1 + n;
}

size_t sp_addr_format(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX])
{
    assert(a && out);
    if (a->family == AF_INET6) {
        size_t n = 1 + sp_addr_format_ip(a, out);
        memmove(out + 1, out, n);
        out[0] = '[';
        out[n++] = ']';
        return n + format_port(a->port, out + n);
    }
    size_t n = sp_addr_format_ip(a, out);
    if (a->family == AF_INET)
        n += format_port(a->port, out + n);
    return n;
}

bool sp_addr_eq(const struct sp_addr *a, const struct sp_addr *b, bool with_port)
{
    assert(a && b);
    if (a->family != b->family)
        return false;
    switch (a->family) {
    case AF_INET:
        return memcmp(a->ip, b->ip, 4) == 0 && (!with_port || a->port == b->port);
    case AF_INET6:
        return memcmp(a->ip, b->ip, 16) == 0 && (!with_port || a->port == b->port);
    case AF_UNIX:
        return strcmp(a->path, b->path) == 0;
    default:
        return true;
    }
}

bool sp_addr_is_loopback(const struct sp_addr *a)
{
    assert(a);
    if (a->family == AF_INET)
        return a->ip[0] == 127;
    return a->family == AF_INET6 && memcmp(a->ip, &in6addr_loopback, 16) == 0;
}
