/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The route table: RouteConfiguration compiled to a pure match table.  No I/O, no HTTP state: headers in, route out.
 * Immutable, any thread; owned by the config snapshot.  Fields are Envoy's (config.route.v3) unless said.
 */
#ifndef SP_ROUTE_ROUTE_H
#define SP_ROUTE_ROUTE_H

#include "envoy/config/route/v3/route.pb-c.h"
#include "route/matcher.h"

struct sp_cluster;       /* clusters/cluster.h; opaque here */
struct sp_header_ops;    /* stream/header_ops.h: compiled headers to add and remove; opaque here */
struct sp_rate_limits;   /* stream/rate_limits.h: what requests are counted by; opaque here */
struct sp_filter_configs; /* typed_per_filter_config, compiled by stream/; opaque here */

/* What the compiler of a route table gives, so that this layer stays pure. */
struct sp_route_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    void *ctx;
    bool dynamic; /* the table is in a file of its own (rds): validate_clusters is false unless it is set */
    /* The cluster of that name, or NULL. */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    /* Compile the four lists of a message; NULL when all are empty. Errors go to diag. */
    struct sp_header_ops *(*header_ops)(void *ctx, const void *msg,
        Envoy__Config__Core__V3__HeaderValueOption **add_request, size_t n_add_request, char **remove_request, size_t n_remove_request,
        Envoy__Config__Core__V3__HeaderValueOption **add_response, size_t n_add_response, char **remove_response, size_t n_remove_response);
    void (*header_ops_free)(struct sp_header_ops *ops);
    /* Compile a typed_per_filter_config map (entries of msg's field). NULL when empty. `entries` is the protobuf-c array
     * of the *Entry messages, all of which have the layout { base; char *key; Google__Protobuf__Any *value; }. */
    struct sp_filter_configs *(*filter_configs)(void *ctx, const void *msg, const void *entries, size_t n);
    void (*filter_configs_free)(struct sp_filter_configs *c);
    /* Compile a list of rate limits; NULL when it is empty. Errors go to diag. */
    struct sp_rate_limits *(*rate_limits)(void *ctx, Envoy__Config__Route__V3__RateLimit *const *list, size_t n);
    void (*rate_limits_free)(struct sp_rate_limits *l);
    /* Compile what a route says of tracing; NULL: nothing. Errors go to diag. */
    struct sp_route_tracing *(*tracing)(void *ctx, const Envoy__Config__Route__V3__Route *msg);
    void (*tracing_free)(struct sp_route_tracing *t);
};

enum sp_route_kind { SP_ROUTE_CLUSTER, SP_ROUTE_REDIRECT, SP_ROUTE_DIRECT };

/* Bits of RetryPolicy.retry_on. */
enum sp_retry_on {
    SP_RETRY_5XX = 1 << 0, SP_RETRY_GATEWAY_ERROR = 1 << 1, SP_RETRY_RESET = 1 << 2, SP_RETRY_CONNECT_FAILURE = 1 << 3,
    SP_RETRY_RETRIABLE_4XX = 1 << 4, SP_RETRY_REFUSED_STREAM = 1 << 5, SP_RETRY_STATUS_CODES = 1 << 6,
    SP_RETRY_HEADERS = 1 << 7, SP_RETRY_RESET_BEFORE_REQUEST = 1 << 8, SP_RETRY_RATELIMITED = 1 << 9,
    SP_RETRY_GRPC = 10, /* the bit of gRPC's status n is SP_RETRY_GRPC + n */
};
/* The bit of a condition's name in retry_on, also in the request header x-envoy-retry-on or, from SP_RETRY_GRPC on, in
 * x-envoy-retry-grpc-on. 0: there is none of that name. */
