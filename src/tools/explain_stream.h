/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The request's part of an explanation: the real codec, connection manager and filters, fed from memory.  Private to
 * tools/explain*.  One thread.
 */
#ifndef SP_TOOLS_EXPLAIN_STREAM_H
#define SP_TOOLS_EXPLAIN_STREAM_H

#include "clusters/offline.h"
#include "event/worker.h"
#include "tools/explain_conn.h"

/* What clusters of the config were asked for, in the report as it happens. `o` first: set it with sp_cluster_offline. */
struct sp_explain_asked {
    struct sp_offline o;
    struct sp_report *report;
    const void *info;          /* of the request that is explained; NULL before it */
    const struct sp_chain *chain; /* its own */
    bool upstream;             /* it was to be sent */
    struct sp_str last;        /* the cluster that was asked last, by a filter or at the start */
    bool at_start;             /* something is to be fetched before the first request: keys, mostly */
};

void sp_explain_asked_init(struct sp_explain_asked *a, struct sp_report *report);
/* `c`: connected. On `w`'s thread. The report gets its verdict. */
void sp_explain_request(struct sp_explain_conn *c, struct sp_explain_asked *asked, struct sp_worker *w);

#endif
