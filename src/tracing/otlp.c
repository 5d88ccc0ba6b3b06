/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracing/otlp.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

#include "base/mem.h"

/* Fields of opentelemetry.proto.* by number. */
enum {
    REQUEST_RESOURCE_SPANS = 1,
    RESOURCE_SPANS_RESOURCE = 1, RESOURCE_SPANS_SCOPE_SPANS = 2,
    RESOURCE_ATTRIBUTES = 1,
    SCOPE_SPANS_SCOPE = 1, SCOPE_SPANS_SPANS = 2,
    SCOPE_NAME = 1, SCOPE_VERSION = 2,
    SPAN_TRACE_ID = 1, SPAN_ID = 2, SPAN_STATE = 3, SPAN_PARENT = 4, SPAN_NAME = 5, SPAN_KIND = 6, SPAN_START = 7, SPAN_END = 8,
    SPAN_ATTRIBUTES = 9, SPAN_EVENTS = 11, SPAN_STATUS = 15, SPAN_FLAGS = 16,
    EVENT_TIME = 1, EVENT_NAME = 2,
    STATUS_CODE = 3, STATUS_CODE_ERROR = 2,
    KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2,
    ANY_STRING = 1, ANY_BOOL = 2, ANY_INT = 3, ANY_DOUBLE = 4,
    FLAG_SAMPLED = 1, FLAG_KNOWS_REMOTE = 0x100, FLAG_REMOTE = 0x200,
};
enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

enum { LEN_ROOM = 5 }; /* of a length that is not known yet */

static const struct sp_str replacement = SP_STR_INIT("\xef\xbf\xbd");

void sp_otlp_done(struct sp_otlp *o)
{
    assert(o);
    free(o->p);
    *o = (struct sp_otlp){0};
}

static char *room(struct sp_otlp *o, size_t n)
{
    if (o->cap - o->len < n) {
        o->cap = SP_MAX(2 * o->cap, o->len + n + 256);
        o->p = sp_xrealloc(o->p, o->cap);
    }
    return o->p + o->len;
}

static size_t varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >>= 7)
        n++;
    return n;
}

static char *write_varint(char *p, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *p++ = (char)(v | 128);
    *p++ = (char)v;
    return p;
}

static void varint(struct sp_otlp *o, uint64_t v)
{
    char *p = room(o, 10);
    o->len += (size_t)(write_varint(p, v) - p);
}

static void tag(struct sp_otlp *o, unsigned field, enum wire wire)
{
    varint(o, (uint64_t)field << 3 | wire);
}

static void raw(struct sp_otlp *o, struct sp_str s)
{
    if (s.len)
        memcpy(room(o, s.len), s.ptr, s.len);
    o->len += s.len;
}

static void bytes(struct sp_otlp *o, unsigned field, struct sp_str s)
{
    tag(o, field, BYTES);
    varint(o, s.len);
    raw(o, s);
}

static void fixed64(struct sp_otlp *o, unsigned field, uint64_t v)
{
    tag(o, field, FIXED64);
    v = htole64(v);
    raw(o, sp_str_n((const char *)&v, sizeof(v)));
}

static void id(struct sp_otlp *o, unsigned field, const uint64_t *words, unsigned n)
{
    uint64_t be[2] = {htobe64(words[0]), n > 1 ? htobe64(words[1]) : 0};
    bytes(o, field, sp_str_n((const char *)be, n * sizeof(be[0])));
}

/* A message whose length is known at its end. */
static size_t open_message(struct sp_otlp *o, unsigned field)
{
    tag(o, field, BYTES);
    room(o, LEN_ROOM);
    o->len += LEN_ROOM;
    return o->len;
}

static void close_message(struct sp_otlp *o, size_t at)
{
    size_t len = o->len - at, n = varint_len(len);
    assert(n <= LEN_ROOM);
    char *p = o->p + at - LEN_ROOM;
    write_varint(p, len);
    memmove(p + n, o->p + at, len);
    o->len -= LEN_ROOM - n;
}

/* A string of protobuf: bounded, and UTF-8. */
static void text(struct sp_otlp *o, unsigned field, struct sp_str s)
{
    size_t at = open_message(o, field);
    s.len = SP_MIN(s.len, (size_t)SP_OTLP_TEXT_MAX);
    while (s.len) {
        size_t run = 0, n = 0;
        while (run < s.len && (n = sp_utf8_char(sp_str_sub(s, run, s.len))) != 0)
            run += n;
        raw(o, sp_str_n(s.ptr, run));
        if (run < s.len) {
            raw(o, replacement);
            run++;
        }
        s = sp_str_sub(s, run, s.len);
    }
    close_message(o, at);
}

