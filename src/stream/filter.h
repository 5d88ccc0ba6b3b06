/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The HTTP filter: what looks at, changes, answers or refuses a stream.  A filter type is one sp_filter_ops; its
 * compiled config is immutable, shared by all workers and owned by the config snapshot; its per-stream object is
 * `ops->size` bytes beginning with struct sp_filter, zeroed, in the stream's arena.  All callbacks run on the
 * stream's worker.
 *
 * Order (chain.h): gates decode, then the route is matched, then the other filters decode, the last being terminal
 * (the router).  Responses pass the filters in the opposite order.
 */
#ifndef SP_STREAM_FILTER_H
#define SP_STREAM_FILTER_H

#include <protobuf-c/protobuf-c.h>

#include "base/diag.h"
#include "event/turn.h"
#include "http/message.h"
#include "stream/info.h"

struct sp_caller; /* stream/caller.h */
struct sp_doc;
struct sp_chain;
struct sp_stream;
struct sp_filter;
struct sp_route;
struct sp_stats_scope;
struct sp_cluster;
struct sp_weighted_cluster; /* route/route.h */

enum sp_status {
    SP_CONTINUE,
    SP_STOP,        /* headers: the iteration stops here, data still reaches this filter; data: the filter took it */
    SP_STOP_BUFFER, /* the chain holds it here (data: later data still reaches this filter; headers: it is held unseen);
                       over the stream's buffer limit the chain answers 413 (requests) or 500 (responses) */
    SP_STOP_PAUSE,  /* the chain holds it here and what follows too, unseen; at the watermark the source is paused */
};
/*
 * While a filter is stopped and sees data or trailers, SP_CONTINUE from that callback lets all go on that is held at it,
 * as sp_filter_continue does.  What reaches a stopped filter that has no callback for it is held as with SP_STOP_PAUSE: a
 * filter that waits for a decision is never passed by the body.  What was held unseen is shown to the filter after it
 * continued.  The terminal filter's SP_STOP is SP_CONTINUE (it took it); data and trailers that it holds otherwise are
 * shown to it again.
 */

enum sp_direction { SP_DECODE, SP_ENCODE };

/* What a filter's config is compiled with. */
struct sp_filter_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;       /* sp_doc_err(doc, diag, msg, field, index, ...) */
    const char *stat_prefix;    /* of the connection manager: "ingress" */
    const char *filter_name;    /* HttpFilter.name */
    struct sp_stats_scope *scope; /* "http.<stat_prefix>." with its tag */
    /* The cluster of that name of the set being compiled, or NULL: valid as long as the config that is compiled, so that
     * a filter's config may keep ctx and call it for each request (cluster_header). */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    bool tls, tls_verifies; /* the filter chain has TLS; it verifies client certificates against a CA */
    bool client_certs;      /* that, or a gate before this one finds them in a header: sp_info_cert may have one */
    bool client_derived;    /* the connection manager or a gate before this one derives CLIENT */
    bool proof_before;      /* a gate before this one proves */
    bool proof_is_weak;     /* one that does may be satisfied by others than the customer's CDN */
    const void *config;     /* route_config_new: the filter's own config */
    bool normalizes;        /* the connection manager normalises paths and merges slashes */
};

struct sp_filter_ops {
    const char *name;     /* short: "jwt_authn", for logs */
    const char *type_url; /* full message name: "envoy.extensions.filters.http.router.v3.Router" */
    size_t size;          /* of the per-stream object; at least sizeof(struct sp_filter) */
    bool gate, terminal;
    /* Why it may not stand in a Staged, or NULL: "it never refuses". */
    const char *not_staged;
    /* A gate that sets info->proven: a stream of its chain that stays unproven is a stranger's, whose forwarded headers
     * are not believed. */
    bool proves;
    /* It answers by itself, without any route: where it stands behind the gates and others of its kind only, it is asked
     * before a request that has no route, or none without TLS, is told so. sp_filter_route is then NULL. */
    bool routeless;
    /* A gate that may set info->header_cert: there are client certificates on chains without TLS too. */
    bool certifies;

