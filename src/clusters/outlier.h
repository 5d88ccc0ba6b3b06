/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Outlier detection, as Envoy's: a host that answers badly is taken out for a while.  Workers count each answer in words of
 * their own; runs of failures are counted in a word that all share, but which is written only while something fails.  The
 * prober takes hosts out (asked by a message, or by looking at rates at intervals) and brings them back.  Owned by the
 * cluster.
 */
#ifndef SP_CLUSTERS_OUTLIER_H
#define SP_CLUSTERS_OUTLIER_H

#include "clusters/state.h"
#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

struct sp_outlier;

/* NULL without outlier_detection. Before the cluster's first hosts. `events`: where they go; may be NULL. */
struct sp_outlier *sp_outlier_new(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg,
                                  const Envoy__Config__Bootstrap__V3__ClusterManager__OutlierDetection *events);
void sp_outlier_free(struct sp_outlier *o); /* NULL-safe */
/* On the prober's thread, while the cluster is started. */
void sp_outlier_start(struct sp_outlier *o, struct sp_slot *prober);
void sp_outlier_stop(struct sp_outlier *o);
/* What it will know of a host: owned by that. */
struct sp_outlier_host *sp_outlier_host_new(const struct sp_outlier *o);
/* A host is gone; an active health check of it went well. */
void sp_outlier_remove(struct sp_outlier *o, struct sp_host *h);
void sp_outlier_checked(struct sp_outlier *o, struct sp_host *h);

/* On the slot's thread, of a cluster that has it. The host answered; it could be reached, or not (status: 0; 503, 504). */
void sp_outlier_answer(struct sp_slot *s, struct sp_host *h, unsigned status);
void sp_outlier_local(struct sp_slot *s, struct sp_host *h, unsigned status);

/* Percent of good answers in the last interval, -1: unknown; `local`: of attempts to reach it. Any thread. */
double sp_outlier_rate(const struct sp_host *h, bool local);

#endif
