/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_chain.h"

#include "stream/redirect.h"

static struct fake_stream *stream_of(const struct sp_filter *f)
{
    return (struct fake_stream *)(void *)f->chain;
}

void fake_stream_init(struct fake_stream *s, const char *path)
{
    memset(s, 0, sizeof(*s));
    sp_arena_init(&s->arena);
    sp_turn_init(&s->turn);
    sp_turn_begin(&s->turn, SP_NS_PER_S, 1800000000 * (int64_t)SP_NS_PER_S);
    s->info.conn = &s->conn;
    s->conn.tls = s->conn.cert.tls = &s->tls;
    s->info.start_ns = s->turn.now_ns;
    s->info.start_wall_ns = s->turn.wall_ns;
    s->info.protocol = SP_HTTP_2;
    fake_address(s, "192.0.2.1");
    sp_headers_init(&s->request, &s->arena);
    s->request.method = SP_STR("GET");
    s->request.scheme = SP_STR("https");
    s->request.authority = SP_STR("door.example");
    s->request.path = s->info.raw_path = sp_arena_str(&s->arena, sp_str_c(path));
    sp_headers_init(&s->response, &s->arena);
}

void fake_stream_done(struct fake_stream *s)
{
    sp_turn_done(&s->turn);
    sp_arena_done(&s->arena);
}

void fake_header(struct fake_stream *s, const char *name, const char *value)
{
    sp_headers_add(&s->request, sp_arena_str(&s->arena, sp_str_c(name)), sp_arena_str(&s->arena, sp_str_c(value)));
}

struct sp_addr fake_ip(const char *ip)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse(sp_str_c(ip), &a), 0);
    return a;
}

void fake_address(struct fake_stream *s, const char *ip)
{
    s->conn.socket = s->conn.peer = s->info.client = fake_ip(ip);
}

struct sp_filter *fake_filter(struct fake_stream *s, const struct fake_config *c)
{
    struct sp_filter *f = sp_arena_zalloc(&s->arena, c->ops->size);
    assert_true(c->ops->size >= sizeof(*f));
    f->ops = c->ops;
    f->chain = (struct sp_chain *)(void *)s;
    f->config = c->config;
    return f;
}

enum sp_status fake_decode(struct fake_stream *s, const struct fake_config *c)
{
    struct sp_filter *f = fake_filter(s, c);
    enum sp_status status = c->ops->decode_headers(f, &s->request, true);
    if (c->ops->on_complete)
        c->ops->on_complete(f);
    if (c->ops->destroy)
        c->ops->destroy(f);
    return status;
}

static char *text(const struct fake_stream *s, struct sp_str str)
{
    return (char *)(uintptr_t)sp_arena_str((struct sp_arena *)(uintptr_t)&s->arena, str).ptr;
}

const char *fake_metadata(const struct fake_stream *s, const char *ns, const char *key)
{
    for (const struct sp_metadata *m = s->info.metadata; m; m = m->next)
        if (sp_str_eq(m->ns, sp_str_c(ns)) && sp_str_eq(m->key, sp_str_c(key)))
            return text(s, m->json);
    return NULL;
}

const char *fake_request_header(const struct fake_stream *s, const char *name)
{
    const struct sp_header *h = sp_headers_find(&s->request, sp_str_c(name), NULL);
    return h ? text(s, h->value) : NULL;
}

const char *fake_reply_header(const struct fake_stream *s, const char *name)
{
    for (unsigned i = 0; i < s->reply.n_headers; i++)
        if (sp_str_eq(s->reply.headers[i].name, sp_str_c(name)))
            return text(s, s->reply.headers[i].value);
    return NULL;
}

void fake_replied(const struct fake_stream *s, unsigned status, const char *body, const char *details)
{
    assert_true(s->replied);
    assert_int_equal(s->reply.status, status);
    assert_string_equal(text(s, s->reply.body), body);
    assert_string_equal(text(s, s->reply.details), details);
}

/* What the chain gives to filters. */

void sp_filter_continue(struct sp_filter *f, enum sp_direction dir)
{
    stream_of(f)->continued[dir]++;
}

void sp_filter_reply(struct sp_filter *f, const struct sp_reply *reply)
{
    struct fake_stream *s = stream_of(f);
    assert_false(s->replied);
    s->replied = true;
    s->reply = *reply;
    struct sp_header *copy = sp_arena_zalloc(&s->arena, reply->n_headers * sizeof(*copy));
    for (unsigned i = 0; i < reply->n_headers; i++) {
        copy[i] = reply->headers[i];
        assert_true(sp_header_name_valid(copy[i].name));
        assert_true(sp_header_value_valid(copy[i].value));
    }
    s->reply.headers = copy;
}