    /* Compiles the filter's message (type_url's, already validated). NULL: errors were added to build->diag. */
    void *(*config_new)(const struct sp_filter_build *build, const ProtobufCMessage *msg);
    void (*config_free)(void *config);
    /* Gates: whether this config derives CLIENT, for sp_filter_build.client_derived of the gates behind it. NULL: no. */
    bool (*derives_client)(const void *config);
    /* Gates that prove: whether it is then the customer's CDN that speaks, whose headers may be believed. */
    bool (*vouches)(const void *config);
    /* The same for typed_per_filter_config; type name of the message it takes, or NULL if it takes none. */
    const char *route_type_url;
    void *(*route_config_new)(const struct sp_filter_build *build, const ProtobufCMessage *msg);
    void (*route_config_free)(void *config);

    /* Takes out of a request's head what nobody but this filter may write. The filter does so itself when it runs; this is
     * for routes where it is switched off, and before any filter runs. NULL: there is nothing. */
    void (*sanitize)(const void *config, struct sp_headers *h);

    /* NULL members continue. */
    enum sp_status (*decode_headers)(struct sp_filter *f, struct sp_headers *h, bool end);
    enum sp_status (*decode_data)(struct sp_filter *f, struct sp_buf *b, bool end);
    enum sp_status (*decode_trailers)(struct sp_filter *f, struct sp_headers *t);
    enum sp_status (*encode_headers)(struct sp_filter *f, struct sp_headers *h, bool end);
    enum sp_status (*encode_data)(struct sp_filter *f, struct sp_buf *b, bool end);
    enum sp_status (*encode_trailers)(struct sp_filter *f, struct sp_headers *t);
    /* For tools that explain a config: why it let the request's head pass, in some words. NULL: there is nothing to say. */
    void (*explain)(struct sp_filter *f, struct sp_buf *out);
    /* Who it has found the request to be from (stream/caller.h), once it let it pass; asked at the stream's end at the
     * latest, before `destroy`. NULL: it does not know. */
    void (*caller)(const struct sp_filter *f, struct sp_caller *out);
    /* Terminal filters: the stream has become a tunnel and lets go of its config: forget all that is part of it. NULL: this
     * one cannot, and the stream keeps its config. */
    void (*let_go)(struct sp_filter *f);
    /* Terminal filters: bytes of the stream's that wait behind it. NULL: there are none. */
    size_t (*held)(const struct sp_filter *f);
    void (*on_complete)(struct sp_filter *f); /* the stream is over; before the access log */
    void (*destroy)(struct sp_filter *f);     /* cancel whatever runs; memory goes with the arena */
};

struct sp_filter {
    const struct sp_filter_ops *ops;
    struct sp_chain *chain;
    const void *config;
    unsigned index;
};

/*
 * Resumes a direction that this filter stopped: passes on the headers, data and trailers held at it.  Never from
 * inside one of this filter's own callbacks (asserted): defer it.
 */
void sp_filter_continue(struct sp_filter *f, enum sp_direction dir);

/* From inside a filter's trailers callback, which held nothing: data that goes on before the trailers. Takes it out of `b`. */
void sp_filter_inject(struct sp_filter *f, enum sp_direction dir, struct sp_buf *b);
/* What the chain may hold of this stream, a direction: it is made that large for a filter that buffers. */
void sp_filter_hold_at_least(struct sp_filter *f, size_t n);
/* What it is: bytes. */
size_t sp_filter_buffer_limit(const struct sp_filter *f);

