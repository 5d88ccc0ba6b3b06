/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake of the filter chain for the filters' unit tests: it implements what stream/filter.h gives to filters (so the
 * real chain is not linked) and records what a filter asked for.  One stream at a time; one thread.
 */
#ifndef TEST_UNIT_FILTERS_FAKE_CHAIN_H
#define TEST_UNIT_FILTERS_FAKE_CHAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/doc.h"
#include "stats/stats.h"
#include "stream/filter.h"
#include "stream/stream.h"

/* A filter's config and all that it was made of. */
struct fake_config {
    struct sp_doc *doc;
    struct sp_diag diag;
    struct sp_filter_build build;
    const struct sp_filter_ops *ops;
    void *config;
    bool for_route;
};

/* Build flags for what follows: reset by fake_config_free. */
extern const void *fake_filter_config; /* the filter's own, for its routes */
extern bool fake_tls, fake_tls_verifies, fake_client_derived, fake_proof_before, fake_proof_weak;
/* What every name of a cluster but "missing" stands for; NULL: there are none. */
extern struct sp_cluster *fake_cluster;

/* Loads YAML as `desc`, checks the rules, compiles; the test fails, showing the errors, if it does not. */
struct fake_config *fake_config_new(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                    const char *yaml);
/* The same with route_config_new. */
struct fake_config *fake_route_config_new(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                          const char *yaml);
/* The test fails unless this is refused and the errors contain each of the words, which are separated by '|'. */
void fake_config_refused(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc, const char *yaml,
                         const char *words);
void fake_config_free(struct fake_config *c);

struct fake_stream {
    struct sp_arena arena;
    struct sp_turn turn;
    struct sp_conn_info conn;
    struct sp_tls_info tls;
    struct sp_stream_info info;
    struct sp_headers request, response;
    bool has_response;
    const struct sp_route *route;
    const void *route_config;
    const void *route_configs[SP_FILTER_LEVELS]; /* n_route_configs of them */
    unsigned n_route_configs;
    uint64_t random;
    struct sp_stream_owner owner; /* worker 0 */
    struct sp_buf injected;
    /* What was asked. */
    bool replied;
    struct sp_reply reply;
    bool not_enforced;        /* what sp_filter_enforced denies */
    struct sp_str shadow;     /* what was noted last */
    unsigned continued[2], routes_cleared, paused, finalized;
    const struct sp_weighted_cluster *weighted;
    struct sp_sink response_sink;
};

/* A GET of https://door.example`path` from 192.0.2.1 (SOCKET, PEER and CLIENT). */
void fake_stream_init(struct fake_stream *s, const char *path);
void fake_stream_done(struct fake_stream *s);
void fake_header(struct fake_stream *s, const char *name, const char *value);
/* Sets SOCKET, PEER and CLIENT. */
void fake_address(struct fake_stream *s, const char *ip);
struct sp_addr fake_ip(const char *ip);
/* A filter of this stream, made as the chain makes it. */
struct sp_filter *fake_filter(struct fake_stream *s, const struct fake_config *c);
/* Runs decode_headers of a new filter and destroys it. */
enum sp_status fake_decode(struct fake_stream *s, const struct fake_config *c);
/* The metadata's JSON; NULL when it is not set. */
const char *fake_metadata(const struct fake_stream *s, const char *ns, const char *key);
/* The first line of a request header; NULL when there is none. */
const char *fake_request_header(const struct fake_stream *s, const char *name);
/* The line that the reply adds; NULL when there is none. */
const char *fake_reply_header(const struct fake_stream *s, const char *name);
/* Asserts the reply. */
void fake_replied(const struct fake_stream *s, unsigned status, const char *body, const char *details);

/* A counter's value by its name behind "http.ingress."; the test fails when there is none. */
uint64_t fake_stat(const char *name);
/* For cmocka_run_group_tests. */
int fake_setup(void **state);
int fake_teardown(void **state);

#endif
