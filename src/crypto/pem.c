/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/pem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "crypto/hash.h"

static const struct sp_str begin = SP_STR_INIT("-----BEGIN "), end = SP_STR_INIT("-----END "), dashes = SP_STR_INIT("-----");

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct sp_str without_space(struct sp_str s, struct sp_arena *arena)
{
    char *out = sp_arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        if (!space(s.ptr[i]))
            out[n++] = s.ptr[i];
    return sp_str_n(out, n);
}

static int bad(const char *why, const char **ret_why)
{
    *ret_why = why;
    return -EINVAL;
}

/* Takes what stands before `mark`, and the mark. */
static bool until(struct sp_str *rest, struct sp_str mark, struct sp_str *ret)
{
    ptrdiff_t at = sp_str_find(*rest, mark);
    if (at < 0)
        return false;
    *ret = sp_str_sub(*rest, 0, (size_t)at);
    *rest = sp_str_sub(*rest, (size_t)at + mark.len, rest->len);
    return true;
}

int sp_pem_next(struct sp_str *rest, struct sp_arena *arena, struct sp_pem *ret, const char **ret_why)
{
    assert(rest && arena && ret && ret_why);
    struct sp_str label, body, second;
    struct sp_pem pem;
    ptrdiff_t at = rest->len ? sp_str_find(*rest, begin) : -1;
    if (at < 0)
        return 0;
    const struct sp_str whole = sp_str_sub(*rest, (size_t)at, rest->len);
    *rest = sp_str_sub(whole, begin.len, whole.len);
    if (!until(rest, dashes, &label) || label.len > 64 || !until(rest, end, &body) || !until(rest, dashes, &second))
        return bad("a PEM block has no end", ret_why);
    if (!sp_str_eq(label, second))
        return bad("the BEGIN and END lines of a PEM block differ", ret_why);
    pem.label = label;
    pem.text = sp_str_sub(whole, 0, whole.len - rest->len);
    /* RFC 1421 heads, as old encrypted keys have them, are for whoever reads `text`. */
    pem.der = SP_STR_NULL;
    if (sp_str_chr(body, ':') < 0 && sp_base64_decode(arena, SP_BASE64, without_space(body, arena), &pem.der) < 0)
        return bad("a PEM block is no base64", ret_why);
    *ret = pem;
    return 1;
}

struct sp_str sp_pem_url(struct sp_arena *arena, struct sp_str der)
{
    assert(arena);
    static const struct sp_str first = SP_STR_INIT("-----BEGIN%20CERTIFICATE-----%0A"), last = SP_STR_INIT("-----END%20CERTIFICATE-----%0A");
    enum { LINE = 64, ESCAPED = 3 };
    struct sp_str text = sp_base64_encode(arena, SP_BASE64, der);
    char *out = sp_arena_alloc(arena, first.len + last.len + (text.len + text.len / LINE + 1) * ESCAPED), *p = out;
    p = (char *)memcpy(p, first.ptr, first.len) + first.len;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *escape = c == '+' ? "%2B" : c == '/' ? "%2F" : c == '=' ? "%3D" : NULL;
        if (escape)
            p = (char *)memcpy(p, escape, ESCAPED) + ESCAPED;
        else
            *p++ = c;
        if (i % LINE == LINE - 1 || i == text.len - 1)
            p = (char *)memcpy(p, "%0A", ESCAPED) + ESCAPED;
    }
    p = (char *)memcpy(p, last.ptr, last.len) + last.len;
    return sp_str_n(out, (size_t)(p - out));
}
