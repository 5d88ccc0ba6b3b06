/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/proxy_write.h"

#include <assert.h>
#include <stdio.h>

#include "net/proxy_protocol.h"

enum { FIXED = 16, PROXY = 0x21, TCP4 = 0x11, TCP6 = 0x21 };

static const char local_v2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"; /* version 2, LOCAL; then no family and no length */

static bool is_ip(const struct sp_addr *a)
{
    return a && (a->family == AF_INET || a->family == AF_INET6);
}

/* The address alone: 4 or 16 bytes. */
static uint8_t *put_ip(uint8_t *p, const struct sp_addr *a, bool v6)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (v6 && a->family == AF_INET)
        p = mempcpy(p, mapped, sizeof(mapped));
    return mempcpy(p, a->ip, a->family == AF_INET ? 4 : 16);
}

static uint8_t *put16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static struct sp_str write_v2(struct sp_arena *arena, const struct sp_addr *source, const struct sp_addr *destination, bool v6,
                              struct sp_str tlvs)
{
    size_t block = v6 ? 36 : 12, len = FIXED + block + tlvs.len;
    uint8_t *out = sp_arena_alloc(arena, len);
    uint8_t *p = mempcpy(out, local_v2, FIXED - 4);
    *p++ = PROXY;
    *p++ = v6 ? TCP6 : TCP4;
    p = put16(p, block + tlvs.len);
    p = put_ip(p, source, v6);
    p = put_ip(p, destination, v6);
    p = put16(p, source->port);
    p = put16(p, destination->port);
    if (tlvs.len)
        memcpy(p, tlvs.ptr, tlvs.len);
    return sp_str_n((const char *)out, len);
}

static struct sp_str write_v1(struct sp_arena *arena, const struct sp_addr *source, const struct sp_addr *destination, bool v6)
{
    char from[SP_ADDR_TEXT_MAX], to[SP_ADDR_TEXT_MAX];
    struct sp_addr a = *source, b = *destination;
    a.scope = b.scope = 0; /* a zone means nothing elsewhere */
    sp_addr_format_ip(&a, from);
    sp_addr_format_ip(&b, to);
    const char *mapped = "::ffff:";
    return sp_arena_printf(arena, "PROXY TCP%d %s%s %s%s %u %u\r\n", v6 ? 6 : 4, v6 && a.family == AF_INET ? mapped : "", from,
                           v6 && b.family == AF_INET ? mapped : "", to, (unsigned)a.port, (unsigned)b.port);
}

struct sp_str sp_proxy_write(struct sp_arena *arena, unsigned version, const struct sp_addr *source,
                             const struct sp_addr *destination, struct sp_str tlvs)
{
    assert(arena && (version == 1 || version == 2) && tlvs.len <= SP_PROXY_TLVS_MAX && (version == 2 || !tlvs.len));
    if (!is_ip(source) || !is_ip(destination))
        return version == 1 ? SP_STR("PROXY UNKNOWN\r\n") : sp_str_n(local_v2, FIXED);
    bool v6 = source->family == AF_INET6 || destination->family == AF_INET6;
    return version == 1 ? write_v1(arena, source, destination, v6) : write_v2(arena, source, destination, v6, tlvs);
}
