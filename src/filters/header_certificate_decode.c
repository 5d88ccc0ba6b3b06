/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/header_certificate_decode.h"

#include <assert.h>

#include "crypto/hash.h"
#include "crypto/pem.h"

#define FORMAT(name) SALLYPORT__FILTERS__HTTP__HEADER_CERTIFICATE__V1__HEADER_CERTIFICATE__FORMAT__##name

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "+" stands for itself: AWS leaves it in base64 as it is. */
static bool percent_decode(struct sp_str in, struct sp_arena *arena, struct sp_str *ret)
{
    char *out = sp_arena_alloc(arena, in.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '%') {
            out[n++] = in.ptr[i];
            continue;
        }
        int high = i + 2 < in.len ? hex_digit(in.ptr[i + 1]) : -1, low = high < 0 ? -1 : hex_digit(in.ptr[i + 2]);
        if (low < 0)
            return false;
        out[n++] = (char)(high << 4 | low);
        i += 2;
    }
    *ret = sp_str_n(out, n);
    return true;
}

static bool only_space(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!strchr(" \t\r\n", s.ptr[i]))
            return false;
    return true;
}

/* Certificates, and nothing between them that others might read. */
static unsigned from_pem(struct sp_str value, struct sp_arena *arena, struct sp_str ret[static SP_CERT_CHECK_MAX_CHAIN])
{
    struct sp_str text, rest;
    struct sp_pem block;
    const char *why;
    unsigned n = 0;
    int r;
    if (!percent_decode(value, arena, &text))
        return 0;
    rest = text;
    for (const char *from = text.ptr; (r = sp_pem_next(&rest, arena, &block, &why)) > 0; from = rest.ptr) {
        if (n == SP_CERT_CHECK_MAX_CHAIN || !sp_str_eq(block.label, SP_STR("CERTIFICATE")) || !block.der.len ||
            !only_space(sp_str_n(from, (size_t)(block.text.ptr - from))))
            return 0;
        ret[n++] = block.der;
    }
    return r == 0 && only_space(rest) ? n : 0;
}

static unsigned from_base64(struct sp_str value, struct sp_arena *arena, struct sp_str *ret)
{
    return sp_base64_decode(arena, SP_BASE64, value, ret) == 0 && ret->len ? 1 : 0;
}

unsigned sp_header_cert_decode(sp_header_cert_format format, struct sp_str value, struct sp_arena *arena,
                               struct sp_str ret[static SP_CERT_CHECK_MAX_CHAIN])
{
    assert(arena && ret);
    if (format == FORMAT(URL_ENCODED_PEM))
        return from_pem(value, arena, ret);
    if (format == FORMAT(BASE64_DER))
        return from_base64(value, arena, ret);
    if (value.len < 3 || value.ptr[0] != ':' || value.ptr[value.len - 1] != ':')
        return 0;
    return from_base64(sp_str_sub(value, 1, value.len - 1), arena, ret);
}
