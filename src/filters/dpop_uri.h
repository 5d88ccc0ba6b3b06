/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The htu of DPoP proofs (RFC 9449 section 4.3): http and https URIs in one form, so that two can be compared byte by
 * byte (RFC 3986 sections 6.2.2 and 6.2.3), without query and fragment.  Pure.
 */
#ifndef SP_FILTERS_DPOP_URI_H
#define SP_FILTERS_DPOP_URI_H

#include "base/arena.h"

/* "https://Api.Example.com:443/a/%7Eb/../c?x" becomes "https://api.example.com/a/c". False when it is no such URI. */
bool sp_dpop_uri(struct sp_str uri, struct sp_arena *arena, struct sp_str *ret);

#endif
