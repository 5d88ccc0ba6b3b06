/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.header_to_metadata: dynamic metadata out of headers and cookies, of requests and responses.
 */
#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb-c.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/regex.h"
#include "config/doc.h"
#include "crypto/hash.h"
#include "filters/gate.h"
#include "filters/metadata_json.h"
#include "filters/registry.h"
#include "route/matcher.h"

typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config Message;
typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config__Rule RuleMessage;
typedef Envoy__Extensions__Filters__Http__HeaderToMetadata__V3__Config__KeyValuePair PairMessage;
#define TYPE(name) ENVOY__EXTENSIONS__FILTERS__HTTP__HEADER_TO_METADATA__V3__CONFIG__VALUE_TYPE__##name
#define ENCODE(name) ENVOY__EXTENSIONS__FILTERS__HTTP__HEADER_TO_METADATA__V3__CONFIG__VALUE_ENCODE__##name

enum { MAX_VALUE = 8192 }; /* Envoy's: what is longer is left out */

struct pair {
    bool set;
    struct sp_str ns, key, value; /* value: empty: the header's */
    struct sp_regex *regex;       /* NULL: no rewrite */
    struct sp_str substitution;
    bool number, base64;
};

struct rule {
    struct sp_str header, cookie; /* one of them */
    struct pair present, missing;
    bool remove;
};

struct rules {
    struct rule *v; /* n of them */
    size_t n;
};

struct config {
    struct sp_arena arena;
    struct rules request, response;
};

static void rules_done(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        sp_regex_free(r->v[i].present.regex);
        sp_regex_free(r->v[i].missing.regex);
    }
}

static void config_free(void *config)
{
    struct config *c = config;
    rules_done(&c->request);
    rules_done(&c->response);
    sp_arena_done(&c->arena);
    free(c);
}

/* --- compiling --- */

static bool read_pair(const struct sp_filter_build *b, struct config *c, struct pair *p, const PairMessage *msg)
{
    if (!msg)
        return true;
    p->set = true;
    p->ns = sp_arena_str(&c->arena, sp_str_c(*msg->metadata_namespace ? msg->metadata_namespace : "envoy.filters.http.header_to_metadata"));
    p->key = sp_arena_str(&c->arena, sp_str_c(msg->key));
    p->value = sp_arena_str(&c->arena, sp_str_c(msg->value));
    p->number = msg->type == TYPE(NUMBER);
    p->base64 = msg->encode == ENCODE(BASE64);
    if (!msg->regex_value_rewrite)
        return true;
    if (*msg->value) {
        sp_doc_err(b->doc, b->diag, msg, "regex_value_rewrite", -1, "there is nothing to rewrite beside value (drop one of them)");
        return false;
    }
    p->regex = sp_regex_new_substitute(b->doc, b->diag, msg->regex_value_rewrite);
    p->substitution = sp_arena_str(&c->arena, sp_str_c(msg->regex_value_rewrite->substitution));
    return p->regex != NULL;
}

static bool bad(const struct sp_filter_build *b, const RuleMessage *msg, const char *field, const char *why)
{
    sp_doc_err(b->doc, b->diag, msg, field, -1, "%s", why);
    return false;
}

static bool read_rule(const struct sp_filter_build *b, struct config *c, struct rule *r, const RuleMessage *msg, bool response)
{
    bool good = true;
    if (!*msg->header == !*msg->cookie)
        return bad(b, msg, "header", "exactly one of header and cookie");
    if (response && *msg->cookie)
        return bad(b, msg, "cookie", "responses have none (write header)");
    if (*msg->cookie && msg->remove)
        return bad(b, msg, "remove", "cookies stay (Envoy has it so)");
    if (!msg->on_header_present && !msg->on_header_missing)
        return bad(b, msg, NULL, "on_header_present or on_header_missing is needed");
    if (msg->on_header_missing && !*msg->on_header_missing->value)
        return bad(b, msg, "on_header_missing", "without a value there is nothing to write");
    if (*msg->header) {
        r->header = sp_gate_header_name(b, &c->arena, msg, "header", msg->header);
        good = r->header.ptr != NULL;
    }
    r->cookie = sp_arena_str(&c->arena, sp_str_c(msg->cookie));
    r->remove = msg->remove;
    good &= read_pair(b, c, &r->present, msg->on_header_present);
    return read_pair(b, c, &r->missing, msg->on_header_missing) && good;
}

