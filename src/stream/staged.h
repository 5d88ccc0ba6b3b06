/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters on trial (sallyport.filters.http.staged.v1.Staged).  Whatever such a filter answers, from a callback or later,
 * is counted and noted on the stream, and the request goes on as if the filter had said SP_CONTINUE (chain_staged.c).
 * From then on that filter is out of the stream: but for request trailers, from which it still takes what it takes out
 * of every request, it sees no more of it.  This is the config's part, in the filter's slot; for stream/ only.
 */
#ifndef SP_STREAM_STAGED_H
#define SP_STREAM_STAGED_H

#include "config/doc.h"
#include "net/sample.h"
#include "stats/stats.h"
#include "stream/filter.h"

/* Part of a filter's slot. */
struct sp_staging {
    bool staged; /* else nothing here counts */
    bool shadow; /* enforced for nobody */
    struct sp_sample sample;
    struct sp_counter shadow_refused;
};

/* What stands in an HttpFilter.typed_config: the filter's own message, taken out of a Staged if it is in one. */
const ProtobufCMessage *sp_staged_content(const struct sp_doc *doc, const Google__Protobuf__Any *any);
/* False after an error. `ops` are the filter's inside. */
bool sp_staging_init(struct sp_staging *s, const struct sp_filter_build *build, const Google__Protobuf__Any *any,
                     const struct sp_filter_ops *ops);
/* Checks that such a filter may stand in a Staged. False after an error. */
bool sp_staged_fits(const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any,
                    const struct sp_filter_ops *ops);

/* Whether the filter's refusal of this stream counts. */
bool sp_staging_enforces(const struct sp_staging *s, const struct sp_stream_info *info);

#endif
