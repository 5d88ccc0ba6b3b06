/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.compressor: compresses responses for clients that take it (RFC 9110 section 12.5.3).
 */
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/encoder.h"
#include "base/mem.h"
#include "config/doc.h"
#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb-c.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb-c.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__Compressor__V3__Compressor Message;
typedef Envoy__Extensions__Filters__Http__Compressor__V3__Compressor__CommonDirectionConfig Common;
typedef Envoy__Extensions__Filters__Http__Compressor__V3__Compressor__ResponseDirectionConfig Response;
typedef Envoy__Extensions__Filters__Http__Compressor__V3__CompressorPerRoute PerRoute;
typedef Envoy__Extensions__Compression__Gzip__Compressor__V3__Gzip Gzip;
typedef Envoy__Extensions__Compression__Brotli__Compressor__V3__Brotli Brotli;
#define OVERRIDE(name) ENVOY__EXTENSIONS__FILTERS__HTTP__COMPRESSOR__V3__COMPRESSOR_PER_ROUTE__OVERRIDE_##name

enum { MIN_LENGTH = 30 };

static const char *const usual_types[] = {
    "text/html", "text/plain", "text/css", "application/javascript", "application/x-javascript", "text/javascript", "text/x-javascript",
    "text/ecmascript", "text/js", "text/jscript", "text/x-js", "application/ecmascript", "application/x-json", "application/xml",
    "application/json", "image/svg+xml", "text/xml", "application/xhtml+xml",
};

struct config {
    struct sp_arena arena;
    struct sp_str encoding; /* "gzip" or "br" */
    bool brotli;
    union {
        struct sp_gzip_options gzip;
        struct sp_brotli_options br;
    } options;
    struct sp_str *types; /* n_types of them */
    size_t n_types;
    uint32_t *codes; /* n_codes of them: left alone */
    size_t n_codes;
    uint32_t min_length;
    bool enabled, not_with_etag, hides;
    struct {
        struct sp_counter compressed, not_compressed, no_accept, identity, wildcard, used, not_valid, etag, too_small, in_bytes, out_bytes;
    } stats;
};

struct route_config {
    bool disabled;
    int hides; /* -1: as the filter */
};

struct filter {
    struct sp_filter base;
    struct sp_str accepts; /* a NULL slice: the client says nothing */
    struct sp_encoder *encoder;
    bool off;
};

/* --- compiling --- */

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static uint32_t given(const Google__Protobuf__UInt32Value *v, uint32_t otherwise)
{
    return v ? v->value : otherwise;
}

static bool read_library(const struct sp_filter_build *b, struct config *c, const Message *msg)
{
    const Google__Protobuf__Any *any = msg->compressor_library->typed_config;
    const Gzip *g = sp_doc_any_as(b->doc, any, &envoy__extensions__compression__gzip__compressor__v3__gzip__descriptor);
    const Brotli *r = sp_doc_any_as(b->doc, any, &envoy__extensions__compression__brotli__compressor__v3__brotli__descriptor);
    if (g) {
        c->encoding = SP_STR("gzip");
        c->options.gzip = (struct sp_gzip_options){.level = g->compression_level ? (int)g->compression_level : -1,
                                                   .strategy = (int)g->compression_strategy, .window_bits = (int)given(g->window_bits, 12),
                                                   .memory_level = (int)given(g->memory_level, 5)};
        return true;
    }
    if (r) {
        c->brotli = true;
        c->encoding = SP_STR("br");
        c->options.br = (struct sp_brotli_options){.quality = given(r->quality, 3), .window_bits = given(r->window_bits, 18),
                                                   .block_bits = given(r->input_block_bits, 24),
                                                   .mode = r->encoder_mode ? (unsigned)r->encoder_mode - 1 : 0,
                                                   .no_literal_context = r->disable_literal_context_modeling};
        return true;
    }
    sp_doc_err(b->doc, b->diag, msg->compressor_library, "typed_config", -1, "is no compressor that is run here (Gzip, Brotli)");
    return false;
}

