/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Akamai's signature header authentication, "G2O" (sallyport.filters.http.origin_shield.v1.AkamaiG2O): the edge signs what
 * it says of a request, and the URL, with a key that it shares with the origin.  Each signature passes once
 * (filters/replay_set.h); when no more can be remembered, further ones are refused.  Part of the shield's config; any worker.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_G2O_H
#define SP_FILTERS_ORIGIN_SHIELD_G2O_H

#include "config/named_secret.h"
#include "filters/replay_set.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stream/filter.h"

enum { SP_G2O_VERSIONS = 5, SP_G2O_MAX_DATA = 1024, SP_G2O_MAX_MAC = 32 };

struct sp_shield_g2o {
    struct sp_named_secret *keys; /* n of them; a key's name is its nonce */
    unsigned n;
    unsigned versions; /* 1 << version */
    int64_t window_s;
    bool path_only;
    struct sp_replay_set *seen;
};

enum sp_g2o_result {
    SP_G2O_OK,
    SP_G2O_BAD,    /* not there, not in its form, an unknown nonce or version, a wrong signature */
    SP_G2O_TIME,   /* too old, or of the future */
    SP_G2O_REPLAY,
    SP_G2O_FULL,   /* nobody can tell whether it is a replay */
};

/* False after an error; sp_shield_g2o_done is owed all the same. */
bool sp_shield_g2o_init(struct sp_shield_g2o *g, const struct sp_filter_build *build, struct sp_arena *arena,
                        struct sp_stats_scope *scope,
                        const Sallyport__Filters__Http__OriginShield__V1__AkamaiG2O *msg);
void sp_shield_g2o_done(struct sp_shield_g2o *g); /* a zeroed one is fine */
/* `data` and `sign`: the headers' values, NULL slices when they are not there exactly once; `url`: the request target. */
enum sp_g2o_result sp_shield_g2o_check(const struct sp_shield_g2o *g, struct sp_str data, struct sp_str sign,
                                       struct sp_str url, int64_t now, struct sp_arena *arena);

/* The signature before its base64; its length. `version` is 1 to SP_G2O_VERSIONS. */
size_t sp_g2o_sign(unsigned version, struct sp_str key, struct sp_str data, struct sp_str url, struct sp_arena *arena,
                   uint8_t out[SP_G2O_MAX_MAC]);

#endif
