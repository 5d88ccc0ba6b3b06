/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/proxy_protocol.h"

#include <assert.h>
#include <errno.h>

enum {
    SIGNATURE = 12,
    FIXED = 16, /* signature, version and command, family and transport, length */
    LOCAL = 0,
    PROXY = 1,
    STREAM = 1,
    V4_BLOCK = 12,
    V6_BLOCK = 36,
    TLV_HEAD = 3,
    TLV_CRC32C = 3,
};

static const char v1_start[] = "PROXY ";
static const char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";
enum { V1_START = sizeof(v1_start) - 1 };
_Static_assert(sizeof(v2_start) - 1 == SIGNATURE, "signature");

static int bad(const char **ret_why, const char *why)
{
    *ret_why = why;
    return -EPROTO;
}

/* An address that a TCP connection can come from or go to. */
static bool is_unicast(const struct sp_addr *a)
{
    static const uint8_t zero[16];
    if (a->family == AF_INET)
        return memcmp(a->ip, zero, 4) != 0 && a->ip[0] < 224;
    return memcmp(a->ip, zero, 16) != 0 && a->ip[0] != 0xff;
}

static bool is_unicast_pair(const struct sp_proxy_header *h)
{
    return is_unicast(&h->source) && is_unicast(&h->destination);
}

/* ---- version 1 ---- */

static bool read_ip(struct sp_str text, bool v6, struct sp_addr *ret)
{
    bool colon = sp_str_chr(text, ':') >= 0;
    return colon == v6 && sp_str_chr(text, '[') < 0 && sp_str_chr(text, '%') < 0 && sp_addr_parse_ip(text, ret) == 0;
}

static bool read_port(struct sp_str text, struct sp_addr *ret)
{
    uint64_t v;
    if ((text.len > 1 && text.ptr[0] == '0') || sp_str_u64(text, UINT16_MAX, &v) < 0)
        return false;
    ret->port = (uint16_t)v;
    return true;
}

static bool read_pair(struct sp_str rest, bool v6, struct sp_proxy_header *h)
{
    struct sp_str part[4];
    for (unsigned i = 0; i < 3; i++)
        if (!sp_str_split(&rest, ' ', &part[i]) || !rest.ptr)
            return false;
    part[3] = rest;
    return read_ip(part[0], v6, &h->source) && read_ip(part[1], v6, &h->destination) && read_port(part[2], &h->source) &&
           read_port(part[3], &h->destination);
}

static int read_line(struct sp_str line, struct sp_proxy_header *h, const char **ret_why)
{
    struct sp_str rest = sp_str_sub(line, V1_START, line.len);
    if (sp_str_eq(rest, SP_STR("UNKNOWN")) || sp_str_starts(rest, SP_STR("UNKNOWN ")))
        return 1;
    bool v6 = sp_str_starts(rest, SP_STR("TCP6 "));
    if (!v6 && !sp_str_starts(rest, SP_STR("TCP4 ")))
        return bad(ret_why, "PROXY protocol: the line names neither TCP4 nor TCP6 nor UNKNOWN");
    if (!read_pair(sp_str_sub(rest, 5, rest.len), v6, h))
        return bad(ret_why, "PROXY protocol: the line has no two addresses and two ports");
    if (!is_unicast_pair(h))
        return bad(ret_why, "PROXY protocol: an address nobody connects from");
    h->named = true;
    return 1;
}

static int parse_v1(struct sp_buf *in, struct sp_proxy_header *h, const char **ret_why)
{
    h->version = 1;
    ptrdiff_t lf = sp_buf_chr(in, '\n', SP_PROXY_V1_MAX);
    if (lf < 0 && in->len < SP_PROXY_V1_MAX)
        return 0;
    if (lf < 0)
        return bad(ret_why, "PROXY protocol: the line is too long");
    const char *p = sp_buf_pullup(in, (size_t)lf + 1);
    if (p[lf - 1] != '\r')
        return bad(ret_why, "PROXY protocol: the line does not end in CR LF");
    h->len = (size_t)lf + 1;
    return read_line(sp_str_n(p, (size_t)lf - 1), h, ret_why);
}

/* ---- version 2 ---- */

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static uint32_t crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return crc;
}

