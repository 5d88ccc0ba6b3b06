/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection manager's filters, and a request to them.  Up to the first NUL the input is a list of filters in YAML, compiled with
 * whatever is wrong about it; behind it are options, a byte, and lines of a request's head (head_lines.h), with a body where bit 0 is set.
 * An origin answers what reaches it.  Whatever filters do: the origin gets a head that is one, the client an answer that is one, and
 * nothing is left over.
 */
#include <stdio.h>

#include "../sim/door_fix.h"
#include "base/log.h"
#include "config/rules.h"
#include "filters/registry.h"
#include "head_lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPE(what) envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__##what

/* All that there are, but for the router. */
static const struct sp_filter_ops *const *registry(void)
{
    static const struct sp_filter_ops *all[64];
    const struct sp_filter_ops *const *from = sp_filter_registry();
    for (unsigned i = 0; from[i]; i++) {
        CHECK(i + 1 < SP_ARRAY_LEN(all));
        all[i] = from[i]->terminal ? &door_router : from[i];
    }
    return all;
}

/* Nobody is asked anything: filters that ask have no cluster. */
static struct sp_cluster *no_cluster(void *ctx, struct sp_str name)
{
    return NULL;
}

static struct sp_hcm *compile(struct door *d, struct sp_str filters)
{
    char *yaml = NULL;
    size_t size;
    FILE *f = open_memstream(&yaml, &size);
    fputs("http_filters:\n", f);
    fwrite(filters.ptr, 1, filters.len, f);
    fputs("\n- {name: router, typed_config: {\"@type\": " T "envoy.extensions.filters.http.router.v3.Router}}\nstat_prefix: door\n"
          "use_remote_address: true\nroute_config: {virtual_hosts: [{name: all, domains: ['*'], "
          "routes: [{match: {prefix: /}, route: {cluster_header: x-c}}]}]}\n", f);
    fclose(f);
    struct sp_hcm *hcm = NULL;
    d->config.doc = sp_doc_load_text("fuzz", sp_str_n(yaml, size), SP_SYNTAX_YAML, &TYPE(descriptor), &d->config.diag);
    if (d->config.doc)
        sp_rules_check(d->config.doc, &d->config.diag);
    if (d->config.doc && !d->config.diag.n_errors) {
        const struct sp_hcm_build build = {
            .doc = d->config.doc,
            .diag = &d->config.diag,
            .registry = registry(),
            .find_cluster = no_cluster,
            .listener_scope = sp_stats_scope(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", SP_STR("l")),
        };
        hcm = sp_hcm_new(&build, sp_doc_root(d->config.doc));
    }
    free(yaml);
    return hcm;
}

static void ask(struct door *d, unsigned options, struct sp_str text)
{
    struct sp_headers lines;
    struct sp_arena arena;
    sp_arena_init(&arena);
    head_lines(&lines, &arena, text);
    struct visit *v = visit_of(d, &lines, !(options & 1));
    if (options & 1) {
        visit_data(v, "some", false);
        sp_turn_end(&d->turn);
        visit_data(v, " of a body", true);
    }
    sp_turn_end(&d->turn);
    if (v->reached) {
        head_check(&v->request);
        CHECK(v->request.path.len && v->request.path.ptr[0] == '/');
        if (v->upstream.sink) {
            sp_headers_init(&v->response, &v->arena);
            v->response.status = options & 2 ? 304 : 200;
            sp_headers_add(&v->response, SP_STR("content-type"), SP_STR("text/html"));
            sp_headers_add(&v->response, SP_STR("set-cookie"), SP_STR("a=b"));
            v->upstream.sink->ops->headers(v->upstream.sink, &v->response, true);
        }
    }
    sp_turn_begin(&d->turn, d->turn.now_ns + 400 * SP_NS_PER_S, d->turn.wall_ns);
    sp_turn_end(&d->turn);
    if (v->head)
        head_check(v->head);
    visit_end(d, v);
    sp_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_str rest = sp_str_n((const char *)data, size), filters = SP_STR("");
    if (!size || !sp_str_split(&rest, '\0', &filters) || rest.len < 1)
        return 0;
    struct door *d = calloc(1, sizeof(*d));
    CHECK(d);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    sp_stats_init(0);
    sp_diag_init(&d->config.diag);
    d->hcm = compile(d, filters);
    CHECK(d->hcm || d->config.diag.n_errors);
    if (d->hcm) {
        door_ready(d);
        ask(d, (uint8_t)rest.ptr[0], sp_str_sub(rest, 1, rest.len));
        door_close(d);
        return 0;
    }
    door_drop(d);
    return 0;
}
