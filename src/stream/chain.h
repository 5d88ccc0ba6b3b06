/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_chain: runs one stream's halves through its filters: one iterator for both directions.  Requests go from the first
 * filter to the terminal one, responses the other way round and then to the stream, which hands them to the codec.
 * The gates decode first; then the stream is asked to match the route (ops->route); then the others; before the
 * terminal filter the stream is asked once more (ops->terminal).
 *
 * Each filter can stop each direction for itself.  What it stopped is held at it (struct sp_hold) until it continues;
 * filters before it go on.  Bodies are streamed; what is held is bounded by `limit` a direction.
 *
 * A reply that a filter makes inside a callback is run when the outermost callback has returned, so that a filter is
 * never entered from inside itself.  Whatever ends or replaces a half raises its epoch; every loop of the iterator
 * looks at it after each callback and stops when it has changed.
 *
 * Embedded in sp_stream; one thread; memory is the stream's arena.
 */
#ifndef SP_STREAM_CHAIN_H
#define SP_STREAM_CHAIN_H

#include "route/route.h"
#include "stream/filter.h"
#include "stream/staged.h"

enum {
    SP_CHAIN_MAX_FILTERS = 64, /* of one connection manager: sp_chain.skip has a bit for each */
    SP_REPLIER_STREAM = 255,   /* sp_chain.replier: no filter, but who owns the chain */
};

/* A filter of a connection manager. Immutable, part of the config. */
struct sp_filter_slot {
    const struct sp_filter_ops *ops;
    void *config;
    struct sp_str name; /* HttpFilter.name */
    bool disabled;      /* HttpFilter.disabled: runs only where a route's config says so */
    uint8_t group;      /* 0: http_filters; else of the upgrade_configs of that number, with filters of their own */
    struct sp_staging staging;
    unsigned offset;    /* of its per-stream object */
};

struct sp_filter_plan {
    struct sp_filter_slot *v; /* n of them: gates, others, those of upgrades, the terminal one */
    unsigned n, n_gates;
    unsigned n_early;  /* the gates and what stands next to them and needs no route (ops->routeless) */
    uint64_t disabled; /* slots that are disabled, or of another group than 0, a bit each */
    size_t size, holds; /* of all per-stream objects and the holds; where those begin */
};

/* Sets offsets and size, once the slots are known. */
void sp_filter_plan_layout(struct sp_filter_plan *p);

/* What the chain asks of its owner. Return false where the owner answered (sp_chain_reply) or ended the stream. */
struct sp_chain_ops {
    /* Before the first filter behind the gates, and anew after sp_filter_clear_route: set c->route, c->skip. */
    bool (*route)(struct sp_chain *c);
    bool (*terminal)(struct sp_chain *c);
    /* Somebody waits for the body: time for 100 Continue. Called while c->expects is set. */
    void (*want_body)(struct sp_chain *c);
    /* local_reply_config: whether there is one; changes a reply before it is made (stream/local_reply.h). NULL: none. */
    bool (*rewrites)(struct sp_chain *c);
    void (*rewrite)(void *c, struct sp_reply *reply, struct sp_headers *h);
    /* A final head, the upstream's or (c->local) a local reply's, before the filters see it. */
    void (*begin)(struct sp_chain *c, struct sp_headers *h);
    /* The response, ready for the codec. `inform` is a 1xx head: it passes no filter. */
    void (*inform)(struct sp_chain *c, struct sp_headers *h);
    void (*headers)(struct sp_chain *c, struct sp_headers *h, bool end);
    void (*data)(struct sp_chain *c, struct sp_buf *b, bool end);
    void (*trailers)(struct sp_chain *c, struct sp_headers *t);
    /* The whole request has been passed to the terminal filter. */
    void (*request_passed)(struct sp_chain *c);
    /* The response's end was handed over: whatever the request still has is not wanted. */
    void (*finished)(struct sp_chain *c);
    /* No answer, or no more of it: both halves shall end. */
    void (*reset)(struct sp_chain *c, enum sp_abort why);
    /* For the counters: a limit was passed, before the answer to that is made; the request was paused, resumed. */
    void (*too_large)(struct sp_chain *c, enum sp_direction dir);
    void (*flow)(struct sp_chain *c, bool paused);
};

enum sp_hold_mode {
    SP_FLOW,
    SP_HOLD_SEEN,   /* stopped; the filter sees what follows */
    SP_HOLD_BUFFER, /* stopped; what follows is held unseen, up to the limit */
    SP_HOLD_PAUSE,  /* the same; at the limit the source is paused */
};

/* What one filter holds of one direction. */
struct sp_hold {
    uint8_t mode;
    bool head;           /* the head has not gone on */
    bool end;            /* the half ended with what is held (not with trailers) */
    bool trailers_seen;  /* by this filter */
    size_t seen;         /* bytes at the front of `data` that this filter has seen */
    struct sp_buf data;
    struct sp_headers *trailers;
};