static bool is_on(const Envoy__Config__Core__V3__RuntimeFeatureFlag *f)
{
    return !f || !f->default_value || f->default_value->value;
}

static void read_types(struct config *c, char *const *list, size_t n)
{
    if (!n) {
        list = (char *const *)(uintptr_t)usual_types;
        n = SP_ARRAY_LEN(usual_types);
    }
    c->types = sp_arena_zalloc(&c->arena, n * sizeof(*c->types));
    for (size_t i = 0; i < n; i++)
        c->types[c->n_types++] = sp_arena_str(&c->arena, sp_str_c(list[i]));
}

static void read_response(struct config *c, const Message *msg)
{
    const Response *r = msg->response_direction_config;
    const Common *common = r ? r->common_config : NULL;
    c->enabled = r ? is_on(common ? common->enabled : NULL) : is_on(msg->runtime_enabled);
    c->min_length = r ? given(common ? common->min_content_length : NULL, MIN_LENGTH) : given(msg->content_length, MIN_LENGTH);
    if (r)
        read_types(c, common ? common->content_type : NULL, common ? common->n_content_type : 0);
    else
        read_types(c, msg->content_type, msg->n_content_type);
    c->not_with_etag = r ? r->disable_on_etag_header : msg->disable_on_etag_header;
    c->hides = r ? r->remove_accept_encoding_header : msg->remove_accept_encoding_header;
    c->codes = sp_arena_zalloc(&c->arena, ((r ? r->n_uncompressible_response_codes : 0) + 1) * sizeof(*c->codes));
    for (size_t i = 0; r && i < r->n_uncompressible_response_codes; i++)
        c->codes[c->n_codes++] = r->uncompressible_response_codes[i];
}

static void count(const struct sp_filter_build *b, struct config *c, const Message *msg)
{
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("compressor"), NULL, SP_STR_NULL);
    scope = sp_stats_scope(scope, sp_str_c(msg->compressor_library->name), NULL, SP_STR_NULL);
    scope = sp_stats_scope(scope, c->brotli ? SP_STR("brotli") : SP_STR("gzip"), NULL, SP_STR_NULL);
    c->stats.etag = sp_stats_counter(scope, SP_STR("not_compressed_etag"));
    c->stats.no_accept = sp_stats_counter(scope, SP_STR("no_accept_header"));
    c->stats.identity = sp_stats_counter(scope, SP_STR("header_identity"));
    c->stats.wildcard = sp_stats_counter(scope, SP_STR("header_wildcard"));
    c->stats.used = sp_stats_counter(scope, SP_STR("header_compressor_used"));
    c->stats.not_valid = sp_stats_counter(scope, SP_STR("header_not_valid"));
    if (msg->response_direction_config)
        scope = sp_stats_scope(scope, SP_STR("response"), NULL, SP_STR_NULL);
    c->stats.compressed = sp_stats_counter(scope, SP_STR("compressed"));
    c->stats.not_compressed = sp_stats_counter(scope, SP_STR("not_compressed"));
    c->stats.too_small = sp_stats_counter(scope, SP_STR("content_length_too_small"));
    c->stats.in_bytes = sp_stats_counter(scope, SP_STR("total_uncompressed_bytes"));
    c->stats.out_bytes = sp_stats_counter(scope, SP_STR("total_compressed_bytes"));
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    if (!read_library(b, c, msg)) {
        config_free(c);
        return NULL;
    }
    read_response(c, msg);
    count(b, c, msg);
    return c;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const PerRoute *msg = (const void *)base;
    struct route_config *r = sp_xcalloc(1, sizeof(*r));
    r->disabled = msg->override_case == OVERRIDE(DISABLED);
    r->hides = -1;
    if (!r->disabled && msg->overrides->response_direction_config && msg->overrides->response_direction_config->remove_accept_encoding_header)
        r->hides = msg->overrides->response_direction_config->remove_accept_encoding_header->value;
    return r;
}

