/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strict JSON (RFC 8259) to a tree of nodes.  Not jansson, which does not say where in the text a value stands;
 * not libyaml, which takes more than JSON and refuses some of it (surrogate pairs, long keys, tabs).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/node.h"

struct json {
    struct sp_arena *arena;
    struct sp_diag *diag;
    const char *file;
    const char *p, *end;
    unsigned line;
    /* The column of some place in this line, from which the next one is counted: a config may be one long line. */
    const char *column_at;
    unsigned column;
    unsigned n_nodes;
    bool failed; /* a duplicate key: reading goes on */
    struct sp_pair *stack; /* children of collections not yet closed */
    size_t n_stack, cap_stack;
};

static unsigned column(struct json *j)
{
    for (; j->column_at < j->p; j->column_at++)
        j->column += ((unsigned char)*j->column_at & 0xc0) != 0x80; /* characters, as libyaml counts */
    return j->column;
}

static int fail(struct json *j, const char *what)
{
    sp_diag_add(j->diag, SP_ERROR, (struct sp_mark){j->file, j->line, column(j)}, NULL, "this is not JSON: %s", what);
    return -EINVAL;
}

static void skip_space(struct json *j)
{
    for (; j->p < j->end; j->p++) {
        if (*j->p == '\n') {
            j->line++;
            j->column_at = j->p + 1;
            j->column = 1;
        } else if (*j->p != ' ' && *j->p != '\t' && *j->p != '\r') {
            return;
        }
    }
}

static bool take(struct json *j, char c)
{
    skip_space(j);
    if (j->p == j->end || *j->p != c)
        return false;
    j->p++;
    return true;
}

static int hex4(struct json *j, unsigned *ret_value)
{
    unsigned v = 0;
    if (j->end - j->p < 4)
        return fail(j, "\\u needs four hexadecimal digits");
    for (int i = 0; i < 4; i++, j->p++) {
        char c = sp_ascii_lower(*j->p);
        if (c >= '0' && c <= '9')
            v = v * 16 + (unsigned)(c - '0');
        else if (c >= 'a' && c <= 'f')
            v = v * 16 + (unsigned)(c - 'a' + 10);
        else
            return fail(j, "\\u needs four hexadecimal digits");
    }
    *ret_value = v;
    return 0;
}

/* Behind the backslash; at most as many bytes come out as went in. */
static int escape(struct json *j, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->p == j->end)
        return fail(j, "the string has no end");
    const char *hit = *j->p ? strchr(from, *j->p) : NULL;
    if (hit) {
        *(*out)++ = to[hit - from];
        j->p++;
        return 0;
    }
    if (*j->p != 'u')
        return fail(j, "unknown escape (only \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX)");
    j->p++;
    unsigned v, low;
    if (hex4(j, &v) < 0)
        return -EINVAL;
    if (v >= 0xdc00 && v <= 0xdfff)
        return fail(j, "half of a surrogate pair");
    if (v >= 0xd800 && v <= 0xdbff) {
        if (j->end - j->p < 6 || j->p[0] != '\\' || j->p[1] != 'u')
            return fail(j, "half of a surrogate pair");
        j->p += 2;
        if (hex4(j, &low) < 0)
            return -EINVAL;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(j, "half of a surrogate pair");
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = sp_utf8_put(*out, v);
    return 0;
}

/* j->p stands behind the opening quote. */
static int parse_string(struct json *j, struct sp_str *ret_text)
{
    const char *q = j->p;
    while (q < j->end && *q != '"')
        q += *q == '\\' ? 2 : 1;
    if (q >= j->end)
        return fail(j, "the string has no end");
    char *text = sp_arena_alloc(j->arena, (size_t)(q - j->p) + 1), *out = text;
    while (*j->p != '"') {
        if (*j->p == '\\') {
            j->p++;
            if (escape(j, &out) < 0)
                return -EINVAL;
            continue;
        }
        size_t n = sp_utf8_char(sp_str_n(j->p, (size_t)(q - j->p)));
        if ((unsigned char)*j->p < 0x20)
            return fail(j, "a control character in a string (write it as an escape)");
        if (n == 0)
            return fail(j, "a string that is not UTF-8");
        memcpy(out, j->p, n);
        out += n;
        j->p += n;
    }
    j->p++;
    *out = 0;
    *ret_text = sp_str_n(text, (size_t)(out - text));
    return 0;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static int parse_number(struct json *j, struct sp_node *node)
{
    const char *p = j->p, *from;
    node->kind = SP_NODE_INT;
    if (*p == '-')
        p++;
    from = p;
    p = digits(p, j->end);
    if (p == from || (p - from > 1 && *from == '0'))
        return fail(j, "a value was expected here");
    if (p < j->end && *p == '.') {
        node->kind = SP_NODE_FLOAT;
        from = ++p;
        p = digits(p, j->end);
        if (p == from)
            return fail(j, "a number that ends in its point");
    }
    if (p < j->end && (*p == 'e' || *p == 'E')) {
        node->kind = SP_NODE_FLOAT;
        p++;
        if (p < j->end && (*p == '+' || *p == '-'))
            p++;
        from = p;
        p = digits(p, j->end);
        if (p == from)
            return fail(j, "a number without an exponent behind its e");
    }
    node->text = sp_arena_str(j->arena, sp_str_n(j->p, (size_t)(p - j->p)));
    j->p = p;
    return 0;
}

static int parse_word(struct json *j, struct sp_node *node)
{
    struct sp_str rest = sp_str_n(j->p, (size_t)(j->end - j->p));
    static const struct {
        struct sp_str word;
        enum sp_node_kind kind;
    } words[] = {{SP_STR_INIT("true"), SP_NODE_BOOL}, {SP_STR_INIT("false"), SP_NODE_BOOL},
                 {SP_STR_INIT("null"), SP_NODE_NULL}};
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++) {
        if (!sp_str_starts(rest, words[i].word))
            continue;
        node->kind = (uint8_t)words[i].kind;
        node->text = words[i].word;
        j->p += words[i].word.len;
        return 0;
    }
    return parse_number(j, node);
}

