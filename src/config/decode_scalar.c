/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalar nodes to numbers, strings, bytes and enums. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "config/decode.h"
#include "config/names.h"

struct scalar {
    struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_place *place;
    const ProtobufCFieldDescriptor *field;
    int index;
    struct sp_node *node;
};

static bool expected(const struct scalar *s, const char *what, const char *advice)
{
    char found[80];
    bool show = !sp_str_starts(sp_str_c(s->field->name), SP_STR("inline_")); /* a DataSource's, perhaps a secret */
    sp_decode_err(s->doc, s->diag, s->place, s->field, s->index, s->node, "expected %s, found %s%s", what,
                  sp_node_describe(s->node, show, found, sizeof(found)), advice);
    return false;
}

/* JSON's form of a number, with a '+' allowed as YAML does. */
static bool number_form(struct sp_str t, bool *ret_whole)
{
    size_t i = 0, from;
    if (i < t.len && (t.ptr[i] == '-' || t.ptr[i] == '+'))
        i++;
    for (from = i; i < t.len && t.ptr[i] >= '0' && t.ptr[i] <= '9';)
        i++;
    if (i == from)
        return false;
    *ret_whole = i == t.len;
    if (i < t.len && t.ptr[i] == '.') {
        for (from = ++i; i < t.len && t.ptr[i] >= '0' && t.ptr[i] <= '9';)
            i++;
        if (i == from)
            return false;
    }
    if (i < t.len && (t.ptr[i] == 'e' || t.ptr[i] == 'E')) {
        i++;
        if (i < t.len && (t.ptr[i] == '-' || t.ptr[i] == '+'))
            i++;
        for (from = i; i < t.len && t.ptr[i] >= '0' && t.ptr[i] <= '9';)
            i++;
        if (i == from)
            return false;
    }
    return i == t.len;
}

/* Sign and magnitude; false if it is not a whole number or does not fit 64 bits. */
static bool parse_whole(const struct sp_node *node, bool *ret_negative, uint64_t *ret_magnitude)
{
    struct sp_str t = node->text;
    bool whole = true, negative;
    if (node->kind != SP_NODE_INT && node->kind != SP_NODE_FLOAT && node->kind != SP_NODE_STRING)
        return false;
    bool hex = node->kind == SP_NODE_STRING && sp_node_plain_kind(t) == SP_NODE_INT && sp_str_istarts(t, SP_STR("0x"));
    if (node->kind != SP_NODE_INT && !hex && !number_form(t, &whole))
        return false;
    negative = t.ptr[0] == '-';
    if (!whole) { /* 1e3 and 5.0 are whole too */
        double d = strtod(t.ptr, NULL);
        if (!(fabs(d) < 9007199254740992.0) || d != floor(d))
            return false;
        *ret_negative = d < 0;
        *ret_magnitude = (uint64_t)fabs(d);
        return true;
    }
    if (t.ptr[0] == '-' || t.ptr[0] == '+')
        t = sp_str_sub(t, 1, t.len);
    unsigned base = (node->kind != SP_NODE_INT && !hex) || t.len == 1 || t.ptr[0] != '0' ? 10
                    : sp_ascii_lower(t.ptr[1]) == 'x'                                    ? 16
                                                                                         : 8;
    uint64_t v = 0;
    for (size_t i = base == 16 ? 2 : 0; i < t.len; i++) {
        char c = sp_ascii_lower(t.ptr[i]);
        if (__builtin_mul_overflow(v, base, &v) ||
            __builtin_add_overflow(v, (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10), &v))
            return false;
    }
    *ret_negative = negative && v != 0;
    *ret_magnitude = v;
    return true;
}

static bool in_range(const struct sp_node *node, uint64_t most, uint64_t least_negated, uint64_t *ret_bits)
{
    bool negative;
    uint64_t v;
    if (!parse_whole(node, &negative, &v) || v > (negative ? least_negated : most))
        return false;
    *ret_bits = negative ? -v : v;
    return true;
}