struct sp_chain {
    const struct sp_filter_plan *plan;
    const struct sp_chain_ops *ops;
    struct sp_stream *stream;
    struct sp_arena *arena;
    struct sp_turn *turn;
    struct sp_stream_info *info;
    size_t limit; /* bytes held a direction */

    const struct sp_route *route;
    const struct sp_weighted_cluster *weighted;
    uint64_t skip;   /* filters that do not run on this stream, a bit each */
    uint64_t passed; /* filters whose refusal was let pass: they are out of the stream (stream/staged.h) */
    uint8_t replier; /* who answered: 1 and a filter's index, SP_REPLIER_STREAM, 0: nobody here */

    char *block;             /* per-stream objects */
    struct sp_hold *hold[2]; /* n each, by direction */
    unsigned n_stops[2]; /* how often a filter stopped: none, and there is nothing to drop */
    size_t held[2];
    unsigned pauses[2];    /* asked of the source, watermark included */
    bool auto_paused[2];   /* the watermark's */
    unsigned epoch[2];
    struct sp_headers *head[2]; /* the request's, the response's; NULL until they came */
    struct sp_source *request;  /* the codec's */
    struct sp_sink upstream;    /* the terminal filter's response arrives here */
    struct sp_source *pausing;  /* upstream.source as it was when pauses were passed on to it */

    unsigned depth; /* of callbacks on the stack */
    uint8_t group;  /* of filters; gates and the terminal one run in each */
    bool upgrade;   /* the request may become a tunnel */
    bool routed;    /* the route is matched and not cleared */
    bool at_terminal;
    bool expects;   /* the owner wants ops->want_body */
    bool expects_origin; /* but not when the request gets to the terminal filter (proxy_100_continue) */
    bool decode_closed, encode_closed; /* the request, the upstream's response is not listened to any more */
    bool request_end; /* the request came whole */
    bool head_out;  /* a final head was handed to the codec */
    bool local;     /* the response is a local reply */
    bool over;      /* the response ended, or the stream was reset or aborted */
    bool destroyed;
    bool reply_pending;
    struct sp_reply reply;
};

/*
 * `c` is zeroed, with stream, arena, turn, info, limit and request set.  The request is fed by the functions below and
 * is over when sp_chain_abort was called or an end was given.
 */
void sp_chain_init(struct sp_chain *c, const struct sp_filter_plan *plan, const struct sp_chain_ops *ops);
void sp_chain_request_headers(struct sp_chain *c, struct sp_headers *h, bool end);
void sp_chain_request_data(struct sp_chain *c, struct sp_buf *b, bool end);
void sp_chain_request_trailers(struct sp_chain *c, struct sp_headers *t);
/* Bytes that its filters hold, and what waits behind the terminal one. */
size_t sp_chain_held(const struct sp_chain *c);
/* The downstream is gone or wants nothing any more: no callback comes after this but on_complete and destroy. */
void sp_chain_abort(struct sp_chain *c, enum sp_abort why);
/* The codec's watermark on the response. */
void sp_chain_response_pause(struct sp_chain *c);
void sp_chain_response_resume(struct sp_chain *c);
/* The owner's own replies; as sp_filter_reply. The strings are borrowed until the stream's end. */
void sp_chain_reply(struct sp_chain *c, const struct sp_reply *reply);
void sp_chain_reply_by(struct sp_chain *c, const struct sp_reply *reply, uint8_t replier); /* for sp_filter_reply */
/* on_complete of every filter that runs on this stream. */
void sp_chain_complete(struct sp_chain *c);
/*
 * A tunnel lets go of its filters: all but the terminal one are destroyed, and from here on the chain has nothing of the
 * config it began with.  False: one of them still has to do with the stream (it looks at data, or at its end).
 */
bool sp_chain_let_go(struct sp_chain *c);
/* Cancels what is left and destroys every filter that runs on this stream; once. */
void sp_chain_destroy(struct sp_chain *c);

/* For sp_filter_reply: whether the filter is staged and its reply is not given. Then all is noted, and it is out. */
bool sp_chain_lets_pass(struct sp_filter *f, const struct sp_reply *reply);
/* The pending reply, once no callback is on the stack any more: for chain_iter.c. */
void sp_chain_run_reply(struct sp_chain *c);

static inline struct sp_filter *sp_chain_filter(const struct sp_chain *c, unsigned index)
{
    return (struct sp_filter *)(void *)(c->block + c->plan->v[index].offset);
}

static inline bool sp_chain_skips(const struct sp_chain *c, unsigned index)
{
    return c->skip >> index & 1;
}

static inline bool sp_chain_passed(const struct sp_chain *c, unsigned index)
{
    return c->passed >> index & 1;
}

#endif
