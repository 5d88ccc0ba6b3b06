/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protobuf's text form to nodes.  What a name means is not looked at here: the decoder knows the descriptors. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/node_proto.h"

struct text {
    struct sp_arena *arena;
    struct sp_diag *diag;
    const char *file;
    const char *p, *end;
    unsigned line;
    const char *column_at; /* as in node_json.c */
    unsigned column;
    unsigned n_nodes;
    struct sp_pair *stack; /* children of collections not yet closed */
    size_t n_stack, cap_stack;
};

static unsigned column(struct text *t)
{
    for (; t->column_at < t->p; t->column_at++)
        t->column += ((unsigned char)*t->column_at & 0xc0) != 0x80;
    return t->column;
}

static int fail(struct text *t, const char *what)
{
    sp_diag_add(t->diag, SP_ERROR, (struct sp_mark){t->file, t->line, column(t)}, NULL,
                "this is not protobuf's text form: %s", what);
    return -EINVAL;
}

static int too_much(struct text *t, const char *what, int limit)
{
    sp_diag_add(t->diag, SP_ERROR, (struct sp_mark){t->file, t->line, column(t)}, NULL, "more than %d %s (write less)",
                limit, what);
    return -EINVAL;
}

static void skip_space(struct text *t)
{
    for (; t->p < t->end; t->p++) {
        if (*t->p == '#')
            while (t->p + 1 < t->end && t->p[1] != '\n')
                t->p++;
        else if (*t->p == '\n') {
            t->line++;
            t->column_at = t->p + 1;
            t->column = 1;
        } else if (!strchr(" \t\r\v\f", *t->p) || !*t->p)
            return;
    }
}

/* The next character that means something, 0 at the end. */
static char peek(struct text *t)
{
    skip_space(t);
    return t->p < t->end ? *t->p : 0;
}

static bool take(struct text *t, char c)
{
    if (peek(t) != c || t->p == t->end)
        return false;
    t->p++;
    return true;
}

static void push(struct text *t, struct sp_pair pair)
{
    if (t->n_stack == t->cap_stack) {
        t->cap_stack = t->cap_stack ? t->cap_stack * 2 : 256;
        t->stack = sp_xrealloc(t->stack, t->cap_stack * sizeof(*t->stack));
    }
    t->stack[t->n_stack++] = pair;
}

static int new_node(struct text *t, enum sp_node_kind kind, struct sp_node **ret_node)
{
    if (++t->n_nodes > SP_NODE_MAX)
        return too_much(t, "values", SP_NODE_MAX);
    struct sp_node *n = *ret_node = sp_arena_zalloc(t->arena, sizeof(*n));
    *n = (struct sp_node){.kind = (uint8_t)kind, .line = t->line, .column = column(t), .walk = 1, .height = 1,
                          .proto = true};
    return 0;
}