uint32_t sp_retry_term(struct sp_str name);
/* A header that says when to come again. */
struct sp_retry_reset {
    struct sp_str name; /* lower-case */
    bool timestamp;
};
/* Metadata of hosts that retries leave alone. */
struct sp_retry_omit {
    struct sp_criterion *v; /* route/criteria.h; n of them */
    unsigned n;
};
struct sp_retry_policy {
    uint32_t on;
    unsigned num_retries;
    uint64_t per_try_timeout_ns, per_try_idle_ns; /* 0: none */
    uint64_t base_ns, most_ns; /* of back-offs */
    bool previous_hosts, omit_canaries; /* retry_host_predicate */
    struct sp_retry_omit *omits;        /* n_omits of them: OmitHostMetadata */
    unsigned n_omits;
    unsigned every_priorities; /* retry_priority: update_frequency; 0: none */
    unsigned host_looks; /* how often another host is asked for */
    struct sp_retry_reset *resets; /* n_resets of them: rate_limited_retry_back_off */
    unsigned n_resets;
    uint64_t reset_most_ns;
    struct sp_header_matcher **requests; /* n_requests of them: one has to match the request */
    unsigned n_requests;
    const uint32_t *status_codes;
    unsigned n_status_codes;
    struct sp_header_matcher **headers;
    unsigned n_headers;
};

/* RouteAction.upgrade_configs. */
struct sp_route_upgrade {
    struct sp_str type;
    bool enabled;
};

struct sp_criteria; /* route/criteria.h */
struct sp_proxy_header; /* net/proxy_config.h */

struct sp_weighted_cluster {
    struct sp_str name;
    struct sp_cluster *cluster; /* NULL: unknown (validate_clusters: false) */
    uint32_t upto;              /* sum of the weights up to and with this one */
    struct sp_header_ops *header_ops;
    struct sp_filter_configs *filter_configs;
    struct sp_str host_rewrite;
    const struct sp_criteria *criteria; /* metadata_match over the route's; NULL: none */
};

struct sp_vhost;
struct sp_route_table;
struct sp_hash_policy; /* route/hash_policy.h */
struct sp_mirror_policy; /* route/mirror.h */
struct sp_redirect_policy; /* route/internal_redirect.h */
struct sp_rq_stats;        /* route/answer_stats.h */
struct sp_vclusters;       /* route/vcluster.h */

struct sp_route {
    const struct sp_vhost *vhost;
    struct sp_str name, metadata; /* metadata: as JSON; empty: none */
    const struct sp_route_match *match;
    struct sp_rq_stats *stats; /* stat_prefix; NULL: none */
    enum sp_route_kind kind;
    struct sp_header_ops *header_ops;
    struct sp_filter_configs *filter_configs;
    struct sp_route_tracing *tracing; /* NULL: as the connection manager has it */
    /* SP_ROUTE_CLUSTER */
    struct sp_str cluster_name;    /* cluster */
    struct sp_cluster *cluster;
    struct sp_str cluster_header;  /* lower-case */
    struct sp_weighted_cluster *weighted;
    unsigned n_weighted;
    uint32_t total_weight;
    unsigned cluster_not_found_status; /* 503, 404 or 500 */
    struct sp_str host_rewrite_literal, host_rewrite_header;
    bool auto_host_rewrite, append_x_forwarded_host;
    const struct sp_retry_policy *retry; /* the route's or the virtual host's; NULL: none */
    uint64_t timeout_ns;           /* 15 s when unset; 0: none */
    uint64_t idle_timeout_ns;      /* has_idle_timeout; 0: none */
    uint64_t max_stream_duration_ns;
    uint64_t grpc_stream_max_ns, grpc_stream_offset_ns; /* has_grpc_stream; max 0: no limit */
    uint64_t grpc_max_ns, grpc_offset_ns;               /* has_grpc_timeout: of `timeout` */
    bool has_idle_timeout, has_max_stream_duration, has_grpc_stream, has_grpc_timeout;
    bool high;                     /* priority HIGH: the cluster's limits of that */
    bool new_timeouts;             /* there is a max_stream_duration: `timeout` says nothing, as in Envoy */
    bool has_body_limit;           /* request_body_buffer_limit */
    uint64_t body_limit;           /* that, or per_request_buffer_limit_bytes: what may be kept of a body for another attempt;
                                    * UINT64_MAX: no limit but the connection's */
    struct sp_rate_limits *rate_limits;
    struct sp_hash_policy *hash_policies;
    unsigned n_hash_policies;
    const struct sp_criteria *criteria; /* metadata_match; NULL: none */
    const struct sp_mirror_policy *mirrors; /* n_mirrors of them */
    unsigned n_mirrors;
    const struct sp_redirect_policy *redirects; /* internal_redirect_policy; NULL: none is followed */
    const struct sp_route_upgrade *upgrades;
    unsigned n_upgrades;
    bool connect_ends;        /* connect_config: a CONNECT's tunnel ends here */
    const struct sp_proxy_header *connect_proxy; /* what it begins with towards the origin; NULL: nothing */
    /* SP_ROUTE_DIRECT */
    unsigned direct_status;
    struct sp_str direct_body;
    void *priv; /* rewrites and redirects: route's own */
};