static void attribute(struct sp_otlp *o, unsigned field, const struct sp_attr *a)
{
    size_t at = open_message(o, field);
    text(o, KEY_VALUE_KEY, a->key);
    size_t value = open_message(o, KEY_VALUE_VALUE);
    uint64_t bits;
    switch (a->kind) {
    case SP_ATTR_STR:
        text(o, ANY_STRING, a->str);
        break;
    case SP_ATTR_BOOL:
    case SP_ATTR_INT:
        tag(o, a->kind == SP_ATTR_INT ? ANY_INT : ANY_BOOL, VARINT);
        varint(o, (uint64_t)a->num);
        break;
    case SP_ATTR_DOUBLE:
        memcpy(&bits, &a->real, sizeof(bits));
        fixed64(o, ANY_DOUBLE, bits);
        break;
    }
    close_message(o, value);
    close_message(o, at);
}

void sp_attrs_set(struct sp_attrs *a, const struct sp_attr *attr)
{
    assert(a && attr && attr->key.len);
    for (unsigned i = 0; i < a->n; i++) {
        if (sp_str_eq(a->v[i].key, attr->key)) {
            a->v[i] = *attr;
            return;
        }
    }
    if (a->n < SP_ATTRS_MAX)
        a->v[a->n++] = *attr;
}

static void event(struct sp_otlp *o, const struct sp_span_event *e)
{
    size_t at = open_message(o, SPAN_EVENTS);
    fixed64(o, EVENT_TIME, (uint64_t)e->at_ns);
    text(o, EVENT_NAME, e->name);
    close_message(o, at);
}

static void flags(struct sp_otlp *o, const struct sp_span_data *s)
{
    uint32_t v = htole32(FLAG_SAMPLED | FLAG_KNOWS_REMOTE | (s->remote ? FLAG_REMOTE : 0));
    tag(o, SPAN_FLAGS, FIXED32);
    raw(o, sp_str_n((const char *)&v, sizeof(v)));
}

void sp_otlp_span(struct sp_otlp *o, const struct sp_span_data *s)
{
    assert(o && s && s->ctx && s->ctx->span);
    size_t at = open_message(o, SCOPE_SPANS_SPANS);
    id(o, SPAN_TRACE_ID, s->ctx->trace, 2);
    id(o, SPAN_ID, &s->ctx->span, 1);
    if (s->ctx->state.len)
        text(o, SPAN_STATE, s->ctx->state);
    if (s->parent)
        id(o, SPAN_PARENT, &s->parent, 1);
    text(o, SPAN_NAME, s->name);
    tag(o, SPAN_KIND, VARINT);
    varint(o, s->kind);
    fixed64(o, SPAN_START, (uint64_t)s->start_ns);
    fixed64(o, SPAN_END, (uint64_t)SP_MAX(s->end_ns, s->start_ns));
    for (unsigned i = 0; s->attrs && i < s->attrs->n; i++)
        attribute(o, SPAN_ATTRIBUTES, &s->attrs->v[i]);
    for (unsigned i = 0; i < s->n_events; i++)
        event(o, &s->events[i]);
    if (s->error) {
        size_t status = open_message(o, SPAN_STATUS);
        tag(o, STATUS_CODE, VARINT);
        varint(o, STATUS_CODE_ERROR);
        close_message(o, status);
    }
    flags(o, s);
    close_message(o, at);
}

void sp_otlp_resource(struct sp_otlp *o, const struct sp_attrs *attrs)
{
    assert(o && attrs);
    size_t at = open_message(o, RESOURCE_SPANS_RESOURCE);
    for (unsigned i = 0; i < attrs->n; i++)
        attribute(o, RESOURCE_ATTRIBUTES, &attrs->v[i]);
    close_message(o, at);
}

void sp_otlp_scope(struct sp_otlp *o, struct sp_str name, struct sp_str version)
{
    assert(o);
    size_t at = open_message(o, SCOPE_SPANS_SCOPE);
    if (name.len)
        text(o, SCOPE_NAME, name);
    if (version.len)
        text(o, SCOPE_VERSION, version);
    close_message(o, at);
}

void sp_otlp_request(struct sp_otlp *o, struct sp_str resource, struct sp_str scope, struct sp_str spans)
{
    assert(o);
    room(o, resource.len + scope.len + spans.len + 4 * LEN_ROOM);
    size_t at = open_message(o, REQUEST_RESOURCE_SPANS);
    raw(o, resource);
    size_t list = open_message(o, RESOURCE_SPANS_SCOPE_SPANS);
    raw(o, scope);
    raw(o, spans);
    close_message(o, list);
    close_message(o, at);
}
