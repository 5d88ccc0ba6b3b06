/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/overload_monitor.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory.pb-c.h"
#include "envoy/extensions/resource_monitors/cpu_utilization/v3/cpu_utilization.pb-c.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb-c.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb-c.h"
#include "envoy/extensions/resource_monitors/injected_resource/v3/injected_resource.pb-c.h"
#include "route/duration.h"
#include "sallyport/resource_monitors/v1/worker_delay.pb-c.h"
#include "server/memory.h"

#define OF(m, name) ((m) && (m)->descriptor == &envoy__extensions__resource_monitors__##name##__descriptor)
typedef Envoy__Extensions__ResourceMonitors__CgroupMemory__V3__CgroupMemoryConfig Cgroup;
typedef Envoy__Extensions__ResourceMonitors__CpuUtilization__V3__CpuUtilizationConfig Cpu;
typedef Envoy__Extensions__ResourceMonitors__DownstreamConnections__V3__DownstreamConnectionsConfig Connections;
typedef Envoy__Extensions__ResourceMonitors__FixedHeap__V3__FixedHeapConfig Heap;
typedef Envoy__Extensions__ResourceMonitors__InjectedResource__V3__InjectedResourceConfig Injected;
typedef Sallyport__ResourceMonitors__V1__WorkerDelayConfig Delay;

enum { MAX_TEXT = 4096, MAX_PATH = 512 };
static const double SMOOTHING = 0.05; /* Envoy's: how much one measurement of the processors counts */
static const uint64_t UNLIMITED = 1ull << 62; /* version 1 says "none" by a number near this */

bool sp_monitor_init(struct sp_monitor *m, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                     const Envoy__Config__Overload__V3__ResourceMonitor *msg, uint64_t *ret_connections)
{
    assert(m && arena && doc && diag && msg && ret_connections);
    const ProtobufCMessage *conf = sp_doc_any(doc, msg->typed_config);
    *m = (struct sp_monitor){.root = "/sys/fs/cgroup", .proc = "/proc"};
    if (OF(conf, fixed_heap__v3__fixed_heap_config)) {
        m->kind = SP_MONITOR_HEAP;
        m->max = ((const Heap *)(const void *)conf)->max_heap_size_bytes;
    } else if (OF(conf, cgroup_memory__v3__cgroup_memory_config)) {
        m->kind = SP_MONITOR_CGROUP;
        m->max = ((const Cgroup *)(const void *)conf)->max_memory_bytes;
    } else if (OF(conf, cpu_utilization__v3__cpu_utilization_config)) {
        m->kind = ((const Cpu *)(const void *)conf)->mode ? SP_MONITOR_CPU_CGROUP : SP_MONITOR_CPU_HOST;
    } else if (OF(conf, injected_resource__v3__injected_resource_config)) {
        m->kind = SP_MONITOR_FILE;
        m->path = sp_arena_str(arena, sp_str_c(((const Injected *)(const void *)conf)->filename)).ptr;
    } else if (OF(conf, downstream_connections__v3__downstream_connections_config)) {
        *ret_connections = (uint64_t)((const Connections *)(const void *)conf)->max_active_downstream_connections;
    } else if (conf && conf->descriptor == &sallyport__resource_monitors__v1__worker_delay_config__descriptor) {
        m->kind = SP_MONITOR_DELAY;
        m->max = sp_duration_or(((const Delay *)(const void *)conf)->max_delay, 0);
    } else {
        sp_doc_err(doc, diag, msg, "typed_config", -1,
                   "%s is no resource monitor (FixedHeapConfig, CgroupMemoryConfig, CpuUtilizationConfig, InjectedResourceConfig, "
                   "DownstreamConnectionsConfig, WorkerDelayConfig)", conf ? conf->descriptor->name : "nothing");
        return false;
    }
    return true;
}

/* The file's beginning as a text; -errno. */
static int slurp(const char *dir, const char *name, char out[MAX_TEXT])
{
    char path[3 * MAX_PATH];
    snprintf(path, sizeof(path), "%s%s%s", dir, *name ? "/" : "", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, out, MAX_TEXT - 1);
    int err = errno;
    close(fd);
    if (n < 0)
        return -err;
    out[n] = 0;
    return 0;
}

