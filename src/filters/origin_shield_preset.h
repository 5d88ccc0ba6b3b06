/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a preset of origin_shield stands for (sallyport.filters.http.origin_shield.v1.Preset): an all_of of the CDN's
 * addresses, out of the lists that are given, and of its own proofs.  Nothing is in it that the same words could not say
 * without it; `sallyport validate` prints them.  Only while configs are compiled.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_PRESET_H
#define SP_FILTERS_ORIGIN_SHIELD_PRESET_H

#include "config/doc.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"

/* "CLOUDFRONT"; static. */
const char *sp_shield_cdn_name(Sallyport__Filters__Http__OriginShield__V1__Cdn cdn);
/*
 * The proof, of messages that belong to the document and stand at the preset's place; lists of them are in `arena`. NULL
 * after an error: a list that is not this CDN's.
 */
const Sallyport__Filters__Http__OriginShield__V1__Proof *sp_shield_preset_expand(
    const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
    const Sallyport__Filters__Http__OriginShield__V1__Preset *msg);

#endif