static bool decode_int(const struct scalar *s, void *slot)
{
    uint64_t v;
    switch (s->field->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        if (!in_range(s->node, UINT32_MAX, 0, &v))
            return expected(s, "a whole number from 0 to 4294967295", "");
        *(uint32_t *)slot = (uint32_t)v;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        if (!in_range(s->node, UINT64_MAX, 0, &v))
            return expected(s, "a whole number from 0 to 18446744073709551615", "");
        *(uint64_t *)slot = v;
        return true;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        if (!in_range(s->node, INT32_MAX, (uint64_t)INT32_MAX + 1, &v))
            return expected(s, "a whole number from -2147483648 to 2147483647", "");
        *(int32_t *)slot = (int32_t)(int64_t)v;
        return true;
    default:
        if (!in_range(s->node, INT64_MAX, (uint64_t)INT64_MAX + 1, &v))
            return expected(s, "a whole number from -9223372036854775808 to 9223372036854775807", "");
        *(int64_t *)slot = (int64_t)v;
        return true;
    }
}

static bool decode_double(const struct scalar *s, void *slot)
{
    const struct sp_node *node = s->node;
    bool negative, whole;
    uint64_t v;
    double d;
    if (node->kind == SP_NODE_INT && parse_whole(node, &negative, &v)) /* also 0x1f and 017 */
        d = negative ? -(double)v : (double)v;
    else if ((node->kind == SP_NODE_INT || node->kind == SP_NODE_FLOAT || node->kind == SP_NODE_STRING) &&
             number_form(node->text, &whole))
        d = strtod(node->text.ptr, NULL);
    else
        return expected(s, "a number", "");
    if (!isfinite(d))
        return expected(s, "a number that fits a double", "");
    if (s->field->type == PROTOBUF_C_TYPE_DOUBLE)
        *(double *)slot = d;
    else
        *(float *)slot = (float)d;
    return true;
}

static bool is_utf8(struct sp_str s)
{
    while (s.len) {
        size_t n = sp_utf8_char(s);
        if (n == 0)
            return false;
        s = sp_str_sub(s, n, s.len);
    }
    return true;
}

static bool decode_string(const struct scalar *s, void *slot)
{
    const struct sp_node *node = s->node;
    if (node->kind == SP_NODE_BOOL || node->kind == SP_NODE_INT || node->kind == SP_NODE_FLOAT)
        return expected(s, "a string", " (put it in quotes)");
    if (node->kind != SP_NODE_STRING)
        return expected(s, "a string", "");
    if (memchr(node->text.ptr, 0, node->text.len)) {
        sp_decode_err(s->doc, s->diag, s->place, s->field, s->index, s->node,
                      "a string with a NUL byte in it (take it out)");
        return false;
    }
    if (node->proto && !is_utf8(node->text)) {
        sp_decode_err(s->doc, s->diag, s->place, s->field, s->index, s->node, "a string that is not UTF-8 (mend it)");
        return false;
    }
    *(const char **)slot = node->text.ptr;
    return true;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* RFC 4648, either alphabet, padding optional, as protobuf's JSON mapping takes it. */
static bool decode_bytes(const struct scalar *s, void *slot)
{
    static const char what[] = "base64";
    struct sp_str t = s->node->text;
    if (s->node->proto && s->node->kind == SP_NODE_STRING) { /* as they are */
        *(ProtobufCBinaryData *)slot = (ProtobufCBinaryData){t.len, (uint8_t *)(uintptr_t)t.ptr};
        return true;
    }
    if (s->node->kind != SP_NODE_STRING)
        return expected(s, what, s->node->plain ? " (put it in quotes)" : "");
    size_t padding = 0;
    while (t.len && t.ptr[t.len - 1] == '=' && padding < 2) {
        t.len--;
        padding++;
    }
    if (t.len % 4 == 1 || (padding && (t.len + padding) % 4 != 0))
        return expected(s, what, "");
    uint8_t *out = sp_arena_alloc(&s->doc->arena, t.len / 4 * 3 + 3);
    size_t n = 0;
    uint32_t acc = 0;
    unsigned bits = 0;
    for (size_t i = 0; i < t.len; i++) {
        int v = base64_value(t.ptr[i]);
        if (v < 0)
            return expected(s, what, "");
        acc = (acc << 6 | (uint32_t)v) & 0xffffff;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out[n++] = (uint8_t)(acc >> bits);
        }
    }
    *(ProtobufCBinaryData *)slot = (ProtobufCBinaryData){n, out};
    return true;
}

