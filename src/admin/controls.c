/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Short answers: what is not warm yet, what the allocator says, what there is not and what to do instead; draining. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "admin/handlers.h"
#include "config/live.h"
#include "server/memory.h"
#include "server/reload.h"

/* A parameter that stands there, with or without a value. */
static bool has(const struct sp_admin_request *r, const char *name)
{
    struct sp_str rest = r->query, word;
    while (sp_str_split(&rest, '&', &word))
        if (sp_str_eq(word, sp_str_c(name)))
            return true;
    return sp_admin_param(r, name, NULL);
}

void sp_admin_drain_listeners(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    const struct sp_drain_how how = {
        .graceful = has(r, "graceful"), .skip_exit = has(r, "skip_exit"), .inbound_only = has(r, "inboundonly")};
    if (sp_server_drain_listeners(r->server, &how) == 0) {
        sp_admin_put(a, "OK\n");
        return;
    }
    a->status = 503;
    sp_admin_put(a, sp_server_state(r->server) == SP_SERVER_LIVE ? "a reload is under way: ask again\n" : "the process starts or ends\n");
}

/* Takes the targets; there may be none. */
static void add_dump(json_t *dumps, const char *name, json_t *targets)
{
    if (json_array_size(targets))
        json_array_append_new(dumps, json_pack("{s:s, s:o}", "name", name, "target_names", targets));
    else
        json_decref(targets);
}

static void add_target(json_t *list, const char *kind, struct sp_str name)
{
    char text[512];
    snprintf(text, sizeof(text), "%s %.*s", kind, SP_STR_ARG(name));
    json_array_append_new(list, sp_json_text(sp_str_c(text)));
}

static json_t *unready_clusters(const struct sp_config *next)
{
    json_t *targets = json_array();
    for (unsigned i = 0; i < next->clusters.n; i++)
        if (!sp_cluster_warm(next->clusters.v[i]))
            add_target(targets, "cluster", sp_cluster_name(next->clusters.v[i]));
    if (!sp_live_set_ready(sp_doc_live(next->doc)))
        add_target(targets, "fetched", SP_STR("key sets and metadata of issuers"));
    return targets;
}

static json_t *unready_listeners(const struct sp_config *next)
{
    json_t *targets = json_array();
    for (unsigned i = 0; i < next->n_listeners; i++)
        add_target(targets, "listener", sp_listener_name(next->listeners[i]));
    return targets;
}

/* Envoy's UnreadyTargetsDumps: what the config that is being made waits for, and its listeners, which wait for that; nothing while all serves. */
void sp_admin_init_dump(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    struct sp_str mask = SP_STR("");
    const struct sp_config *next = sp_server_next_config(r->server);
    json_t *dumps = json_array();
    sp_admin_param(r, "mask", &mask);
    if (next && !mask.len)
        add_dump(dumps, "config", unready_clusters(next));
    if (next && (!mask.len || sp_str_eq(mask, SP_STR("listener"))))
        add_dump(dumps, "listeners", unready_listeners(next));
    if (json_array_size(dumps)) {
        sp_admin_put_json(a, json_pack("{s:o}", "unready_targets_dumps", dumps));
    } else {
        json_decref(dumps);
        sp_admin_put_json(a, json_object());
    }
}

static json_t *bytes(uint64_t n)
{
    char text[24]; /* 64-bit numbers are strings in protobuf's JSON */
    snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
    return json_string(text);
}

/* Envoy's members, of which the allocator here has these; the others are TCMalloc's own. */
void sp_admin_memory(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    uint64_t allocated, heap;
    sp_memory_use(&allocated, &heap);
    sp_admin_put_json(a, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "allocated", bytes(allocated), "heap_size", bytes(heap), "pageheap_unmapped",
                                   bytes(0), "pageheap_free", bytes(heap > allocated ? heap - allocated : 0), "total_thread_cache", bytes(0),
                                   "total_physical_bytes", bytes(sp_memory_resident())));
}

void sp_admin_contention(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    sp_admin_put(a, "Mutex contention is not traced: no request takes a lock here (perf lock shows those of the process).\n");
}

const char *sp_admin_instead(struct sp_str path)
{
    static const struct {
        struct sp_str path;
        const char *instead;
    } absent[] = {
        {SP_STR_INIT("/cpuprofiler"), "no profiler is built in: perf record -g -p PID shows where time goes"},
        {SP_STR_INIT("/heapprofiler"), "no profiler is built in: /memory has the totals, heaptrack or valgrind --tool=massif the rest"},
        {SP_STR_INIT("/allocprofiler"), "no profiler is built in: /memory has the totals, heaptrack or valgrind --tool=massif the rest"},
        {SP_STR_INIT("/heap_dump"), "no profiler is built in, and memory is not dumped, since it holds keys: /memory has the totals"},
        {SP_STR_INIT("/tap"), "requests are not tapped: the access log and /logging?level=debug say what became of them, sallyport explain why"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(absent); i++)
        if (sp_str_eq(path, absent[i].path))
            return absent[i].instead;
    return NULL;
}
