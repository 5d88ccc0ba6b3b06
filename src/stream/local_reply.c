/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/local_reply.h"

#include <assert.h>

bool sp_is_grpc(const struct sp_headers *h)
{
    assert(h);
    struct sp_str type = sp_headers_get_id(h, SP_H_CONTENT_TYPE), grpc = SP_STR("application/grpc");
    if (!sp_str_istarts(type, grpc))
        return false;
    return type.len == grpc.len || type.ptr[grpc.len] == '+' || type.ptr[grpc.len] == ';';
}

bool sp_grpc_timeout(const struct sp_headers *h, uint64_t *ret_ns)
{
    assert(h && ret_ns);
    struct sp_str text = sp_headers_get(h, SP_STR("grpc-timeout"));
    uint64_t n, unit = 0;
    if (text.len < 2 || text.len > 9 || sp_str_u64(sp_str_sub(text, 0, text.len - 1), 99999999, &n) != 0)
        return false;
    switch (text.ptr[text.len - 1]) {
    case 'H': unit = 3600 * SP_NS_PER_S; break;
    case 'M': unit = 60 * SP_NS_PER_S; break;
    case 'S': unit = SP_NS_PER_S; break;
    case 'm': unit = SP_NS_PER_MS; break;
    case 'u': unit = 1000; break;
    case 'n': unit = 1; break;
    default: return false;
    }
    *ret_ns = n * unit;
    return true;
}

struct sp_str sp_grpc_timeout_value(struct sp_arena *arena, uint64_t ns)
{
    static const struct {
        char unit;
        unsigned next; /* of the next unit */
    } steps[] = {{'m', 1000}, {'S', 60}, {'M', 60}, {'H', 1}};
    uint64_t n = ns / SP_NS_PER_MS;
    size_t i = 0;
    for (; i + 1 < SP_ARRAY_LEN(steps) && n > 99999999; i++) /* eight digits at most */
        n /= steps[i].next;
    return sp_arena_printf(arena, "%llu%c", (unsigned long long)SP_MIN(n, (uint64_t)99999999), steps[i].unit);
}

uint64_t sp_grpc_limit(uint64_t asked_ns, uint64_t most_ns, uint64_t offset_ns)
{
    uint64_t ns = most_ns ? SP_MIN(asked_ns, most_ns) : asked_ns;
    return ns > offset_ns ? ns - offset_ns : ns;
}

unsigned sp_grpc_status(unsigned http_status)
{
    switch (http_status) {
    case 400: return 13; /* INTERNAL */
    case 401: return 16; /* UNAUTHENTICATED */
    case 403: return 7;  /* PERMISSION_DENIED */
    case 404: return 12; /* UNIMPLEMENTED */
    case 429:
    case 502:
    case 503:
    case 504: return 14; /* UNAVAILABLE */
    default: return 2;   /* UNKNOWN */
    }
}

/* gRPC's Percent-Encoded: all but 0x20 to 0x7e, and '%' itself. */
static struct sp_str percent_encoded(struct sp_arena *arena, struct sp_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = sp_arena_alloc(arena, s.len * 3 + 1), *p = out;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char ch = (unsigned char)s.ptr[i];
        if (ch >= 0x20 && ch <= 0x7e && ch != '%') {
            *p++ = (char)ch;
            continue;
        }
        *p++ = '%';
        *p++ = hex[ch >> 4];
        *p++ = hex[ch & 15];
    }
    return sp_str_n(out, (size_t)(p - out));
}

static struct sp_str decimal(struct sp_arena *arena, size_t n)
{
    char *out = sp_arena_alloc(arena, 20), *p = out + 20;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    return sp_str_n(p, (size_t)(out + 20 - p));
}

static void add_lines(const struct sp_reply *reply, struct sp_headers *h)
{
    for (unsigned i = 0; i < reply->n_headers; i++)
        sp_headers_add(h, reply->headers[i].name, reply->headers[i].value);
}

/* What a refusal says of itself stays, whatever a mapper makes of it: no cache may keep it. */
static void add_extra(const struct sp_reply *reply, bool rewritten, struct sp_headers *h)
{
    if (!rewritten)
        add_lines(reply, h);
    if (reply->no_store)
        sp_headers_set_id(h, SP_H_CACHE_CONTROL, SP_STR("no-store"));
}

static void grpc(const struct sp_reply *reply, bool head, bool rewritten, struct sp_headers *h)
{
    h->status = 200;
    sp_headers_set_id(h, SP_H_CONTENT_TYPE, SP_STR("application/grpc"));
    sp_headers_set_id(h, SP_H_GRPC_STATUS, decimal(h->arena, reply->grpc_status ? reply->grpc_status : sp_grpc_status(reply->status)));
    struct sp_str text = reply->body;
    if (reply->json && text.len)
        text.len--;
    if (text.len && !head)
        sp_headers_set_id(h, SP_H_GRPC_MESSAGE, percent_encoded(h->arena, text));
    add_extra(reply, rewritten, h);
}

void sp_local_reply_make(const struct sp_reply *reply, const struct sp_headers *request, struct sp_arena *arena,
                         const struct sp_reply_rewriter *rewriter, struct sp_headers *h, struct sp_buf *body)
{
    assert(reply && arena && h && body && reply->status >= 200 && reply->status < 600);
    struct sp_reply r = *reply;
    sp_headers_init(h, arena);
    h->status = r.status;
    if (rewriter) {
        add_lines(&r, h);
        rewriter->rewrite(rewriter->ctx, &r, h);
        assert(r.status >= 200 && r.status < 600 && h->status == r.status);
    }
    bool head = request && sp_str_eq(request->method, SP_STR("HEAD"));
    if (request && sp_is_grpc(request)) {
        grpc(&r, head, rewriter, h);
        return;
    }
    bool bodiless = r.status == 204 || r.status == 304; /* RFC 9110 sections 15.3.5 and 15.4.5 */
    if (!bodiless)
        sp_headers_set_id(h, SP_H_CONTENT_LENGTH, decimal(arena, r.body.len));
    if (r.body.len && !bodiless) {
        if (!sp_headers_find_id(h, SP_H_CONTENT_TYPE, NULL))
            sp_headers_add_id(h, SP_H_CONTENT_TYPE, r.content_type.len ? r.content_type : SP_STR("text/plain"));
        if (!head)
            sp_buf_append_str(body, r.body); /* a copy: what is sent outlives the stream */
    } else {
        sp_headers_remove_id(h, SP_H_CONTENT_TYPE);
    }
    add_extra(&r, rewriter, h);
}
