/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/query_mutation.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

typedef Envoy__Config__Core__V3__KeyValueMutation KeyValueMutation;
#define ACTION(name) ENVOY__CONFIG__CORE__V3__KEY_VALUE_APPEND__KEY_VALUE_APPEND_ACTION__##name
#define VALUE(name) GOOGLE__PROTOBUF__VALUE__KIND_##name

enum { PATH_MAX_BYTES = 65536 };

struct mutation {
    struct sp_str key;     /* decoded */
    struct sp_str encoded; /* as it is written into a query */
    struct sp_format *value; /* NULL: remove */
    int action;
};

struct sp_query_mutations {
    struct sp_arena arena;
    struct mutation *v;
    size_t n;
};

static bool unreserved(char c)
{
    char l = sp_ascii_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

/* RFC 3986 section 2.1, into `arena`. */
static struct sp_str encode(struct sp_arena *arena, struct sp_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = sp_arena_alloc(arena, s.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (unreserved(s.ptr[i])) {
            p[n++] = s.ptr[i];
            continue;
        }
        p[n++] = '%';
        p[n++] = hex[c >> 4];
        p[n++] = hex[c & 15];
    }
    return sp_str_n(p, n);
}

static int hex_digit(char c)
{
    char l = sp_ascii_lower(c);
    return c >= '0' && c <= '9' ? c - '0' : l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* Whether a name as written in a query is this one. '+' may mean itself or a space (HTML forms). */
static bool is_name(struct sp_str written, struct sp_str key)
{
    size_t k = 0;
    for (size_t i = 0; i < written.len; i++, k++) {
        char c = written.ptr[i], other = c == '+' ? ' ' : c;
        if (c == '%' && i + 2 < written.len && hex_digit(written.ptr[i + 1]) >= 0 && hex_digit(written.ptr[i + 2]) >= 0) {
            c = other = (char)(hex_digit(written.ptr[i + 1]) * 16 + hex_digit(written.ptr[i + 2]));
            i += 2;
        }
        if (k == key.len || (c != key.ptr[k] && other != key.ptr[k]))
            return false;
    }
    return k == key.len;
}

static bool compile(struct mutation *m, struct sp_query_mutations *all, const struct sp_doc *doc, struct sp_diag *diag,
                    const KeyValueMutation *msg)
{
    if (msg->append && *msg->remove) {
        sp_doc_err(doc, diag, msg, "remove", -1, "cannot stand beside append (make two mutations of it)");
        return false;
    }
    if (!msg->append) {
        m->key = sp_arena_str(&all->arena, sp_str_c(msg->remove));
        if (!m->key.len)
            sp_doc_err(doc, diag, msg, "remove", -1, "must not be empty");
        return m->key.len > 0;
    }
    const Envoy__Config__Core__V3__KeyValuePair *record = msg->append->record;
    m->key = sp_arena_str(&all->arena, sp_str_c(record->key));
    m->encoded = encode(&all->arena, m->key);
    m->action = (int)msg->append->action;
    if (!record->value || record->value->kind_case != VALUE(STRING_VALUE)) {
        sp_doc_err(doc, diag, record, "value", -1, "a query parameter's value is a string (put it in quotes)");
        return false;
    }
    m->value = sp_format_new(doc, diag, record, "value", -1, sp_str_c(record->value->string_value));
    return m->value != NULL;
}

struct sp_query_mutations *sp_query_mutations_new(const struct sp_doc *doc, struct sp_diag *diag, KeyValueMutation **list,
                                                  size_t n)
{
    assert(doc && diag && (list || !n));
    struct sp_query_mutations *m = sp_xcalloc(1, sizeof(*m));
    bool good = true;
    sp_arena_init(&m->arena);
    m->v = sp_arena_zalloc(&m->arena, (n + 1) * sizeof(*m->v));
    for (size_t i = 0; i < n; i++)
        good = compile(&m->v[m->n++], m, doc, diag, list[i]) && good;
    if (good)
        return m;
    sp_query_mutations_free(m);
    return NULL;
}

void sp_query_mutations_free(struct sp_query_mutations *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++)
        sp_format_free(m->v[i].value);
    sp_arena_done(&m->arena);
    free(m);
}

/* A query that is made anew in an arena, with room for all it can become. */
struct query {
    char *ptr;
    size_t len;
    bool some; /* a parameter was put */
};

static void put(struct query *q, struct sp_str s)
{
    if (s.len)
        memcpy(q->ptr + q->len, s.ptr, s.len);
    q->len += s.len;
}

static void put_parameter(struct query *q, struct sp_str a, struct sp_str eq, struct sp_str b)
{
    if (q->some)
        put(q, SP_STR("&"));
    q->some = true;
    put(q, a);
    put(q, eq);
    put(q, b);
}

static bool has(struct sp_str query, struct sp_str key)
{
    struct sp_str item;
    while (sp_str_split(&query, '&', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        if (is_name(eq < 0 ? item : sp_str_n(item.ptr, (size_t)eq), key))
            return true;
    }
    return false;
}

/* `query` without the '?', changed by one mutation. */
static struct sp_str change(const struct mutation *m, struct sp_str query, const struct sp_format_input *in,
                            struct sp_arena *arena)
{
    bool there = has(query, m->key), overwrite = m->action == ACTION(OVERWRITE_IF_EXISTS_OR_ADD) ||
                                                 m->action == ACTION(OVERWRITE_IF_EXISTS);
    struct sp_str value = SP_STR_NULL, rest = query, item;
    if (m->value) {
        if ((there && m->action == ACTION(ADD_IF_ABSENT)) || (!there && m->action == ACTION(OVERWRITE_IF_EXISTS)))
            return query;
        value = encode(arena, sp_format_value(m->value, in, arena));
    } else if (!there) {
        return query;
    }
    struct query q = {.ptr = sp_arena_alloc(arena, query.len + m->encoded.len + value.len + 2)};
    bool placed = false;
    while (sp_str_split(&rest, '&', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        bool same = is_name(eq < 0 ? item : sp_str_n(item.ptr, (size_t)eq), m->key);
        if (!same || (m->value && !overwrite)) {
            if (item.len || q.some || query.len)
                put_parameter(&q, item, SP_STR(""), SP_STR(""));
        } else if (m->value && !placed) {
            put_parameter(&q, m->encoded, SP_STR("="), value);
            placed = true;
        }
    }
    if (m->value && !placed) {
        /* "?" alone is no empty parameter. */
        q.some = q.some && q.len;
        put_parameter(&q, m->encoded, SP_STR("="), value);
    }
    return sp_str_n(q.ptr, q.len);
}

void sp_query_mutations_apply(const struct sp_query_mutations *m, struct sp_headers *h, const struct sp_format_input *in)
{
    assert(m && h && in);
    ptrdiff_t mark = sp_str_chr(h->path, '?');
    struct sp_str path = mark < 0 ? h->path : sp_str_n(h->path.ptr, (size_t)mark);
    struct sp_str before = mark < 0 ? SP_STR_NULL : sp_str_sub(h->path, (size_t)mark + 1, h->path.len), query = before;
    for (size_t i = 0; i < m->n && query.len <= PATH_MAX_BYTES; i++)
        query = change(&m->v[i], query, in, h->arena);
    if (sp_str_eq(query, before) || path.len + query.len + 1 > PATH_MAX_BYTES || !path.len)
        return;
    h->path = query.len ? sp_arena_cat(h->arena, sp_arena_cat(h->arena, path, SP_STR("?")), query) : path;
}
