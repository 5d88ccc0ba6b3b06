/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each filter said to a request, as steps of the report: an sp_trace that takes notes.  Private to tools/explain*.
 * One thread.
 */
#ifndef SP_TOOLS_EXPLAIN_FILTERS_H
#define SP_TOOLS_EXPLAIN_FILTERS_H

#include "stream/trace.h"
#include "tools/explain_places.h"
#include "tools/explain_report.h"

struct sp_filter_notes {
    struct sp_trace trace;
    struct sp_report *report;
    const struct sp_places *places;
    const struct sp_route_table *routes;
    json_t *said[SP_CHAIN_MAX_FILTERS]; /* the step of each filter that ran */
    /* Before the call that runs. */
    struct sp_headers before;
    struct sp_arena arena;
    struct sp_str authority, path, method;
    unsigned n_shadow, n_metadata;
    struct sp_addr client;
    bool proven;
    /* Of the answer. */
    json_t *answer;
    struct sp_buf body;
    bool was_reset;
};

void sp_filter_notes_init(struct sp_filter_notes *n, struct sp_report *report, const struct sp_places *places,
                          const struct sp_route_table *routes);
void sp_filter_notes_done(struct sp_filter_notes *n);
/* At the end: filters that were switched off, or never came to it. */
void sp_filter_notes_rest(struct sp_filter_notes *n, const struct sp_chain *c);
/* The first filter that holds the request; NULL: none. */
const struct sp_filter_slot *sp_filter_notes_waits(const struct sp_chain *c);

#endif
