/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/config_meta.h"

#include <assert.h>

void sp_config_meta_put(struct sp_stream_info *info, struct sp_arena *arena, enum sp_meta_place place, struct sp_str json)
{
    assert(info && arena && place < SP_META_OF_STREAM);
    if (!info->config_meta)
        info->config_meta = sp_arena_zalloc(arena, sizeof(*info->config_meta));
    info->config_meta->of[place] = json;
}

struct sp_str sp_config_meta_get(const struct sp_stream_info *info, enum sp_meta_place place)
{
    assert(info);
    if (place < SP_META_OF_STREAM)
        return info->config_meta ? info->config_meta->of[place] : SP_STR_NULL;
    const struct sp_conn_place *p = !info->conn ? NULL : place == SP_META_LISTENER ? info->conn->listener : info->conn->filter_chain;
    return p ? p->metadata : SP_STR_NULL;
}
