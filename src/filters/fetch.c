/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/fetch.h"

#include <assert.h>

#include "config/no_cluster.h"
#include "http/headers.h"
#include "route/duration.h"

static bool authority_ok(struct sp_str a)
{
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] <= ' ' || a.ptr[i] >= 127 || a.ptr[i] == '@' || a.ptr[i] == '\\')
            return false;
    return a.len > 0;
}

static bool path_ok(struct sp_str path)
{
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] >= 127 || path.ptr[i] == '#')
            return false;
    return true;
}

const char *sp_fetch_split(struct sp_str uri, struct sp_fetch_target *t)
{
    assert(t);
    struct sp_str rest;
    if (sp_str_istarts(uri, SP_STR("https://"))) {
        t->scheme = SP_STR("https");
        rest = sp_str_sub(uri, 8, uri.len);
    } else if (sp_str_istarts(uri, SP_STR("http://"))) {
        t->scheme = SP_STR("http");
        rest = sp_str_sub(uri, 7, uri.len);
    } else {
        return "it begins with neither https:// nor http://";
    }
    size_t end = 0;
    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?' && rest.ptr[end] != '#')
        end++;
    t->authority = sp_str_sub(rest, 0, end);
    t->path = end < rest.len ? sp_str_sub(rest, end, rest.len) : SP_STR("/");
    if (!authority_ok(t->authority))
        return "it has no plain host, with or without a port, behind its scheme";
    if (t->path.ptr[0] != '/' || !path_ok(t->path))
        return "its path is not of printable ASCII, or it has a fragment";
    return NULL;
}

static bool target_init(struct sp_fetch_target *t, const struct sp_filter_build *build, struct sp_arena *arena,
                        const Envoy__Config__Core__V3__HttpUri *msg, bool is_name)
{
    assert(t && build && arena && msg);
    *t = (struct sp_fetch_target){.cluster = build->find_cluster(build->ctx, sp_str_c(msg->cluster))};
    struct sp_str uri = sp_arena_str(arena, sp_str_c(msg->uri));
    if (is_name && sp_str_find(uri, SP_STR("://")) < 0)
        uri = sp_arena_cat(arena, t->cluster && sp_cluster_tls(t->cluster) ? SP_STR("https://") : SP_STR("http://"), uri);
    const char *why = sp_fetch_split(uri, t);
    if (why)
        sp_doc_err(build->doc, build->diag, msg, "uri", -1, "cannot be fetched: %s", why);
    if (!t->cluster)
        sp_no_cluster_err(build->doc, build->diag, msg, "cluster", sp_str_c(msg->cluster));
    else if (!why && sp_str_eq(t->scheme, SP_STR("https")) && !sp_cluster_tls(t->cluster))
        sp_doc_warn(build->doc, build->diag, msg, "cluster", -1,
                    "the URI is https, but the cluster \"%s\" has no TLS: whoever is on the way can put in keys of his own",
                    msg->cluster);
    t->timeout_ns = sp_duration_or(msg->timeout, 0);
    return !why && t->cluster;
}

bool sp_fetch_target_init(struct sp_fetch_target *t, const struct sp_filter_build *build, struct sp_arena *arena,
                          const Envoy__Config__Core__V3__HttpUri *msg)
{
    return target_init(t, build, arena, msg, false);
}

bool sp_fetch_service_init(struct sp_fetch_target *t, const struct sp_filter_build *build, struct sp_arena *arena,
                           const Envoy__Config__Core__V3__HttpUri *msg)
{
    return target_init(t, build, arena, msg, true);
}

void sp_fetch_plan_retries(struct sp_fetch_plan *plan, const Envoy__Config__Core__V3__RetryPolicy *msg)
{
    assert(plan);
    plan->base_ns = SP_NS_PER_S;
    plan->max_ns = 10 * SP_NS_PER_S;
    plan->retries = !msg ? 0 : msg->num_retries ? SP_MIN(msg->num_retries->value, 10u) : 1;
    if (!msg || !msg->retry_back_off)
        return;
    plan->base_ns = sp_duration_or(msg->retry_back_off->base_interval, SP_NS_PER_S);
    plan->max_ns = SP_MAX(sp_duration_or(msg->retry_back_off->max_interval, 10 * plan->base_ns), plan->base_ns);
}

/* Between half of it and all. */
static uint64_t jittered(struct sp_fetch *f, uint64_t ns)
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return ns / 2 + (uint64_t)(((unsigned __int128)f->random * (ns / 2 + 1)) >> 64);
}

