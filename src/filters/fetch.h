/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_fetch: one document that is fetched again and again over a cluster: a key set, an issuer's description.  A round is
 * one attempt and its retries; a good round is followed by the next one before what it brought is too old, a bad one
 * after a wait that doubles from round to round.  Embedded in its owner; all on the prober's thread but for
 * sp_fetch_target_init, which compiles a config.  Nothing is taken but a whole 200 within the size limit.
 */
#ifndef SP_FILTERS_FETCH_H
#define SP_FILTERS_FETCH_H

#include "clusters/http_client.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/config/core/v3/http_uri.pb-c.h"
#include "stream/filter.h"

/* Where from. */
struct sp_fetch_target {
    struct sp_cluster *cluster;
    struct sp_str scheme, authority, path;
    uint64_t timeout_ns; /* of one attempt */
};

/* Splits "https://host[:port]/path?query"; slices of `uri`, path "/" where there is none. NULL, or why not (static). */
const char *sp_fetch_split(struct sp_str uri, struct sp_fetch_target *t);
/* Of a config; bytes in `arena`. False after an error. */
/* The same where the URI is only a name, as for services that are asked: it needs no scheme, which the cluster's transport then tells. */
bool sp_fetch_service_init(struct sp_fetch_target *t, const struct sp_filter_build *build, struct sp_arena *arena,
                           const Envoy__Config__Core__V3__HttpUri *msg);
bool sp_fetch_target_init(struct sp_fetch_target *t, const struct sp_filter_build *build, struct sp_arena *arena,
                          const Envoy__Config__Core__V3__HttpUri *msg);

struct sp_fetch_plan {
    unsigned retries;          /* within a round */
    uint64_t base_ns, max_ns;  /* waits between them: doubled, jittered */
    uint64_t good_ns, bad_ns;  /* from the end of a round to the next; bad_ns doubles up to SP_FETCH_MAX_BAD_NS */
    size_t max_body;
};
#define SP_FETCH_MAX_BAD_NS (30 * SP_NS_PER_S)
/* Envoy's defaults, and what the RetryPolicy (or NULL) says. */
void sp_fetch_plan_retries(struct sp_fetch_plan *plan, const Envoy__Config__Core__V3__RetryPolicy *msg);

struct sp_fetch {
    struct sp_fetch_target target; /* its slices live as long */
    struct sp_fetch_plan plan;
    /* A 200's body: true takes it; false is a failure, *ret_why static. */
    bool (*take)(struct sp_fetch *f, struct sp_str body, const char **ret_why);
    void (*begun)(struct sp_fetch *f); /* a round begins. May be NULL */
    /* A round is over; `why` for logs. */
    void (*over)(struct sp_fetch *f, bool good, const char *why);
    /* Its own: zeroed. */
    struct sp_worker *prober;
    struct sp_http_call *call;
    struct sp_timer next;
    unsigned attempt, bad_rounds;
    bool in_round;
    uint64_t random;
};

/* Begins the first round at once. */
void sp_fetch_start(struct sp_fetch *f, struct sp_worker *prober);
/* The same of what was there already at `good_ns` of the prober's clock: when that is about to be too old. */
void sp_fetch_resume(struct sp_fetch *f, struct sp_worker *prober, uint64_t good_ns);
/* Nothing is called afterwards; a zeroed one is fine. */
void sp_fetch_stop(struct sp_fetch *f);
/* A round now, unless one is under way. Started. */
void sp_fetch_now(struct sp_fetch *f);

#endif
