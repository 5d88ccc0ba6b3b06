/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/oidc_discovery.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"
#include "config/no_cluster.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "filters/fetched.h"
#include "route/duration.h"

typedef Sallyport__Oidc__V1__Issuer Issuer;

enum { MAX_BYTES = 256 << 10, MAX_DEPTH = 8, MAX_VALUES = 4096 };

#define WELL_KNOWN "/.well-known/openid-configuration"
#define DEFAULT_TIMEOUT_NS (5 * SP_NS_PER_S)
#define DEFAULT_CACHE_NS (3600 * SP_NS_PER_S)
#define DEFAULT_JWKS_CACHE_NS (600 * SP_NS_PER_S)

struct host {
    struct sp_str name;
    struct sp_cluster *cluster;
};

struct sp_oidc {
    struct sp_live_task task;
    struct sp_arena arena;
    struct sp_live *live;
    struct sp_str issuer;
    struct host *hosts; /* the issuer's first */
    unsigned n_hosts, needs, algs; /* algs: of the config; 0: of the description */
    bool allow_http;
    uint64_t timeout_ns;
    const struct sp_jwks_stats *stats;
    struct sp_jwks_remote *keys; /* or NULL */
    struct sp_fetch fetch;       /* the prober's */
    struct sp_fetched *last;     /* what an earlier config had is there from the beginning: */
    uint64_t good_ns;            /* since then; 0: nothing */
};

const Issuer *sp_oidc_find(const struct sp_doc *doc, struct sp_str issuer)
{
    assert(doc);
    const ProtobufCMessage *root = sp_doc_root(doc);
    if (root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor || !issuer.len)
        return NULL;
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = (const void *)root;
    for (size_t i = 0; i < b->n_bootstrap_extensions; i++) {
        const Sallyport__Oidc__V1__Issuers *all = sp_doc_any_as(doc, b->bootstrap_extensions[i]->typed_config,
                                                                &sallyport__oidc__v1__issuers__descriptor);
        for (size_t j = 0; all && j < all->n_issuers; j++)
            if (sp_str_eq(sp_str_c(all->issuers[j]->issuer), issuer))
                return all->issuers[j];
    }
    return NULL;
}

bool sp_oidc_check(const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any)
{
    assert(doc && diag);
    const Sallyport__Oidc__V1__Issuers *all = sp_doc_any_as(doc, any, &sallyport__oidc__v1__issuers__descriptor);
    for (size_t i = 0; all && i < all->n_issuers; i++)
        if (sp_oidc_find(doc, sp_str_c(all->issuers[i]->issuer)) != all->issuers[i])
            sp_doc_err(doc, diag, all->issuers[i], "issuer", -1, "stands above already (name an issuer once)");
    return all != NULL;
}

void sp_oidc_facts_free(struct sp_oidc_facts *f)
{
    if (!f)
        return;
    sp_arena_done(&f->arena);
    free(f);
}

static void free_facts(void *value)
{
    sp_oidc_facts_free(value);
}

static const struct sp_live_kind kind = {.name = "issuer", .free = free_facts};

/* --- reading a description --- */

/* NULL, or why an URL of the description may not be used. */
static const char *take_url(const struct sp_oidc *o, struct sp_str url, struct sp_arena *arena, struct sp_fetch_target *ret)
{
    struct sp_fetch_target t = {.timeout_ns = o->timeout_ns};
    if (sp_fetch_split(sp_arena_str(arena, url), &t))
        return "a URL in it is none";
    if (!o->allow_http && !sp_str_eq(t.scheme, SP_STR("https")))
        return "a URL in it is not https (allow_http would take it)";
    for (unsigned i = 0; i < o->n_hosts && !t.cluster; i++)
        if (sp_str_ieq(t.authority, o->hosts[i].name))
            t.cluster = o->hosts[i].cluster;
    if (!t.cluster)
        return "its jwks_uri or introspection_endpoint is of a host that no cluster is named for (add it to hosts)";
    *ret = t;
    return NULL;
}

