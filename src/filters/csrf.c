/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.csrf: what changes something (POST, PUT, DELETE, PATCH) has to come from a page of this very host, by
 * Origin or else Referer, or of one that the config names.
 */
#include "envoy/extensions/filters/http/csrf/v3/csrf.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "filters/fraction.h"
#include "filters/registry.h"
#include "route/matcher.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__Csrf__V3__CsrfPolicy Message;

struct config {
    struct sp_fraction enabled, shadow;
    struct sp_string_matcher **origins; /* n of them */
    size_t n;
    struct sp_counter missing, invalid, valid;
};

static void config_free(void *config)
{
    struct config *c = config;
    for (size_t i = 0; i < c->n; i++)
        sp_string_matcher_free(c->origins[i]);
    free(c->origins);
    free(c);
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("csrf"), NULL, SP_STR_NULL);
    bool good = true;
    c->enabled = sp_fraction_of(msg->filter_enabled);
    c->shadow = sp_fraction_of(msg->shadow_enabled);
    c->origins = sp_xcalloc(msg->n_additional_origins + 1, sizeof(*c->origins));
    for (size_t i = 0; i < msg->n_additional_origins; i++) {
        struct sp_string_matcher *m = sp_string_matcher_new(b->doc, b->diag, msg->additional_origins[i]);
        good = good && m;
        if (m)
            c->origins[c->n++] = m;
    }
    if (!good) {
        config_free(c);
        return NULL;
    }
    c->missing = sp_stats_counter(scope, SP_STR("missing_source_origin"));
    c->invalid = sp_stats_counter(scope, SP_STR("request_invalid"));
    c->valid = sp_stats_counter(scope, SP_STR("request_valid"));
    return c;
}

static bool changes_something(const struct sp_headers *h)
{
    static const struct sp_str methods[] = {SP_STR_INIT("POST"), SP_STR_INIT("PUT"), SP_STR_INIT("DELETE"), SP_STR_INIT("PATCH")};
    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++)
        if (sp_str_eq(h->method, methods[i]))
            return true;
    return false;
}

/* Host and port of a URL; of anything else, such as "null", all of it, which equals no host. */
static struct sp_str host_of(struct sp_str url)
{
    ptrdiff_t at = sp_str_find(url, SP_STR("://"));
    if (at <= 0)
        return url;
    struct sp_str rest = sp_str_sub(url, (size_t)at + 3, url.len);
    size_t n = 0;
    while (n < rest.len && !memchr("/?#", rest.ptr[n], 3))
        n++;
    return sp_str_sub(rest, 0, n);
}

/* One line; of several nobody knows which one the browser wrote. */
static struct sp_str source_of(const struct sp_headers *h, bool *ret_missing)
{
    static const enum sp_header_id ids[] = {SP_H_ORIGIN, SP_H_REFERER};
    *ret_missing = false;
    for (size_t i = 0; i < SP_ARRAY_LEN(ids); i++) {
        const struct sp_header *line = sp_headers_find_id(h, ids[i], NULL);
        if (!line || !line->value.len || sp_str_eq(line->value, SP_STR("null")))
            continue;
        return sp_headers_find_id(h, ids[i], line) ? SP_STR("") : host_of(line->value);
    }
    *ret_missing = true;
    return SP_STR("");
}

static bool is_ours(const struct config *c, const struct sp_headers *h, struct sp_str source)
{
    if (!source.len)
        return false;
    if (sp_str_ieq(source, h->authority))
        return true;
    for (size_t i = 0; i < c->n; i++)
        if (sp_string_match(c->origins[i], source))
            return true;
    return false;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *own = f->config, *c = sp_filter_route_config(f);
    bool missing;
    if (!c)
        c = own;
    bool enabled = sp_fraction_draw(c->enabled);
    if ((!enabled && !sp_fraction_draw(c->shadow)) || !changes_something(h))
        return SP_CONTINUE;
    struct sp_str source = source_of(h, &missing);
    bool good = is_ours(c, h, source);
    sp_counter_inc(missing ? own->missing : good ? own->valid : own->invalid);
    if (good)
        return SP_CONTINUE;
    if (!enabled) {
        sp_filter_note_shadow(f, SP_STR("csrf_origin_mismatch"));
        return SP_CONTINUE;
    }
    sp_filter_reply_text(f, 403, SP_STR("Invalid origin"), SP_STR("csrf_origin_mismatch"));
    return SP_STOP;
}

const struct sp_filter_ops sp_csrf_ops = {
    .name = "csrf",
    .type_url = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy",
    .route_config_new = config_new,
    .route_config_free = config_free,
    .decode_headers = decode_headers,
};
