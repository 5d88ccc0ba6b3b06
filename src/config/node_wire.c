/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Protobuf's binary form (protobuf.dev/programming-guides/encoding) to nodes, by descriptor.  Not protobuf-c's unpack: that
 * drops what it does not know, and takes what is cut off inside an Any for bytes.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/descriptor.h"
#include "config/node_proto.h"

struct wire {
    const struct sp_node_wire *in;
    struct sp_arena *arena;
    struct sp_diag *diag;
    const char *start;
    unsigned n_nodes;
};

/* The fields that lead to what is read, innermost first. */
struct trail {
    const struct trail *up;
    const char *name;
};

struct span {
    const char *p, *end;
};

static struct sp_str path_of(const struct wire *w, const struct trail *t, struct sp_arena *arena)
{
    if (!t)
        return sp_str_c(w->in->path);
    struct sp_str up = path_of(w, t->up, arena);
    return sp_arena_printf(arena, "%.*s%s%s", SP_STR_ARG(up), up.len ? "." : "", t->name);
}

static int fail(const struct wire *w, const struct trail *t, const char *at, const char *what)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    sp_diag_add(w->diag, SP_ERROR, w->in->at, path_of(w, t, &arena).ptr,
                "byte %zu: not protobuf's binary form: %s (is the file whole, and of this type of message?)",
                (size_t)(at - w->start), what);
    sp_arena_done(&arena);
    return -EINVAL;
}

static int too_much(const struct wire *w, const char *what, int limit)
{
    sp_diag_add(w->diag, SP_ERROR, w->in->at, w->in->path, "more than %d %s (write less)", limit, what);
    return -EINVAL;
}

static bool get_varint(struct span *s, uint64_t *ret_value)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && s->p < s->end; shift += 7) {
        unsigned char c = (unsigned char)*s->p++;
        if (shift == 63 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret_value = v;
            return true;
        }
    }
    return false;
}

static bool get_fixed(struct span *s, unsigned size, uint64_t *ret_value)
{
    uint64_t v = 0;
    if ((size_t)(s->end - s->p) < size)
        return false;
    for (unsigned i = 0; i < size; i++)
        v |= (uint64_t)(unsigned char)*s->p++ << (8 * i);
    *ret_value = v;
    return true;
}

static bool get_span(struct span *s, struct span *ret_span)
{
    uint64_t n;
    if (!get_varint(s, &n) || n > (uint64_t)(s->end - s->p))
        return false;
    *ret_span = (struct span){s->p, s->p + n};
    s->p += n;
    return true;
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static unsigned wire_type(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return BYTES;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    default:
        return VARINT;
    }
}

static struct sp_node *new_node(struct wire *w, enum sp_node_kind kind)
{
    if (++w->n_nodes > SP_NODE_MAX) {
        too_much(w, "values", SP_NODE_MAX);
        return NULL;
    }
    struct sp_node *n = sp_arena_zalloc(w->arena, sizeof(*n));
    *n = (struct sp_node){.kind = (uint8_t)kind, .line = w->in->at.line, .column = w->in->at.column, .walk = 1,
                          .height = 1, .proto = true};
    return n;
}

static struct sp_str float_text(struct sp_arena *arena, double d, int digits)
{
    return isfinite(d) ? sp_arena_printf(arena, "%.*g", digits, d) : SP_STR("nan");
}

/* What a number is as text. */
static void number(struct wire *w, ProtobufCType type, uint64_t v, struct sp_node *node)
{
    float f;
    double d;
    uint32_t low = (uint32_t)v;
    node->plain = true;
    node->kind = SP_NODE_INT;
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        node->kind = SP_NODE_BOOL;
        node->text = v ? SP_STR("true") : SP_STR("false");
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(&f, &low, sizeof(f));
        node->kind = SP_NODE_FLOAT;
        node->text = float_text(w->arena, (double)f, 9);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(&d, &v, sizeof(d));
        node->kind = SP_NODE_FLOAT;
        node->text = float_text(w->arena, d, 17);
        return;
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SINT64:
        node->text = sp_arena_printf(w->arena, "%" PRId64, (int64_t)(v >> 1 ^ -(v & 1)));
        return;
    case PROTOBUF_C_TYPE_SFIXED32:
        node->text = sp_arena_printf(w->arena, "%" PRId32, (int32_t)low);
        return;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        node->text = sp_arena_printf(w->arena, "%" PRId64, (int64_t)v);
        return;
    default:
        node->text = sp_arena_u64(w->arena, v);
    }
}

static bool get_number(struct span *s, unsigned type, uint64_t *ret_value)
{
    return type == VARINT ? get_varint(s, ret_value) : get_fixed(s, type == FIXED32 ? 4 : 8, ret_value);
}

static int parse_message(struct wire *w, const struct trail *t, struct span s, const ProtobufCMessageDescriptor *desc,
                         unsigned depth, struct sp_node **ret_node);

