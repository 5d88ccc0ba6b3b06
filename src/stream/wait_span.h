/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The span of a filter that lets a request wait for something that it does not fetch for this request alone (keys, the answer
 * about a token): a child of the request's.  In the stream's arena.
 */
#ifndef SP_STREAM_WAIT_SPAN_H
#define SP_STREAM_WAIT_SPAN_H

#include "stream/filter.h"

/* NULL, unless the request is sampled. */
struct sp_span *sp_wait_span_begin(struct sp_filter *f);
/* NULL-safe. It may be told what came of it (`result`, or empty). */
void sp_wait_span_end(struct sp_filter *f, struct sp_span *span, struct sp_str name, struct sp_str result);

#endif
