/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hello.h"

#include <assert.h>
#include <string.h>

void t_put(struct t_bytes *b, const void *p, size_t n)
{
    assert(b->n + n <= sizeof(b->p));
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

void t_u8(struct t_bytes *b, unsigned v)
{
    t_put(b, &(uint8_t){(uint8_t)v}, 1);
}

void t_u16(struct t_bytes *b, unsigned v)
{
    t_u8(b, v >> 8);
    t_u8(b, v & 0xff);
}

void t_u24(struct t_bytes *b, unsigned v)
{
    t_u8(b, v >> 16);
    t_u16(b, v & 0xffff);
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

void t_hex(struct t_bytes *b, const char *hex)
{
    for (; *hex; hex++) {
        if (*hex == ' ' || *hex == '\n')
            continue;
        t_u8(b, digit(hex[0]) << 4 | digit(hex[1]));
        hex++;
    }
}

void t_ext(struct t_bytes *b, unsigned type, const char *hex)
{
    static struct t_bytes body;
    body.n = 0;
    t_hex(&body, hex);
    t_u16(b, type);
    t_u16(b, (unsigned)body.n);
    t_put(b, body.p, body.n);
}

void t_ext_sni(struct t_bytes *b, const char *name, size_t n)
{
    t_u16(b, 0);
    t_u16(b, (unsigned)n + 5);
    t_u16(b, (unsigned)n + 3);
    t_u8(b, 0);
    t_u16(b, (unsigned)n);
    t_put(b, name, n);
}

void t_exts_13(struct t_bytes *b)
{
    t_ext(b, 10, "0004 001d 0017");
    t_ext(b, 13, "0006 0403 0804 0401");
    t_ext(b, 43, "04 0304 0303");
    t_ext(b, 51, "0024 001d 0020 0102030405060708091011121314151617181920212223242526272829303132");
    t_ext(b, 45, "01 01");
}

void t_hello(struct t_bytes *b, const struct t_bytes *extensions)
{
    static const uint8_t random[32] = {1, 2, 3};
    unsigned n = 2 + 32 + 1 + 2 + 4 + 2 + (extensions ? 2 + (unsigned)extensions->n : 0);
    t_u8(b, 1);
    t_u24(b, n);
    t_u16(b, 0x0303);
    t_put(b, random, 32);
    t_u8(b, 0);
    t_hex(b, "0004 1301 c02b 01 00");
    if (extensions) {
        t_u16(b, (unsigned)extensions->n);
        t_put(b, extensions->p, extensions->n);
    }
}

void t_records(struct t_bytes *out, const struct t_bytes *message, size_t max)
{
    for (size_t i = 0; i < message->n; i += max) {
        size_t n = message->n - i < max ? message->n - i : max;
        t_hex(out, "16 03 01");
        t_u16(out, (unsigned)n);
        t_put(out, message->p + i, n);
    }
}
