/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_config_meta: what the config says in `metadata` of the places that a request came by, for logs and headers that ask: %METADATA(ROUTE:ns:key)%
 * and its like.  Each as the text of a JSON object by namespace.  In the stream's arena; there at all only where some of them have any.
 */
#ifndef SP_STREAM_CONFIG_META_H
#define SP_STREAM_CONFIG_META_H

#include "stream/info.h"

/* The last two are the connection's. */
enum sp_meta_place { SP_META_ROUTE, SP_META_VHOST, SP_META_CLUSTER, SP_META_HOST, SP_META_OF_STREAM, SP_META_LISTENER = SP_META_OF_STREAM, SP_META_CHAIN };

struct sp_config_meta {
    struct sp_str of[SP_META_OF_STREAM];
};

/* The stream has come there. `json` lives as long as the stream, or is empty: the place has none. */
void sp_config_meta_put(struct sp_stream_info *info, struct sp_arena *arena, enum sp_meta_place place, struct sp_str json);
static inline void sp_config_meta_note(struct sp_stream_info *info, struct sp_arena *arena, enum sp_meta_place place, struct sp_str json)
{
    if (SP_UNLIKELY(json.len || info->config_meta))
        sp_config_meta_put(info, arena, place, json);
}
/* Empty: none. */
struct sp_str sp_config_meta_get(const struct sp_stream_info *info, enum sp_meta_place place);

#endif
