/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/origin_ocsp.h"

#include <assert.h>

#include "clusters/asks.h"
#include "clusters/ocsp.h"
#include "clusters/state.h"

struct work {
    struct sp_cluster *cluster;
    const struct sp_cluster_build *build;
};

static void add(void *arg, unsigned socket, const Sallyport__Tls__V1__Ocsp *msg)
{
    const struct work *w = arg;
    struct sp_cluster *c = w->cluster;
    struct sp_cluster_options *o = socket ? &c->sockets.v[socket - 1].options : &c->options;
    if (!o->asker)
        o->asker = sp_ocsp_asker(sp_ocsp_new(w->build->doc, w->build->diag, msg, w->build->find_cluster, w->build->ctx, c->stats.ssl.scope));
}

void sp_origin_ocsp_init(struct sp_cluster *c, const struct sp_cluster_build *build, const Envoy__Config__Cluster__V3__Cluster *msg)
{
    assert(c && build && msg);
    struct work w = {c, build};
    sp_asks_each(build->doc, msg, add, &w);
}
