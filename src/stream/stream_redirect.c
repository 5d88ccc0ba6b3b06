/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An origin's redirect that is followed here: whether, and then the same stream with a chain of its own for each time.
 */
#include "stream/redirect.h"

#include <assert.h>

#include "stream/path.h"
#include "stream/stream_impl.h"
#include "tracing/span.h"

/* In the stream's arena, from its first redirect on. */
struct sp_redirected {
    struct sp_defer again;
    struct sp_stream *stream;
    unsigned n; /* how many were followed */
    const struct sp_redirect_hop *hops;
    /* The latest. */
    const struct sp_redirect_policy *policy;
    const struct sp_route *accepted;  /* the route that it was accepted for */
    struct sp_headers *answer;        /* for the log of what is over */
    struct sp_str original_url, scheme;
    bool from_http, to_http;
    struct sp_buf body;
    struct sp_headers *trailers;
};

/* --- whether --- */

static struct sp_headers *copied(struct sp_arena *arena, const struct sp_headers *h)
{
    struct sp_headers *copy = sp_arena_alloc(arena, sizeof(*copy));
    sp_headers_copy(copy, arena, h);
    return copy;
}

static void copy_lines(struct sp_headers *h, const struct sp_redirect_names *names, const struct sp_headers *answer)
{
    for (unsigned i = 0; i < names->n; i++) {
        sp_headers_remove(h, names->v[i]);
        const struct sp_header *line = NULL;
        while ((line = sp_headers_find(answer, names->v[i], line)) != NULL)
            sp_headers_add(h, sp_arena_str(h->arena, line->name), sp_arena_str(h->arena, line->value));
    }
}

/* RFC 9110 section 15.4.4: another request, without content. */
static bool loses_body(const struct sp_headers *answer, const struct sp_headers *request)
{
    return answer->status == 303 && !sp_str_eq(request->method, SP_STR("GET")) && !sp_str_eq(request->method, SP_STR("HEAD"));
}

static struct sp_headers *new_head(const struct sp_headers *old, struct sp_arena *arena, const struct sp_redirect_target *to,
                                   const struct sp_redirect_policy *policy, const struct sp_headers *answer)
{
    struct sp_headers *h = copied(arena, old);
    copy_lines(h, &policy->copies, answer);
    sp_headers_remove_id(h, SP_H_EXPECT); /* the body is here */
    if (loses_body(answer, h)) {
        h->method = SP_STR("GET");
        sp_headers_remove_id(h, SP_H_CONTENT_LENGTH);
    }
    h->scheme = to->scheme;
    h->authority = to->authority;
    h->path = to->path;
    return h;
}

/* The route as it would be matched by what is known now. NULL: there is none, or its path would be refused. */
static const struct sp_route *foresee(const struct sp_stream *s, struct sp_headers *h, enum sp_redirect_verdict *ret)
{
    *ret = SP_REDIRECT_BAD_LOCATION;
    if (sp_path_normalize(&s->hcm->path, h->arena, &h->path) != SP_PATH_OK)
        return NULL;
    *ret = SP_REDIRECT_NO_ROUTE;
    sp_stream_trim_host(s, h);
    const struct sp_vhost *vhost = sp_stream_is_misdirected(s, h) ? NULL : sp_route_vhost(s->hcm->routes, h->authority);
    return vhost ? sp_route_find(vhost, h, s->random) : NULL;
}

static bool is_http(const struct sp_stream *s, const struct sp_headers *h)
{
    return sp_str_ieq(h->scheme, SP_STR("http")) || !s->info.conn->tls_used;
}

/* Where the Location says. It may be of the codec's memory below, which is gone soon. */
static bool read_target(const struct sp_header *line, struct sp_arena *arena, struct sp_redirect_target *ret)
{
    return sp_redirect_parse(sp_arena_str(arena, line->value), arena, ret);
}

/* A length that is not the body's was another body's, and would cut the request short or leave it open. */
static bool has_length(const struct sp_headers *h, const struct sp_buf *body)
{
    uint64_t n;
    const struct sp_header *line = sp_headers_find_id(h, SP_H_CONTENT_LENGTH, NULL);
    return !line || (sp_str_u64(line->value, UINT64_MAX, &n) == 0 && n == body->len);
}

static struct sp_redirected *of_stream(struct sp_stream *s);

static void decide(struct sp_stream *s, const struct sp_redirect_policy *policy, const struct sp_route *to,
                   const struct sp_redirect_target *target, const struct sp_headers *answer, struct sp_str original_url)
{
    struct sp_redirected *r = of_stream(s);
    struct sp_redirect_hop *hop = sp_arena_alloc(s->chain.arena, sizeof(*hop));
    *hop = (struct sp_redirect_hop){r->hops, s->chain.route->name, to->name};
    r->hops = hop;
    r->n++;
    r->policy = policy;
    r->accepted = to;
    r->answer = copied(s->chain.arena, answer);
    r->from_http = is_http(s, s->chain.head[SP_DECODE]);
    r->to_http = target->http;
    r->scheme = target->scheme;
    r->original_url = original_url;
    sp_defer(s->owner->turn, &r->again);
}