struct sp_vhost {
    const struct sp_route_table *table;
    struct sp_str name, metadata; /* metadata: as JSON; empty: none */
    struct sp_header_ops *header_ops;
    struct sp_filter_configs *filter_configs;
    struct sp_rate_limits *rate_limits;
    struct sp_vclusters *vclusters; /* virtual_clusters; NULL: none */
    bool attempts_to_origin, attempts_to_client; /* x-envoy-attempt-count */
    bool timeouts_to_origin;                     /* x-envoy-is-timeout-retry */
    uint8_t require_tls; /* 0 none, 1 external only, 2 all */
};

/*
 * For an upgrade_configs entry, of a route or a connection manager: an error when `type` is no protocol that can be
 * upgraded to, or one of the first `n` of `before` is the same.
 */
bool sp_upgrade_type_check(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *type,
                           const char *const *before, size_t n);

/*
 * NULL after an error; all errors are in build->diag. Clusters that are unknown are errors unless validate_clusters is false; see
 * build->dynamic.
 */
struct sp_route_table *sp_route_table_new(const struct sp_route_build *build,
                                          const Envoy__Config__Route__V3__RouteConfiguration *msg);
void sp_route_table_free(struct sp_route_table *t); /* NULL-safe */
struct sp_str sp_route_table_name(const struct sp_route_table *t);
struct sp_header_ops *sp_route_table_header_ops(const struct sp_route_table *t);
struct sp_filter_configs *sp_route_table_filter_configs(const struct sp_route_table *t);
bool sp_route_table_most_specific_wins(const struct sp_route_table *t);
/* Whether one of its routes has an internal_redirect_policy. */
bool sp_route_table_redirects(const struct sp_route_table *t);
const struct sp_str *sp_route_table_internal_only_headers(const struct sp_route_table *t, unsigned *ret_n);

/* The virtual host of an authority (exact, longest suffix, longest prefix, "*"), or NULL. */
const struct sp_vhost *sp_route_vhost(const struct sp_route_table *t, struct sp_str authority);
/* Where it stands in the table, and its routes in order: for tools that show why one did not match. */
unsigned sp_route_vhost_index(const struct sp_vhost *v);
const struct sp_route *sp_route_vhost_routes(const struct sp_vhost *v, unsigned *ret_n);
/* The first route of it that matches, or NULL. */
const struct sp_route *sp_route_find(const struct sp_vhost *v, const struct sp_headers *h, uint64_t random);

/* The cluster of one request: *ret_weighted is set when one of several was chosen (by `random`). NULL: unknown; the
 * name that was asked for is in *ret_name. `find` is for cluster_header. */
struct sp_cluster *sp_route_pick_cluster(const struct sp_route *r, const struct sp_headers *h, uint64_t random,
                                         struct sp_cluster *(*find)(void *ctx, struct sp_str name), void *ctx,
                                         struct sp_str *ret_name, const struct sp_weighted_cluster **ret_weighted);
/*
 * Path rewriting (prefix_rewrite, regex_rewrite) and host rewriting but auto_host_rewrite, into h, in its arena. The path
 * before goes to *ret_original_path (a NULL slice when it was not changed), likewise the host; append_x_forwarded_host is
 * done too. False: a rewrite failed (regular expression limit, or the result is no valid path): answer 500.
 */
bool sp_route_rewrite(const struct sp_route *r, const struct sp_weighted_cluster *w, struct sp_headers *h,
                      struct sp_str *ret_original_path, struct sp_str *ret_original_host);
/* The Location of a redirect and its status. A NULL slice, and status 500: a rewrite failed as above. */
struct sp_str sp_route_redirect(const struct sp_route *r, const struct sp_headers *h, unsigned *ret_status);

#endif
