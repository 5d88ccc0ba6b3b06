/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_access_filter: an AccessLogFilter compiled: whether a stream is logged.  Immutable, any thread.
 */
#ifndef SP_STREAM_ACCESS_FILTER_H
#define SP_STREAM_ACCESS_FILTER_H

#include "envoy/config/accesslog/v3/accesslog.pb-c.h"
#include "stream/format.h"

struct sp_access_filter;

/* NULL after an error. */
struct sp_access_filter *sp_access_filter_new(const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Config__Accesslog__V3__AccessLogFilter *msg);
void sp_access_filter_free(struct sp_access_filter *f); /* NULL-safe */
/* `random` decides runtime_filter. */
bool sp_access_filter_pass(const struct sp_access_filter *f, const struct sp_format_input *in, uint64_t random);

#endif