static bool is_type(const struct config *c, const struct sp_headers *h)
{
    struct sp_str type = sp_headers_get_id(h, SP_H_CONTENT_TYPE), bare;
    if (!type.ptr)
        return true;
    if (!sp_str_split(&type, ';', &bare))
        bare = SP_STR("");
    bare = sp_str_trim(bare);
    for (size_t i = 0; i < c->n_types; i++)
        if (sp_str_ieq(c->types[i], bare))
            return true;
    return false;
}

/* --- accept-encoding --- */

/* "q=0.5" in thousandths; what is none counts as 1. */
static unsigned quality(struct sp_str params)
{
    struct sp_str p;
    while (sp_str_split(&params, ';', &p)) {
        p = sp_str_trim(p);
        if (!sp_str_istarts(p, SP_STR("q=")))
            continue;
        unsigned q = 0, scale = 1000;
        for (size_t i = 2; i < p.len; i++) {
            char ch = p.ptr[i];
            if (ch == '.' && i == 3)
                continue;
            if (ch < '0' || ch > '9')
                break;
            q += (unsigned)(ch - '0') * scale;
            scale /= 10;
        }
        return SP_MIN(q, 1000u);
    }
    return 1000;
}

/* Whether the client likes this encoding best of those that it may get: this one, or none. */
static bool is_wanted(const struct filter *f, const struct sp_headers *h)
{
    const struct config *c = f->base.config;
    struct sp_str rest = f->accepts, item;
    unsigned best = 0;
    struct sp_counter why = c->stats.not_valid;
    bool yes = false, named = false;
    if (!f->accepts.ptr) {
        sp_counter_inc(c->stats.no_accept);
        return false;
    }
    if (!is_type(c, h)) /* nothing to choose from */
        rest = SP_STR("");
    for (; sp_str_split(&rest, ',', &item);) {
        struct sp_str name = SP_STR("");
        sp_str_split(&item, ';', &name);
        name = sp_str_trim(name);
        bool own = sp_str_ieq(name, c->encoding), any = sp_str_eq(name, SP_STR("*")), none = sp_str_ieq(name, SP_STR("identity"));
        unsigned q = quality(item);
        named |= own;
        if (!(own || any || none) || (any && named) || q <= best)
            continue;
        best = q;
        yes = !none;
        why = own ? c->stats.used : any ? c->stats.wildcard : c->stats.identity;
    }
    sp_counter_inc(why);
    return yes;
}

/* --- what may be compressed --- */

static bool has_token(struct sp_str list, struct sp_str token)
{
    struct sp_str item;
    while (sp_str_split(&list, ',', &item))
        if (sp_str_ieq(sp_str_trim(item), token))
            return true;
    return false;
}

static bool is_long_enough(const struct config *c, const struct sp_headers *h)
{
    struct sp_str length = sp_headers_get_id(h, SP_H_CONTENT_LENGTH);
    uint64_t n;
    if (!length.ptr || (sp_str_u64(length, UINT64_MAX, &n) == 0 && n >= c->min_length))
        return true;
    sp_counter_inc(c->stats.too_small);
    return false;
}

static bool is_code(const struct config *c, unsigned status)
{
    for (size_t i = 0; i < c->n_codes; i++)
        if (c->codes[i] == status)
            return false;
    return status >= 200 && status != 204 && status != 206 && status != 304;
}

static bool may_be(const struct config *c, const struct sp_headers *h)
{
    bool etag = sp_headers_find_id(h, SP_H_ETAG, NULL) != NULL;
    if (!is_code(c, h->status) || !is_type(c, h) || sp_headers_find_id(h, SP_H_CONTENT_ENCODING, NULL) ||
        has_token(sp_headers_joined(h, SP_STR("cache-control")), SP_STR("no-transform")))
        return false;
    if (c->not_with_etag && etag)
        sp_counter_inc(c->stats.etag);
    return !c->not_with_etag || !etag;
}

