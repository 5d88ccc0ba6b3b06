/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * custom_tags: attributes that a config adds to spans, of a connection manager or a route (envoy.type.tracing.v3.CustomTag).
 * Immutable, part of the config.
 */
#ifndef SP_STREAM_SPAN_TAGS_H
#define SP_STREAM_SPAN_TAGS_H

#include "envoy/type/tracing/v3/custom_tag.pb-c.h"
#include "stream/format.h"
#include "tracing/otlp.h"

enum { SP_SPAN_TAGS_MAX = 32 }; /* of one list */

struct sp_span_tag;
struct sp_span_tags {
    struct sp_span_tag *v; /* n of them */
    unsigned n;
    bool of_route; /* some are taken from the route's metadata */
};

/* In the arena, as all below; false after an error. sp_span_tags_done gives back the rest, either way. */
bool sp_span_tags_init(struct sp_span_tags *t, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *owner,
                       Envoy__Type__Tracing__V3__CustomTag **msgs, size_t n);
void sp_span_tags_done(struct sp_span_tags *t);
/* What a route's metadata gives them, one a tag, NULL slices where nothing; NULL where no tag asks for it. */
const struct sp_str *sp_span_tags_of_route(const struct sp_span_tags *t, struct sp_arena *arena, const Envoy__Config__Core__V3__Metadata *msg);

/* Sets them; `route`: what sp_span_tags_of_route gave, or NULL. Values live in `arena` or as long as what they came from. */
void sp_span_tags_apply(const struct sp_span_tags *t, const struct sp_str *route, const struct sp_format_input *in, struct sp_arena *arena,
                        struct sp_attrs *attrs);

#endif
