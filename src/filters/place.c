/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/place.h"

#include <assert.h>

void sp_filter_place(const struct sp_filter_build *b, const char *what, const void *msg, const char *const *skip, struct sp_hash *ret)
{
    assert(b && b->doc && what && ret);
    sp_doc_hash_text(b->doc, msg, skip, ret);
    sp_hash_mix(ret, sp_str_c(what));
    sp_hash_mix(ret, sp_str_c(b->stat_prefix ? b->stat_prefix : ""));
    sp_hash_mix(ret, sp_str_c(b->filter_name ? b->filter_name : ""));
    sp_hash_count(b->doc, ret);
}
