/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libyaml's events to a tree of nodes. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/mem.h"
#include "config/node.h"

struct anchor {
    struct sp_str name;
    struct sp_node *node;
    bool open; /* its node is still being read */
};

struct composer {
    yaml_parser_t parser;
    struct sp_arena *arena;
    struct sp_diag *diag;
    const char *file;
    unsigned n_nodes;
    bool failed; /* a duplicate key: reading goes on */
    struct anchor *anchors;
    unsigned n_anchors;
    /* Children of collections not yet closed. */
    struct sp_pair *stack;
    size_t n_stack, cap_stack;
};

static struct sp_mark mark_of(const struct composer *c, yaml_mark_t at)
{
    return (struct sp_mark){c->file, (unsigned)at.line + 1, (unsigned)at.column + 1};
}

static struct sp_str text_of(const yaml_char_t *p)
{
    return sp_str_c((const char *)p);
}

static int syntax_error(struct composer *c)
{
    const yaml_parser_t *p = &c->parser;
    yaml_mark_t at = p->problem_mark;
    if (p->error == YAML_READER_ERROR) {
        sp_diag_add(c->diag, SP_ERROR, (struct sp_mark){c->file, 0, 0}, NULL,
                    "byte %zu: %s (the file has to be UTF-8 text)", p->problem_offset, p->problem);
        return -EINVAL;
    }
    if (at.index == p->mark.index && p->buffer.pointer < p->buffer.last && *p->buffer.pointer == '\t') {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, at), NULL, "this is not YAML: a tab (indent with spaces)");
        return -EINVAL;
    }
    sp_diag_add(c->diag, SP_ERROR, mark_of(c, at), NULL, "this is not YAML: %s%s%s (mend the syntax)",
                p->problem ? p->problem : "unknown problem", p->context ? ", " : "", p->context ? p->context : "");
    return -EINVAL;
}

static int next_event(struct composer *c, yaml_event_t *ret_event)
{
    return yaml_parser_parse(&c->parser, ret_event) ? 0 : syntax_error(c);
}

static void push(struct composer *c, struct sp_pair pair)
{
    if (c->n_stack == c->cap_stack) {
        c->cap_stack = c->cap_stack ? c->cap_stack * 2 : 256;
        c->stack = sp_xrealloc(c->stack, c->cap_stack * sizeof(*c->stack));
    }
    c->stack[c->n_stack++] = pair;
}

static struct sp_node *new_node(struct composer *c, enum sp_node_kind kind, yaml_mark_t at)
{
    if (++c->n_nodes > SP_NODE_MAX) {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, at), NULL, "more than %d values (write less)", SP_NODE_MAX);
        return NULL;
    }
    struct sp_node *n = sp_arena_zalloc(c->arena, sizeof(*n));
    n->kind = (uint8_t)kind;
    n->line = (unsigned)at.line + 1;
    n->column = (unsigned)at.column + 1;
    n->walk = n->height = 1;
    return n;
}

/* Remembers `node` under the anchor; it stays open until the caller says so. */
static int add_anchor(struct composer *c, const yaml_char_t *name, struct sp_node *node, yaml_mark_t at,
                      bool open)
{
    if (!name)
        return 0;
    if (c->n_anchors == SP_NODE_MAX_ANCHORS) {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, at), NULL, "more than %d anchors (use fewer)",
                    SP_NODE_MAX_ANCHORS);
        return -EINVAL;
    }
    if (!c->anchors)
        c->anchors = sp_xcalloc(SP_NODE_MAX_ANCHORS, sizeof(*c->anchors));
    c->anchors[c->n_anchors++] = (struct anchor){sp_arena_str(c->arena, text_of(name)), node, open};
    return 0;
}

static struct sp_node *resolve_alias(struct composer *c, const yaml_event_t *ev)
{
    struct sp_str name = text_of(ev->data.alias.anchor);
    for (unsigned i = c->n_anchors; i-- > 0;) {
        const struct anchor *a = &c->anchors[i];
        if (!sp_str_eq(a->name, name))
            continue;
        if (!a->open)
            return a->node;
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev->start_mark), NULL,
                    "*%.*s stands inside what &%.*s names (an alias cannot hold itself)", SP_STR_ARG(name),
                    SP_STR_ARG(name));
        return NULL;
    }
    sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev->start_mark), NULL,
                "*%.*s has no anchor above it (write &%.*s before the value it repeats)", SP_STR_ARG(name),
                SP_STR_ARG(name));
    return NULL;
}

enum tag { TAG_NONE, TAG_STRING, TAG_IGNORE, TAG_BAD };

