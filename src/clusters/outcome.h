/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request to a cluster as data, and how its attempts and it itself end: answered, failed, made again.  The inside of
 * clusters/upstream.h, which runs it.
 */
#ifndef SP_CLUSTERS_OUTCOME_H
#define SP_CLUSTERS_OUTCOME_H

#include "clusters/pool.h"
#include "clusters/retry.h"
#include "clusters/tracked.h"
#include "clusters/websocket.h"
#include "route/answer_stats.h"
#include "stream/info.h"
#include "tracing/span.h"

struct sp_upstream;

/* Why there is no response: what to answer instead. Strings are static or live in the arena. */
struct sp_upstream_failure {
    unsigned status;
    struct sp_str body, details;
    uint32_t flags;       /* SP_FLAG_* */
    bool overloaded;      /* x-envoy-overloaded */
    enum sp_abort why;
};

struct sp_upstream_ops {
    /* The response's head, before it goes to the sink; may be changed. May be NULL. */
    void (*response)(struct sp_upstream *u, struct sp_headers *h);
    /* With setup.redirects, before that: true when the owner follows the answer by itself, and has taken u->body. Then this
     * is over, and nothing goes to the sink. `whole`: the request came to its end, and all of it is here to be sent again. */
    bool (*redirect)(struct sp_upstream *u, const struct sp_headers *h, bool whole);
    /* There will be none: nothing was sent to the sink, and nothing will be. */
    void (*failed)(struct sp_upstream *u, const struct sp_upstream_failure *f);
    /* There will be no more of it; the sink is told next. May be NULL. */
    void (*cut)(struct sp_upstream *u);
    /* The request cannot be sent on for now, and again. Counted. */
    void (*pause)(struct sp_upstream *u);
    void (*resume)(struct sp_upstream *u);
};

struct sp_upstream_setup {
    struct sp_cluster *cluster;
    struct sp_worker *worker;
    struct sp_arena *arena;
    struct sp_stream_info *info;          /* filled; NULL: nobody wants to know */
    const struct sp_retry_policy *retry;  /* NULL: none */
    const struct sp_conn_info *conn;      /* the client's, for PROXY headers; NULL: it is nobody's */
    uint64_t timeout_ns;                  /* from the request's end to the response's, of an upgrade to the 101; 0: none */
    uint64_t per_try_timeout_ns;          /* 0: none */
    uint64_t per_try_idle_ns;             /* 0: none */
    uint64_t hash;                        /* `hashed`: of the route's hash_policy */
    bool hashed;
    const struct sp_criteria *criteria;   /* of the route, for clusters with subsets; NULL: none */
    enum sp_routing routing;
    size_t keep_bytes;                    /* of the body, for another attempt; 0: the cluster's buffer limit */
    bool count_in_request;                /* x-envoy-attempt-count */
    bool late_in_request;                 /* x-envoy-is-timeout-retry */
    bool expect_in_request;               /* x-envoy-expected-rq-timeout-ms */
    bool expect_in_grpc;                  /* grpc-timeout says the same */
    bool h2;                              /* the client's version: for use_downstream_protocol_config, and for what reads as a tunnel */
    bool raw;                             /* the origin speaks no HTTP: the request, a CONNECT, ends here, and its tunnel goes on */
    const struct sp_proxy_header *hello;  /* what that tunnel begins with; NULL: nothing */
    bool auto_host_rewrite;
    bool append_x_forwarded_host;         /* with it */
    bool redirects;                       /* ops->redirect is asked, and bodies are kept for it */
    bool lasts;                           /* sp_upstream_done comes after the last look at the response's head: no copy */
    bool alt_response;                    /* x-envoy-upstream-rq-timeout-alt-response: 204 instead of 504 */
    bool internal;                        /* of a client inside, or our own: internal.upstream_rq_*, else external. */
    struct sp_rq_stats *counted[2];       /* of its virtual cluster and its route; the first may be NULL only if the second is */
};

/* What is known of an attempt, where it has a span (clusters/attempt_span.h). */
struct sp_attempt_span {
    struct sp_span span;
    void (*finish)(struct sp_upstream *u); /* ends it; u->span is NULL then */
    unsigned status;      /* of its answer; 0: none */
    uint32_t flags;       /* SP_FLAG_* */
    struct sp_str reason; /* why its stream was reset; empty: it was not, or by us */
    bool canceled;        /* by us */
    uint64_t first_tx_ns, first_rx_ns;
    const struct sp_headers *response, *trailers; /* while it ends; NULL: none */
};

enum sp_upstream_phase { SP_UPSTREAM_NEW, SP_UPSTREAM_WAITING, SP_UPSTREAM_OPEN, SP_UPSTREAM_PAUSING, SP_UPSTREAM_DONE };

