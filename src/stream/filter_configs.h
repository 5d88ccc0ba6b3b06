/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct sp_filter_configs: a compiled typed_per_filter_config map of a weighted cluster, route, virtual host or route
 * table.  Keys are names of http_filters; a value is the filter's own per-route message, or a FilterConfig around it.
 * Gates cannot be addressed.  Immutable, any thread; owned by the route table.
 */
#ifndef SP_STREAM_FILTER_CONFIGS_H
#define SP_STREAM_FILTER_CONFIGS_H

#include "config/doc.h"
#include "stream/chain.h"

struct sp_filter_config {
    unsigned slot; /* index of the filter in the plan */
    bool disabled;
    const struct sp_filter_ops *ops;
    void *config; /* NULL: a switch only */
};

struct sp_filter_configs {
    unsigned n;
    struct sp_filter_config v[];
};

/* `builds`: one a slot. `entries`: the map's, as protobuf-c has it (route.h). NULL when n is 0 or after an error. */
struct sp_filter_configs *sp_filter_configs_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                const struct sp_filter_plan *plan, const struct sp_filter_build *builds,
                                                const void *msg, const void *entries, size_t n);
void sp_filter_configs_free(struct sp_filter_configs *c); /* NULL-safe */
/* NULL-safe; NULL when the filter is not in it. */
const struct sp_filter_config *sp_filter_configs_find(const struct sp_filter_configs *c, unsigned slot);

#endif