/* Of an endpoint. What is not needed may be absent or of no use. */
static const char *take_endpoint(const struct sp_oidc *o, const json_t *root, const char *name, bool needed,
                                 struct sp_arena *arena, struct sp_fetch_target *ret)
{
    struct sp_str url = sp_json_str(root, name);
    const char *why = url.len ? take_url(o, url, arena, ret) : "it does not name what is needed";
    return needed ? why : NULL;
}

/* Signatures that nobody else could make: "none" and HS* in the list are for others. */
static unsigned read_algs(const json_t *root)
{
    unsigned algs = 0;
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(root, "id_token_signing_alg_values_supported"), i, v)
        if (json_is_string(v))
            algs |= sp_jws_alg_bit(sp_str_n(json_string_value(v), json_string_length(v)));
    return algs;
}

static const char *read_root(const struct sp_oidc *o, const json_t *root, struct sp_oidc_facts *f)
{
    if (!json_is_object(root))
        return "it is no JSON object (or a member stands twice)";
    /* Else one issuer could speak for another (OpenID Connect Discovery section 4.3). */
    if (!sp_str_eq(sp_json_str(root, "issuer"), o->issuer))
        return "it is of another issuer (compared to the byte, a / at the end counts)";
    const char *why = take_endpoint(o, root, "jwks_uri", o->needs & SP_OIDC_KEYS, &f->arena, &f->jwks);
    if (!why)
        why = take_endpoint(o, root, "introspection_endpoint", o->needs & SP_OIDC_INTROSPECTION, &f->arena, &f->introspection);
    f->algs = read_algs(root);
    return why;
}

struct sp_oidc_facts *sp_oidc_read(const struct sp_oidc *o, struct sp_str text, const char **ret_why)
{
    assert(o && ret_why);
    struct sp_oidc_facts *f = sp_xcalloc(1, sizeof(*f));
    sp_arena_init(&f->arena);
    json_t *root = sp_json_load(text, MAX_DEPTH, MAX_VALUES);
    const char *why = read_root(o, root, f);
    json_decref(root);
    if (!why)
        return f;
    *ret_why = why;
    sp_oidc_facts_free(f);
    return NULL;
}

/* --- fetching it --- */

static unsigned algs_of(const struct sp_oidc *o, const struct sp_oidc_facts *facts)
{
    return o->algs ? o->algs : facts->algs;
}

static bool on_body(struct sp_fetch *f, struct sp_str body, const char **ret_why)
{
    struct sp_oidc *o = SP_CONTAINER_OF(f, struct sp_oidc, fetch);
    struct sp_oidc_facts *facts = sp_oidc_read(o, body, ret_why);
    if (!facts)
        return false;
    if (o->keys)
        sp_jwks_remote_aim(o->keys, f->prober, &facts->jwks, algs_of(o, facts));
    sp_live_publish(o->live, facts);
    sp_fetched_put(o->last, body, f->prober->turn.now_ns);
    return true;
}

static void on_over(struct sp_fetch *f, bool good, const char *why)
{
    struct sp_oidc *o = SP_CONTAINER_OF(f, struct sp_oidc, fetch);
    if (!good) {
        sp_counter_inc(o->stats->failed);
        sp_live_failed(o->live, sp_str_c(why));
        if (o->keys)
            sp_jwks_remote_missed(o->keys);
    } else if (!o->keys) { /* else the keys' fetch counts for both */
        sp_counter_inc(o->stats->success);
    }
    /* Of a good one the keys' first try is waited for: they say when. */
    if (!good || !o->keys)
        atomic_store_explicit(&o->task.ready, true, memory_order_release);
}

/* A request has a token, and it is not known yet where its key may be. */
static void on_asked(void *ctx)
{
    struct sp_oidc *o = ctx;
    sp_fetch_now(&o->fetch);
}

