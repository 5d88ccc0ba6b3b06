/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What requests may be upgraded to: upgrade_configs of the connection manager and of the route.  Part of sp_hcm; for
 * stream/ only.
 */
#ifndef SP_STREAM_HCM_UPGRADES_H
#define SP_STREAM_HCM_UPGRADES_H

#include "stream/hcm_impl.h"

/* False after an error. */
bool sp_hcm_upgrades(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg);
/* Whether `protocol` is taken on that route; *ret_group: the filters that run then. */
bool sp_hcm_upgrade_allowed(const struct sp_hcm *h, const struct sp_route *r, struct sp_str protocol, uint8_t *ret_group);

#endif