static enum tag classify_tag(struct sp_str tag)
{
    static const struct sp_str core[] = {
        SP_STR_INIT("tag:yaml.org,2002:int"),  SP_STR_INIT("tag:yaml.org,2002:float"),
        SP_STR_INIT("tag:yaml.org,2002:bool"), SP_STR_INIT("tag:yaml.org,2002:null"),
        SP_STR_INIT("tag:yaml.org,2002:map"),  SP_STR_INIT("tag:yaml.org,2002:seq"),
    };
    if (tag.len == 0)
        return TAG_NONE;
    if (sp_str_eq(tag, SP_STR("!")) || sp_str_eq(tag, SP_STR("tag:yaml.org,2002:str")))
        return TAG_STRING;
    if (sp_str_eq(tag, SP_STR("!ignore")))
        return TAG_IGNORE;
    for (size_t i = 0; i < SP_ARRAY_LEN(core); i++)
        if (sp_str_eq(tag, core[i]))
            return TAG_NONE;
    return TAG_BAD;
}

static int check_tag(struct composer *c, const yaml_char_t *tag, yaml_mark_t at, enum tag *ret_tag)
{
    enum tag t = classify_tag(text_of(tag));
    if (t == TAG_BAD || t == TAG_IGNORE) {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, at), NULL,
                    "the tag %s has no meaning here (only !ignore, before a key, is known)", (const char *)tag);
        return -EINVAL;
    }
    *ret_tag = t;
    return 0;
}

static int compose(struct composer *c, yaml_event_t *ev, unsigned depth, struct sp_node **ret_node);

static int compose_scalar(struct composer *c, yaml_event_t *ev, struct sp_node **ret_node)
{
    enum tag tag;
    if (check_tag(c, ev->data.scalar.tag, ev->start_mark, &tag) < 0)
        return -EINVAL;
    struct sp_node *n = new_node(c, SP_NODE_STRING, ev->start_mark);
    if (!n)
        return -EINVAL;
    n->text = sp_arena_str(c->arena, sp_str_n((char *)ev->data.scalar.value, ev->data.scalar.length));
    n->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (n->plain && tag == TAG_NONE)
        n->kind = (uint8_t)sp_node_plain_kind(n->text);
    *ret_node = n;
    return add_anchor(c, ev->data.scalar.anchor, n, ev->start_mark, false);
}

static int key_error(struct composer *c, const yaml_event_t *ev)
{
    sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev->start_mark), NULL,
                "a list or mapping cannot be a key (a key is plain text)");
    return -EINVAL;
}

static int scalar_key(struct composer *c, const yaml_event_t *ev, struct sp_pair *pair)
{
    struct sp_str text = sp_str_n((char *)ev->data.scalar.value, ev->data.scalar.length);
    enum tag tag = classify_tag(text_of(ev->data.scalar.tag));
    pair->key = sp_arena_str(c->arena, text);
    pair->ignore = tag == TAG_IGNORE;
    if (tag != TAG_IGNORE && check_tag(c, ev->data.scalar.tag, ev->start_mark, &tag) < 0)
        return -EINVAL;
    if (ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && sp_str_eq(text, SP_STR("<<"))) {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev->start_mark), NULL,
                    "merge keys (<<) are not read, here or by Envoy (write the fields out)");
        c->failed = pair->ignore = true;
    }
    if (!ev->data.scalar.anchor)
        return 0;
    struct sp_node *n = new_node(c, SP_NODE_STRING, ev->start_mark);
    if (!n)
        return -EINVAL;
    n->text = pair->key;
    return add_anchor(c, ev->data.scalar.anchor, n, ev->start_mark, false);
}

/* The key of a mapping's next pair; *ret_end at its end. */
static int compose_key(struct composer *c, struct sp_pair *ret_pair, bool *ret_end)
{
    yaml_event_t ev;
    if (next_event(c, &ev) < 0)
        return -EINVAL;
    int r = 0;
    struct sp_pair pair = {.line = (unsigned)ev.start_mark.line + 1, .column = (unsigned)ev.start_mark.column + 1};
    *ret_end = ev.type == YAML_MAPPING_END_EVENT;
    if (ev.type == YAML_SCALAR_EVENT) {
        r = scalar_key(c, &ev, &pair);
    } else if (ev.type == YAML_ALIAS_EVENT) {
        struct sp_node *n = resolve_alias(c, &ev);
        if (!n)
            r = -EINVAL;
        else if (n->kind == SP_NODE_LIST || n->kind == SP_NODE_MAP)
            r = key_error(c, &ev);
        else
            pair.key = n->text;
    } else if (!*ret_end) {
        r = key_error(c, &ev);
    }
    yaml_event_delete(&ev);
    if (r == 0)
        *ret_pair = pair;
    return r;
}

static int compose_map(struct composer *c, struct sp_node *node, unsigned depth)
{
    size_t base = c->n_stack;
    for (;;) {
        struct sp_pair pair = {0};
        bool end;
        if (compose_key(c, &pair, &end) < 0)
            return -EINVAL;
        if (end)
            break;
        yaml_event_t ev;
        if (next_event(c, &ev) < 0)
            return -EINVAL;
        int r = compose(c, &ev, depth + 1, &pair.value);
        yaml_event_delete(&ev);
        if (r < 0)
            return r;
        push(c, pair);
    }
    node->n = (unsigned)(c->n_stack - base);
    node->pairs = sp_arena_alloc(c->arena, node->n * sizeof(*node->pairs));
    if (node->n)
        memcpy(node->pairs, c->stack + base, node->n * sizeof(*node->pairs));
    c->n_stack = base;
    if (!sp_node_duplicates(node, c->file, c->diag))
        c->failed = true;
    return 0;
}

