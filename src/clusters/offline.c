/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/offline.h"

#include <assert.h>

#include "clusters/outcome.h"

static const char *protocol_of(enum sp_conn_kind kind)
{
    switch (kind) {
    case SP_KIND_H2:
        return "HTTP/2";
    case SP_KIND_AUTO:
        return "HTTP/2 or HTTP/1.1 by ALPN";
    case SP_KIND_RAW:
        return "no HTTP: the tunnel's bytes";
    case SP_KIND_H1:
        break;
    }
    return "HTTP/1.1";
}

/* Nobody has checked them: what has not failed would be picked. */
static void take_for_healthy(const struct sp_slot *s)
{
    for (unsigned i = 0; s->hosts && i < s->hosts->n; i++)
        sp_host_set_health(s->cluster, s->hosts->v[i].host, 0, SP_HEALTH_PENDING_ACTIVE_HC | SP_HEALTH_FAILED_ACTIVE_HC);
}

void sp_cluster_offline(struct sp_cluster *c, unsigned worker, struct sp_offline *o)
{
    assert(c && worker < c->n_slots && o && o->asked);
    struct sp_slot *s = sp_cluster_slot(c, worker);
    assert(s->lb);
    bool first = true;
    for (unsigned i = 0; i < c->n_slots; i++)
        first &= !c->slots[i].offline;
    s->offline = o;
    sp_slot_judge(s);
    take_for_healthy(s);
    if (first)
        sp_cluster_publish(c, true); /* for those that go by how many there are */
}

void sp_offline_asked(struct sp_upstream *u)
{
    assert(u && u->slot->offline && u->request);
    const struct sp_cluster_options *options = &u->slot->cluster->options;
    struct sp_offline_request r = {
        .cluster = u->slot->cluster,
        .cluster_name = u->slot->cluster->name,
        .head = u->request,
        .info = u->setup.info,
        .has_host = u->host != NULL,
        .auto_host_rewrite = u->setup.auto_host_rewrite,
        .protocol = protocol_of(u->key.kind),
        .tls = options->tls != NULL,
        .sni = u->key.sni,
        .verify_name = u->key.verify_name,
        .connect_ns = options->connect_ns,
        .timeout_ns = u->setup.timeout_ns,
        .per_try_ns = u->setup.per_try_timeout_ns,
        .redirects = u->setup.redirects,
        .retries = u->retry.on ? u->retry.left : 0,
        .retry_on = u->retry.on,
    };
    if (u->host) {
        r.host = u->host->addr;
        r.hostname = u->host->hostname;
    }
    u->slot->offline->asked(u->slot->offline, &r);
}
