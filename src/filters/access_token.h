/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The access token of a request, from the filter that verified it to the one that checks who holds it: tokens may be
 * taken out of the request in between, and a DPoP proof names the token's hash (RFC 9449 section 4.3).  It lives in the
 * stream's info and arena, and goes nowhere else.
 */
#ifndef SP_FILTERS_ACCESS_TOKEN_H
#define SP_FILTERS_ACCESS_TOKEN_H

#include "stream/info.h"

/* `token` is good; called while `request` still carries it. Lives as long as the stream. */
void sp_access_token_note(struct sp_stream_info *info, const struct sp_headers *request, struct sp_str token);

#endif
