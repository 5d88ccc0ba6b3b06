/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/tree.h"

#include <assert.h>
#include <stdarg.h>

enum { WIDTH = 118 };

void sp_tree_init(struct sp_tree *t)
{
    assert(t);
    *t = (struct sp_tree){0};
    sp_arena_init(&t->arena);
}

void sp_tree_done(struct sp_tree *t)
{
    assert(t);
    sp_arena_done(&t->arena);
}

/* A config's own bytes may stand in it. */
static struct sp_str clean(struct sp_arena *arena, struct sp_str s)
{
    s = sp_arena_str(arena, s);
    sp_text_tame((char *)(uintptr_t)s.ptr, s.len);
    return s;
}

struct sp_tree_node *sp_tree_add(struct sp_tree *t, struct sp_tree_node *parent, const char *kind, struct sp_str name)
{
    assert(t && kind);
    struct sp_tree_node *n = sp_arena_zalloc(&t->arena, sizeof(*n));
    *n = (struct sp_tree_node){.kind = kind, .name = clean(&t->arena, name)};
    parent = parent ? parent : &t->root;
    *(parent->children ? &parent->last->next : &parent->children) = n;
    parent->last = n;
    return n;
}

void sp_tree_say(struct sp_tree *t, struct sp_tree_node *n, const char *key, const char *fmt, ...)
{
    assert(t && key && fmt);
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    n = n ? n : &t->root;
    struct sp_tree_fact *f = sp_arena_zalloc(&t->arena, sizeof(*f));
    *f = (struct sp_tree_fact){.key = key, .text = clean(&t->arena, sp_str_c(text))};
    *(n->facts ? &n->last_fact->next : &n->facts) = f;
    n->last_fact = f;
}

/* ---- for people ---- */

static void indent(FILE *to, unsigned n)
{
    fprintf(to, "%*s", (int)n, "");
}

static void print_node(const struct sp_tree_node *n, unsigned depth, FILE *to)
{
    unsigned margin = 2 * depth;
    indent(to, margin);
    size_t column = margin + (size_t)fprintf(to, "%s%s%.*s", n->kind, n->name.len ? " " : "", SP_STR_ARG(n->name));
    for (const struct sp_tree_fact *f = n->facts; f; f = f->next) {
        const char *before = f == n->facts ? ": " : ", ";
        if (f != n->facts && column + f->text.len + 2 > WIDTH) {
            fputs(",\n", to);
            indent(to, margin + 6);
            column = margin + 6;
            before = "";
        }
        column += (size_t)fprintf(to, "%s%.*s", before, SP_STR_ARG(f->text));
    }
    fputc('\n', to);
}

/* How many more of its kind follow. */
static unsigned run_of(const struct sp_tree_node *n)
{
    unsigned count = 0;
    for (const char *kind = n->kind; n && strcmp(n->kind, kind) == 0; n = n->next)
        count++;
    return count;
}

static const char *plural(const char *kind)
{
    size_t n = strlen(kind);
    return n && kind[n - 1] == 's' ? "es" : "s";
}

static void print_children(const struct sp_tree_node *parent, unsigned depth, unsigned most, FILE *to)
{
    unsigned left = 0;
    const char *kind = "";
    for (const struct sp_tree_node *n = parent->children; n; n = n->next) {
        if (strcmp(kind, n->kind) != 0) {
            unsigned all = run_of(n);
            kind = n->kind;
            left = most && all > most + 1 ? most : all;
        }
        if (left == 0) {
            unsigned more = run_of(n);
            indent(to, 2 * depth);
            fprintf(to, "... %u more %s%s (--all shows them)\n", more, kind, plural(kind));
            while (--more)
                n = n->next;
            continue;
        }
        left--;
        print_node(n, depth, to);
        print_children(n, depth + 1, most, to);
    }
}

void sp_tree_print(const struct sp_tree *t, unsigned most, FILE *to)
{
    assert(t && to);
    print_children(&t->root, 0, most, to);
}

/* ---- for programs ---- */

static json_t *text(struct sp_str s)
{
    json_t *j = json_stringn(s.len ? s.ptr : "", s.len);
    return j ? j : json_string("?"); /* jansson takes nothing but UTF-8 */
}

static json_t *object_of(const struct sp_tree_node *n)
{
    json_t *j = json_object();
    char key[64];
    if (n->name.len)
        json_object_set_new(j, "name", text(n->name));
    for (const struct sp_tree_fact *f = n->facts; f; f = f->next)
        json_object_set_new(j, f->key, text(f->text));
    for (const struct sp_tree_node *c = n->children; c; c = c->next) {
        snprintf(key, sizeof(key), "%s%s", c->kind, plural(c->kind));
        for (char *p = key; *p; p++)
            *p = *p == ' ' ? '_' : *p;
        json_t *list = json_object_get(j, key);
        if (!list) {
            list = json_array();
            json_object_set_new(j, key, list);
        }
        json_array_append_new(list, object_of(c));
    }
    return j;
}

json_t *sp_tree_json(const struct sp_tree *t)
{
    assert(t);
    return object_of(&t->root);
}
