/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/format_metadata.h"

#include <assert.h>

#include "stream/config_meta.h"

bool sp_fmt_parse_metadata(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    struct sp_str ns = SP_STR_NULL, key;
    sp_str_split(&params, ':', &ns);
    op->text = sp_arena_str(p->arena, ns);
    if (!ns.len) {
        sp_fmt_err(p, "metadata needs a namespace, as in %%DYNAMIC_METADATA(ns:key)%%");
        return false;
    }
    unsigned most = 1;
    for (size_t i = 0; i < params.len; i++)
        most += params.ptr[i] == ':';
    op->path = sp_arena_alloc(p->arena, most * sizeof(*op->path));
    while (sp_str_split(&params, ':', &key))
        op->path[op->n_path++] = sp_arena_str(p->arena, key);
    return true;
}

bool sp_fmt_parse_typed_metadata(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    static const struct {
        struct sp_str name;
        enum sp_meta_place place;
    } places[] = {
        {SP_STR_INIT("ROUTE"), SP_META_ROUTE},       {SP_STR_INIT("VIRTUAL_HOST"), SP_META_VHOST},
        {SP_STR_INIT("CLUSTER"), SP_META_CLUSTER},   {SP_STR_INIT("UPSTREAM_HOST"), SP_META_HOST},
        {SP_STR_INIT("LISTENER"), SP_META_LISTENER}, {SP_STR_INIT("LISTENER_FILTER_CHAIN"), SP_META_CHAIN},
    };
    struct sp_str type = SP_STR_NULL;
    sp_str_split(&params, ':', &type);
    for (size_t i = 0; i < SP_ARRAY_LEN(places) && params.len; i++)
        if (sp_str_eq(type, places[i].name)) {
            op->get = sp_fmt_get_config_metadata;
            op->arg = (int)places[i].place;
            return sp_fmt_parse_metadata(op, p, params);
        }
    if (sp_str_eq(type, SP_STR("DYNAMIC")) && params.len)
        return sp_fmt_parse_metadata(op, p, params);
    sp_fmt_err(p, "%%METADATA%%: needs a kind and a namespace, as in METADATA(ROUTE:ns:key), not \"%.*s\" (DYNAMIC, ROUTE, VIRTUAL_HOST, CLUSTER, "
               "UPSTREAM_HOST, LISTENER, LISTENER_FILTER_CHAIN)", SP_STR_ARG(type));
    return false;
}

static size_t skip_space(struct sp_str s, size_t i)
{
    while (i < s.len && strchr(" \t\r\n", s.ptr[i]) && s.ptr[i])
        i++;
    return i;
}

/* Behind the string whose '"' is at i; s.len when it does not end. */
static size_t skip_string(struct sp_str s, size_t i)
{
    for (i++; i < s.len; i++) {
        if (s.ptr[i] == '\\')
            i++;
        else if (s.ptr[i] == '"')
            return i + 1;
    }
    return s.len;
}

/* Behind the value that begins at i. */
static size_t skip_value(struct sp_str s, size_t i)
{
    size_t depth = 0;
    while (i < s.len) {
        char c = s.ptr[i];
        if (c == '"') {
            i = skip_string(s, i);
        } else if (c == '{' || c == '[') {
            depth++;
            i++;
        } else if (c == '}' || c == ']') {
            if (!depth)
                return i;
            depth--;
            i++;
        } else if (c == ',' && !depth) {
            return i;
        } else {
            i++;
            continue;
        }
        if (!depth)
            return i;
    }
    return s.len;
}

struct sp_str sp_json_member(struct sp_str s, struct sp_str key)
{
    size_t i = skip_space(s, 0);
    if (i == s.len || s.ptr[i] != '{')
        return SP_STR_NULL;
    for (i = skip_space(s, i + 1); i < s.len && s.ptr[i] == '"';) {
        size_t name = i + 1;
        i = skip_string(s, i);
        struct sp_str found = sp_str_sub(s, name, i - 1);
        i = skip_space(s, i);
        if (i == s.len || s.ptr[i] != ':')
            return SP_STR_NULL;
        size_t value = skip_space(s, i + 1);
        i = skip_value(s, value);
        if (sp_str_eq(found, key))
            return sp_str_trim(sp_str_sub(s, value, i));
        i = skip_space(s, i);
        if (i < s.len && s.ptr[i] == ',')
            i = skip_space(s, i + 1);
    }
    return SP_STR_NULL;
}

