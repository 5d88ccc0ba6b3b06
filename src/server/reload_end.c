/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The end of old configs, and of the clusters that only they had. */
#include "base/mem.h"
#include "config/live.h"
#include "server/reload_impl.h"

enum { LATE_MS = 100 };

static bool still_used(const struct sp_reload *r, const struct sp_cluster *cluster)
{
    SP_LIST_FOREACH (n, &r->configs) {
        const struct sp_config *c = SP_CONTAINER_OF(n, struct sp_config, link);
        if (sp_map_get(&c->clusters.by_name, sp_cluster_name(cluster)) == cluster)
            return true;
    }
    return false;
}

/* Its connections close; on_forgotten frees it. */
static void forget_cluster(struct sp_reload *r, struct sp_cluster *c)
{
    for (unsigned i = 0; i <= r->build.n_workers; i++) {
        sp_cluster_ref(c);
        sp_serving_forget(&r->build.workers[i], c);
    }
}

void sp_reload_forgotten(struct sp_reload *r, struct sp_cluster *c)
{
    (void)r;
    sp_cluster_unref(c);
}

void sp_reload_bury(struct sp_reload *r, struct sp_config *c)
{
    sp_list_remove(&c->link);
    for (unsigned i = 0; i < c->clusters.n; i++)
        if (!still_used(r, c->clusters.v[i]))
            forget_cluster(r, c->clusters.v[i]);
    if (c->number < r->newest)
        sp_gauge_dec(r->old);
    sp_config_free(c);
}

/* What reads a file of it looks into it, for as long as the file system takes. */
static void bury_idle(struct sp_reload *r, struct sp_config *c)
{
    if (sp_live_set_idle(sp_doc_live(c->doc)))
        sp_reload_bury(r, c);
    else
        sp_timer_start(&r->build.main->turn, &c->late, LATE_MS * SP_NS_PER_MS);
}

static void on_late(struct sp_timer *t)
{
    struct sp_config *c = SP_CONTAINER_OF(t, struct sp_config, late);
    bury_idle(c->home, c);
}

void sp_reload_cooled(struct sp_reload *r, struct sp_config *c, struct sp_plan *given_up)
{
    sp_plan_free(given_up);
    sp_live_set_stop(sp_doc_live(c->doc));
    c->late.fire = on_late;
    bury_idle(r, c);
}

/* Main thread: the last worker let go of it. */
static void run_dead(struct sp_msg *m)
{
    struct sp_config *c = SP_CONTAINER_OF(m, struct sp_config, dead);
    struct sp_reload *r = c->home;
    if (sp_worker_self() == r->build.main && !r->stopped)
        sp_serving_cool(&r->build.workers[r->build.n_workers], c, NULL);
}

void sp_reload_config_dead(struct sp_snapshot *snapshot)
{
    struct sp_config *c = SP_CONTAINER_OF(snapshot, struct sp_config, snapshot);
    struct sp_reload *r = c->home;
    c->dead.run = run_dead;
    sp_worker_post(r->build.main, &c->dead);
}
