/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The connection's part of an explanation: which listener, its gates, the filter chain, the handshake.  Private to
 * tools/explain*.  One thread.
 */
#ifndef SP_TOOLS_EXPLAIN_CONN_H
#define SP_TOOLS_EXPLAIN_CONN_H

#include "listeners/whatif.h"
#include "server/compile.h"
#include "stream/info.h"
#include "tools/explain_args.h"
#include "tools/explain_places.h"
#include "tools/explain_report.h"

struct sp_explain_conn {
    const struct sp_explain_args *args;
    struct sp_report *report;
    struct sp_places places;
    const struct sp_listener *listener;
    struct sp_chain_whatif chain;
    struct sp_tls_whatif tls;
    struct sp_conn_info info;
    struct sp_conn_place place; /* what info names */
    bool h2; /* the client speaks HTTP/2 */
};

/* False: the connection is not taken, and the report says why. sp_explain_conn_done either way. */
bool sp_explain_connect(struct sp_explain_conn *c, const struct sp_config *config);
void sp_explain_conn_done(struct sp_explain_conn *c);

#endif