void sp_filter_reply_text(struct sp_filter *f, unsigned status, struct sp_str body, struct sp_str details)
{
    sp_filter_reply(f, &(struct sp_reply){.status = status, .body = body, .details = details});
}

void sp_filter_too_large(struct sp_filter *f)
{
    sp_filter_reply_text(f, 413, SP_STR("Payload Too Large"), SP_STR("request_payload_too_large"));
}

bool sp_filter_enforced(const struct sp_filter *f)
{
    return !stream_of(f)->not_enforced;
}

void sp_filter_note_shadow(struct sp_filter *f, struct sp_str details)
{
    stream_of(f)->shadow = details;
}

struct sp_stream *sp_filter_stream(const struct sp_filter *f)
{
    return (struct sp_stream *)(void *)stream_of(f);
}

struct sp_arena *sp_filter_arena(const struct sp_filter *f)
{
    return &stream_of(f)->arena;
}

struct sp_stream_info *sp_filter_info(const struct sp_filter *f)
{
    return &stream_of(f)->info;
}

struct sp_turn *sp_filter_turn(const struct sp_filter *f)
{
    return &stream_of(f)->turn;
}

struct sp_headers *sp_filter_request(const struct sp_filter *f)
{
    return &stream_of(f)->request;
}

struct sp_headers *sp_filter_response(const struct sp_filter *f)
{
    return stream_of(f)->has_response ? &stream_of(f)->response : NULL;
}

const struct sp_route *sp_filter_route(const struct sp_filter *f)
{
    return stream_of(f)->route;
}

const void *sp_filter_route_config(const struct sp_filter *f)
{
    return stream_of(f)->route_config;
}

unsigned sp_filter_route_configs(const struct sp_filter *f, const void *ret[static SP_FILTER_LEVELS])
{
    const struct fake_stream *s = stream_of(f);
    for (unsigned i = 0; i < s->n_route_configs; i++)
        ret[i] = s->route_configs[i];
    return s->n_route_configs;
}

void sp_filter_inject(struct sp_filter *f, enum sp_direction dir, struct sp_buf *b)
{
    sp_buf_move(&stream_of(f)->injected, b);
}

void sp_filter_hold_at_least(struct sp_filter *f, size_t n)
{
}

size_t sp_filter_buffer_limit(const struct sp_filter *f)
{
    return 1 << 20;
}

void sp_filter_clear_route(struct sp_filter *f)
{
    stream_of(f)->routes_cleared++;
}

void sp_filter_set_metadata(struct sp_filter *f, struct sp_str ns, struct sp_str key, struct sp_str json)
{
    struct fake_stream *s = stream_of(f);
    struct sp_metadata *m = sp_arena_zalloc(&s->arena, sizeof(*m)), **at = &s->info.metadata;
    m->ns = sp_arena_str(&s->arena, ns);
    m->key = sp_arena_str(&s->arena, key);
    m->json = sp_arena_str(&s->arena, json);
    while (*at)
        at = &(*at)->next;
    *at = m;
}

struct sp_sink *sp_filter_response_sink(struct sp_filter *f)
{
    return &stream_of(f)->response_sink;
}

void sp_filter_request_pause(struct sp_filter *f)
{
    stream_of(f)->paused++;
}

void sp_filter_request_resume(struct sp_filter *f)
{
    assert_true(stream_of(f)->paused > 0);
    stream_of(f)->paused--;
}

void sp_stream_finalize_request(struct sp_filter *f, const struct sp_weighted_cluster *w)
{
    stream_of(f)->finalized++;
    stream_of(f)->weighted = w;
}

enum sp_redirect_verdict sp_stream_redirect(struct sp_filter *f, const struct sp_redirect_policy *policy, const struct sp_headers *answer,
                                            struct sp_buf *body, struct sp_headers *trailers)
{
    (void)f, (void)policy, (void)answer, (void)body, (void)trailers;
    return SP_REDIRECT_NOTHING;
}

void sp_filter_set_weighted(struct sp_filter *f, const struct sp_weighted_cluster *w)
{
    stream_of(f)->weighted = w;
}

bool sp_stream_sheds(const struct sp_stream *s)
{
    (void)s;
    return true;
}

struct sp_stream_owner *sp_stream_get_owner(const struct sp_stream *s)
{
    return &((struct fake_stream *)(uintptr_t)s)->owner;
}

uint64_t sp_stream_random(const struct sp_stream *s)
{
    return ((const struct fake_stream *)(const void *)s)->random;
}