static int compose_list(struct composer *c, struct sp_node *node, unsigned depth)
{
    size_t base = c->n_stack;
    for (;;) {
        yaml_event_t ev;
        if (next_event(c, &ev) < 0)
            return -EINVAL;
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            break;
        }
        struct sp_pair item = {0};
        int r = compose(c, &ev, depth + 1, &item.value);
        yaml_event_delete(&ev);
        if (r < 0)
            return r;
        push(c, item);
    }
    node->n = (unsigned)(c->n_stack - base);
    node->items = sp_arena_alloc(c->arena, node->n * sizeof(*node->items));
    for (unsigned i = 0; i < node->n; i++)
        node->items[i] = c->stack[base + i].value;
    c->n_stack = base;
    return 0;
}

static int compose_collection(struct composer *c, yaml_event_t *ev, unsigned depth, struct sp_node **ret_node)
{
    bool map = ev->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor = map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
    const yaml_char_t *tag_text = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
    enum tag tag;
    if (depth >= SP_NODE_MAX_DEPTH) {
        sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev->start_mark), NULL,
                    "nested more than %d levels deep (write it flatter)", SP_NODE_MAX_DEPTH);
        return -EINVAL;
    }
    if (check_tag(c, tag_text, ev->start_mark, &tag) < 0)
        return -EINVAL;
    struct sp_node *n = new_node(c, map ? SP_NODE_MAP : SP_NODE_LIST, ev->start_mark);
    unsigned mine = c->n_anchors;
    if (!n || add_anchor(c, anchor, n, ev->start_mark, true) < 0)
        return -EINVAL;
    int r = map ? compose_map(c, n, depth) : compose_list(c, n, depth);
    if (r < 0)
        return r;
    if (anchor)
        c->anchors[mine].open = false;
    *ret_node = n;
    return sp_node_close(n, c->file, c->diag) ? 0 : -EINVAL;
}

static int compose(struct composer *c, yaml_event_t *ev, unsigned depth, struct sp_node **ret_node)
{
    switch (ev->type) {
    case YAML_ALIAS_EVENT: {
        struct sp_node *n = resolve_alias(c, ev);
        if (n)
            *ret_node = n;
        return n ? 0 : -EINVAL;
    }
    case YAML_SCALAR_EVENT:
        return compose_scalar(c, ev, ret_node);
    default:
        assert(ev->type == YAML_MAPPING_START_EVENT || ev->type == YAML_SEQUENCE_START_EVENT);
        return compose_collection(c, ev, depth, ret_node);
    }
}

/* The stream's one document. */
static int compose_stream(struct composer *c, struct sp_node **ret_root)
{
    struct sp_node *root = NULL;
    for (;;) {
        yaml_event_t ev;
        if (next_event(c, &ev) < 0)
            return -EINVAL;
        int r = 0;
        bool end = ev.type == YAML_STREAM_END_EVENT;
        if (ev.type == YAML_DOCUMENT_START_EVENT && root) {
            sp_diag_add(c->diag, SP_ERROR, mark_of(c, ev.start_mark), NULL,
                        "a second document begins here (a config is one document: remove the ---)");
            r = -EINVAL;
        } else if (ev.type != YAML_STREAM_START_EVENT && ev.type != YAML_DOCUMENT_START_EVENT &&
                   ev.type != YAML_DOCUMENT_END_EVENT && !end) {
            r = compose(c, &ev, 0, &root);
        }
        yaml_event_delete(&ev);
        if (r < 0)
            return r;
        if (end)
            break;
    }
    if (c->failed)
        return -EINVAL;
    if (!root) {
        sp_diag_add(c->diag, SP_ERROR, (struct sp_mark){c->file, 0, 0}, NULL,
                    "there is nothing in it (expected a config)");
        return -EINVAL;
    }
    *ret_root = root;
    return 0;
}

int sp_node_parse_yaml(struct sp_arena *arena, const char *file, struct sp_str text, struct sp_diag *diag,
                       struct sp_node **ret_root)
{
    assert(arena && file && diag && ret_root);
    struct composer c = {.arena = arena, .diag = diag, .file = file};
    if (!yaml_parser_initialize(&c.parser)) {
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){file, 0, 0}, NULL, "there is no memory to read it (give the process more)");
        return -ENOMEM;
    }
    if (sp_str_starts(text, SP_STR("\xef\xbb\xbf")))
        text = sp_str_sub(text, 3, text.len);
    /* Said outright, or libyaml would also take UTF-16, where our checks for control bytes mean nothing. */
    yaml_parser_set_encoding(&c.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&c.parser, (const unsigned char *)(text.ptr ? text.ptr : ""), text.len);
    int r = compose_stream(&c, ret_root);
    yaml_parser_delete(&c.parser);
    free(c.anchors);
    free(c.stack);
    return r;
}
