/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of outlier detection, as Envoy's envoy.data.cluster.v3.OutlierDetectionEvent. On the prober's thread; nothing without a log. */
#ifndef SP_CLUSTERS_OUTLIER_EVENT_H
#define SP_CLUSTERS_OUTLIER_EVENT_H

#include "clusters/outlier_impl.h"

/* A host was taken out, or (not enforced) would have been; it is back. */
void sp_outlier_tell_out(const struct sp_outlier *o, const struct sp_host *h, enum kind kind, bool enforced);
void sp_outlier_tell_back(const struct sp_outlier *o, const struct sp_host *h);

#endif
