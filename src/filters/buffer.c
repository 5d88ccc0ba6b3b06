/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.buffer: keeps a request until it is here whole, so that an origin never waits for a slow client; gives it
 * a content-length.
 */
#include "envoy/extensions/filters/http/buffer/v3/buffer.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "filters/registry.h"

typedef Envoy__Extensions__Filters__Http__Buffer__V3__Buffer Message;
typedef Envoy__Extensions__Filters__Http__Buffer__V3__BufferPerRoute PerRoute;

struct config {
    uint32_t max; /* 0: it does nothing */
};

struct filter {
    struct sp_filter base;
    uint32_t max;
    uint64_t seen;
    bool waits;
};

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    c->max = ((const Message *)(const void *)base)->max_request_bytes->value;
    return c;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *base)
{
    const PerRoute *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    if (msg->override_case == ENVOY__EXTENSIONS__FILTERS__HTTP__BUFFER__V3__BUFFER_PER_ROUTE__OVERRIDE_BUFFER)
        c->max = msg->buffer->max_request_bytes->value;
    return c;
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = sp_filter_route_config(base);
    if (!c)
        c = base->config;
    if (end || !c->max)
        return SP_CONTINUE;
    f->max = c->max;
    f->waits = true;
    sp_filter_hold_at_least(base, c->max);
    return SP_STOP;
}

/* What is here is all there is: the origin is told how much. */
static void finish(struct filter *f)
{
    struct sp_headers *h = sp_filter_request(&f->base);
    f->waits = false;
    if (!sp_headers_find_id(h, SP_H_CONTENT_LENGTH, NULL))
        sp_headers_add_id(h, SP_H_CONTENT_LENGTH, sp_arena_u64(sp_filter_arena(&f->base), f->seen));
}

static enum sp_status decode_data(struct sp_filter *base, struct sp_buf *b, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->waits)
        return SP_CONTINUE;
    f->seen += b->len;
    if (f->seen > f->max) {
        sp_filter_too_large(base);
        return SP_STOP_BUFFER;
    }
    if (!end)
        return SP_STOP_BUFFER;
    finish(f);
    return SP_CONTINUE;
}

static enum sp_status decode_trailers(struct sp_filter *base, struct sp_headers *t)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (f->waits)
        finish(f);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_buffer_ops = {
    .name = "buffer",
    .type_url = "envoy.extensions.filters.http.buffer.v3.Buffer",
    .not_staged = "it refuses nothing but what it cannot hold",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = free,
    .route_type_url = "envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = free,
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
};