/* A number, UINT64_MAX for "max"; -errno. */
static int number(const char *dir, const char *name, uint64_t *ret)
{
    char text[MAX_TEXT], *end;
    int err = slurp(dir, name, text);
    if (err < 0)
        return err;
    if (strncmp(text, "max", 3) == 0) {
        *ret = UINT64_MAX;
        return 0;
    }
    errno = 0;
    *ret = strtoull(text, &end, 10);
    return end == text || errno ? -EINVAL : 0;
}

/* Whether `word` is one of those between commas. */
static bool is_among(const char *list, struct sp_str word)
{
    for (size_t n; *list; list += n + (list[n] == ',')) {
        n = strcspn(list, ",");
        if (sp_str_eq((struct sp_str){list, n}, word))
            return true;
    }
    return false;
}

/*
 * Where the process's own group stands under the mount: "" for its root, and where that is not known.  Lines of /proc/self/cgroup are
 * "number:controllers:/path"; version 2 has no controllers.
 */
static void group_path(const struct sp_monitor *m, struct sp_str controller, char ret[MAX_PATH])
{
    char text[MAX_TEXT], *next = text;
    *ret = 0;
    if (slurp(m->proc, "self/cgroup", text) < 0)
        return;
    for (char *line; (line = strsep(&next, "\n")) != NULL;) {
        (void)strsep(&line, ":"); /* the hierarchy's number */
        char *list = strsep(&line, ":");
        if (!line || strlen(line) >= MAX_PATH || line[1] == 0)
            continue;
        if (controller.len ? is_among(list, controller) : !*list)
            snprintf(ret, MAX_PATH, "%s", line);
    }
}

/* A group's own pressure. */
static int one_group(const char *dir, const char *used_in, const char *limit_in, uint64_t max, double *ret)
{
    uint64_t used, limit = UINT64_MAX;
    int err = number(dir, used_in, &used);
    if (err < 0)
        return err;
    if (number(dir, limit_in, &limit) < 0 || limit >= UNLIMITED)
        limit = UINT64_MAX;
    if (max)
        limit = SP_MIN(limit, max);
    *ret = limit == UINT64_MAX ? 0 : limit ? (double)used / (double)limit : 1;
    return 0;
}

/* Of the process's group and of those that it stands in, the worst; config's own limit holds for the innermost that can be read. */
static int worst_group(const struct sp_monitor *m, const char *mount, struct sp_str controller, const char *used_in, const char *limit_in,
                       double *ret)
{
    char path[MAX_PATH], dir[2 * MAX_PATH];
    int err = -ENOENT;
    double p, worst = 0;
    group_path(m, controller, path);
    for (;;) {
        snprintf(dir, sizeof(dir), "%.*s%s%s", MAX_PATH / 2, m->root, mount, path);
        int e = one_group(dir, used_in, limit_in, err < 0 ? m->max : 0, &p);
        if (e == 0) {
            worst = SP_MAX(worst, p);
            err = 0;
        } else if (err < 0) {
            err = e;
        }
        char *up = strrchr(path, '/');
        if (!up)
            break;
        *up = 0;
    }
    if (err == 0)
        *ret = worst;
    return err;
}

static int read_cgroup(const struct sp_monitor *m, double *ret)
{
    if (worst_group(m, "", SP_STR_NULL, "memory.current", "memory.max", ret) == 0)
        return 0;
    return worst_group(m, "/memory", SP_STR("memory"), "memory.usage_in_bytes", "memory.limit_in_bytes", ret);
}

/* The innermost group's directory that has the file, as far as it can be seen. */
static void group_dir(const struct sp_monitor *m, const char *mount, struct sp_str controller, const char *has, char ret[2 * MAX_PATH])
{
    char path[MAX_PATH], file[3 * MAX_PATH];
    group_path(m, controller, path);
    for (;;) {
        snprintf(ret, 2 * MAX_PATH, "%.*s%s%s", MAX_PATH / 2, m->root, mount, path);
        snprintf(file, sizeof(file), "%s/%s", ret, has);
        char *up = strrchr(path, '/');
        if (!up || access(file, R_OK) == 0)
            return;
        *up = 0;
    }
}

