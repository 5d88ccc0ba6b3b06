/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/convert_out.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>

#include "tools/tool_file.h"

void sp_put(struct sp_convert *c, unsigned indent, const char *fmt, ...)
{
    va_list ap;
    fprintf(c->to, "%*s", (int)indent, "");
    va_start(ap, fmt);
    vfprintf(c->to, fmt, ap);
    va_end(ap);
    fputc('\n', c->to);
}

/* No byte of a name ends a remark. */
void sp_put_remark(struct sp_convert *c, unsigned indent, const struct sp_node *at, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sp_text_tame(text, strlen(text));
    if (at && at->line)
        sp_put(c, indent, "# %s (%s:%u)", text, c->file.name, at->line);
    else
        sp_put(c, indent, "# %s", text);
}

const char *sp_quoted(struct sp_convert *c, struct sp_str s)
{
    char *out = sp_arena_alloc(&c->arena, 6 * s.len + 3), *p = out;
    *p++ = '"';
    for (size_t i = 0, n; i < s.len; i += n) {
        unsigned char b = (unsigned char)s.ptr[i];
        n = SP_MAX(sp_utf8_char(sp_str_sub(s, i, s.len)), (size_t)1);
        if (n > 1 && !sp_utf8_shown(sp_str_sub(s, i, i + n))) {
            unsigned v = n == 2 ? (b & 0x1fu) << 6 | ((unsigned char)s.ptr[i + 1] & 0x3fu)
                                : (b & 0xfu) << 12 | ((unsigned char)s.ptr[i + 1] & 0x3fu) << 6 | ((unsigned char)s.ptr[i + 2] & 0x3fu);
            p += sprintf(p, "\\u%04x", v);
        } else if (n > 1) {
            memcpy(p, s.ptr + i, n);
            p += n;
        } else if (b == '"' || b == '\\') {
            *p++ = '\\';
            *p++ = (char)b;
        } else if (b == '\n') {
            *p++ = '\\';
            *p++ = 'n';
        } else if (b < 0x20 || b == 0x7f) {
            p += sprintf(p, "\\u%04x", b);
        } else {
            *p++ = (char)b;
        }
    }
    *p++ = '"';
    *p = 0;
    return out;
}

const char *sp_quoted_list(struct sp_convert *c, const struct sp_node *list)
{
    struct sp_str out = SP_STR("[");
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        out = sp_arena_printf(&c->arena, "%.*s%s%s", SP_STR_ARG(out), i ? ", " : "", sp_quoted(c, sp_kong_item_str(list, i)));
    return sp_arena_cat(&c->arena, out, SP_STR("]")).ptr;
}

struct sp_str sp_slug(struct sp_convert *c, struct sp_str name)
{
    struct sp_str s = sp_arena_str(&c->arena, name);
    for (size_t i = 0; i < s.len; i++) {
        char *p = (char *)(uintptr_t)&s.ptr[i];
        bool good = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '-' || *p == '_' || *p == '.';
        *p = good && !(i == 0 && *p == '.') ? *p : '-';
    }
    return s.len ? s : SP_STR("unnamed");
}

static const char *in_file(struct sp_convert *c, struct sp_str value, struct sp_str name, const char *ext)
{
    struct sp_str path = sp_arena_printf(&c->arena, "%s/%s-%.*s.%s", c->dir, c->stem, SP_STR_ARG(sp_slug(c, name)), ext);
    if (value.len && value.ptr[value.len - 1] != '\n')
        value = sp_arena_cat(&c->arena, value, SP_STR("\n"));
    int err = sp_tool_write(path.ptr, value);
    if (err && !c->err) {
        c->err = err;
        fprintf(stderr, "sallyport convert: cannot write %s: %s\n", path.ptr, strerrordesc_np(-err));
    }
    c->n_files++;
    return sp_arena_printf(&c->arena, "{filename: %s}", sp_quoted(c, path)).ptr;
}

const char *sp_source_of(struct sp_convert *c, const struct sp_node *at, struct sp_str value, struct sp_str name, const char *ext)
{
    assert(c && ext);
    struct sp_str text;
    switch (sp_kong_source(&c->kong, value, &text)) {
    case SP_KONG_ENV:
        sp_kong_note(&c->file, at, "%.*s comes from the environment variable %.*s, which is read at the start only", SP_STR_ARG(name), SP_STR_ARG(text));
        return sp_arena_printf(&c->arena, "{environment_variable: %s}", sp_quoted(c, text)).ptr;
    case SP_KONG_VAULT: {
        struct sp_str path = sp_arena_printf(&c->arena, "/etc/sallyport/%.*s.%s", SP_STR_ARG(sp_slug(c, name)), ext);
        sp_kong_drop(&c->file, at, "%.*s is in a vault (%.*s): have an agent write it to %.*s", SP_STR_ARG(name), SP_STR_ARG(value), SP_STR_ARG(path));
        return sp_arena_printf(&c->arena, "{filename: %s}", sp_quoted(c, path)).ptr;
    }
    case SP_KONG_INLINE:
        break;
    }
    if (c->dir)
        return in_file(c, text, name, ext);
    return sp_arena_printf(&c->arena, "{inline_string: %s}", sp_quoted(c, text)).ptr;
}

const char *sp_seconds(struct sp_convert *c, uint64_t ms)
{
    if (ms % 1000 == 0)
        return sp_arena_printf(&c->arena, "%" PRIu64 "s", ms / 1000).ptr;
    return sp_arena_printf(&c->arena, "%" PRIu64 ".%03us", ms / 1000, (unsigned)(ms % 1000)).ptr;
}
