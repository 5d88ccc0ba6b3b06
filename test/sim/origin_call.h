/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster over real sockets, on a loop of the test's own, and requests to it whose answers are written down.
 */
#ifndef TEST_SIM_ORIGIN_CALL_H
#define TEST_SIM_ORIGIN_CALL_H

#include "support/loop.h"

#include <string.h>

#include "base/log.h"
#include "clusters/cluster.h"
#include "clusters/upstream.h"
#include "origin.h"
#include "stats/stats.h"
#include "support/config.h"

struct bed {
    struct loop *loop;
    struct t_config config;
    struct sp_cluster *cluster;
};

/* A cluster "c" of these origins; `more`: lines at its level. */
void bed_new(struct bed *b, struct origin *const *origins, unsigned n, const char *more);
/* Detaches at once and asserts that nothing is left. */
void bed_free(struct bed *b);
uint64_t stat_of(const char *name); /* below "cluster.c." */

#define OPTIONS(text) \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" text
#define H2 OPTIONS("    explicit_http_config: {http2_protocol_options: {}}\n")

#define GET(path) ":method: GET\n:scheme: http\n:authority: o.test\n:path: " path "\n"

struct call {
    struct sp_upstream up;
    struct sp_arena arena;
    struct sp_stream_info info;
    struct sp_headers request;
    struct sp_sink sink;
    struct bed *bed;
    unsigned status;
    size_t got;          /* bytes of the body */
    bool wrong;          /* a byte is not origin_byte's */
    bool pattern;
    bool ended, aborted, failed;
    struct sp_upstream_failure failure;
    int paused;          /* of the request */
    unsigned stutter;    /* pauses the response at each so many pieces, for some turns */
    unsigned pieces;
    struct sp_timer go_on;
};

bool over(const struct call *c);
/* `c` is zeroed but for pattern and stutter; lines as t_headers. */
void call_begin(struct call *c, struct bed *b, const char *lines, bool end);
void call_done(struct call *c);
/* A whole request; the status, of a local answer too; 0: it was cut off. */
unsigned get(struct bed *b, const char *lines);
/* Sends n bytes of a body, as backpressure allows. */
void send_body(struct call *c, size_t n);

#endif
