/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address lists that CDNs publish, in their own formats: text in, ranges out, no I/O.  All or nothing: one entry that
 * is no range, or a range so wide that it tells no one apart, refuses the list, since half a list locks out half a CDN.
 * Sizes and counts are bounded.  Pure functions, any thread.
 *
 * services and regions select entries of the formats that have them:
 *   AWS_IP_RANGES        prefixes[].service                    .region           (ip-ranges.json)
 *   AZURE_SERVICE_TAGS   values[].name "AzureFrontDoor.Backend"  .properties.region  (the weekly file)
 *   GOOGLE               prefixes[].service                    .scope            (goog.json, cloud.json)
 *   AKAMAI_SITE_SHIELD   siteShieldMaps[].ruleName, mapAlias or id               (current and proposed ranges)
 */
#ifndef SP_NET_CDN_LIST_H
#define SP_NET_CDN_LIST_H

#include "net/cidr.h"

enum {
    SP_CDN_MAX_BYTES = 32 << 20,
    SP_CDN_MAX_RANGES = 250000,
    SP_CDN_MAX_SELECTORS = 64, /* of each kind */
    SP_CDN_WHY = 256,
};

enum sp_cdn_format {
    SP_CDN_PLAIN, /* a range a line; '#' begins a comment */
    SP_CDN_AWS_IP_RANGES,
    SP_CDN_CLOUDFLARE, /* ips-v4 and ips-v6 as text, or the API's JSON */
    SP_CDN_FASTLY,
    SP_CDN_AZURE_SERVICE_TAGS,
    SP_CDN_GOOGLE,
    SP_CDN_AKAMAI_SITE_SHIELD,
    SP_CDN_N_FORMATS,
};

/* Which selectors a format has. */
bool sp_cdn_has_services(enum sp_cdn_format format);
bool sp_cdn_has_regions(enum sp_cdn_format format);

/* No selector of a kind: all of them. An entry matches in any case of its letters. */
struct sp_cdn_select {
    const struct sp_str *services, *regions;
    unsigned n_services, n_regions;
};

/* As they stand in the list, one range perhaps several times. */
struct sp_cdn_ranges {
    struct sp_cidr *v;
    unsigned n, cap;
};

/*
 * Fills *ret, which sp_cdn_ranges_done gives back; at least one range.  False, and `why` says what is wrong in
 * printable ASCII: not in the format, empty, a bad range, or a selector that matches no range.
 */
bool sp_cdn_parse(enum sp_cdn_format format, const struct sp_cdn_select *select, struct sp_str text,
                  struct sp_cdn_ranges *ret, char why[SP_CDN_WHY]);
void sp_cdn_ranges_done(struct sp_cdn_ranges *r);

#endif
