/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_stream (stream/stream.h), for this directory only.  stream_life.c: birth, end, timer;
 * stream_request.c: what comes from the client, up to the chain; stream_route.c: between gates and filters, and before
 * the router; stream_respond.c: what goes to the client; stream_redirect.c: the same once more, for an origin's redirect.
 */
#ifndef SP_STREAM_STREAM_IMPL_H
#define SP_STREAM_STREAM_IMPL_H

#include "stream/hcm_impl.h"
#include "stream/stream.h"
#include "tracing/context.h"

struct sp_stream {
    struct sp_sink rx;    /* the codec feeds it */
    struct sp_source tx;  /* the codec pauses it */
    struct sp_codec_stream *cs;
    struct sp_stream_owner *owner;
    const struct sp_hcm *hcm;
    struct sp_snapshot *snapshot; /* NULL where there is none (admin) */
    struct sp_list link;          /* owner->streams */
    uint64_t random;
    struct sp_headers *response_trailers; /* for the access log */

    struct sp_timer *lines; /* for the next line of its access log while it lasts; NULL: there is none */
    struct sp_timer timer; /* for the next of the limits below; moved lazily */
    uint64_t activity_ns, idle_ns, request_due_ns, max_due_ns; /* 0: no limit */

    struct sp_client client; /* as the connection manager's rules have it */
    bool gates_passed;
    bool path_redirect; /* UNESCAPE_AND_REDIRECT: once the gates have seen the request */
    bool unrouted;      /* no route took it, or (wants_tls) its virtual host takes TLS only: told at the chain's end */
    bool wants_tls;
    bool route_answers; /* the local reply is the route's own */
    bool upgraded;      /* a tunnel: 101 was sent */
    struct sp_defer let_go;   /* upgraded: it gives its snapshot up, once the turn is over */
    struct sp_hcm_rest *rest; /* and goes on by this; NULL: not yet */
    bool close;         /* HTTP/1: not to be used again */
    const struct sp_trace_ctx *trace_before; /* of the request that a redirect led on from; NULL: there was none */
    const struct sp_headers *came;     /* the head as it came, where redirects may be followed; else NULL */
    struct sp_redirected *redirected;  /* NULL: no redirect was followed (stream_redirect.c) */

    struct sp_stream_info info;
    struct sp_chain chain;
};

extern const struct sp_sink_ops sp_stream_rx_ops;     /* stream_request.c */
extern const struct sp_source_ops sp_stream_tx_ops;   /* stream_respond.c */
extern const struct sp_chain_ops sp_stream_chain_ops; /* stream_respond.c */

static inline struct sp_stream *sp_stream_of(struct sp_chain *c)
{
    return SP_CONTAINER_OF(c, struct sp_stream, chain);
}

static inline void sp_stream_active(struct sp_stream *s)
{
    s->activity_ns = s->owner->turn->now_ns;
}

/* stream_request.c: without the port that strip_any_host_port or strip_matching_host_port takes off. */
struct sp_str sp_stream_host(const struct sp_stream *s, struct sp_str authority);
/* stream_tunnel.c: the stream has become a tunnel. */
void sp_stream_upgraded(struct sp_stream *s);
/* A limit changed: arms the timer for the next of them. */
void sp_stream_arm(struct sp_stream *s);
/* The downstream is gone, or asks for nothing more. */
void sp_stream_gone(struct sp_stream *s, enum sp_abort why);

/* stream_life.c: the chain has run to its end, or as far as it will: tells its filters, and writes the log line. */
void sp_stream_complete(struct sp_stream *s);
/* A line of another kind (AccessLogType), before the end. */
void sp_stream_log(struct sp_stream *s, unsigned type);
void sp_stream_begin_lines(struct sp_stream *s); /* stream_lines.c: and again and again */
/* A chain for the request, which is zeroed, from its first filter on. */
void sp_stream_begin(struct sp_stream *s, const struct sp_chain_ops *ops);

/* stream_request.c: checks a head and gives it to the chain. */
void sp_stream_take(struct sp_stream *s, struct sp_headers *h, bool end);
void sp_stream_trim_host(const struct sp_stream *s, struct sp_headers *h);

/* stream_redirect.c: what holds for a request that comes from a redirect, once its head is sanitised. */
void sp_stream_redirect_settle(struct sp_stream *s, struct sp_headers *h);
/* Whether the request may go where it is going now. */
bool sp_stream_redirect_accepted(const struct sp_stream *s);
/* The stream ends: nothing more is followed. */
void sp_stream_redirect_done(struct sp_stream *s);
/* The whole request came: what its chain has of it is another matter. */
static inline bool sp_stream_has_request(const struct sp_stream *s)
{
    return s->chain.request_end || s->redirected;
}

/* stream_route.c: another filter chain of the listener serves that host. */
bool sp_stream_is_misdirected(const struct sp_stream *s, const struct sp_headers *h);
/* For sp_chain_ops. */
bool sp_stream_on_route(struct sp_chain *c);
bool sp_stream_on_terminal(struct sp_chain *c);
/* Response header changes of weighted cluster, route, virtual host and table. */
void sp_stream_response_ops(struct sp_stream *s, struct sp_headers *h);

#endif
