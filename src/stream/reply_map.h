/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_reply_map: local_reply_config compiled: what becomes of the status, body and headers of what the gateway answers
 * itself.  Mappers are asked in order, the first that fits is applied; then body_format makes the body.  Immutable, any
 * thread; part of sp_hcm.
 */
#ifndef SP_STREAM_REPLY_MAP_H
#define SP_STREAM_REPLY_MAP_H

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "stream/format.h"

struct sp_reply_map;

/* NULL after an error. */
struct sp_reply_map *sp_reply_map_new(
    const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__LocalReplyConfig *msg);
void sp_reply_map_free(struct sp_reply_map *m); /* NULL-safe */
/*
 * Changes `reply` and its head `h`, which is in->response and has the reply's own headers already. *info is told the
 * status that filters and formats see. Texts are in h's arena. `random` decides runtime_filter.
 */
void sp_reply_map_apply(const struct sp_reply_map *m, const struct sp_format_input *in, struct sp_stream_info *info,
                        struct sp_reply *reply, struct sp_headers *h, uint64_t random);

#endif