static void push(struct json *j, struct sp_pair pair)
{
    if (j->n_stack == j->cap_stack) {
        j->cap_stack = j->cap_stack ? j->cap_stack * 2 : 256;
        j->stack = sp_xrealloc(j->stack, j->cap_stack * sizeof(*j->stack));
    }
    j->stack[j->n_stack++] = pair;
}

static int parse_value(struct json *j, unsigned depth, struct sp_node **ret_node);

/* One item or pair, and what follows it; *ret_more when another has to follow. */
static int parse_member(struct json *j, bool map, unsigned depth, bool *ret_more)
{
    struct sp_pair pair = {0};
    if (map) {
        skip_space(j);
        pair.line = j->line;
        pair.column = column(j);
        if (!take(j, '"'))
            return fail(j, "a key in double quotes was expected here");
        if (parse_string(j, &pair.key) < 0)
            return -EINVAL;
        if (!take(j, ':'))
            return fail(j, "a ':' was expected here");
    }
    if (parse_value(j, depth + 1, &pair.value) < 0)
        return -EINVAL;
    push(j, pair);
    *ret_more = take(j, ',');
    return 0;
}

static int parse_collection(struct json *j, struct sp_node *node, bool map, unsigned depth)
{
    size_t base = j->n_stack;
    char close = map ? '}' : ']';
    if (depth >= SP_NODE_MAX_DEPTH) {
        sp_diag_add(j->diag, SP_ERROR, (struct sp_mark){j->file, node->line, node->column}, NULL,
                    "nested more than %d levels deep (write it flatter)", SP_NODE_MAX_DEPTH);
        return -EINVAL;
    }
    node->kind = map ? SP_NODE_MAP : SP_NODE_LIST;
    if (!take(j, close)) {
        for (bool more = true; more;)
            if (parse_member(j, map, depth, &more) < 0)
                return -EINVAL;
        if (!take(j, close))
            return fail(j, map ? "a ',' or '}' was expected here" : "a ',' or ']' was expected here");
    }
    node->n = (unsigned)(j->n_stack - base);
    if (map) {
        node->pairs = sp_arena_alloc(j->arena, node->n * sizeof(*node->pairs));
        if (node->n)
            memcpy(node->pairs, j->stack + base, node->n * sizeof(*node->pairs));
    } else {
        node->items = sp_arena_alloc(j->arena, node->n * sizeof(*node->items));
        for (unsigned i = 0; i < node->n; i++)
            node->items[i] = j->stack[base + i].value;
    }
    j->n_stack = base;
    if (map && !sp_node_duplicates(node, j->file, j->diag))
        j->failed = true;
    return sp_node_close(node, j->file, j->diag) ? 0 : -EINVAL;
}

static int parse_value(struct json *j, unsigned depth, struct sp_node **ret_node)
{
    skip_space(j);
    if (j->p == j->end)
        return fail(j, "it ends where a value was expected");
    if (++j->n_nodes > SP_NODE_MAX) {
        sp_diag_add(j->diag, SP_ERROR, (struct sp_mark){j->file, j->line, column(j)}, NULL,
                    "more than %d values (write less)", SP_NODE_MAX);
        return -EINVAL;
    }
    struct sp_node *n = sp_arena_zalloc(j->arena, sizeof(*n));
    n->line = j->line;
    n->column = column(j);
    n->walk = n->height = 1;
    int r;
    if (*j->p == '{' || *j->p == '[') {
        r = parse_collection(j, n, *j->p++ == '{', depth);
    } else if (*j->p == '"') {
        j->p++;
        n->kind = SP_NODE_STRING;
        r = parse_string(j, &n->text);
    } else {
        n->plain = true;
        r = parse_word(j, n);
    }
    if (r == 0)
        *ret_node = n;
    return r;
}

int sp_node_parse_json(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root)
{
    assert(arena && file && diag && ret_root);
    if (sp_str_starts(text, SP_STR("\xef\xbb\xbf")))
        text = sp_str_sub(text, 3, text.len);
    const char *p = text.ptr ? text.ptr : "";
    struct json j = {.arena = arena, .diag = diag, .file = file, .p = p, .end = p + text.len, .line = 1,
                     .column_at = p, .column = 1};
    struct sp_node *root = NULL;
    int r = parse_value(&j, 0, &root);
    skip_space(&j);
    if (r == 0 && j.p != j.end)
        r = fail(&j, "something follows the end of the config");
    free(j.stack);
    if (r < 0 || j.failed)
        return -EINVAL;
    *ret_root = root;
    return 0;
}
