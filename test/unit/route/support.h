/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the route table's tests share: tables from YAML with made-up clusters, and requests against them.
 */
#ifndef TEST_UNIT_ROUTE_SUPPORT_H
#define TEST_UNIT_ROUTE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "route/route.h"
#include "support/config.h"

struct t_table {
    struct t_config c;
    struct sp_route_table *t;
    struct sp_arena arena; /* of requests */
    struct sp_headers h;   /* the last one */
};

/* Clusters "a", "b" and "c" exist. The test fails unless exactly `said` is reported; t is NULL after errors. */
void t_table(struct t_table *x, const char *yaml, const char *said);
void t_table_done(struct t_table *x);
/* A virtual host that takes everything, with these routes ("  - {match: ...}", from line 5 on). */
void t_table_routes(struct t_table *x, const char *routes, const char *said);
struct sp_cluster *t_cluster(void *ctx, struct sp_str name);

/* The route of a request ("\n"-separated heads, as t_headers) or NULL; it stays in x->h. */
const struct sp_route *t_find(struct t_table *x, const char *lines, uint64_t random);
/* Its name, "-" when there is none. */
const char *t_found(struct t_table *x, const char *lines);

#endif