static bool read_rules(const struct sp_filter_build *b, struct config *c, struct rules *to, RuleMessage *const *list, size_t n,
                       bool response)
{
    bool good = true;
    to->v = sp_arena_zalloc(&c->arena, (n + 1) * sizeof(*to->v));
    for (size_t i = 0; i < n; i++)
        good &= read_rule(b, c, &to->v[to->n++], list[i], response);
    return good;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    bool good = read_rules(b, c, &c->request, msg->request_rules, msg->n_request_rules, false);
    good &= read_rules(b, c, &c->response, msg->response_rules, msg->n_response_rules, true);
    if (good && (c->request.n || c->response.n))
        return c;
    if (good)
        sp_doc_err(b->doc, b->diag, msg, NULL, -1, "there is no rule (add request_rules or response_rules)");
    config_free(c);
    return NULL;
}

/* --- requests and responses --- */

static struct sp_str cookie_of(const struct sp_headers *h, struct sp_str name)
{
    for (const struct sp_header *line = NULL; (line = sp_headers_find_id(h, SP_H_COOKIE, line));) {
        struct sp_str rest = line->value, pair;
        while (sp_str_split(&rest, ';', &pair)) {
            ptrdiff_t eq = sp_str_chr(pair, '=');
            if (eq < 0 || !sp_str_eq(sp_str_trim(sp_str_sub(pair, 0, (size_t)eq)), name))
                continue;
            struct sp_str v = sp_str_trim(sp_str_sub(pair, (size_t)eq + 1, pair.len));
            bool quoted = v.len >= 2 && v.ptr[0] == '"' && v.ptr[v.len - 1] == '"';
            return quoted ? sp_str_sub(v, 1, v.len - 1) : v;
        }
    }
    return SP_STR_NULL;
}

/* All lines of it with a comma between them, as Envoy has it. */
static struct sp_str lines_of(const struct sp_headers *h, struct sp_str name, struct sp_arena *a)
{
    const struct sp_header *line = sp_headers_find(h, name, NULL);
    struct sp_str all = line ? line->value : SP_STR_NULL;
    while (line && all.len < MAX_VALUE && (line = sp_headers_find(h, name, line)))
        all = sp_arena_printf(a, "%.*s,%.*s", SP_STR_ARG(all), SP_STR_ARG(line->value));
    return all;
}

/* A NULL slice when it is none. */
static struct sp_str number_of(struct sp_arena *a, struct sp_str text)
{
    char *end;
    if (!text.len || text.len > 64)
        return SP_STR_NULL;
    const char *s = sp_arena_str(a, text).ptr;
    double v = strtod(s, &end);
    if (*end || isspace((unsigned char)*s) || !isfinite(v))
        return SP_STR_NULL;
    Google__Protobuf__Value value = GOOGLE__PROTOBUF__VALUE__INIT;
    value.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    value.number_value = v;
    return sp_metadata_value(a, &value);
}

static void write(struct sp_filter *f, const struct pair *p, struct sp_str value)
{
    struct sp_arena *a = sp_filter_arena(f);
    if (p->value.len)
        value = p->value;
    else if (p->regex)
        value = sp_regex_substitute(p->regex, value, p->substitution, MAX_VALUE, a);
    if (!value.len || value.len >= MAX_VALUE)
        return;
    if (p->base64 && sp_base64_decode(a, SP_BASE64, value, &value) < 0)
        return;
    struct sp_str json = p->number ? number_of(a, value) : sp_metadata_text(a, value);
    if (json.ptr)
        sp_filter_set_metadata(f, p->ns, p->key, json);
}

static void apply(struct sp_filter *f, const struct rules *rules, struct sp_headers *h)
{
    for (size_t i = 0; i < rules->n; i++) {
        const struct rule *r = &rules->v[i];
        struct sp_str value = r->header.len ? lines_of(h, r->header, sp_filter_arena(f)) : cookie_of(h, r->cookie);
        bool there = r->header.len ? sp_headers_find(h, r->header, NULL) != NULL : value.ptr != NULL;
        if (there && r->present.set)
            write(f, &r->present, value);
        else if (!there && r->missing.set)
            write(f, &r->missing, SP_STR(""));
        if (there && r->remove)
            sp_headers_remove(h, r->header);
    }
}

static const struct config *config_of(const struct sp_filter *f)
{
    const struct config *route = sp_filter_route_config(f);
    return route ? route : f->config;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    apply(f, &config_of(f)->request, h);
    return SP_CONTINUE;
}

static enum sp_status encode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    apply(f, &config_of(f)->response, h);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_header_to_metadata_ops = {
    .name = "header_to_metadata",
    .type_url = "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    .not_staged = "it never refuses",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.header_to_metadata.v3.Config",
    .route_config_new = config_new,
    .route_config_free = config_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
