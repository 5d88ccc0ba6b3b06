/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_hcm (stream/hcm.h), for this directory only.
 */
#ifndef SP_STREAM_HCM_IMPL_H
#define SP_STREAM_HCM_IMPL_H

#include "stream/chain.h"
#include "stream/client_addr.h"
#include "stream/hcm_stats.h"
#include "stream/path.h"
#include "stream/xfcc.h"

struct sp_reply_map; /* stream/reply_map.h */
struct sp_mutations; /* stream/header_ops.h */
struct sp_tracing;   /* stream/tracing.h */

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager sp_hcm_msg;

enum sp_server_header { SP_SERVER_OVERWRITE, SP_SERVER_IF_ABSENT, SP_SERVER_PASS };

struct sp_hcm_upgrade {
    struct sp_str type;
    bool enabled;  /* on routes that say nothing of it */
    uint8_t group; /* of filters: 0 those of http_filters */
};

/*
 * What a stream that has become a tunnel goes on by when it lets go of its config: counters, logs, and nothing of routes,
 * filters and secrets.  Counted; any thread.
 */
struct sp_hcm_rest;

/* Lines of the access log besides the one at the end (access_log_options). */
struct sp_hcm_lines {
    uint64_t every_ns; /* 0: none */
    bool at_start, at_tunnel;
};

struct sp_hcm {
    struct sp_arena arena; /* strings; the struct itself is on the heap */
    struct sp_str stat_prefix, server_name, via;
    struct sp_stats_scope *scope; /* "http.<stat_prefix>.", held */
    struct sp_filter_plan plan;
    struct sp_filter_build *builds; /* one a slot, while compiling */
    struct sp_route_table *routes;
    struct sp_access_logs *logs; /* the rest's; NULL: none */
    struct sp_hcm_lines lines;
    struct sp_hcm_rest *rest;
    struct sp_tracing *tracing; /* NULL: nothing is traced */
    struct sp_reply_map *replies; /* local_reply_config; NULL: none */
    struct sp_wire_setup setup;
    struct sp_hcm_cx_stats cx;
    struct sp_hcm_stats stats;

    struct sp_path_rules path;
    struct sp_client_rules client;
    struct sp_xfcc_rules xfcc;
    struct sp_addr local; /* of this host, for x-forwarded-for of requests over the loopback */
    uint8_t server_header; /* enum sp_server_header */
    bool packs_reason; /* into request ids (stream/tracing.h) */
    bool generate_request_id, preserve_request_id, request_id_in_response;
    bool append_xfp; /* x-forwarded-port */
    bool strip_any_port, strip_matching_port, strip_dot;
    bool proxy_100;           /* proxy_100_continue */
    bool close_on_bad;  /* a request that is refused as malformed ends an HTTP/1 connection */
    bool sheds;          /* the overload manager's actions hold for it */
    bool tell_overload;  /* append_local_overload */
    uint8_t ends_by;    /* enum sp_local_word: while one of them is so, each answer asks its connection to end */
    bool cert_gate;     /* a gate finds client certificates elsewhere than in the connection */
    bool proof_gate;    /* a gate of the chain proves: who stays unproven is a stranger */
    size_t buffer_limit;
    uint64_t idle_ns, request_ns, max_duration_ns; /* of streams; 0: no limit */
    struct sp_str scheme; /* that requests get; empty: their own */
    bool match_upstream_scheme;
    struct sp_mutations **early; /* n_early of them: before the route is matched */
    unsigned n_early;
    struct sp_hcm_upgrade *upgrades; /* n_upgrades of them */
    unsigned n_upgrades;
    struct sp_no_route no_route;
    struct sp_hcm_place place;
    uint32_t max_requests;                         /* a connection; 0: no limit */
};

/* hcm_rest.c. Of the finished `h`, which holds one reference; takes over its logs. */
struct sp_hcm_rest *sp_hcm_rest_new(const struct sp_hcm *h);
struct sp_hcm_rest *sp_hcm_rest_ref(struct sp_hcm_rest *r);
void sp_hcm_rest_mute(struct sp_hcm_rest *r); /* frees its logs; before anything was served */
void sp_hcm_rest_unref(struct sp_hcm_rest *r); /* NULL-safe */
/* As a connection manager without anything to run: for s->hcm. */
const struct sp_hcm *sp_hcm_rest_hcm(const struct sp_hcm_rest *r);
/* hcm_options.c: everything but filters, routes and logs. False after an error. */
bool sp_hcm_options(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg);
void sp_hcm_options_free(struct sp_hcm *h);
/* hcm_filters.c: the plan and its configs. False after an error. */
bool sp_hcm_filters(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg);
void sp_hcm_filters_free(struct sp_hcm *h);

#endif