static bool is_word(char c)
{
    char l = sp_ascii_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static int digit(char c)
{
    char l = sp_ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : 99;
}

/* Up to `most` digits of a base. */
static unsigned digits(struct text *t, int base, unsigned most, unsigned *ret_n)
{
    unsigned v = 0;
    for (*ret_n = 0; *ret_n < most && t->p < t->end && digit(*t->p) < base; ++*ret_n)
        v = v * (unsigned)base + (unsigned)digit(*t->p++);
    return v;
}

/* \u and \U; t->p behind the letter.  At most as many bytes come out as went in. */
static int unicode(struct text *t, unsigned wanted, char **out)
{
    unsigned n, v = digits(t, 16, wanted, &n);
    if (n != wanted || v > 0x10ffff)
        return fail(t, "\\u needs four hexadecimal digits, \\U eight, of a character");
    if (v >= 0xd800 && v <= 0xdbff && wanted == 4 && t->end - t->p > 2 && t->p[0] == '\\' && t->p[1] == 'u') {
        t->p += 2;
        unsigned low = digits(t, 16, 4, &n);
        if (n != 4 || low < 0xdc00 || low > 0xdfff)
            return fail(t, "half of a surrogate pair");
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    }
    if (v >= 0xd800 && v <= 0xdfff)
        return fail(t, "half of a surrogate pair");
    *out = sp_utf8_put(*out, v);
    return 0;
}

static int escape(struct text *t, char **out)
{
    static const char from[] = "abfnrtv\\?'\"", to[] = "\a\b\f\n\r\t\v\\?'\"";
    unsigned n, v;
    if (t->p == t->end)
        return fail(t, "the string has no end");
    char c = *t->p;
    const char *hit = c ? strchr(from, c) : NULL;
    if (hit) {
        t->p++;
        *(*out)++ = to[hit - from];
        return 0;
    }
    if (c == 'u' || c == 'U') {
        t->p++;
        return unicode(t, c == 'u' ? 4 : 8, out);
    }
    if (c == 'x' || c == 'X') {
        t->p++;
        v = digits(t, 16, 2, &n);
    } else {
        v = digits(t, 8, 3, &n);
    }
    if (n == 0 || v > 255)
        return fail(t, "unknown escape (only \\a \\b \\f \\n \\r \\t \\v \\? \\\\ \\' \\\" \\ooo \\xhh \\uhhhh \\Uhhhhhhhh)");
    *(*out)++ = (char)v;
    return 0;
}

/* One quoted string, at t->p. */
static int quoted(struct text *t, struct sp_str *ret_text)
{
    char quote = *t->p++;
    const char *q = t->p;
    while (q < t->end && *q != quote && *q != '\n')
        q += *q == '\\' && q + 1 < t->end ? 2 : 1;
    if (q >= t->end || *q != quote)
        return fail(t, "the string has no end (on its line)");
    char *text = sp_arena_alloc(t->arena, (size_t)(q - t->p) + 1), *out = text;
    while (t->p < q) {
        if (*t->p != '\\') {
            *out++ = *t->p++;
            continue;
        }
        t->p++;
        if (escape(t, &out) < 0)
            return -EINVAL;
    }
    t->p = q + 1;
    *out = 0;
    *ret_text = sp_str_n(text, (size_t)(out - text));
    return 0;
}

/* Strings that follow each other are one. */
static int parse_string(struct text *t, struct sp_node *node)
{
    struct sp_str all, next;
    if (quoted(t, &all) < 0)
        return -EINVAL;
    while (peek(t) == '"' || peek(t) == '\'') {
        if (quoted(t, &next) < 0)
            return -EINVAL;
        all = sp_arena_cat(t->arena, all, next);
    }
    node->text = all;
    return 0;
}

/* A number, a boolean, the name of an enum's value. */
static int parse_plain(struct text *t, struct sp_node *node)
{
    static const char *const words[] = {"true", "True", "t", "false", "False", "f"};
    const char *from = t->p;
    if (t->p < t->end && *t->p == '-') {
        t->p++;
        skip_space(t);
    }
    const char *body = t->p;
    bool number = t->p < t->end && ((*t->p >= '0' && *t->p <= '9') || *t->p == '.');
    while (t->p < t->end && (is_word(*t->p) || *t->p == '.' ||
                             (number && (*t->p == '+' || *t->p == '-') && sp_ascii_lower(t->p[-1]) == 'e' &&
                              sp_ascii_lower(body[1]) != 'x')))
        t->p++;
    struct sp_str s = sp_str_n(body, (size_t)(t->p - body));
    if (s.len == 0)
        return fail(t, "a value was expected here");
    if (number && sp_ascii_lower(s.ptr[s.len - 1]) == 'f' && !sp_str_istarts(s, SP_STR("0x")))
        s.len--; /* 1.5f */
    node->plain = true;
    node->text = *from == '-' ? sp_arena_cat(t->arena, SP_STR("-"), s) : sp_arena_str(t->arena, s);
    if (number)
        node->kind = sp_node_plain_kind(node->text) == SP_NODE_INT ? SP_NODE_INT : SP_NODE_FLOAT;
    for (unsigned i = 0; i < SP_ARRAY_LEN(words); i++)
        if (sp_str_eq(node->text, sp_str_c(words[i]))) {
            node->kind = SP_NODE_BOOL;
            node->text = i < 3 ? SP_STR("true") : SP_STR("false");
        }
    return 0;
}

static int parse_fields(struct text *t, char close, unsigned depth, struct sp_node *map);

static int parse_value(struct text *t, unsigned depth, struct sp_node **ret_node);

static int parse_list(struct text *t, unsigned depth, struct sp_node *list)
{
    size_t base = t->n_stack;
    t->p++;
    list->kind = SP_NODE_LIST;
    if (!take(t, ']')) {
        do {
            struct sp_pair item = {0};
            if (peek(t) == '[')
                return fail(t, "a list in a list");
            if (parse_value(t, depth + 1, &item.value) < 0)
                return -EINVAL;
            push(t, item);
        } while (take(t, ','));
        if (!take(t, ']'))
            return fail(t, "a ',' or ']' was expected here");
    }
    list->n = (unsigned)(t->n_stack - base);
    list->items = sp_arena_alloc(t->arena, SP_MAX(list->n, 1u) * sizeof(*list->items));
    for (unsigned i = 0; i < list->n; i++)
        list->items[i] = t->stack[base + i].value;
    t->n_stack = base;
    return sp_node_close(list, t->file, t->diag) ? 0 : -EINVAL;
}

static int parse_value(struct text *t, unsigned depth, struct sp_node **ret_node)
{
    char c = peek(t);
    if (new_node(t, SP_NODE_STRING, ret_node) < 0)
        return -EINVAL;
    if (depth >= SP_NODE_MAX_DEPTH)
        return too_much(t, "levels deep", SP_NODE_MAX_DEPTH);
    if (c == '{' || c == '<') {
        t->p++;
        (*ret_node)->kind = SP_NODE_MAP;
        return parse_fields(t, c == '{' ? '}' : '>', depth, *ret_node);
    }
    if (c == '[')
        return parse_list(t, depth, *ret_node);
    return c == '"' || c == '\'' ? parse_string(t, *ret_node) : parse_plain(t, *ret_node);
}

/* A field's name, or the type of an Any in brackets. */
static int parse_name(struct text *t, struct sp_str *ret_name)
{
    const char *from = t->p;
    if (*t->p == '[') {
        t->p++;
        while (t->p < t->end && (is_word(*t->p) || (*t->p && strchr("./-", *t->p))))
            t->p++;
        if (t->p == from + 1 || t->p == t->end || *t->p != ']')
            return fail(t, "the name of a type was expected here, as in [type.googleapis.com/...]");
        t->p++;
    } else {
        while (t->p < t->end && is_word(*t->p))
            t->p++;
        if (t->p == from || (*from >= '0' && *from <= '9')) {
            t->p = from;
            return fail(t, "the name of a field was expected here");
        }
    }
    *ret_name = sp_arena_str(t->arena, sp_str_n(from, (size_t)(t->p - from)));
    return 0;
}

static int parse_field(struct text *t, unsigned depth)
{
    struct sp_pair pair = {.line = t->line, .column = column(t)};
    if (parse_name(t, &pair.key) < 0)
        return -EINVAL;
    bool colon = take(t, ':');
    char c = peek(t);
    if (!colon && c != '{' && c != '<')
        return fail(t, "a ':' or '{' was expected here");
    if (parse_value(t, depth + 1, &pair.value) < 0)
        return -EINVAL;
    push(t, pair);
    if (!take(t, ','))
        take(t, ';');
    return 0;
}

/* Up to `close`, which is 0 for the end of the text. */
static int parse_fields(struct text *t, char close, unsigned depth, struct sp_node *map)
{
    size_t base = t->n_stack;
    for (;;) {
        char c = peek(t);
        if (t->p == t->end && close)
            return fail(t, close == '}' ? "a '}' is missing at the end" : "a '>' is missing at the end");
        if (t->p == t->end || (close && c == close))
            break;
        if (parse_field(t, depth) < 0)
            return -EINVAL;
    }
    if (close)
        t->p++;
    map->n = (unsigned)(t->n_stack - base);
    map->pairs = sp_arena_alloc(t->arena, SP_MAX(map->n, 1u) * sizeof(*map->pairs));
    if (map->n)
        memcpy(map->pairs, t->stack + base, map->n * sizeof(*map->pairs));
    t->n_stack = base;
    sp_node_gather(t->arena, map);
    return sp_node_close(map, t->file, t->diag) ? 0 : -EINVAL;
}

int sp_node_parse_text(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root)
{
    assert(arena && file && diag && ret_root);
    if (sp_str_starts(text, SP_STR("\xef\xbb\xbf")))
        text = sp_str_sub(text, 3, text.len);
    const char *p = text.ptr ? text.ptr : "";
    struct text t = {.arena = arena, .diag = diag, .file = file, .p = p, .end = p + text.len, .line = 1,
                     .column_at = p, .column = 1};
    struct sp_node *root;
    int r = new_node(&t, SP_NODE_MAP, &root);
    if (r == 0)
        r = parse_fields(&t, 0, 0, root);
    free(t.stack);
    if (r == 0)
        *ret_root = root;
    return r;
}