static uint64_t doubled(uint64_t ns, unsigned times, uint64_t most)
{
    while (times-- && ns < most)
        ns *= 2;
    return SP_MIN(ns, most);
}

static void attempt(struct sp_fetch *f);

static void on_next(struct sp_timer *t)
{
    struct sp_fetch *f = SP_CONTAINER_OF(t, struct sp_fetch, next);
    if (f->in_round)
        attempt(f);
    else
        sp_fetch_now(f);
}

static void end_round(struct sp_fetch *f, bool good, const char *why)
{
    f->in_round = false;
    f->bad_rounds = good ? 0 : f->bad_rounds + 1;
    uint64_t wait = f->plan.good_ns;
    if (!good)
        wait = jittered(f, doubled(f->plan.bad_ns, f->bad_rounds - 1, SP_MAX(f->plan.bad_ns, SP_FETCH_MAX_BAD_NS)));
    sp_timer_start(&f->prober->turn, &f->next, SP_MAX(wait, SP_NS_PER_MS));
    f->over(f, good, why);
}

static void end_attempt(struct sp_fetch *f, bool good, const char *why)
{
    if (!good && f->attempt < f->plan.retries) {
        uint64_t wait = doubled(f->plan.base_ns, f->attempt++, f->plan.max_ns);
        sp_timer_start(&f->prober->turn, &f->next, jittered(f, wait));
        return;
    }
    end_round(f, good, why);
}

static void on_answer(void *ctx, unsigned status, const struct sp_headers *h, struct sp_buf *body, enum sp_abort why)
{
    struct sp_fetch *f = ctx;
    char text[96];
    const char *reason = NULL;
    (void)h;
    f->call = NULL;
    if (status == 0) {
        snprintf(text, sizeof(text), "no answer: %s", sp_abort_name(why));
        reason = text;
    } else if (status != 200) {
        snprintf(text, sizeof(text), "the answer is %u", status);
        reason = text;
    } else if (body->len == 0) {
        reason = "the answer is empty";
    } else if (!f->take(f, sp_str_n(sp_buf_pullup(body, body->len), body->len), &reason) && !reason) {
        reason = "not what was asked for";
    }
    end_attempt(f, !reason, reason);
}

static void attempt(struct sp_fetch *f)
{
    static const struct sp_header headers[] = {{.name = SP_STR_INIT("accept"), .value = SP_STR_INIT("application/json, */*;q=0.1")},
                                               {.name = SP_STR_INIT("user-agent"), .value = SP_STR_INIT("sallyport")}};
    const struct sp_http_request r = {
        .method = SP_STR("GET"),
        .scheme = f->target.scheme,
        .authority = f->target.authority,
        .path = f->target.path,
        .headers = headers,
        .n_headers = SP_ARRAY_LEN(headers),
        .timeout_ns = f->target.timeout_ns,
        .max_body = f->plan.max_body,
    };
    f->call = sp_http_call_start(f->target.cluster, f->prober, &r, on_answer, f);
}

void sp_fetch_now(struct sp_fetch *f)
{
    assert(f && f->prober);
    if (f->in_round)
        return;
    f->in_round = true;
    f->attempt = 0;
    sp_timer_stop(&f->next);
    if (f->begun)
        f->begun(f);
    attempt(f);
}

static void start(struct sp_fetch *f, struct sp_worker *prober)
{
    assert(f && prober && !f->prober && f->take && f->over && f->target.cluster);
    f->prober = prober;
    f->next.fire = on_next;
    f->random = prober->turn.now_ns ^ (uintptr_t)f;
}

void sp_fetch_start(struct sp_fetch *f, struct sp_worker *prober)
{
    start(f, prober);
    sp_fetch_now(f);
}

void sp_fetch_resume(struct sp_fetch *f, struct sp_worker *prober, uint64_t good_ns)
{
    start(f, prober);
    uint64_t now_ns = prober->turn.now_ns, age = now_ns > good_ns ? now_ns - good_ns : 0;
    if (age < f->plan.good_ns)
        sp_timer_start(&prober->turn, &f->next, SP_MAX(f->plan.good_ns - age, SP_NS_PER_MS));
    else
        sp_fetch_now(f);
}

void sp_fetch_stop(struct sp_fetch *f)
{
    assert(f);
    sp_timer_stop(&f->next);
    if (f->call)
        sp_http_call_cancel(f->call);
    f->call = NULL;
    f->in_round = false;
    f->prober = NULL;
}