static void task_start(struct sp_live_task *t, struct sp_worker *prober)
{
    struct sp_oidc *o = SP_CONTAINER_OF(t, struct sp_oidc, task);
    const struct sp_oidc_facts *facts = sp_live_get(o->live);
    if (o->keys)
        sp_jwks_remote_open(o->keys, prober, on_asked, o);
    if (o->keys && facts)
        sp_jwks_remote_aim(o->keys, prober, &facts->jwks, algs_of(o, facts));
    if (facts)
        sp_fetch_resume(&o->fetch, prober, o->good_ns);
    else
        sp_fetch_start(&o->fetch, prober);
}

static void task_stop(struct sp_live_task *t)
{
    struct sp_oidc *o = SP_CONTAINER_OF(t, struct sp_oidc, task);
    if (o->keys)
        sp_jwks_remote_halt(o->keys);
    sp_fetch_stop(&o->fetch);
}

/* --- compiling --- */

static struct sp_cluster *find(const struct sp_filter_build *build, const void *msg, const char *name)
{
    struct sp_cluster *c = build->find_cluster(build->ctx, sp_str_c(name));
    if (!c)
        sp_no_cluster_err(build->doc, build->diag, msg, "cluster", sp_str_c(name));
    return c;
}

static bool hosts_init(struct sp_oidc *o, const struct sp_filter_build *build, const Issuer *msg)
{
    bool good = true;
    o->hosts = sp_arena_zalloc(&o->arena, (msg->n_hosts + 1) * sizeof(*o->hosts));
    o->hosts[o->n_hosts++] = (struct host){o->fetch.target.authority, o->fetch.target.cluster};
    for (size_t i = 0; i < msg->n_hosts; i++) {
        struct sp_cluster *c = find(build, msg->hosts[i], msg->hosts[i]->cluster);
        o->hosts[o->n_hosts++] = (struct host){sp_arena_str(&o->arena, sp_str_c(msg->hosts[i]->host)), c};
        good &= c != NULL;
        if (c && !o->allow_http && !sp_cluster_tls(c))
            sp_doc_warn(build->doc, build->diag, msg->hosts[i], "cluster", -1,
                        "URLs of this host are https, but the cluster \"%s\" has no TLS: whoever is on the way can put in keys of his own",
                        msg->hosts[i]->cluster);
    }
    return good;
}

static bool algs_init(struct sp_oidc *o, const struct sp_filter_build *build, const Issuer *msg)
{
    for (size_t i = 0; i < msg->n_algorithms; i++) {
        unsigned bit = sp_jws_alg_bit(sp_str_c(msg->algorithms[i]));
        if (!bit) {
            sp_doc_err(build->doc, build->diag, msg, "algorithms", (int)i,
                       "\"%s\" is none that an issuer's tokens may have (RS, PS or ES with 256, 384, 512; EdDSA)",
                       msg->algorithms[i]);
            return false;
        }
        o->algs |= bit;
    }
    return true;
}

static bool target_init(struct sp_oidc *o, const struct sp_filter_build *build, const Issuer *msg)
{
    struct sp_fetch_target *t = &o->fetch.target;
    struct sp_str base = o->issuer;
    while (sp_str_ends(base, SP_STR("/")))
        base.len--;
    const char *why = sp_fetch_split(sp_arena_cat(&o->arena, base, SP_STR(WELL_KNOWN)), t);
    if (!why && sp_str_chr(o->issuer, '?') >= 0)
        why = "it has a query";
    if (why) {
        sp_doc_err(build->doc, build->diag, msg, "issuer", -1, "is no issuer's URL: %s", why);
        return false;
    }
    if (!msg->allow_http && !sp_str_eq(t->scheme, SP_STR("https"))) {
        sp_doc_err(build->doc, build->diag, msg, "issuer", -1, "is not https (allow_http takes it)");
        return false;
    }
    t->cluster = find(build, msg, msg->cluster);
    t->timeout_ns = o->timeout_ns;
    if (t->cluster && sp_str_eq(t->scheme, SP_STR("https")) && !sp_cluster_tls(t->cluster))
        sp_doc_warn(build->doc, build->diag, msg, "cluster", -1,
                    "the issuer is https, but the cluster \"%s\" has no TLS: whoever is on the way can speak for it", msg->cluster);
    return t->cluster != NULL;
}

