/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <stdio.h>

#include "crypto/x509.h"

enum { MAX_PARTS = 64, TAG_UTF8 = 12, TAG_PRINTABLE = 19, TAG_T61 = 20, TAG_IA5 = 22, TAG_UNIVERSAL = 28, TAG_BMP = 30 };

static const struct {
    struct sp_str oid;
    const char *name;
} types[] = {
    {SP_STR_INIT("\x55\x04\x03"), "CN"},
    {SP_STR_INIT("\x55\x04\x04"), "SN"},
    {SP_STR_INIT("\x55\x04\x05"), "serialNumber"},
    {SP_STR_INIT("\x55\x04\x06"), "C"},
    {SP_STR_INIT("\x55\x04\x07"), "L"},
    {SP_STR_INIT("\x55\x04\x08"), "ST"},
    {SP_STR_INIT("\x55\x04\x09"), "street"},
    {SP_STR_INIT("\x55\x04\x0a"), "O"},
    {SP_STR_INIT("\x55\x04\x0b"), "OU"},
    {SP_STR_INIT("\x55\x04\x0c"), "title"},
    {SP_STR_INIT("\x55\x04\x0f"), "businessCategory"},
    {SP_STR_INIT("\x55\x04\x11"), "postalCode"},
    {SP_STR_INIT("\x55\x04\x2a"), "GN"},
    {SP_STR_INIT("\x55\x04\x2b"), "initials"},
    {SP_STR_INIT("\x55\x04\x2e"), "dnQualifier"},
    {SP_STR_INIT("\x55\x04\x61"), "organizationIdentifier"},
    {SP_STR_INIT("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), "UID"},
    {SP_STR_INIT("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), "DC"},
    {SP_STR_INIT("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), "emailAddress"},
};

/* A text that grows at the end of an arena's allocation: names are bounded by the certificate. */
struct text {
    char *p;
    size_t n, cap;
};

static void put(struct text *t, const char *s, size_t n)
{
    n = SP_MIN(n, t->cap - t->n);
    memcpy(t->p + t->n, s, n);
    t->n += n;
}

static void put_hex(struct text *t, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    const char hex[3] = {'\\', digits[byte >> 4], digits[byte & 15]};
    put(t, hex, sizeof(hex));
}

/* RFC 2253 section 2.4; bytes outside of ASCII are escaped too, so that no log has to guess a character set. */
static void put_char(struct text *t, uint8_t c, bool first, bool last)
{
    if (c < ' ' || c >= 127)
        put_hex(t, c);
    else if (strchr(",+\"\\<>;", c) || (first && (c == '#' || c == ' ')) || (last && c == ' '))
        put(t, (char[2]){'\\', (char)c}, 2);
    else
        put(t, (const char *)&c, 1);
}

static void put_utf8(struct text *t, uint32_t c, bool first, bool last)
{
    uint8_t out[4];
    size_t n = 0;
    if (c < 0x80) {
        put_char(t, (uint8_t)c, first, last);
        return;
    }
    if (c >= 0x10000)
        out[n++] = (uint8_t)(0xf0 | c >> 18);
    if (c >= 0x800)
        out[n++] = (uint8_t)((c >= 0x10000 ? 0x80 : 0xe0) | (c >> 12 & (c >= 0x10000 ? 0x3f : 0x0f)));
    out[n++] = (uint8_t)((c >= 0x800 ? 0x80 : 0xc0) | (c >> 6 & (c >= 0x800 ? 0x3f : 0x1f)));
    out[n++] = (uint8_t)(0x80 | (c & 0x3f));
    for (size_t i = 0; i < n; i++)
        put_hex(t, out[i]);
}

static void put_value(struct text *t, uint8_t tag, struct sp_der v, struct sp_str whole)
{
    size_t width = tag == TAG_BMP ? 2 : tag == TAG_UNIVERSAL ? 4 : 1;
    bool text = tag == TAG_UTF8 || tag == TAG_PRINTABLE || tag == TAG_T61 || tag == TAG_IA5 || width > 1;
    if (!text || v.n % width) {
        put(t, "#", 1);
        for (size_t i = 0; i < whole.len; i++) {
            char hex[3];
            snprintf(hex, sizeof(hex), "%02X", (uint8_t)whole.ptr[i]);
            put(t, hex, 2);
        }
        return;
    }
    for (size_t i = 0; i < v.n; i += width) {
        uint32_t c = 0;
        for (size_t k = 0; k < width; k++)
            c = c << 8 | v.p[i + k];
        bool last = i + width == v.n;
        if (width > 1 || (tag == TAG_T61 && c >= 0x80))
            put_utf8(t, c & 0x1fffff, i == 0, last);
        else
            put_char(t, (uint8_t)c, i == 0, last);
    }
}

static void put_oid(struct text *t, struct sp_str oid)
{
    char number[24];
    uint64_t v = 0;
    bool first = true;
    for (size_t i = 0; i < oid.len; i++) {
        v = (v << 7 | ((uint8_t)oid.ptr[i] & 0x7f)) & UINT64_C(0xffffffffffff);
        if ((uint8_t)oid.ptr[i] & 0x80)
            continue;
        if (first)
            put(t, number, (size_t)snprintf(number, sizeof(number), "%d.", v < 40 ? 0 : v < 80 ? 1 : 2));
        unsigned long long part = first ? v - (v < 40 ? 0 : v < 80 ? 40 : 80) : v;
        put(t, number, (size_t)snprintf(number, sizeof(number), first ? "%llu" : ".%llu", part));
        first = false;
        v = 0;
    }
}

static void put_attribute(struct text *t, struct sp_der attribute)
{
    struct sp_der oid, v;
    struct sp_str whole;
    uint8_t tag;
    if (!sp_der_take(&attribute, SP_DER_OID, &oid) || !sp_der_any(&attribute, &tag, &v, &whole) || attribute.n)
        return;
    const char *name = NULL;
    for (size_t i = 0; i < SP_ARRAY_LEN(types); i++)
        if (sp_str_eq(types[i].oid, sp_der_str(oid)))
            name = types[i].name;
    if (name)
        put(t, name, strlen(name));
    else
        put_oid(t, sp_der_str(oid));
    put(t, "=", 1);
    put_value(t, name ? tag : 0, v, whole); /* of an unknown type the bytes, as RFC 2253 has it: its string form is not known */
}

/* Backwards too, as openssl does it. */
static void put_set(struct text *t, struct sp_der set)
{
    struct sp_der attributes[MAX_PARTS];
    unsigned n = 0;
    while (n < MAX_PARTS && sp_der_take(&set, SP_DER_SEQUENCE, &attributes[n]))
        n++;
    while (n-- > 0) {
        put_attribute(t, attributes[n]);
        if (n > 0)
            put(t, "+", 1);
    }
}

struct sp_str sp_x509_name_text(struct sp_arena *arena, struct sp_str name)
{
    struct sp_der d = sp_der_over(name), seq, set, sets[MAX_PARTS];
    unsigned n = 0;
    assert(arena);
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq))
        return SP_STR_NULL;
    while (n < MAX_PARTS && sp_der_take(&seq, SP_DER_SET, &set))
        sets[n++] = set;
    /* No byte of a value takes more than 12 of text (four escaped bytes of UTF-8 for one of T61 take 6). */
    struct text t = {.cap = name.len * 12 + 32};
    t.p = sp_arena_alloc(arena, t.cap + 1);
    for (unsigned i = n; i-- > 0;) {
        put_set(&t, sets[i]);
        if (i > 0)
            put(&t, ",", 1);
    }
    t.p[t.n] = 0;
    return sp_str_n(t.p, t.n);
}

struct sp_str sp_x509_other_text(struct sp_str other, struct sp_str oid)
{
    struct sp_der d = sp_der_over(other), type, wrapped, value;
    uint8_t tag;
    if (!sp_der_take(&d, SP_DER_OID, &type) || !sp_str_eq(sp_der_str(type), oid) ||
        !sp_der_take(&d, SP_DER_CONTEXT_CONS(0), &wrapped) || !sp_der_any(&wrapped, &tag, &value, NULL) || wrapped.n)
        return SP_STR_NULL;
    return tag == TAG_UTF8 || tag == TAG_PRINTABLE || tag == TAG_IA5 ? sp_der_str(value) : SP_STR_NULL;
}

/* Base 128, the highest first; all but the last with the top bit set. */
static size_t put_arc(char *out, uint64_t v)
{
    size_t n = 1;
    for (uint64_t rest = v >> 7; rest; rest >>= 7)
        n++;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)((v >> (7 * (n - 1 - i)) & 0x7f) | (i + 1 < n ? 0x80 : 0));
    return n;
}

struct sp_str sp_x509_oid(struct sp_arena *arena, struct sp_str dotted)
{
    enum { MAX_ARCS = 32, ARC_BYTES = 5 };
    uint64_t arcs[MAX_ARCS];
    unsigned n = 0;
    struct sp_str part;
    while (sp_str_split(&dotted, '.', &part)) {
        uint64_t v = 0;
        if (n == MAX_ARCS || !part.len || part.len > 10 || (part.len > 1 && part.ptr[0] == '0'))
            return SP_STR_NULL;
        for (size_t i = 0; i < part.len; i++) {
            if (part.ptr[i] < '0' || part.ptr[i] > '9')
                return SP_STR_NULL;
            v = v * 10 + (uint64_t)(part.ptr[i] - '0');
        }
        arcs[n++] = v;
    }
    if (n < 2 || arcs[0] > 2 || (arcs[0] < 2 && arcs[1] > 39))
        return SP_STR_NULL;
    char *out = sp_arena_alloc(arena, MAX_ARCS * ARC_BYTES);
    size_t len = put_arc(out, arcs[0] * 40 + arcs[1]);
    for (unsigned i = 2; i < n; i++)
        len += put_arc(out + len, arcs[i]);
    return sp_str_n(out, len);
}
