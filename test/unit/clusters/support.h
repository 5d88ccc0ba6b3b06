/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the cluster tests share: a cluster from YAML on fake workers with a clock of their own, and a request whose answer
 * is written down.
 */
#ifndef TEST_CLUSTERS_SUPPORT_H
#define TEST_CLUSTERS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "clusters/cluster.h"
#include "clusters/upstream.h"
#include "fake_wire.h"
#include "support/config.h"

enum { T_WORKERS = 2 }; /* and the prober */

struct t_bed {
    struct sp_worker workers[T_WORKERS + 1];
    uint64_t now_ns;
    struct t_config config, local_config;
    struct sp_cluster *cluster, *local; /* local: NULL but for t_bed_zone */
};

/* Compiles, starts and attaches. The test fails when there are errors. */
void t_bed_new(struct t_bed *b, const char *yaml);
/* The same in this zone, with the local cluster of `local`, which is no "c". */
void t_bed_zone(struct t_bed *b, const char *zone, const char *local, const char *yaml);
/* A cluster named "c" with these hosts ("127.0.0.1:1" each with its number as port), and more lines at its level. */
void t_bed_hosts(struct t_bed *b, unsigned n, const char *more);
/* Detaches at once, stops, and asserts that nothing is left. */
void t_bed_free(struct t_bed *b);
/* One turn of every worker, ms later. */
void t_step(struct t_bed *b, unsigned ms);
uint64_t t_stat(const char *name); /* below "cluster.c."; the test fails when there is none */
struct sp_slot *t_slot(struct t_bed *b, unsigned worker);
/* A host by its place in the cluster's set, and its place. */
struct sp_host *t_host(const struct t_bed *b, unsigned at);
unsigned t_at(const struct t_bed *b, const struct sp_host *h);

/* Lines of a transport_socket with TLS that verifies against a CA of its own; static. */
const char *t_tls(void);
/* The errors of a cluster that does not compile, as printed. Free it. */
char *t_cluster_errors(const char *yaml);

struct t_call {
    struct sp_upstream up;
    struct sp_arena arena;
    struct sp_stream_info info;
    struct sp_headers request;
    struct sp_sink sink;
    unsigned status, informed;
    struct sp_headers *response;
    char body[4096];
    size_t body_len;
    bool ended, trailers, aborted, failed;
    enum sp_abort why;
    struct sp_upstream_failure failure;
    int paused;          /* of the request */
    bool cancel_in_head; /* cancels from inside headers */
    void (*on_end)(struct t_call *c); /* when it ended, was aborted or failed; may be NULL */
    void *user;
};

/* lines: as t_headers; NULL: GET http://h/. */
void t_call_begin(struct t_call *c, struct t_bed *b, unsigned worker, const struct sp_upstream_setup *more,
                  const char *lines, bool end);
void t_call_get(struct t_call *c, struct t_bed *b);
void t_call_data(struct t_call *c, const char *text, bool end);
void t_call_done(struct t_call *c);
#define assert_str(s, expected) assert_string_equal(t_c(&c_arena_, (s)), (expected))
extern struct sp_arena c_arena_; /* for assert_str; freed by t_bed_free */

#endif
