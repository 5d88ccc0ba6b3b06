/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_monitor: measures one resource for the overload manager: allocated memory, the control group's memory, processors,
 * a number in a file.  Part of a compiled config; measured on the main thread.  Reads a line of /proc or of the control
 * group at a time, which does not block.
 */
#ifndef SP_SERVER_OVERLOAD_MONITOR_H
#define SP_SERVER_OVERLOAD_MONITOR_H

#include "config/doc.h"
#include "envoy/config/overload/v3/overload.pb-c.h"

enum sp_monitor_kind { SP_MONITOR_HEAP, SP_MONITOR_CGROUP, SP_MONITOR_CPU_HOST, SP_MONITOR_CPU_CGROUP, SP_MONITOR_FILE, SP_MONITOR_DELAY };

struct sp_monitor {
    enum sp_monitor_kind kind;
    uint64_t max;    /* HEAP, CGROUP: bytes; 0: the group's own limit. DELAY: nanoseconds */
    const char *path; /* FILE: in the config's arena */
    const char *root; /* of the control groups; "/sys/fs/cgroup" unless a test has another */
    const char *proc; /* "/proc" */
    /* Processors: the last measurement. */
    double smoothed;
    uint64_t used, total;
    bool measured;
};

/* False after an error. `ret_connections`: the limit, where it is a DownstreamConnectionsConfig, which measures nothing. */
bool sp_monitor_init(struct sp_monitor *m, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                     const Envoy__Config__Overload__V3__ResourceMonitor *msg, uint64_t *ret_connections);
/* The pressure, 0 to 1 and more. `now_ns`: monotonic. Negative errno when it cannot be told. Not of DELAY, which the workers know. */
int sp_monitor_read(struct sp_monitor *m, uint64_t now_ns, double *ret_pressure);

#endif