bool sp_json_is_string(struct sp_str json, struct sp_str *ret_inner)
{
    if (json.len < 2 || json.ptr[0] != '"' || skip_string(json, 0) != json.len || json.ptr[json.len - 1] != '"')
        return false;
    *ret_inner = sp_str_sub(json, 1, json.len - 1);
    if (!ret_inner->ptr)
        *ret_inner = SP_STR("");
    return true;
}

static int hex4(struct sp_str s, size_t i)
{
    int v = 0;
    if (i + 4 > s.len)
        return -1;
    for (size_t k = i; k < i + 4; k++) {
        char c = sp_ascii_lower(s.ptr[k]);
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 63));
        out[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 63));
    out[2] = (char)(0x80 | (c >> 6 & 63));
    out[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* A \u escape whose digits begin at i, or two that are one character; *ret_used: bytes of it, digits counted. */
static uint32_t unescape_u(struct sp_str s, size_t i, size_t *ret_used)
{
    int c = hex4(s, i);
    *ret_used = c < 0 ? 0 : 4;
    if (c < 0)
        return '?';
    if (c >= 0xd800 && c < 0xdc00 && i + 6 <= s.len && s.ptr[i + 4] == '\\' && s.ptr[i + 5] == 'u') {
        int low = hex4(s, i + 6);
        if (low >= 0xdc00 && low < 0xe000) {
            *ret_used = 10;
            return 0x10000u + ((uint32_t)(c - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        }
    }
    return c >= 0xd800 && c < 0xe000 ? '?' : (uint32_t)c;
}

struct sp_str sp_json_cut(struct sp_str inner, size_t most)
{
    size_t n = 0;
    while (n < inner.len && n < most) {
        size_t used = 0, len = 1;
        if (inner.ptr[n] == '\\' && n + 1 < inner.len && inner.ptr[n + 1] == 'u') {
            unescape_u(inner, n + 2, &used);
            len = 2 + used;
        } else if (inner.ptr[n] == '\\') {
            len = 2;
        }
        if (n + len > SP_MIN(most, inner.len))
            break;
        n += len;
    }
    return sp_str_sub(inner, 0, n);
}

/* No character is longer than its escape, so that the room suffices. */
size_t sp_json_unescape(struct sp_str s, char *out)
{
    assert(out || !s.len);
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\\' || i + 1 == s.len) {
            out[n++] = s.ptr[i];
            continue;
        }
        char c = s.ptr[++i];
        const char *at = c ? strchr(from, c) : NULL;
        size_t used = 0;
        if (c == 'u') {
            uint32_t u = unescape_u(s, i + 1, &used);
            n += put_utf8(out + n, u);
            i += used;
        } else {
            out[n++] = at ? to[at - from] : c;
        }
    }
    return n;
}

void sp_fmt_get_metadata(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    struct sp_str json = SP_STR_NULL;
    bool any = false;
    /* What was set last holds. */
    for (const struct sp_metadata *m = in->info->metadata; m; m = m->next) {
        if (!sp_str_eq(m->ns, op->text))
            continue;
        any = true;
        if (op->n_path && sp_str_eq(m->key, op->path[0]))
            json = m->json;
    }
    for (unsigned i = 1; i < op->n_path && json.len; i++)
        json = sp_json_member(json, op->path[i]);
    v->kind = SP_FMT_NONE;
    if (!op->n_path && any) {
        v->kind = SP_FMT_NS;
        v->str = op->text;
    } else if (json.len && !sp_str_eq(json, SP_STR("null"))) {
        v->kind = SP_FMT_JSON;
        v->str = json;
    }
}

/* Of the config: a namespace is a member too. */
void sp_fmt_get_config_metadata(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    struct sp_str json = sp_config_meta_get(in->info, (enum sp_meta_place)op->arg);
    if (json.len)
        json = sp_json_member(json, op->text);
    for (unsigned i = 0; i < op->n_path && json.len; i++)
        json = sp_json_member(json, op->path[i]);
    v->kind = json.len && !sp_str_eq(json, SP_STR("null")) ? SP_FMT_JSON : SP_FMT_NONE;
    v->str = json;
}