/* Over the whole header, in which the four bytes of the sum itself count as zero. */
static bool sum_is_right(const uint8_t *p, size_t len, const uint8_t *sum)
{
    static const uint8_t zero[4];
    const uint8_t *behind = sum + 4;
    uint32_t crc = crc32c(UINT32_MAX, p, (size_t)(sum - p));
    crc = crc32c(crc, zero, 4);
    crc = ~crc32c(crc, behind, len - (size_t)(behind - p));
    return crc == ((uint32_t)u16(sum) << 16 | u16(sum + 2));
}

static int check_tlvs(const uint8_t *p, size_t len, size_t at, const char **ret_why)
{
    const uint8_t *sum = NULL;
    while (at < len) {
        size_t size = len - at < TLV_HEAD ? len : u16(p + at + 1);
        if (size > len - at - SP_MIN(len - at, (size_t)TLV_HEAD))
            return bad(ret_why, "PROXY protocol: a TLV is longer than the header");
        if (p[at] == TLV_CRC32C && (size != 4 || sum))
            return bad(ret_why, "PROXY protocol: not one checksum of four bytes");
        if (p[at] == TLV_CRC32C)
            sum = p + at + TLV_HEAD;
        at += TLV_HEAD + size;
    }
    return !sum || sum_is_right(p, len, sum) ? 1 : bad(ret_why, "PROXY protocol: the checksum is wrong");
}

/* IPv4-mapped IPv6 becomes IPv4, as everywhere. */
static struct sp_addr make_ip(const uint8_t *ip, bool v6, const uint8_t *port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (v6 && memcmp(ip, mapped, 12) == 0)
        return make_ip(ip + 12, false, port);
    struct sp_addr a = {.family = v6 ? AF_INET6 : AF_INET, .port = (uint16_t)u16(port)};
    memcpy(a.ip, ip, v6 ? 16 : 4);
    return a;
}

static int read_block(const uint8_t *p, struct sp_proxy_header *h, const char **ret_why)
{
    unsigned family = p[13] >> 4;
    bool v6 = family == 2;
    size_t ip = v6 ? 16 : 4, block = v6 ? V6_BLOCK : V4_BLOCK;
    if ((family != 1 && family != 2) || (p[13] & 15) != STREAM)
        return bad(ret_why, "PROXY protocol: neither TCP over IPv4 nor over IPv6");
    if (h->len < FIXED + block)
        return bad(ret_why, "PROXY protocol: too short for its addresses");
    const uint8_t *a = p + FIXED, *ports = a + 2 * ip;
    h->source = make_ip(a, v6, ports);
    h->destination = make_ip(a + ip, v6, ports + 2);
    if (!is_unicast_pair(h))
        return bad(ret_why, "PROXY protocol: an address nobody connects from");
    h->named = true;
    return check_tlvs(p, h->len, FIXED + block, ret_why);
}

static int parse_v2(struct sp_buf *in, struct sp_proxy_header *h, const char **ret_why)
{
    h->version = 2;
    const uint8_t *p = (const uint8_t *)sp_buf_pullup(in, SP_MIN(in->len, (size_t)FIXED));
    if (in->len > SIGNATURE && (p[12] >> 4 != 2 || (p[12] & 15) > PROXY))
        return bad(ret_why, "PROXY protocol: neither version 2 nor a command of it");
    if (in->len < FIXED)
        return 0;
    h->len = FIXED + u16(p + 14);
    if (h->len > SP_PROXY_V2_MAX)
        return bad(ret_why, "PROXY protocol: the header is longer than 4096 bytes");
    if (in->len < h->len)
        return 0;
    p = (const uint8_t *)sp_buf_pullup(in, h->len);
    return (p[12] & 15) == LOCAL ? 1 : read_block(p, h, ret_why); /* what LOCAL carries is to be ignored */
}

int sp_proxy_parse(struct sp_buf *in, struct sp_proxy_header *ret, const char **ret_why)
{
    assert(in && ret && ret_why);
    char first[SIGNATURE];
    size_t n = sp_buf_peek(in, first, SIGNATURE);
    *ret = (struct sp_proxy_header){0};
    if (n >= V1_START && memcmp(first, v1_start, V1_START) == 0)
        return parse_v1(in, ret, ret_why);
    if (n == SIGNATURE && memcmp(first, v2_start, SIGNATURE) == 0)
        return parse_v2(in, ret, ret_why);
    if (n == 0 || (n < V1_START && memcmp(first, v1_start, n) == 0) ||
        (n < SIGNATURE && memcmp(first, v2_start, n) == 0))
        return 0;
    *ret_why = "PROXY protocol: no header";
    return -ENOENT;
}
