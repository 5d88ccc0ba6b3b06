/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/access_token.h"

#include <assert.h>

void sp_access_token_note(struct sp_stream_info *info, const struct sp_headers *request, struct sp_str token)
{
    assert(info && request && token.len);
    if (info->access_token.len && !sp_str_eq(info->access_token, token))
        info->access_tokens_differ = true;
    info->access_token = token;
    for (const struct sp_header *h = NULL; (h = sp_headers_find_id(request, SP_H_AUTHORIZATION, h));) {
        if (!sp_str_ends(h->value, token))
            continue;
        info->access_token_bearer |= sp_str_istarts(h->value, SP_STR("Bearer "));
        info->access_token_dpop |= sp_str_istarts(h->value, SP_STR("DPoP "));
    }
}