static struct sp_str enum_names(struct sp_arena *arena, const ProtobufCEnumDescriptor *desc)
{
    struct sp_str list = SP_STR("");
    for (unsigned i = 0; i < desc->n_values && i < 12; i++)
        list = sp_arena_printf(arena, "%.*s%s%s", SP_STR_ARG(list), i ? ", " : "", desc->values[i].name);
    return list;
}

static bool decode_enum(const struct scalar *s, void *slot)
{
    const ProtobufCEnumDescriptor *desc = s->field->descriptor;
    const struct sp_node *node = s->node;
    bool negative;
    uint64_t v;
    if (node->kind == SP_NODE_LIST || node->kind == SP_NODE_MAP)
        return expected(s, "the name of a value", "");
    for (unsigned i = 0; i < desc->n_values; i++) {
        bool number = node->kind != SP_NODE_NULL && parse_whole(node, &negative, &v);
        if (number ? !negative && v == (uint64_t)desc->values[i].value
                   : sp_str_ieq(node->text, sp_str_c(desc->values[i].name))) {
            *(int *)slot = desc->values[i].value;
            return true;
        }
    }
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_str near = node->kind == SP_NODE_STRING ? sp_nearest_enum(desc, node->text) : SP_STR_NULL;
    sp_decode_err(s->doc, s->diag, s->place, s->field, s->index, s->node,
                  "\"%.*s\" is not one of %s%s%.*s%s", (int)SP_MIN(node->text.len, 60u), node->text.ptr,
                  enum_names(&arena, desc).ptr, near.len ? " (the nearest is " : "", SP_STR_ARG(near),
                  near.len ? ")" : "");
    sp_arena_done(&arena);
    return false;
}

/* In quotes too, by the words that Envoy's parser takes there. */
static bool decode_bool(const struct scalar *s, void *slot)
{
    static const char *const words[2][5] = {{"false", "f", "no", "n", "0"}, {"true", "t", "yes", "y", "1"}};
    const struct sp_node *node = s->node;
    if (node->kind == SP_NODE_BOOL) {
        *(protobuf_c_boolean *)slot = sp_node_true(node);
        return true;
    }
    for (unsigned i = 0; i < 10 && (node->kind == SP_NODE_STRING || node->proto); i++)
        if (sp_str_ieq(node->text, sp_str_c(words[i / 5][i % 5]))) {
            *(protobuf_c_boolean *)slot = i >= 5;
            return true;
        }
    return expected(s, "true or false", "");
}

/* A text of protobuf's says by its quotes whether a value is a string. */
static bool wrong_quotes(const struct scalar *s)
{
    bool text = s->field->type == PROTOBUF_C_TYPE_STRING || s->field->type == PROTOBUF_C_TYPE_BYTES;
    return s->node->proto && s->node->kind != SP_NODE_LIST && s->node->kind != SP_NODE_MAP && s->node->plain == text;
}

bool sp_decode_scalar(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                      const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, void *slot)
{
    assert(doc && diag && place && field && node && slot);
    const struct scalar s = {doc, diag, place, field, index, node};
    if (wrong_quotes(&s))
        return expected(&s, node->plain ? "a string in quotes" : "a value without quotes", "");
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return decode_bool(&s, slot);
    case PROTOBUF_C_TYPE_STRING:
        return decode_string(&s, slot);
    case PROTOBUF_C_TYPE_BYTES:
        return decode_bytes(&s, slot);
    case PROTOBUF_C_TYPE_ENUM:
        return decode_enum(&s, slot);
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_DOUBLE:
        return decode_double(&s, slot);
    default:
        return decode_int(&s, slot);
    }
}