/* A packed list of numbers. */
static int parse_packed(struct wire *w, const struct trail *t, struct span s, ProtobufCType type,
                        struct sp_node **ret_node)
{
    struct sp_node *list = new_node(w, SP_NODE_LIST);
    if (!list)
        return -EINVAL;
    size_t most = (size_t)(s.end - s.p) / (wire_type(type) == FIXED64 ? 8 : wire_type(type) == FIXED32 ? 4 : 1);
    if (most > SP_NODE_MAX)
        return too_much(w, "values", SP_NODE_MAX);
    list->items = sp_arena_alloc(w->arena, SP_MAX(most, 1u) * sizeof(*list->items));
    while (s.p < s.end) {
        uint64_t v;
        const char *at = s.p;
        if (!get_number(&s, wire_type(type), &v))
            return fail(w, t, at, "a number that is cut off");
        struct sp_node *n = new_node(w, SP_NODE_INT);
        if (!n)
            return -EINVAL;
        number(w, type, v, n);
        list->items[list->n++] = n;
    }
    *ret_node = list;
    return sp_node_close(list, w->in->at.file, w->diag) ? 0 : -EINVAL;
}

static int parse_known(struct wire *w, const struct trail *t, struct span *s, unsigned type,
                       const ProtobufCFieldDescriptor *f, unsigned depth, struct sp_node **ret_node)
{
    struct span inner;
    const char *at = s->p;
    uint64_t v;
    unsigned wanted = wire_type(f->type);
    if (type == BYTES) {
        if (!get_span(s, &inner))
            return fail(w, t, at, "a value that is cut off");
        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
            return parse_message(w, t, inner, f->descriptor, depth + 1, ret_node);
        if (wanted != BYTES && f->label == PROTOBUF_C_LABEL_REPEATED)
            return parse_packed(w, t, inner, f->type, ret_node);
    }
    if (type != wanted)
        return fail(w, t, at, "a value of another kind than the field's");
    if (!(*ret_node = new_node(w, SP_NODE_STRING)))
        return -EINVAL;
    if (type == BYTES) {
        (*ret_node)->text = sp_arena_str(w->arena, sp_str_n(inner.p, (size_t)(inner.end - inner.p)));
        return 0;
    }
    if (!get_number(s, type, &v))
        return fail(w, t, at, "a number that is cut off");
    number(w, f->type, v, *ret_node);
    return 0;
}

static int skip_unknown(struct wire *w, const struct trail *t, struct span *s, unsigned type, struct sp_node **ret_node)
{
    struct span inner;
    uint64_t v;
    const char *at = s->p;
    bool ok = type == BYTES ? get_span(s, &inner)
              : type == VARINT || type == FIXED64 || type == FIXED32 ? get_number(s, type, &v)
                                                                     : false;
    if (!ok)
        return fail(w, t, at, type == 3 || type == 4 ? "a group" : "a value that is cut off");
    *ret_node = new_node(w, SP_NODE_NULL);
    return *ret_node ? 0 : -EINVAL;
}

struct pairs {
    struct sp_pair *v;
    size_t n, cap;
};

static int parse_field(struct wire *w, const struct trail *t, struct span *s, const ProtobufCMessageDescriptor *desc,
                       unsigned depth, struct sp_pair *ret_pair)
{
    uint64_t tag;
    const char *at = s->p;
    if (!get_varint(s, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
        return fail(w, t, at, "the number of a field was expected here");
    unsigned number = (unsigned)(tag >> 3), type = (unsigned)(tag & 7);
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(desc, number);
    *ret_pair = (struct sp_pair){.line = w->in->at.line, .column = w->in->at.column};
    if (!f) {
        ret_pair->key = sp_arena_printf(w->arena, "%u", number);
        return skip_unknown(w, t, s, type, &ret_pair->value);
    }
    const struct trail here = {t, f->name};
    ret_pair->key = sp_str_c(f->name);
    return parse_known(w, &here, s, type, f, depth, &ret_pair->value);
}

static int parse_message(struct wire *w, const struct trail *t, struct span s, const ProtobufCMessageDescriptor *desc,
                         unsigned depth, struct sp_node **ret_node)
{
    struct sp_node *map = new_node(w, SP_NODE_MAP);
    struct pairs pairs = {0};
    int r = map ? 0 : -EINVAL;
    if (r == 0 && depth >= SP_NODE_MAX_DEPTH)
        r = too_much(w, "levels deep", SP_NODE_MAX_DEPTH);
    while (r == 0 && s.p < s.end) {
        if (pairs.n == pairs.cap) {
            pairs.cap = pairs.cap ? pairs.cap * 2 : 8;
            pairs.v = sp_xrealloc(pairs.v, pairs.cap * sizeof(*pairs.v));
        }
        r = parse_field(w, t, &s, desc, depth, &pairs.v[pairs.n]);
        pairs.n += r == 0;
    }
    if (r == 0) {
        map->n = (unsigned)pairs.n;
        map->pairs = sp_arena_alloc(w->arena, SP_MAX(pairs.n, 1u) * sizeof(*map->pairs));
        if (pairs.n)
            memcpy(map->pairs, pairs.v, pairs.n * sizeof(*map->pairs));
        sp_node_gather(w->arena, map);
        *ret_node = map;
        r = sp_node_close(map, w->in->at.file, w->diag) ? 0 : -EINVAL;
    }
    free(pairs.v);
    return r;
}

int sp_node_parse_wire(struct sp_arena *arena, const struct sp_node_wire *wire, struct sp_diag *diag,
                       struct sp_node **ret_root)
{
    assert(arena && wire && wire->path && wire->desc && diag && ret_root);
    const char *p = wire->bytes.ptr ? wire->bytes.ptr : "";
    struct wire w = {.in = wire, .arena = arena, .diag = diag, .start = p};
    return parse_message(&w, NULL, (struct span){p, p + wire->bytes.len}, wire->desc, 0, ret_root);
}
