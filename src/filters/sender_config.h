/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sender_constraint's compiled config.  Immutable but for the set of proofs that were used, which all workers share.
 */
#ifndef SP_FILTERS_SENDER_CONFIG_H
#define SP_FILTERS_SENDER_CONFIG_H

#include "config/live.h"
#include "filters/replay_set.h"
#include "sallyport/filters/http/sender_constraint/v1/sender_constraint.pb-c.h"
#include "stats/stats.h"
#include "stream/filter.h"

struct sp_sender_source {
    struct sp_str ns, key;
};

struct sp_sender_config {
    struct sp_arena arena;
    struct sp_sender_source *sources;
    unsigned n_sources;
    Sallyport__Filters__Http__SenderConstraint__V1__Binding mtls, dpop;
    bool required, bypass_preflight;
    const struct sp_str *algs;
    unsigned n_algs;
    struct sp_str algs_text; /* "ES256 EdDSA", for challenges */
    int64_t window;
    struct sp_str *origins; /* "https://api.example.com", normalised; none: the request's own */
    unsigned n_origins;
    bool nonces, keep_proof;
    int64_t nonce_lifetime;
    struct sp_live *nonce_secret; /* NULL: the process's own */
    struct sp_replay_set *seen;
    struct sp_counter allowed, denied, errors, mtls_bound, dpop_bound, unbound;
};

struct sp_sender_route {
    bool disabled;
};

/* NULL after an error. */
struct sp_sender_config *sp_sender_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg);
void sp_sender_config_free(struct sp_sender_config *c);
/* The key of nonces; valid until the end of this turn. */
struct sp_str sp_sender_nonce_key(const struct sp_sender_config *c);

#endif