enum sp_redirect_verdict sp_stream_redirect(struct sp_filter *f, const struct sp_redirect_policy *policy, const struct sp_headers *answer,
                                            struct sp_buf *body, struct sp_headers *trailers)
{
    assert(f && f->chain && f->chain->stream && policy && answer && body);
    struct sp_chain *c = f->chain;
    struct sp_stream *s = c->stream;
    const struct sp_header *line = sp_headers_find_id(answer, SP_H_LOCATION, NULL);
    const struct sp_headers *h = c->head[SP_DECODE];
    struct sp_redirect_target to;
    enum sp_redirect_verdict why;
    if (!line || !s->came || !c->request_end || !c->route || c->over || c->head_out || c->reply_pending || !has_length(h, body))
        return SP_REDIRECT_NOTHING;
    if (sp_headers_find_id(answer, SP_H_LOCATION, line) || !read_target(line, c->arena, &to))
        return SP_REDIRECT_BAD_LOCATION;
    bool http = is_http(s, h);
    if ((!policy->cross_scheme && http != to.http) || !(to.http || sp_str_ieq(to.scheme, SP_STR("https"))))
        return SP_REDIRECT_UNSAFE_SCHEME;
    if ((s->redirected ? s->redirected->n : 0) >= policy->most)
        return SP_REDIRECT_TOO_MANY;
    struct sp_str url = sp_arena_printf(c->arena, "%s://%.*s%.*s", http ? "http" : "https", SP_STR_ARG(h->authority), SP_STR_ARG(h->path));
    struct sp_headers *next = new_head(h, c->arena, &to, policy, answer);
    sp_headers_set_id(next, SP_H_X_ENVOY_ORIGINAL_URL, url);
    const struct sp_route *route = foresee(s, next, &why);
    if (!route)
        return why;
    if (!sp_redirect_policy_accepts(policy, s->redirected ? s->redirected->hops : NULL, c->route->name, route->name, http, to.http))
        return SP_REDIRECT_PREDICATE;
    decide(s, policy, route, &to, answer, url);
    bool drops = loses_body(answer, h);
    if (!drops)
        sp_buf_move(&s->redirected->body, body);
    s->redirected->trailers = drops ? NULL : trailers;
    s->came = new_head(s->came, c->arena, &to, policy, answer);
    return SP_REDIRECT_FOLLOWED;
}

/* --- once more --- */

/* What was asked, and the redirect that it brought, are logged as any other request. No answer is counted: none was sent. */
static void end_before(struct sp_stream *s)
{
    struct sp_headers *answer = s->redirected->answer;
    s->info.response_code = answer->status;
    s->info.details = SP_STR("internal_redirect");
    s->chain.head[SP_ENCODE] = answer;
    sp_stream_complete(s);
    if (s->info.span)
        s->trace_before = &s->info.span->ctx;
    sp_chain_destroy(&s->chain);
}

/* Only what is known of connection and client's message stays: all else is found out again. */
static void forget(struct sp_stream *s)
{
    s->info = (struct sp_stream_info){
        .conn = s->info.conn,
        .start_ns = s->info.start_ns,
        .start_wall_ns = s->info.start_wall_ns,
        .rx_end_ns = s->info.rx_end_ns,
        .protocol = s->info.protocol,
        .client = s->info.conn->peer,
        .raw_path = s->came->path,
        .request_id = s->info.request_id,
    };
    s->client = (struct sp_client){0};
    s->gates_passed = s->path_redirect = s->unrouted = s->wants_tls = s->route_answers = false;
    s->response_trailers = NULL;
    s->idle_ns = s->hcm->idle_ns;
    s->max_due_ns = s->hcm->max_duration_ns ? s->info.start_ns + s->hcm->max_duration_ns : 0;
}

static void give(struct sp_stream *s)
{
    struct sp_redirected *r = s->redirected;
    struct sp_headers *trailers = r->trailers;
    bool ends = !r->body.len && !trailers;
    sp_stream_take(s, copied(s->cs->arena, s->came), ends);
    if (ends || s->chain.over) {
        sp_buf_clear(&r->body);
        return;
    }
    if (r->body.len)
        sp_chain_request_data(&s->chain, &r->body, !trailers);
    if (trailers && !s->chain.over)
        sp_chain_request_trailers(&s->chain, trailers);
}

static void begin_again(struct sp_defer *d)
{
    struct sp_stream *s = SP_CONTAINER_OF(d, struct sp_redirected, again)->stream;
    const struct sp_chain *c = &s->chain;
    if (c->over || c->head_out || c->local || c->reply_pending)
        return; /* a limit of time, or the client, was faster */
    assert(c->depth == 0 && !c->auto_paused[SP_ENCODE] && !c->upgrade);
    const struct sp_chain_ops *ops = c->ops;
    unsigned stands = c->pauses[SP_ENCODE]; /* what the codec asked for */
    end_before(s);
    forget(s);
    s->chain = (struct sp_chain){.pauses = {[SP_ENCODE] = stands}};
    sp_stream_begin(s, ops);
    sp_stream_active(s);
    sp_stream_arm(s);
    give(s);
}

static struct sp_redirected *of_stream(struct sp_stream *s)
{
    if (s->redirected)
        return s->redirected;
    struct sp_redirected *r = sp_arena_zalloc(s->chain.arena, sizeof(*r));
    r->stream = s;
    r->again.run = begin_again;
    sp_buf_init(&r->body);
    s->redirected = r;
    return r;
}

void sp_stream_redirect_settle(struct sp_stream *s, struct sp_headers *h)
{
    assert(s && s->redirected && h);
    h->scheme = s->redirected->scheme;
    sp_headers_set_id(h, SP_H_X_ENVOY_ORIGINAL_URL, s->redirected->original_url);
}

bool sp_stream_redirect_accepted(const struct sp_stream *s)
{
    assert(s && s->redirected && s->chain.route);
    const struct sp_redirected *r = s->redirected;
    const struct sp_route *to = s->chain.route;
    return to == r->accepted ||
           sp_redirect_policy_accepts(r->policy, r->hops->before, r->hops->from, to->name, r->from_http, r->to_http);
}

void sp_stream_redirect_done(struct sp_stream *s)
{
    assert(s);
    if (!s->redirected)
        return;
    sp_defer_cancel(&s->redirected->again);
    sp_buf_clear(&s->redirected->body);
}