struct sp_upstream {
    struct sp_source out;        /* of the response: link it before the request begins */
    void *owner;
    const struct sp_upstream_ops *ops;
    struct sp_upstream_setup setup;
    struct sp_slot *slot;
    enum sp_upstream_phase phase;
    struct sp_ticket ticket;
    struct sp_host *host;        /* held: of the attempt under way or the last one */
    struct sp_host *avoid;       /* failed last: not taken again where there is another; only its address counts */
    const struct sp_host **tried; /* n_tried, with previous_hosts: only their addresses count */
    unsigned n_tried;
    struct sp_tried *tried_priorities; /* NULL: the policy has no retry_priority */
    struct sp_pool_key key;
    struct sp_conn_facts *facts; /* info's TLS strings live here */
    struct sp_retry retry;
    struct sp_headers *request, *trailers;
    struct sp_codec_stream *head_of; /* `lasts`: held, as the response's head is its */
    struct sp_buf body;          /* what is not sent yet or, while `keep`, all of it so far */
    bool keep;                   /* the body is kept for a retry */
    bool request_ended;          /* all of it is here */
    bool sent;                   /* of any attempt: something was given to a stream */
    bool late;                   /* the attempt before this one took too long */
    bool body_sent;              /* of any attempt: some of the body was, and is not in `body` */
    bool answered;               /* this attempt has brought something */
    bool response_started;       /* the head went down */
    bool canary;                 /* and says that it is a canary's */
    bool held;                   /* the request is paused because there is no stream */
    bool second;                 /* a retry without a policy was made: there is no other */
    bool final;                  /* something went down: no attempt after this one */
    bool host_kept;              /* x-forwarded-host has the authority from before auto_host_rewrite */
    bool idempotent;
    bool upgrade;                /* it offers another protocol: its body, the tunnel's, waits for the 101 */
    bool switched;               /* which came */
    bool holds_cluster;          /* the config that named it may go */
    struct sp_websocket websocket;
    unsigned attempts;
    unsigned tx_pauses;          /* of the request, by the stream */
    unsigned out_pauses;         /* of the response, by its sink */
    uint64_t started_ns, request_end_ns;
    struct sp_track track;
    struct sp_attempt_span *span; /* of the attempt under way; NULL: it has none */
    uint64_t try_active_ns;      /* when the attempt last moved, for per_try_idle_ns */
    struct sp_timer timeout, try_timer, max_timer, idle_timer; /* try_timer: per-try timeout or back-off */
    struct sp_defer again;
};

/* The attempt is over: nearly always it has no span. */
static inline void sp_outcome_end_span(struct sp_upstream *u)
{
    if (SP_UNLIKELY(u->span != NULL))
        u->span->finish(u);
}
/* Sets the timers up; `again` is the caller's. */
void sp_outcome_init(struct sp_upstream *u);
/* Holds a host (or NULL) in place of the one before. */
void sp_outcome_take_host(struct sp_upstream *u, struct sp_host *h);
/* Ends the attempt's hold on its stream or its place in line: gives it up, or lets go when both halves are over. */
void sp_outcome_release(struct sp_upstream *u, enum sp_abort why);
void sp_outcome_leave(struct sp_upstream *u);
/* Nothing will come any more: stops what runs and frees what is held. The ticket must be free. */
void sp_outcome_finish(struct sp_upstream *u);
/* Undoes every pause of the request. */
void sp_outcome_resume_request(struct sp_upstream *u);
/* upstream_send.c. 101 came and went down: what waited for it goes to the origin. */
void sp_upstream_switch(struct sp_upstream *u);
/* The request is not held back any more. */
void sp_upstream_release_held(struct sp_upstream *u);
/* The request has ended, by its answer's end or by a limit: for clusters that track. */
void sp_outcome_track(struct sp_upstream *u);
/* Those of `counted`, of whatever there is. */
#define SP_OUTCOME_COUNT(u, member) \
    do { \
        for (unsigned i_ = 0; i_ < 2 && SP_UNLIKELY((u)->setup.counted[i_]); i_++) \
            sp_counter_inc((u)->setup.counted[i_]->member); \
    } while (0)
/* Counts an answer's status, made here or by the host. */
void sp_outcome_charge(struct sp_upstream *u, unsigned status);
/* The attempt has ended without a response (the ticket is free): again, or the end. */
void sp_outcome_reset(struct sp_upstream *u, enum sp_reset reason, struct sp_str text);
void sp_outcome_no_host(struct sp_upstream *u);
/* The request is one of those that drop_overloads keeps from the hosts. */
void sp_outcome_drop(struct sp_upstream *u);
/* The response's head has come: true when the attempt is given up for another one. */
bool sp_outcome_retry_response(struct sp_upstream *u, const struct sp_headers *h, bool end);
/* The same, when the owner follows it: it was a redirect. */
bool sp_outcome_redirect(struct sp_upstream *u, const struct sp_headers *h, bool end);

#endif