/* "cpu  user nice system idle iowait irq softirq steal ...", in ticks. */
static int host_ticks(const struct sp_monitor *m, uint64_t *ret_used, uint64_t *ret_total)
{
    char text[MAX_TEXT], *p;
    uint64_t v[8] = {0};
    int err = slurp(m->proc, "stat", text), n = 0;
    if (err < 0)
        return err;
    if (strncmp(text, "cpu ", 4) != 0)
        return -EINVAL;
    p = text + 4;
    for (char *end; n < 8; n++, p = end) {
        v[n] = strtoull(p, &end, 10);
        if (end == p)
            break;
    }
    if (n < 4)
        return -EINVAL;
    *ret_total = 0;
    for (int i = 0; i < n; i++)
        *ret_total += v[i];
    *ret_used = *ret_total - v[3] - v[4];
    return 0;
}

/* Microseconds of processor time that were used, and that there were: by the quota, else by the processors on line. */
static int group_time(const struct sp_monitor *m, uint64_t now_ns, uint64_t *ret_used, uint64_t *ret_total)
{
    char text[MAX_TEXT];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double share = cores > 0 ? (double)cores : 1;
    unsigned long long quota, period;
    uint64_t ns;
    char dir[2 * MAX_PATH];
    group_dir(m, "", SP_STR_NULL, "cpu.max", dir);
    int err = slurp(dir, "cpu.stat", text);
    char *at = err == 0 ? strstr(text, "usage_usec ") : NULL;
    if (at) {
        *ret_used = strtoull(at + strlen("usage_usec "), NULL, 10);
        if (slurp(dir, "cpu.max", text) == 0 && sscanf(text, "%llu %llu", &quota, &period) == 2 && period)
            share = (double)quota / (double)period;
    } else { /* version 1 */
        group_dir(m, "/cpuacct", SP_STR("cpuacct"), "cpuacct.usage", dir);
        err = number(dir, "cpuacct.usage", &ns);
        if (err < 0)
            return err;
        *ret_used = ns / 1000;
        uint64_t q, p;
        group_dir(m, "/cpu", SP_STR("cpu"), "cpu.cfs_quota_us", dir);
        if (number(dir, "cpu.cfs_quota_us", &q) == 0 && number(dir, "cpu.cfs_period_us", &p) == 0 && p &&
            q < UNLIMITED) /* -1: none */
            share = (double)q / (double)p;
    }
    *ret_total = (uint64_t)((double)now_ns / 1000 * share);
    return 0;
}

static int read_cpu(struct sp_monitor *m, uint64_t now_ns, double *ret)
{
    uint64_t used, total;
    int err = m->kind == SP_MONITOR_CPU_HOST ? host_ticks(m, &used, &total) : group_time(m, now_ns, &used, &total);
    if (err < 0)
        return err;
    if (m->measured && total > m->total && used >= m->used) {
        double now = (double)(used - m->used) / (double)(total - m->total);
        m->smoothed = now * SMOOTHING + m->smoothed * (1 - SMOOTHING);
    }
    m->measured = true;
    m->used = used;
    m->total = total;
    *ret = m->smoothed;
    return 0;
}

static int read_file(const struct sp_monitor *m, double *ret)
{
    char text[MAX_TEXT], *end;
    int err = slurp(m->path, "", text);
    if (err < 0)
        return err;
    double v = strtod(text, &end);
    if (end == text || !(v >= 0 && v <= 1))
        return -EINVAL;
    *ret = v;
    return 0;
}

int sp_monitor_read(struct sp_monitor *m, uint64_t now_ns, double *ret_pressure)
{
    assert(m && ret_pressure);
    uint64_t allocated, heap;
    switch (m->kind) {
    case SP_MONITOR_HEAP:
        sp_memory_use(&allocated, &heap);
        *ret_pressure = (double)allocated / (double)m->max;
        return 0;
    case SP_MONITOR_CGROUP:
        return read_cgroup(m, ret_pressure);
    case SP_MONITOR_FILE:
        return read_file(m, ret_pressure);
    default:
        return read_cpu(m, now_ns, ret_pressure);
    }
}