static void tell_caches(struct sp_headers *h)
{
    struct sp_str vary = sp_headers_joined(h, SP_STR("vary"));
    if (!vary.len)
        sp_headers_set_id(h, SP_H_VARY, SP_STR("Accept-Encoding"));
    else if (!has_token(vary, SP_STR("accept-encoding")) && !has_token(vary, SP_STR("*")))
        sp_headers_set_id(h, SP_H_VARY, sp_arena_printf(h->arena, "%.*s, Accept-Encoding", SP_STR_ARG(vary)));
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    const struct route_config *r = sp_filter_route_config(base);
    f->off = r ? r->disabled : !c->enabled;
    if (sp_headers_find_id(h, SP_H_ACCEPT_ENCODING, NULL))
        f->accepts = sp_headers_joined(h, SP_STR("accept-encoding"));
    if (!f->off && (r && r->hides >= 0 ? r->hides : c->hides))
        sp_headers_remove_id(h, SP_H_ACCEPT_ENCODING);
    return SP_CONTINUE;
}

static void begin(struct filter *f, struct sp_headers *h)
{
    const struct config *c = f->base.config;
    f->encoder = c->brotli ? sp_encoder_brotli(&c->options.br) : sp_encoder_gzip(&c->options.gzip);
    if (!f->encoder)
        return;
    struct sp_str etag = sp_headers_get_id(h, SP_H_ETAG);
    if (etag.ptr && !sp_str_istarts(etag, SP_STR("W/"))) /* a strong one names these very bytes */
        sp_headers_remove_id(h, SP_H_ETAG);
    sp_headers_remove_id(h, SP_H_CONTENT_LENGTH);
    sp_headers_remove(h, SP_STR("accept-ranges"));
    sp_headers_set_id(h, SP_H_CONTENT_ENCODING, c->encoding);
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    const struct sp_headers *request = sp_filter_request(base);
    if (f->off) {
        sp_counter_inc(c->stats.not_compressed);
        return SP_CONTINUE;
    }
    bool big = is_long_enough(c, h), possible = big && may_be(c, h);
    if (!end && big && is_wanted(f, h) && possible && !(request && sp_str_eq(request->method, SP_STR("HEAD"))))
        begin(f, h);
    sp_counter_inc(f->encoder ? c->stats.compressed : c->stats.not_compressed);
    if (possible)
        tell_caches(h);
    return SP_CONTINUE;
}

static bool run(struct filter *f, struct sp_buf *b, bool end)
{
    const struct config *c = f->base.config;
    struct sp_buf out;
    sp_buf_init(&out);
    sp_counter_add(c->stats.in_bytes, b->len);
    bool good = sp_encoder_run(f->encoder, b, end, &out);
    sp_counter_add(c->stats.out_bytes, out.len);
    sp_buf_clear(b);
    sp_buf_move(b, &out);
    if (end) {
        sp_encoder_free(f->encoder);
        f->encoder = NULL;
    }
    return good;
}

static enum sp_status encode_data(struct sp_filter *base, struct sp_buf *b, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->encoder || run(f, b, end))
        return SP_CONTINUE;
    /* Half an answer that looks whole would be worse than none. */
    sp_buf_clear(b);
    sp_filter_reply(base, &(struct sp_reply){.reset = true, .details = SP_STR("compressor_failed")});
    return SP_STOP;
}

static enum sp_status encode_trailers(struct sp_filter *base, struct sp_headers *t)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    struct sp_buf rest;
    sp_buf_init(&rest);
    if (f->encoder && run(f, &rest, true)) /* what ends the body */
        sp_filter_inject(base, SP_ENCODE, &rest);
    sp_buf_clear(&rest);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *base)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    sp_encoder_free(f->encoder);
    f->encoder = NULL;
}

const struct sp_filter_ops sp_compressor_ops = {
    .name = "compressor",
    .type_url = "envoy.extensions.filters.http.compressor.v3.Compressor",
    .not_staged = "it never refuses",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.compressor.v3.CompressorPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
    .encode_data = encode_data,
    .encode_trailers = encode_trailers,
    .destroy = destroy,
};