static void keys_init(struct sp_oidc *o, const struct sp_filter_build *build, const Issuer *msg, struct sp_str label)
{
    o->keys = sp_jwks_remote_new_aimless(build, o->timeout_ns, sp_duration_or(msg->jwks_cache_duration, DEFAULT_JWKS_CACHE_NS), label,
                                         o->stats, &o->task.ready);
}

/* An issuer that is down while a config is loaded anew is known all the same. True: so are its keys, where they are needed. */
static bool recall(struct sp_oidc *o)
{
    struct sp_arena arena;
    struct sp_str body;
    const char *why;
    struct sp_oidc_facts *facts = NULL;
    o->last = sp_fetched_get(SP_STR("issuer"), &o->fetch.target);
    sp_arena_init(&arena);
    if (sp_fetched_copy(o->last, &arena, &body, &o->good_ns))
        facts = sp_oidc_read(o, body, &why);
    sp_arena_done(&arena);
    if (!facts)
        return false;
    bool known = !o->keys || sp_jwks_remote_recall(o->keys, &facts->jwks, algs_of(o, facts));
    sp_live_publish(o->live, facts);
    return known;
}

struct sp_oidc *sp_oidc_new(const struct sp_filter_build *build, const Issuer *msg, unsigned needs, struct sp_str label,
                            const struct sp_jwks_stats *stats)
{
    assert(build && msg && stats && needs);
    struct sp_oidc *o = sp_xcalloc(1, sizeof(*o));
    sp_arena_init(&o->arena);
    sp_list_init(&o->task.link);
    o->issuer = sp_arena_str(&o->arena, sp_str_c(msg->issuer));
    o->needs = needs;
    o->stats = stats;
    o->allow_http = msg->allow_http;
    o->timeout_ns = sp_duration_or(msg->timeout, DEFAULT_TIMEOUT_NS);
    uint64_t cache = sp_duration_or(msg->cache_duration, DEFAULT_CACHE_NS);
    o->fetch.plan = (struct sp_fetch_plan){.good_ns = cache - cache / 10, .bad_ns = SP_NS_PER_S, .max_body = MAX_BYTES};
    sp_fetch_plan_retries(&o->fetch.plan, NULL);
    o->fetch.take = on_body;
    o->fetch.over = on_over;
    bool good = target_init(o, build, msg);
    good = algs_init(o, build, msg) && good;
    if (!good || !hosts_init(o, build, msg)) {
        sp_oidc_free(o);
        return NULL;
    }
    o->live = sp_live_new(sp_doc_live(build->doc), &kind, sp_arena_printf(&o->arena, "%.*s of %.*s", SP_STR_ARG(o->issuer),
                                                                          SP_STR_ARG(label)), o, NULL);
    if (needs & SP_OIDC_KEYS)
        keys_init(o, build, msg, label);
    atomic_store(&o->task.ready, recall(o) || msg->fast_listener);
    o->task.start = task_start;
    o->task.stop = task_stop;
    sp_live_set_add_task(sp_doc_live(build->doc), &o->task);
    return o;
}

void sp_oidc_free(struct sp_oidc *o)
{
    if (!o)
        return;
    assert(!o->fetch.prober);
    if (sp_list_linked(&o->task.link))
        sp_list_remove(&o->task.link);
    sp_jwks_remote_free(o->keys);
    sp_fetched_unref(o->last);
    sp_arena_done(&o->arena);
    free(o);
}

const struct sp_oidc_facts *sp_oidc_facts(const struct sp_oidc *o)
{
    assert(o);
    return sp_live_get(o->live);
}

struct sp_jwks_remote *sp_oidc_keys(const struct sp_oidc *o)
{
    assert(o && o->keys);
    return o->keys;
}