struct sp_reply {
    unsigned status;
    struct sp_str body;         /* text/plain unless content_type is set; borrowed until the stream's end */
    struct sp_str content_type; /* empty: text/plain */
    struct sp_str details;      /* RESPONSE_CODE_DETAILS; borrowed until the stream's end */
    uint32_t flags;             /* SP_FLAG_* to set */
    const struct sp_header *headers; /* n_headers lines to add; names lower-case; the array is copied */
    unsigned n_headers;
    bool no_store;              /* add cache-control: no-store */
    unsigned grpc_status;       /* of an answer to a gRPC request; 0: as the status has it */
    bool json;                  /* the body is a JSON format's, with its line end */
    bool reset;                 /* no answer: reset the stream (HTTP/1: close) */
};
/*
 * Answers in place of the upstream (a local reply): what the request still brings is dropped, the answer passes all
 * encode filters.  If a response has begun, the stream is reset.  From a filter callback, return SP_STOP afterwards;
 * it may also be called asynchronously.
 *
 * A filter that a config has staged (stream/staged.h) may be told nothing of it: then the reply is noted only, and the
 * request goes on.  So a filter changes nothing that a refused request would need, and leaves in `b` the body that it
 * refuses.
 */
void sp_filter_reply(struct sp_filter *f, const struct sp_reply *reply);
/* The short form: text/plain. */
void sp_filter_reply_text(struct sp_filter *f, unsigned status, struct sp_str body, struct sp_str details);
/* A request's body is larger than what is held of it: 413, counted. */
void sp_filter_too_large(struct sp_filter *f);
/* Whether a reply of this filter would be given: for the words of its log line. Gates stage themselves: true. */
bool sp_filter_enforced(const struct sp_filter *f);
/* Notes on the stream what this filter would have refused it for, were its rule enforced: %SALLYPORT_SHADOW%. */
void sp_filter_note_shadow(struct sp_filter *f, struct sp_str details);

/* What a filter may look at. */
struct sp_stream *sp_filter_stream(const struct sp_filter *f);
struct sp_arena *sp_filter_arena(const struct sp_filter *f);
struct sp_stream_info *sp_filter_info(const struct sp_filter *f);
struct sp_turn *sp_filter_turn(const struct sp_filter *f);
/* The request's headers (as changed so far) and, once they came, the response's; else NULL. */
struct sp_headers *sp_filter_request(const struct sp_filter *f);
struct sp_headers *sp_filter_response(const struct sp_filter *f);
/* The matched route; NULL in gates and when none matched. */
const struct sp_route *sp_filter_route(const struct sp_filter *f);
/* This filter's typed_per_filter_config, the most specific one; NULL if there is none. */
const void *sp_filter_route_config(const struct sp_filter *f);
/* All of them, the least specific first: of the table, the virtual host, the route and the weighted cluster; how many. */
enum { SP_FILTER_LEVELS = 4 };
unsigned sp_filter_route_configs(const struct sp_filter *f, const void *ret[static SP_FILTER_LEVELS]);
/* Forgets the matched route, so that it is matched anew before the next filter (after a change of path or headers). */
void sp_filter_clear_route(struct sp_filter *f);
/* Sets dynamic metadata `ns`.`key` to a JSON text (copied). */
void sp_filter_set_metadata(struct sp_filter *f, struct sp_str ns, struct sp_str key, struct sp_str json);

/*
 * Terminal filters only: the response half. The chain is the sink of the response (link your source to it), and data
 * given to decode_data that the terminal filter cannot send on pauses the request through sp_chain_request_pause.
 */
struct sp_sink *sp_filter_response_sink(struct sp_filter *f);
void sp_filter_request_pause(struct sp_filter *f);
void sp_filter_request_resume(struct sp_filter *f);
/*
 * The router's, once a request, before it sends the head: applies the request header changes of the weighted cluster
 * (`w`, or NULL), the route, the virtual host and the table, in Envoy's order, to sp_filter_request.  The path and host
 * rewrites (sp_route_rewrite) come after it.  It remembers `w` as sp_filter_set_weighted does.
 */
void sp_stream_finalize_request(struct sp_filter *f, const struct sp_weighted_cluster *w);
/*
 * Tells which weighted cluster serves the request, so that its response header changes and its typed_per_filter_config
 * hold.  The stream itself has picked one by sp_stream_random when the route matched (sp_route_pick_cluster with the same
 * number gives the same one): only a router that chose another one needs to call it.
 */
void sp_filter_set_weighted(struct sp_filter *f, const struct sp_weighted_cluster *w);

#endif
