/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/ratelimit_rls.h"

#include <assert.h>

#include "envoy/service/ratelimit/v3/rls.pb-c.h"
#include "stream/escape.h"

typedef Envoy__Service__Ratelimit__V3__RateLimitRequest Request;
typedef Envoy__Service__Ratelimit__V3__RateLimitResponse Response;
typedef Envoy__Service__Ratelimit__V3__RateLimitResponse__DescriptorStatus Status;
typedef Envoy__Extensions__Common__Ratelimit__V3__RateLimitDescriptor Descriptor;
typedef Envoy__Extensions__Common__Ratelimit__V3__RateLimitDescriptor__Entry Entry;

static char *text(struct sp_arena *arena, struct sp_str s)
{
    return (char *)(uintptr_t)sp_arena_str(arena, s).ptr;
}

/*
 * A proto3 string is UTF-8: a service in Go answers a request with anything else with an error, and who sends one byte more
 * would be counted no more.  So each byte that is none becomes U+FFFD: clients that send such bytes share a limit.
 */
static char *utf8_text(struct sp_arena *arena, struct sp_str s)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *out = sp_arena_alloc(arena, 3 * s.len + 1), *p = out;
    while (s.len) {
        size_t n = sp_utf8_char(s);
        memcpy(p, n ? s.ptr : replacement, n ? n : 3);
        p += n ? n : 3;
        s = sp_str_sub(s, n ? n : 1, s.len);
    }
    *p = 0;
    return out;
}

static Descriptor *descriptor(const struct sp_descriptor *d, struct sp_arena *arena)
{
    Descriptor *msg = sp_arena_alloc(arena, sizeof(*msg));
    envoy__extensions__common__ratelimit__v3__rate_limit_descriptor__init(msg);
    msg->entries = sp_arena_alloc(arena, d->n * sizeof(Entry *));
    for (unsigned i = 0; i < d->n; i++) {
        Entry *e = sp_arena_alloc(arena, sizeof(*e));
        envoy__extensions__common__ratelimit__v3__rate_limit_descriptor__entry__init(e);
        e->key = utf8_text(arena, d->v[i].key);
        e->value = utf8_text(arena, d->v[i].value);
        msg->entries[msg->n_entries++] = e;
    }
    if (d->unit) {
        msg->limit = sp_arena_alloc(arena, sizeof(*msg->limit));
        envoy__extensions__common__ratelimit__v3__rate_limit_descriptor__rate_limit_override__init(msg->limit);
        msg->limit->requests_per_unit = d->limit;
        msg->limit->unit = (Envoy__Type__V3__RateLimitUnit)d->unit;
    }
    return msg;
}

struct sp_str sp_rls_request(struct sp_str domain, const struct sp_descriptors *d, struct sp_arena *arena)
{
    assert(d && d->n && arena);
    Request msg = ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_REQUEST__INIT;
    msg.domain = text(arena, domain);
    msg.descriptors = sp_arena_alloc(arena, d->n * sizeof(Descriptor *));
    for (unsigned i = 0; i < d->n; i++)
        msg.descriptors[msg.n_descriptors++] = descriptor(&d->v[i], arena);
    size_t size = protobuf_c_message_get_packed_size(&msg.base);
    uint8_t *out = sp_arena_alloc(arena, size + 1);
    return sp_str_n((char *)out, protobuf_c_message_pack(&msg.base, out));
}

/* --- the answer --- */

static void *arena_alloc(void *arena, size_t size)
{
    return sp_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

/* What frames a message is not the service's to say. */
static bool settable(struct sp_str name)
{
    enum sp_header_id id = sp_header_id(name);
    return !sp_header_is_framing(id) && id != SP_H_HOST && sp_header_name_valid(name);
}

static unsigned take_headers(Envoy__Config__Core__V3__HeaderValue *const *v, size_t n, struct sp_arena *arena,
                             const struct sp_header **ret)
{
    struct sp_header *out = sp_arena_zalloc(arena, (n + 1) * sizeof(*out));
    unsigned kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct sp_str name = sp_arena_str(arena, sp_str_c(v[i]->key));
        struct sp_str value = v[i]->raw_value.len ? sp_str_n((char *)v[i]->raw_value.data, v[i]->raw_value.len) : sp_str_c(v[i]->value);
        for (size_t k = 0; k < name.len; k++)
            ((char *)(uintptr_t)name.ptr)[k] = sp_ascii_lower(name.ptr[k]);
        if (name.len && settable(name) && sp_header_value_valid(value))
            out[kept++] = (struct sp_header){.name = name, .value = value, .id = (uint8_t)sp_header_id(name)};
    }
    *ret = out;
    return kept;
}

static unsigned seconds(int unit)
{
    static const unsigned of[] = {0, 1, 60, 3600, 86400, 30 * 86400, 365 * 86400, 7 * 86400};
    return unit >= 0 && (size_t)unit < SP_ARRAY_LEN(of) ? of[unit] : 0;
}

/* draft-polli-ratelimit-headers-03: the nearest limit, then all of them as a policy. */
static void take_limits(const Response *r, struct sp_arena *arena, struct sp_rls_answer *ret)
{
    const Status *nearest = NULL;
    struct sp_str policy = SP_STR("");
    for (size_t i = 0; i < r->n_statuses; i++) {
        const Status *s = r->statuses[i];
        if (!s->current_limit)
            continue;
        if (!nearest || s->limit_remaining < nearest->limit_remaining)
            nearest = s;
        unsigned window = seconds((int)s->current_limit->unit);
        if (!window)
            continue;
        policy = sp_arena_printf(arena, "%.*s, %u;w=%u", SP_STR_ARG(policy), s->current_limit->requests_per_unit, window);
        if (*s->current_limit->name)
            policy = sp_arena_printf(arena, "%.*s;name=\"%s\"", SP_STR_ARG(policy), s->current_limit->name);
    }
    if (!nearest)
        return;
    struct sp_str limit = sp_arena_printf(arena, "%u%.*s", nearest->current_limit->requests_per_unit, SP_STR_ARG(policy));
    if (!sp_header_value_valid(limit)) /* a name with a control character */
        return;
    ret->limit = limit;
    ret->remaining = sp_arena_printf(arena, "%u", nearest->limit_remaining);
    ret->reset = sp_arena_printf(arena, "%lld", nearest->duration_until_reset ? (long long)nearest->duration_until_reset->seconds : 0LL);
}

bool sp_rls_answer(struct sp_str message, struct sp_arena *arena, struct sp_rls_answer *ret)
{
    assert(arena && ret);
    ProtobufCAllocator allocator = {arena_alloc, arena_free, arena};
    const Response *r = (const Response *)(const void *)protobuf_c_message_unpack(
        &envoy__service__ratelimit__v3__rate_limit_response__descriptor, &allocator, message.len, (const uint8_t *)message.ptr);
    *ret = (struct sp_rls_answer){0};
    if (!r || (r->overall_code != ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__CODE__OK &&
               r->overall_code != ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__CODE__OVER_LIMIT))
        return false;
    ret->over_limit = r->overall_code == ENVOY__SERVICE__RATELIMIT__V3__RATE_LIMIT_RESPONSE__CODE__OVER_LIMIT;
    ret->body = sp_str_n((char *)r->raw_body.data, r->raw_body.len);
    ret->n_response_headers = take_headers(r->response_headers_to_add, r->n_response_headers_to_add, arena, &ret->response_headers);
    ret->n_request_headers = take_headers(r->request_headers_to_add, r->n_request_headers_to_add, arena, &ret->request_headers);
    take_limits(r, arena, ret);
    return true;
}
