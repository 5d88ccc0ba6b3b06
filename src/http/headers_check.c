/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "http/chars.h"
#include "http/headers.h"

enum { METHOD_MAX = 32 };

bool sp_header_is_framing(enum sp_header_id id)
{
    switch (id) {
    case SP_H_CONNECTION:
    case SP_H_CONTENT_LENGTH:
    case SP_H_HTTP2_SETTINGS:
    case SP_H_KEEP_ALIVE:
    case SP_H_PROXY_CONNECTION:
    case SP_H_TE:
    case SP_H_TRAILER:
    case SP_H_TRANSFER_ENCODING:
    case SP_H_UPGRADE:
        return true;
    default:
        return false;
    }
}

static const uint8_t no_trailer[SP_H_COUNT] = {
    [SP_H_HOST] = 1, [SP_H_CONTENT_LENGTH] = 1, [SP_H_TRANSFER_ENCODING] = 1, [SP_H_CONNECTION] = 1, [SP_H_UPGRADE] = 1,
    [SP_H_TE] = 1, [SP_H_EXPECT] = 1, [SP_H_KEEP_ALIVE] = 1, [SP_H_PROXY_CONNECTION] = 1, [SP_H_HTTP2_SETTINGS] = 1,
    [SP_H_TRAILER] = 1, [SP_H_AUTHORIZATION] = 1, [SP_H_COOKIE] = 1, [SP_H_SET_COOKIE] = 1, [SP_H_WWW_AUTHENTICATE] = 1,
    [SP_H_CACHE_CONTROL] = 1, [SP_H_CONTENT_ENCODING] = 1, [SP_H_CONTENT_TYPE] = 1, [SP_H_RANGE] = 1, [SP_H_AGE] = 1,
    [SP_H_DATE] = 1, [SP_H_LOCATION] = 1, [SP_H_VARY] = 1, [SP_H_RETRY_AFTER] = 1, [SP_H_FORWARDED] = 1, [SP_H_VIA] = 1,
    [SP_H_X_FORWARDED_CLIENT_CERT] = 1, [SP_H_X_FORWARDED_FOR] = 1, [SP_H_X_FORWARDED_HOST] = 1,
    [SP_H_X_FORWARDED_PORT] = 1, [SP_H_X_FORWARDED_PROTO] = 1, [SP_H_X_ORIGIN_VERIFY] = 1, [SP_H_X_REQUEST_ID] = 1,
};

bool sp_header_may_trail(enum sp_header_id id)
{
    return !no_trailer[id];
}

bool sp_header_name_valid(struct sp_str name)
{
    return sp_is_lower_token(name.ptr, name.len);
}

bool sp_header_value_valid(struct sp_str value)
{
    size_t n = value.len;
    if (!n)
        return true;
    const char *p = value.ptr;
    if (p[0] == ' ' || p[0] == '\t' || p[n - 1] == ' ' || p[n - 1] == '\t')
        return false;
    return !sp_has_ctl(p, n);
}

bool sp_method_valid(struct sp_str method)
{
    for (size_t i = 0; i < method.len; i++)
        if (!sp_is_tchar(method.ptr[i]))
            return false;
    return method.len > 0 && method.len <= METHOD_MAX;
}

bool sp_method_forged(struct sp_str method)
{
    static const struct sp_str known[] = {
        SP_STR_INIT("GET"),     SP_STR_INIT("HEAD"),    SP_STR_INIT("POST"),  SP_STR_INIT("PUT"),   SP_STR_INIT("DELETE"),
        SP_STR_INIT("CONNECT"), SP_STR_INIT("OPTIONS"), SP_STR_INIT("TRACE"), SP_STR_INIT("PATCH"),
    };
    unsigned lower = 0; /* '`', '|' and '~' count, too: they are looked at in vain */
    for (size_t i = 0; i < method.len; i++)
        lower |= (method.ptr[i] & 0x60) == 0x60;
    if (SP_LIKELY(!lower))
        return sp_str_eq(method, SP_STR("PRI"));
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
        if (sp_str_ieq(method, known[i]))
            return true;
    return false;
}

/* Bytes of a reg-name: unreserved and sub-delims. */
static const uint8_t reg_name[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1, ['('] = 1, [')'] = 1,
    ['*'] = 1, ['+'] = 1, [','] = 1, [';'] = 1, ['='] = 1,
    ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1,
    ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1,
    ['k'] = 1, ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1,
    ['u'] = 1, ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
    ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1,
    ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1,
    ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1,
};

/* Length of the reg-name or IPv4 address at the start of s; 0 when there is none. */
static size_t reg_name_len(struct sp_str s)
{
    size_t i = 0;
    while (i < s.len && reg_name[(unsigned char)s.ptr[i]])
        i++;
    return i;
}

/* Length of "[...]" at the start of s; 0 when it is none. Only the bytes of an IPv6 address are checked. */
static size_t ip_literal_len(struct sp_str s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.ptr[i] == ']')
            return i >= 3 ? i + 1 : 0;
        if (sp_hex_value(s.ptr[i]) < 0 && s.ptr[i] != ':' && s.ptr[i] != '.')
            return 0;
    }
    return 0;
}

bool sp_authority_valid(struct sp_str authority)
{
    if (!authority.len)
        return false;
    size_t host = authority.ptr[0] == '[' ? ip_literal_len(authority) : reg_name_len(authority);
    if (!host)
        return false;
    if (host == authority.len)
        return true;
    uint64_t port;
    if (authority.ptr[host] != ':')
        return false;
    struct sp_str digits = sp_str_sub(authority, host + 1, authority.len);
    return digits.len && digits.len <= 5 && sp_str_u64(digits, 65535, &port) == 0;
}

bool sp_connect_target_valid(struct sp_str authority)
{
    if (!sp_authority_valid(authority))
        return false;
    bool zero = true;
    size_t at = authority.len; /* where the digits at its end begin */
    for (; at && sp_is_digit(authority.ptr[at - 1]); at--)
        zero = zero && authority.ptr[at - 1] == '0';
    return !zero && at && authority.ptr[at - 1] == ':';
}
