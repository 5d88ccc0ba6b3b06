/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/identity.h"

#include <assert.h>

#include "clusters/state.h"

void sp_cluster_identity(const struct sp_cluster *c, struct sp_hash *ret)
{
    assert(c && ret);
    *ret = c->transport;
    sp_hash_mix(ret, c->name);
}
