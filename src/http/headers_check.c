/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "http/chars.h"
#include "http/headers.h"

enum { METHOD_MAX = 32 };

bool sp_header_name_valid(struct sp_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (sp_tchar_lower[(unsigned char)name.ptr[i]] != (unsigned char)name.ptr[i] || !name.ptr[i])
            return false;
    return name.len > 0;
}

/* Eight bytes without a control character but HTAB, none of which carries into its neighbour. */
static inline bool clean8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80, rest = ones * 0x7f;
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    uint64_t tab = v ^ ones * '\t', del = v ^ rest;
    uint64_t printable = ((v & rest) + ones * 0x60) | v;
    uint64_t no_tab = ((tab & rest) + rest) | tab, no_del = ((del & rest) + rest) | del;
    return ((printable | ~no_tab) & no_del & high) == high;
}

bool sp_header_value_valid(struct sp_str value)
{
    size_t n = value.len;
    if (!n)
        return true;
    const char *p = value.ptr;
    if (p[0] == ' ' || p[0] == '\t' || p[n - 1] == ' ' || p[n - 1] == '\t')
        return false;
    /* Most values are short: the last step overlaps the one before it, which costs less than going byte by byte. */
    if (n >= 16)
        return sp_scan_ctl(p, p + (n & ~(size_t)15)) == p + (n & ~(size_t)15) && clean8(p + n - 16) && clean8(p + n - 8);
    if (n >= 8)
        return clean8(p) && clean8(p + n - 8);
    return sp_scan_ctl(p, p + n) == p + n;
}

bool sp_method_valid(struct sp_str method)
{
    for (size_t i = 0; i < method.len; i++)
        if (!sp_is_tchar(method.ptr[i]))
            return false;
    return method.len > 0 && method.len <= METHOD_MAX;
}

/* Bytes of a reg-name: 1 unreserved and sub-delims, 2 '%'. */
static const uint8_t reg_name[256] = {
    ['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1, ['('] = 1, [')'] = 1,
    ['*'] = 1, ['+'] = 1, [','] = 1, [';'] = 1, ['='] = 1, ['%'] = 2,
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
    while (i < s.len) {
        uint8_t class = reg_name[(unsigned char)s.ptr[i]];
        if (!class)
            break;
        if (class == 2) {
            if (s.len - i < 3 || sp_hex_value(s.ptr[i + 1]) < 0 || sp_hex_value(s.ptr[i + 2]) < 0)
                return 0;
            i += 2;
        }
        i++;
    }
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
