/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading what filters left as dynamic metadata (JSON texts, stream/info.h): the values of one stream, each parsed once
 * for one decision, and Envoy's MetadataMatcher over them.  A view lives on the stack of whoever decides.
 */
#ifndef SP_STREAM_METADATA_H
#define SP_STREAM_METADATA_H

#include "envoy/type/matcher/v3/metadata.pb-c.h"
#include "route/value_matcher.h"
#include "stream/info.h"

enum { SP_METADATA_MAX_DOCS = 16 }; /* that one decision looks at */

struct sp_metadata_view {
    const struct sp_stream_info *info;
    struct {
        const struct sp_metadata *from;
        json_t *json; /* NULL: it cannot be read */
    } docs[SP_METADATA_MAX_DOCS];
    unsigned n;
    bool unreadable; /* something that was asked for is no JSON, or larger than any filter leaves it */
};

void sp_metadata_view_init(struct sp_metadata_view *v, const struct sp_stream_info *info);
void sp_metadata_view_done(struct sp_metadata_view *v);
/* The value that was set under ns and key; NULL when there is none. Lives as long as the view. */
const json_t *sp_metadata_get(struct sp_metadata_view *v, struct sp_str ns, struct sp_str key);

struct sp_metadata_matcher;
/* NULL after an error in `diag`. */
struct sp_metadata_matcher *sp_metadata_matcher_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                    const Envoy__Type__Matcher__V3__MetadataMatcher *msg);
void sp_metadata_matcher_free(struct sp_metadata_matcher *m); /* NULL-safe */
/* What stands at its path; NULL when nothing does. Lives as long as the view. */
const json_t *sp_metadata_matcher_find(const struct sp_metadata_matcher *m, struct sp_metadata_view *v);
/* *ret_limit is set (never cleared) when an expression hit its limit. */
bool sp_metadata_match(const struct sp_metadata_matcher *m, struct sp_metadata_view *v, bool *ret_limit);

#endif
