/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_cx_limit: how many connections may be open at once, on one listener or on all (Envoy's runtime keys
 * envoy.resource_limits.listener.<name>.connection_limit and overload.global_downstream_max_connections).  The count is one
 * atomic word for all workers, touched only where a limit is set; it outlives a config, so that connections of an
 * older one count too.  A limit is part of a compiled listener: immutable, any thread.
 */
#ifndef SP_LISTENERS_CX_LIMIT_H
#define SP_LISTENERS_CX_LIMIT_H

#include "base/str.h"

struct sp_cx_count;

struct sp_cx_limit {
    struct sp_cx_count *count; /* NULL: no limit */
    uint64_t max;
};

/* Limits as a config states them; borrowed while listeners are compiled. */
struct sp_cx_named {
    struct sp_str listener;
    uint64_t max;
};
struct sp_cx_limits {
    uint64_t global; /* 0: none */
    struct sp_cx_named *v;
    unsigned n;
};

/* Limits of one name share their count. */
void sp_cx_limit_init(struct sp_cx_limit *l, struct sp_str name, uint64_t max);
void sp_cx_limit_done(struct sp_cx_limit *l);
/* One more: false when there are `max` already. */
bool sp_cx_limit_take(const struct sp_cx_limit *l);
/* What was taken. */
void sp_cx_limit_give(const struct sp_cx_limit *l);
/* What was taken of `from` counts for `to` from now on, be that full. */
void sp_cx_limit_move(const struct sp_cx_limit *from, const struct sp_cx_limit *to);

#endif
