/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection manager compiled from YAML, with fake filters under the types of real ones, and fake codec streams on a
 * fake clock: requests go in as text, what the codec would have sent comes out as text.
 *
 * Filters: OriginShield (a gate that proves), IpRestriction (a gate), JwtAuthentication and HeaderMutation (ordinary; a
 * HeaderMutationPerRoute is HeaderMutation's config for a route), Router (terminal).
 */
#ifndef TEST_UNIT_STREAM_STREAM_SUPPORT_H
#define TEST_UNIT_STREAM_STREAM_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/codec.h"
#include "stream/stream.h"
#include "support/config.h"

enum fake { SHIELD, RESTRICTION, JWT, MUTATION, ROUTER, N_FAKES };

/* What a fake filter does when it gets a head; NULL: SP_CONTINUE. Reset by world_free. */
extern enum sp_status (*fake_decode[N_FAKES])(struct sp_filter *f, struct sp_headers *h, bool end);
extern enum sp_status (*fake_encode[N_FAKES])(struct sp_filter *f, struct sp_headers *h, bool end);
extern void (*fake_complete)(struct sp_filter *f); /* the router's */
extern void (*fake_caller[N_FAKES])(const struct sp_filter *f, struct sp_caller *out); /* NULL: it knows nobody */
extern unsigned fake_destroyed[N_FAKES], fake_seen[N_FAKES]; /* heads decoded */
extern const struct sp_filter_ops *const fake_registry[];
/* What `tracing` has for a tracer; NULL: none, as outside of listeners. */
extern struct sp_tracer *(*fake_tracer)(const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__Tracing__Http *provider);
/* Whether the builds saw client_derived, by filter. */
extern bool fake_derived[N_FAKES];

struct world {
    struct t_config config;
    struct sp_hcm *hcm;
    struct sp_turn turn;
    struct sp_conn_info conn;
    struct sp_stream_owner owner;
    struct sp_codec_ops codec_ops;
    struct sp_codec codec;
    unsigned drains;
};

/* Compiles; the test fails unless all is well. `yaml` is what stands in the HttpConnectionManager besides stat_prefix,
 * http_filters and route_config; NULL lists give a router, and one route "/" to cluster "c". */
struct world *world_new(const char *yaml, const char *filters, const char *routes);
void world_free(struct world *w);
/* Compiles and gives what was reported; free() it. */
char *world_errors(const char *yaml, const char *filters, const char *routes, bool tls_verifies);
void world_pass(struct world *w, uint64_t ms);
uint64_t world_stat(const char *name);

struct exchange {
    struct world *w;
    struct sp_arena arena;
    struct sp_codec_stream cs;
    struct sp_headers request;
    struct sp_headers *info, *head, *trailers; /* what was sent */
    struct sp_buf body;
    bool ended, aborted, cancelled, closed;
    enum sp_abort why;
    int pauses;
    struct sp_source upstream;
    bool up_cancelled;
    int up_pauses;
    struct sp_headers response;
};

/* A request; lines as t_headers has them. */
struct exchange *ask(struct world *w, const char *lines, bool end);
void ask_data(struct exchange *e, const char *text, bool end);
/* The upstream answers. */
void respond(struct exchange *e, const char *lines, bool end);
void respond_data(struct exchange *e, const char *text, bool end);
/* The codec is done with the stream; frees the exchange. */
void over(struct exchange *e, enum sp_abort why);
/* A field of what was sent, of the request as the router has it; "-" if there is none. */
const char *sent(const struct exchange *e, const char *name);
const char *routed(const struct exchange *e, const char *name);
void sent_body(struct exchange *e, const char *text);
const char *details(const struct exchange *e);
struct sp_stream_info *info_of(const struct exchange *e);
struct sp_filter *filter_of(const struct exchange *e, unsigned index);

#define GET(path) ":method: GET\n:scheme: http\n:authority: a.test\n:path: " path "\n"
#define SHIELD_FILTER \
    "- {name: shield, typed_config: {\"@type\": " \
    "type.googleapis.com/sallyport.filters.http.origin_shield.v1.OriginShield, " \
    "proof: {secret_header: {secrets: [{name: a, value: {inline_string: b}}]}}}}\n"
#define RESTRICTION_FILTER \
    "- {name: restriction, typed_config: {\"@type\": " \
    "type.googleapis.com/sallyport.filters.http.ip_restriction.v1.IpRestriction, deny: [\"1.2.3.4\"], source: PEER}}\n"
#define JWT_FILTER \
    "- {name: jwt, typed_config: {\"@type\": " \
    "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication}}\n"
#define MUTATION_FILTER \
    "- {name: mutation, typed_config: {\"@type\": " \
    "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation}}\n"
#define ROUTER_FILTER \
    "- {name: router, typed_config: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n"

#endif
