/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * token_introspection's compiled config.  Immutable but for the desk's per-worker parts and the endpoint's secret.
 */
#ifndef SP_FILTERS_TOKEN_CONFIG_H
#define SP_FILTERS_TOKEN_CONFIG_H

#include "filters/claim_headers.h"
#include "filters/token_desk.h"

/* Where a token may stand. */
struct sp_token_place {
    struct sp_str name, prefix; /* the prefix with its space; empty: the whole value */
};

struct sp_token_config {
    struct sp_arena arena;
    struct sp_token_endpoint endpoint;
    struct sp_token_desk *desk;
    struct sp_token_policy policy;
    struct sp_token_place *places;
    unsigned n_places;
    bool required, skip_jwt, forward, bypass_preflight;
    struct sp_str verified_ns, *verified_keys; /* with skip_jwt */
    unsigned n_verified_keys;
    struct sp_str *scopes; /* required_scopes */
    unsigned n_scopes;
    struct sp_claim_headers claim_headers;
    struct sp_str payload_key; /* empty: none */
    struct sp_str *spaced;
    unsigned n_spaced;
    struct sp_str realm;
    struct sp_str *schemes; /* of challenges: "Bearer", "DPoP" */
    unsigned n_schemes;
    struct sp_counter allowed, denied, errors, skipped;
};

struct sp_token_route {
    bool disabled, has_required, required;
    struct sp_str *scopes; /* NULL: the filter's */
    unsigned n_scopes;
    struct sp_arena arena;
};

/* NULL after an error. */
struct sp_token_config *sp_token_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg);
void sp_token_config_free(struct sp_token_config *c);
struct sp_token_route *sp_token_route_new(const struct sp_filter_build *build, const ProtobufCMessage *msg);
void sp_token_route_free(struct sp_token_route *r);

#endif
