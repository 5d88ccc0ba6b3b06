/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/zone_stats.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct sp_zone_stats *stats_new(struct sp_stats_scope *cluster, struct sp_str own, struct sp_str zone)
{
    struct sp_zone_stats *z = sp_xcalloc(1, sizeof(*z) + zone.len);
    struct sp_stats_scope *scope = sp_stats_scope(cluster, SP_STR("zone"), NULL, SP_STR_NULL);
    scope = sp_stats_scope(sp_stats_scope(scope, own, NULL, SP_STR_NULL), zone, NULL, SP_STR_NULL);
    sp_answer_stats_init(&z->answers, scope);
    z->name_len = zone.len;
    memcpy(z->name, zone.ptr, zone.len);
    return z;
}

struct sp_zone_stats *sp_zone_stats_of(struct sp_zone_stats **list, struct sp_stats_scope *cluster, struct sp_str own, struct sp_str zone)
{
    assert(list && cluster);
    unsigned n = 0;
    if (!own.len || !zone.len)
        return NULL;
    for (struct sp_zone_stats *z = *list; z; z = z->next, n++)
        if (sp_str_eq(sp_str_n(z->name, z->name_len), zone))
            return z;
    if (n == SP_ZONE_STATS_MOST)
        return NULL;
    struct sp_zone_stats *z = stats_new(cluster, own, zone);
    z->next = *list;
    *list = z;
    return z;
}

void sp_zone_stats_free(struct sp_zone_stats *list)
{
    for (struct sp_zone_stats *next; list; list = next) {
        next = list->next;
        free(list);
    }
}
