/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.cdn_loop: adds this gateway to the cdn-loop header (RFC 8586) and refuses what has come by before.
 */
#include "envoy/extensions/filters/http/cdn_loop/v3/cdn_loop.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/doc.h"
#include "filters/registry.h"

typedef Envoy__Extensions__Filters__Http__CdnLoop__V3__CdnLoopConfig Message;

static const struct sp_str header = SP_STR_INIT("cdn-loop");

struct config {
    struct sp_arena arena;
    struct sp_str id;
    uint32_t max;
};

/* --- cdn-info = cdn-id *( OWS ";" OWS parameter ); the list is RFC 9110's --- */

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* cdn-id: uri-host [ ":" port ], or a token. Bytes of it at the front of `s`; 0: none. */
static size_t id_length(struct sp_str s)
{
    size_t n = 0;
    if (s.len && s.ptr[0] == '[') { /* an IPv6 address */
        ptrdiff_t end = sp_str_chr(s, ']');
        if (end < 2)
            return 0;
        for (n = 1; n < (size_t)end; n++)
            if (!strchr("0123456789abcdefABCDEF:.", s.ptr[n]))
                return 0;
        n++;
    } else {
        while (n < s.len && token_char(s.ptr[n]))
            n++;
    }
    if (!n || n == s.len || s.ptr[n] != ':')
        return n;
    for (n++; n < s.len && s.ptr[n] >= '0' && s.ptr[n] <= '9';)
        n++;
    return n;
}

static void skip_space(struct sp_str *s)
{
    while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
        *s = sp_str_sub(*s, 1, s->len);
}

static bool skip_token(struct sp_str *s)
{
    size_t n = 0;
    while (n < s->len && token_char(s->ptr[n]))
        n++;
    *s = sp_str_sub(*s, n, s->len);
    return n > 0;
}

static bool skip_quoted(struct sp_str *s)
{
    for (size_t i = 1; i < s->len; i++) {
        if (s->ptr[i] == '\\') {
            i++;
        } else if (s->ptr[i] == '"') {
            *s = sp_str_sub(*s, i + 1, s->len);
            return true;
        }
    }
    return false;
}

/* parameter = token "=" ( token / quoted-string ) */
static bool skip_parameter(struct sp_str *s)
{
    if (!skip_token(s) || !sp_str_starts(*s, SP_STR("=")))
        return false;
    *s = sp_str_sub(*s, 1, s->len);
    return sp_str_starts(*s, SP_STR("\"")) ? skip_quoted(s) : skip_token(s);
}

/* How often `id` stands in a line; -1: it is none. */
static int occurrences(struct sp_str s, struct sp_str id)
{
    int n = 0;
    for (;;) {
        skip_space(&s);
        size_t len = id_length(s);
        if (len) {
            n += sp_str_eq(sp_str_sub(s, 0, len), id);
            s = sp_str_sub(s, len, s.len);
        }
        skip_space(&s);
        while (len && sp_str_starts(s, SP_STR(";"))) {
            s = sp_str_sub(s, 1, s.len);
            skip_space(&s);
            if (!skip_parameter(&s))
                return -1;
            skip_space(&s);
        }
        if (!s.len)
            return n;
        if (s.ptr[0] != ',') /* an element may be empty */
            return -1;
        s = sp_str_sub(s, 1, s.len);
    }
}

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    if (id_length(sp_str_c(msg->cdn_id)) != strlen(msg->cdn_id)) {
        sp_doc_err(b->doc, b->diag, msg, "cdn_id", -1, "is no host, host:port or token (such as door.example.com)");
        return NULL;
    }
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->id = sp_arena_str(&c->arena, sp_str_c(msg->cdn_id));
    c->max = msg->max_allowed_occurrences;
    return c;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_header *first = sp_headers_find(h, header, NULL);
    struct sp_str all = sp_headers_joined(h, header);
    int n = first ? occurrences(all, c->id) : 0;
    if (n < 0) {
        sp_filter_reply_text(f, 400, SP_STR("Invalid CDN-Loop header in request."), SP_STR("invalid_cdn_loop_header"));
        return SP_STOP;
    }
    if ((uint32_t)n > c->max) {
        sp_filter_reply_text(f, 502, SP_STR("The server has detected a loop between CDNs."), SP_STR("cdn_loop_detected"));
        return SP_STOP;
    }
    if (first)
        sp_headers_set(h, header, sp_arena_printf(sp_filter_arena(f), "%.*s,%.*s", SP_STR_ARG(all), SP_STR_ARG(c->id)));
    else
        sp_headers_add(h, header, c->id);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_cdn_loop_ops = {
    .name = "cdn_loop",
    .type_url = "envoy.extensions.filters.http.cdn_loop.v3.CdnLoopConfig",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
};
