/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/node.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* YAML 1.1's words, in the three spellings that Envoy's parser takes: yes, Yes, YES. */
static int bool_word(struct sp_str s)
{
    static const struct {
        struct sp_str word;
        bool value;
    } words[] = {
        {SP_STR_INIT("true"), true}, {SP_STR_INIT("false"), false}, {SP_STR_INIT("yes"), true},
        {SP_STR_INIT("no"), false},  {SP_STR_INIT("on"), true},     {SP_STR_INIT("off"), false},
        {SP_STR_INIT("y"), true},    {SP_STR_INIT("n"), false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++) {
        if (!sp_str_ieq(s, words[i].word))
            continue;
        bool first_upper = s.ptr[0] < 'a', rest_upper = s.len > 1 && s.ptr[1] < 'a';
        for (size_t k = 1; k < s.len; k++)
            if ((s.ptr[k] < 'a') != rest_upper)
                return -1;
        return rest_upper && !first_upper ? -1 : words[i].value;
    }
    return -1;
}

static bool is_int(struct sp_str s)
{
    size_t i = 0;
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        i++;
    int base = 10;
    if (s.len - i > 2 && s.ptr[i] == '0' && sp_ascii_lower(s.ptr[i + 1]) == 'x') {
        base = 16;
        i += 2;
    } else if (s.len - i > 1 && s.ptr[i] == '0') {
        base = 8;
        i++;
    }
    if (i == s.len)
        return false;
    for (; i < s.len; i++) {
        char c = sp_ascii_lower(s.ptr[i]);
        int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
        if (v >= base)
            return false;
    }
    return true;
}

enum sp_node_kind sp_node_plain_kind(struct sp_str s)
{
    if (s.len == 0 || sp_str_eq(s, SP_STR("~")) || sp_str_eq(s, SP_STR("null")) || sp_str_eq(s, SP_STR("Null")) ||
        sp_str_eq(s, SP_STR("NULL")))
        return SP_NODE_NULL;
    if (bool_word(s) >= 0)
        return SP_NODE_BOOL;
    return is_int(s) ? SP_NODE_INT : SP_NODE_STRING;
}

bool sp_node_true(const struct sp_node *node)
{
    assert(node && node->kind == SP_NODE_BOOL);
    return bool_word(node->text) == 1;
}

const char *sp_node_describe(const struct sp_node *node, bool show, char *buf, size_t size)
{
    assert(node && buf);
    static const char *const kinds[] = {
        [SP_NODE_NULL] = "null",       [SP_NODE_BOOL] = "a boolean",  [SP_NODE_INT] = "a number",
        [SP_NODE_FLOAT] = "a number",  [SP_NODE_STRING] = "a string", [SP_NODE_LIST] = "a list",
        [SP_NODE_MAP] = "a mapping",
    };
    bool scalar = node->kind != SP_NODE_NULL && node->kind != SP_NODE_LIST && node->kind != SP_NODE_MAP;
    if (!show || !scalar) {
        snprintf(buf, size, "%s", kinds[node->kind]);
        return buf;
    }
    const char *quote = node->kind == SP_NODE_STRING ? "\"" : "";
    snprintf(buf, size, "the %s %s%.*s%s%s", kinds[node->kind] + 2, quote, (int)SP_MIN(node->text.len, 40u),
             node->text.ptr, node->text.len > 40 ? "..." : "", quote);
    return buf;
}

bool sp_node_close(struct sp_node *node, const char *file, struct sp_diag *diag)
{
    assert(node && (node->kind == SP_NODE_LIST || node->kind == SP_NODE_MAP));
    uint64_t walk = 1;
    unsigned height = 0;
    for (unsigned i = 0; i < node->n; i++) {
        const struct sp_node *child = node->kind == SP_NODE_LIST ? node->items[i] : node->pairs[i].value;
        walk += child->walk;
        height = SP_MAX(height, child->height);
    }
    node->walk = (uint32_t)SP_MIN(walk, (uint64_t)SP_NODE_MAX + 1);
    node->height = (uint8_t)SP_MIN(height + 1, 255u);
    struct sp_mark mark = {file, node->line, node->column};
    if (walk > SP_NODE_MAX) {
        sp_diag_add(diag, SP_ERROR, mark, NULL, "more than %d values, aliases counted each time (write less)",
                    SP_NODE_MAX);
        return false;
    }
    if (height + 1 > SP_NODE_MAX_DEPTH) {
        sp_diag_add(diag, SP_ERROR, mark, NULL, "nested more than %d levels deep (write it flatter)",
                    SP_NODE_MAX_DEPTH);
        return false;
    }
    return true;
}

static int pair_cmp(const void *va, const void *vb)
{
    const struct sp_pair *a = *(const struct sp_pair *const *)va, *b = *(const struct sp_pair *const *)vb;
    int r = sp_str_cmp(a->key, b->key);
    if (r)
        return r;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->column > b->column) - (a->column < b->column);
}

bool sp_node_duplicates(const struct sp_node *map, const char *file, struct sp_diag *diag)
{
    assert(map && map->kind == SP_NODE_MAP);
    if (map->n < 2)
        return true;
    const struct sp_pair *small[32], **sorted = small;
    if (map->n > SP_ARRAY_LEN(small))
        sorted = sp_xmalloc(map->n * sizeof(*sorted));
    for (unsigned i = 0; i < map->n; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->n, sizeof(*sorted), pair_cmp);
    bool ok = true;
    for (unsigned i = 1; i < map->n; i++) {
        if (!sp_str_eq(sorted[i - 1]->key, sorted[i]->key))
            continue;
        ok = false;
        struct sp_mark mark = {file, sorted[i]->line, sorted[i]->column};
        if (mark.line)
            sp_diag_add(diag, SP_ERROR, mark, NULL, "the key \"%.*s\" is written twice, first in line %u (remove one)",
                        SP_STR_ARG(sorted[i]->key), sorted[i - 1]->line);
        else
            sp_diag_add(diag, SP_ERROR, mark, NULL, "the key \"%.*s\" is in it twice (remove one)",
                        SP_STR_ARG(sorted[i]->key));
    }
    if (sorted != small)
        free(sorted);
    return ok;
}
