/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/cidr.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

static void mask(uint8_t *ip, unsigned bits)
{
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
        if (keep < 8)
            ip[i] &= (uint8_t)(0xff00u >> keep);
    }
}

/*
 * `bits` as written, or -1 for a bare address. An IPv4-mapped text has become IPv4 in `a`, so its length counts from the
 * 96th bit; a shorter one would mean half of IPv6 and none of IPv4.
 */
static int make(struct sp_str address, int bits, struct sp_cidr *ret, const char **ret_why)
{
    struct sp_addr a;
    if (sp_addr_parse_ip(address, &a)) {
        *ret_why = "not an IPv4 or IPv6 address";
        return -EINVAL;
    }
    if (a.scope) {
        *ret_why = "an address range cannot have a zone index";
        return -EINVAL;
    }
    bool mapped = a.family == AF_INET && sp_str_chr(address, ':') >= 0;
    unsigned width = a.family == AF_INET ? 32 : 128;
    if (bits >= 0 && mapped) {
        if (bits < 96 || bits > 128) {
            *ret_why = "the prefix length of an IPv4-mapped range must be from 96 to 128";
            return -EINVAL;
        }
        bits -= 96;
    }
    if (bits > (int)width) {
        *ret_why = width == 32 ? "the prefix length must be from 0 to 32" : "the prefix length must be from 0 to 128";
        return -EINVAL;
    }
    *ret = (struct sp_cidr){.family = a.family, .bits = (uint8_t)(bits < 0 ? (int)width : bits)};
    memcpy(ret->ip, a.ip, width / 8);
    return 0;
}

int sp_cidr_parse(struct sp_str text, struct sp_cidr *ret, const char **ret_why)
{
    assert(ret && ret_why);
    ptrdiff_t slash = sp_str_chr(text, '/');
    int bits = -1;
    if (slash >= 0) {
        uint64_t v;
        struct sp_str digits = sp_str_sub(text, (size_t)slash + 1, text.len);
        if (sp_str_u64(digits, 128, &v) || (digits.len > 1 && digits.ptr[0] == '0')) {
            *ret_why = "what follows the slash must be a prefix length in digits, at most 32 for IPv4 and 128 for IPv6";
            return -EINVAL;
        }
        bits = (int)v;
        text = sp_str_sub(text, 0, (size_t)slash);
    }
    struct sp_cidr c;
    int r = make(text, bits, &c, ret_why);
    if (r)
        return r;
    struct sp_cidr masked = c;
    mask(masked.ip, masked.bits);
    if (memcmp(masked.ip, c.ip, 16) != 0) {
        static _Thread_local char why[SP_ADDR_TEXT_MAX + 80];
        char right[SP_ADDR_TEXT_MAX];
        sp_cidr_format(&masked, right);
        snprintf(why, sizeof(why), "bits behind the prefix length are set (did you mean %s?)", right);
        *ret_why = why;
        return -EINVAL;
    }
    *ret = c;
    return 0;
}

int sp_cidr_from_prefix(struct sp_str address, unsigned bits, struct sp_cidr *ret, const char **ret_why)
{
    assert(ret && ret_why);
    int r = make(address, (int)SP_MIN(bits, 1000u), ret, ret_why);
    if (r == 0)
        mask(ret->ip, ret->bits);
    return r;
}

bool sp_cidr_contains(const struct sp_cidr *c, const struct sp_addr *a)
{
    assert(c && a);
    if (c->family != a->family || !c->family)
        return false;
    unsigned bytes = c->bits / 8, rest = c->bits % 8;
    if (memcmp(c->ip, a->ip, bytes) != 0)
        return false;
    return !rest || ((c->ip[bytes] ^ a->ip[bytes]) & (uint8_t)(0xff00u >> rest)) == 0;
}

bool sp_cidr_is_wide(const struct sp_cidr *c)
{
    assert(c);
    return c->bits < (c->family == AF_INET ? 8 : 16);
}

size_t sp_cidr_format(const struct sp_cidr *c, char out[SP_ADDR_TEXT_MAX])
{
    assert(c && out);
    struct sp_addr a = {.family = c->family};
    memcpy(a.ip, c->ip, 16);
    size_t n = sp_addr_format_ip(&a, out);
    return n + (size_t)snprintf(out + n, SP_ADDR_TEXT_MAX - n, "/%u", c->bits);
}
