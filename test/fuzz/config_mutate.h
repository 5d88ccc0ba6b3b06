/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changes to configs that know their structure: blocks of YAML, what stands in brackets in JSON and protobuf's text form, fields of
 * the binary form are deleted, doubled and swapped, values become what a loader may stumble over.  For fuzz_config.c: the first byte
 * says which syntax it is.
 */
#ifndef TEST_FUZZ_CONFIG_MUTATE_H
#define TEST_FUZZ_CONFIG_MUTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct mutant {
    uint8_t *data;
    size_t size, max;
    uint64_t seed;
};

struct part {
    size_t from, to;
};

static size_t below(struct mutant *m, size_t n)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)(m->seed >> 33) % n : 0;
}

/* Puts n bytes where a part is; nothing if it does not fit. */
static void replace(struct mutant *m, struct part at, const void *bytes, size_t n)
{
    if (m->size - (at.to - at.from) + n > m->max)
        return;
    memmove(m->data + at.from + n, m->data + at.to, m->size - at.to);
    if (n)
        memcpy(m->data + at.from, bytes, n);
    m->size += n - (at.to - at.from);
}

static void swap(struct mutant *m, struct part a, struct part b)
{
    if (b.from < a.from) {
        struct part t = a;
        a = b;
        b = t;
    }
    if (a.to > b.from)
        return;
    size_t n = b.to - a.from;
    uint8_t *copy = malloc(n), *p = copy;
    if (!copy)
        abort();
    memcpy(p, m->data + b.from, b.to - b.from);
    p += b.to - b.from;
    memcpy(p, m->data + a.to, b.from - a.to);
    p += b.from - a.to;
    memcpy(p, m->data + a.from, a.to - a.from);
    memcpy(m->data + a.from, copy, n);
    free(copy);
}

/* A line and the deeper ones below it. */
static struct part yaml_block(struct mutant *m)
{
    size_t from = 1 + below(m, m->size - 1), to, indent = 0;
    while (from > 1 && m->data[from - 1] != '\n')
        from--;
    while (from + indent < m->size && (m->data[from + indent] == ' ' || m->data[from + indent] == '-'))
        indent++;
    for (to = from; to < m->size;) {
        size_t deep = 0;
        while (to < m->size && m->data[to] != '\n')
            to++;
        to += to < m->size;
        while (to + deep < m->size && m->data[to + deep] == ' ')
            deep++;
        if (deep <= indent)
            break;
    }
    return (struct part){from, to};
}

/* What stands in brackets, with them; the rest of the text if nothing does. */
static struct part bracketed(struct mutant *m)
{
    size_t from = 1 + below(m, m->size - 1), to;
    while (from > 1 && !strchr("{[<", m->data[from] ? m->data[from] : ' '))
        from--;
    int depth = 0;
    for (to = from; to < m->size; to++) {
        int c = m->data[to];
        depth += c == '{' || c == '[' || c == '<';
        depth -= c == '}' || c == ']' || c == '>';
        if (depth <= 0)
            break;
    }
    return (struct part){from, to + (to < m->size)};
}

/* The value behind a colon, or a word. */
static struct part value(struct mutant *m)
{
    size_t from = 1 + below(m, m->size - 1), to;
    while (from < m->size && m->data[from] != ':' && m->data[from] != ' ')
        from++;
    while (from < m->size && (m->data[from] == ' ' || m->data[from] == ':'))
        from++;
    for (to = from; to < m->size && m->data[to] != '\n' && m->data[to] != ',' && m->data[to] != '}'; to++)
        ;
    return (struct part){from, to};
}

static bool get_varint(const struct mutant *m, size_t *at, size_t end, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
        uint8_t c = m->data[(*at)++];
        v |= (uint64_t)(c & 127) << (shift & 63);
        if (c < 128) {
            *ret = v;
            return true;
        }
    }
    return false;
}

/* A field of the binary form, with its number, at some depth. */
static struct part wire_field(struct mutant *m)
{
    size_t at = 1, end = m->size;
    struct part last = {1, m->size};
    for (size_t left = below(m, 40); at < end;) {
        size_t from = at;
        uint64_t tag, n = 0;
        if (!get_varint(m, &at, end, &tag))
            break;
        unsigned type = tag & 7;
        size_t inside = at;
        if (type == 0) {
            get_varint(m, &at, end, &n);
        } else if (type == 2) {
            if (!get_varint(m, &at, end, &n) || n > end - at)
                break;
            inside = at;
            at += (size_t)n;
        } else {
            at += type == 1 ? 8 : 4;
        }
        last = (struct part){from, at < m->size ? at : m->size};
        if (left-- == 0)
            break;
        if (type == 2 && n > 3 && below(m, 3)) {
            at = inside;
            end = inside + (size_t)n;
        }
    }
    return last;
}

static const char *const values[] = {
    "null", "~", "[]", "{}", "''", "\"\"", "0", "-1", "1e999", "0x7fffffffffffffffffff", "18446744073709551616", "4294967296", "-0", "NaN", "1.5",
    "99999999999s", "0.0000000001s", "-1s", "{seconds: -1}", "{value: 5}", "{\"@type\": \"x\"}", "*a", "&a [*a]", "!ignore", "!!str 5", "<<", "true",
    "\"\\u0000\"", "\"\\ud800\"", "'\xff'", "[[[[[[[[[[]]]]]]]]]]", "{\"@type\": \"type.googleapis.com/xds.type.v3.TypedStruct\", \"type_url\": \"x\"}",
    "{\"@type\": \"type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\"}", "10.0.0.0/33", "%REQ(", "*.*", "(", ":path", "a\nb",
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
};

static void change_wire(struct mutant *m, struct part p)
{
    static const uint8_t odd[][6] = {{0xff, 0xff, 0xff, 0xff, 0x7f, 0}, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80}, {0}, {0x7a, 0x05, 1, 2, 3, 4}};
    uint8_t byte = (uint8_t)below(m, 256);
    if (below(m, 2))
        replace(m, (struct part){p.from, p.from + (p.from < p.to)}, &byte, 1);
    else if (p.to - p.from > 1)
        replace(m, (struct part){p.from + 1, p.from + 2}, odd[below(m, 4)], 1 + below(m, 6));
}

static void change_once(struct mutant *m)
{
    bool wire = m->data[0] == 'B', yaml = m->data[0] != 'J' && m->data[0] != 'T' && !wire;
    struct part (*pick)(struct mutant *) = wire ? wire_field : yaml && below(m, 4) ? yaml_block : bracketed;
    struct part a = pick(m), b = pick(m);
    switch (below(m, 5)) {
    case 0:
        replace(m, a, NULL, 0);
        break;
    case 1: { /* doubled, perhaps elsewhere */
        size_t n = a.to - a.from;
        uint8_t *copy = malloc(n + 1);
        if (!copy)
            abort();
        memcpy(copy, m->data + a.from, n);
        replace(m, (struct part){b.from, b.from}, copy, n);
        free(copy);
        break;
    }
    case 2:
        swap(m, a, b);
        break;
    default:
        if (wire) {
            change_wire(m, a);
        } else {
            const char *v = values[below(m, sizeof(values) / sizeof(values[0]))];
            replace(m, below(m, 4) ? value(m) : a, v, strlen(v));
        }
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    struct mutant m = {data, size, max_size, seed};
    if (size < 2)
        return size;
    for (size_t n = 1 + below(&m, 4); n && m.size > 1; n--)
        change_once(&m);
    return m.size;
}

#endif
