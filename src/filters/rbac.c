/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "filters/gate.h"
#include "filters/rbac_rule.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__Rbac__V3__RBAC Message;
typedef Envoy__Extensions__Filters__Http__Rbac__V3__RBACPerRoute PerRoute;
typedef Envoy__Config__Rbac__V3__RBAC Rules;
typedef Envoy__Config__Rbac__V3__RBAC__PoliciesEntry Entry;
#define ACTION(name) ENVOY__CONFIG__RBAC__V3__RBAC__ACTION__##name

static const struct sp_str ns = SP_STR_INIT("envoy.filters.http.rbac");

struct policy {
    struct sp_str json;    /* its name as a JSON string */
    struct sp_str details; /* of a refusal */
    struct sp_str name;
    struct sp_rbac_rule *permissions, *principals;
    struct sp_counter allowed, denied; /* with track_per_rule_stats */
};

/* rules or shadow_rules. */
struct engine {
    bool present;
    Envoy__Config__Rbac__V3__RBAC__Action action;
    struct policy *policies; /* n of them, sorted by name */
    size_t n;
    struct sp_str policy_key, result_key; /* of the metadata */
    struct sp_counter allowed, denied;
};

struct config {
    struct sp_arena arena;
    struct engine rules, shadow;
    struct sp_str prefix[2]; /* of rules' and of shadow_rules' stats */
    bool track;
};

/* --- compiling --- */

static void engine_done(struct engine *e)
{
    for (size_t i = 0; i < e->n; i++) {
        sp_rbac_rule_free(e->policies[i].permissions);
        sp_rbac_rule_free(e->policies[i].principals);
    }
}

static void config_free(void *config)
{
    struct config *c = config;
    engine_done(&c->rules);
    engine_done(&c->shadow);
    sp_arena_done(&c->arena);
    free(c);
}

/* White space would split a log line. */
static struct sp_str details_text(struct sp_arena *arena, const char *name)
{
    struct sp_str text = sp_arena_printf(arena, "rbac_access_denied_matched_policy[%s]", name);
    char *p = (char *)(uintptr_t)text.ptr;
    for (size_t i = 0; i < text.len; i++)
        if (p[i] == ' ' || (p[i] >= '\t' && p[i] <= '\r'))
            p[i] = '_';
    return text;
}

static struct sp_str json_text(struct sp_arena *arena, const char *text)
{
    json_t *v = json_string(text);
    char *s = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    struct sp_str ret = sp_arena_str(arena, s ? sp_str_c(s) : SP_STR("\"\"")); /* the loader lets no other than UTF-8 in */
    free(s);
    json_decref(v);
    return ret;
}

static bool policy_init(const struct sp_filter_build *build, const Envoy__Config__Rbac__V3__Policy *msg, struct policy *p)
{
    p->permissions = sp_rbac_permissions_new(build, msg->permissions, msg->n_permissions);
    p->principals = sp_rbac_principals_new(build, msg->principals, msg->n_principals);
    return p->permissions && p->principals;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(Entry *const *)a)->key, (*(Entry *const *)b)->key);
}

static bool policies_init(const struct sp_filter_build *build, struct sp_arena *arena, const Rules *msg, struct engine *e)
{
    bool good = true;
    Entry **sorted = sp_xcalloc(msg->n_policies + 1, sizeof(Entry *));
    if (msg->n_policies)
        memcpy(sorted, msg->policies, msg->n_policies * sizeof(Entry *));
    qsort(sorted, msg->n_policies, sizeof(Entry *), by_name);
    e->policies = sp_arena_zalloc(arena, msg->n_policies * sizeof(*e->policies));
    for (size_t i = 0; i < msg->n_policies; i++) {
        struct policy *p = &e->policies[e->n++];
        p->name = sp_arena_str(arena, sp_str_c(sorted[i]->key));
        p->details = details_text(arena, sorted[i]->key);
        p->json = json_text(arena, sorted[i]->key);
        if (sorted[i]->value) {
            good &= policy_init(build, sorted[i]->value, p);
        } else {
            sp_doc_err(build->doc, build->diag, msg, "policies", -1, "the policy '%s' has no content", sorted[i]->key);
            good = false;
        }
    }
    free(sorted);
    return good;
}

static void stats_init(const struct sp_filter_build *build, const struct config *c, bool shadow, struct engine *e)
{
    struct sp_str prefix = c->prefix[shadow], allowed = shadow ? SP_STR("shadow_allowed") : SP_STR("allowed"),
                  denied = shadow ? SP_STR("shadow_denied") : SP_STR("denied");
    while (sp_str_ends(prefix, SP_STR(".")))
        prefix.len--;
    struct sp_stats_scope *scope =
        sp_stats_scope(build->scope, SP_STR("rbac"), prefix.len ? "envoy_rbac_http_prefix" : NULL, prefix);
    e->allowed = sp_stats_counter(scope, allowed);
    e->denied = sp_stats_counter(scope, denied);
    for (size_t i = 0; c->track && i < e->n; i++) {
        struct sp_stats_scope *of = sp_stats_scope(scope, SP_STR("policy"), "envoy_rbac_policy_name", e->policies[i].name);
        e->policies[i].allowed = sp_stats_counter(of, allowed);
        e->policies[i].denied = sp_stats_counter(of, denied);
    }
}

static bool engine_init(const struct sp_filter_build *build, struct config *c, const Message *msg, bool shadow,
                        struct engine *e)
{
    const Rules *rules = shadow ? msg->shadow_rules : msg->rules;
    const char *prefix = shadow ? msg->shadow_rules_stat_prefix : msg->rules_stat_prefix;
    bool good = true;
    if (rules) {
        e->present = true;
        e->action = rules->action;
        good = policies_init(build, &c->arena, rules, e);
    }
    e->policy_key =
        sp_arena_printf(&c->arena, "%s%s_effective_policy_id", prefix, shadow ? "shadow" : "enforced");
    e->result_key = sp_arena_printf(&c->arena, "%s%s_engine_result", prefix, shadow ? "shadow" : "enforced");
    if (good)
        stats_init(build, c, shadow, e);
    return good;
}

/* `own`: of a route's config, the filter's, under whose names it is counted, as in Envoy. */
static struct config *compile(const struct sp_filter_build *build, const Message *msg, const struct config *own)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    if (!msg) /* a route without rules */
        return c;
    c->prefix[0] = sp_arena_str(&c->arena, own ? own->prefix[0] : sp_str_c(msg->rules_stat_prefix));
    c->prefix[1] = sp_arena_str(&c->arena, own ? own->prefix[1] : sp_str_c(msg->shadow_rules_stat_prefix));
    c->track = msg->track_per_rule_stats || (own && own->track);
    bool good = engine_init(build, c, msg, false, &c->rules);
    good &= engine_init(build, c, msg, true, &c->shadow);
    if (good)
        return c;
    config_free(c);
    return NULL;
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    return compile(build, (const void *)base, NULL);
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    return compile(build, ((const PerRoute *)(const void *)base)->rbac, build->config);
}

/* --- deciding --- */

/* The first policy that matches, or NULL. */
static const struct policy *find(const struct engine *e, struct sp_rbac_input *in)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct policy *p = &e->policies[i];
        if (sp_rbac_match(p->permissions, in) && sp_rbac_match(p->principals, in))
            return p;
        if (in->undecided)
            break;
    }
    return NULL;
}

static bool decide(struct sp_filter *f, const struct engine *e, struct sp_rbac_input *in, const struct policy **ret_policy)
{
    in->undecided = false;
    const struct policy *p = *ret_policy = find(e, in);
    if (e->action == ACTION(LOG)) {
        sp_filter_set_metadata(f, SP_STR("envoy.common"), SP_STR("access_log_hint"), p ? SP_STR("true") : SP_STR("false"));
        return true;
    }
    return !in->undecided && (p != NULL) == (e->action == ACTION(ALLOW));
}

static void count(const struct engine *e, bool allowed, const struct policy *p)
{
    sp_counter_inc(allowed ? e->allowed : e->denied);
    if (p)
        sp_counter_inc(allowed ? p->allowed : p->denied);
}

static void note(struct sp_filter *f, const struct engine *e, bool allowed, const struct policy *p)
{
    if (p)
        sp_filter_set_metadata(f, ns, e->policy_key, p->json);
    sp_filter_set_metadata(f, ns, e->result_key, allowed ? SP_STR("\"allowed\"") : SP_STR("\"denied\""));
}

static struct sp_str details(const struct sp_rbac_input *in, const struct policy *p)
{
    if (in->undecided)
        return SP_STR("rbac_access_denied_undecided");
    return p ? p->details : SP_STR("rbac_access_denied_matched_policy[none]");
}

static void log_denial(const struct sp_filter *f, const struct sp_headers *h, struct sp_str why)
{
    char client[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h);
    sp_log_limited(SP_LOG_INFO, "rbac", 10, "%s %s: %.*s (%.*s %.*s)", sp_filter_enforced(f) ? "refused" : "would refuse",
                   sp_addr_ip_text(&sp_filter_info(f)->client, client), SP_STR_ARG(why), SP_STR_ARG(h->method), SP_STR_ARG(path));
}

static void shadow(struct sp_filter *f, const struct engine *e, struct sp_rbac_input *in)
{
    const struct policy *p;
    bool allowed = decide(f, e, in, &p);
    count(e, allowed, p);
    note(f, e, allowed, p);
    if (!allowed)
        sp_filter_note_shadow(f, details(in, p));
}

static enum sp_status enforce(struct sp_filter *f, const struct engine *e, struct sp_rbac_input *in)
{
    const struct policy *p;
    bool allowed = decide(f, e, in, &p);
    count(e, allowed, p);
    note(f, e, allowed, p);
    if (SP_LIKELY(allowed))
        return SP_CONTINUE;
    struct sp_str why = details(in, p);
    log_denial(f, in->request, why);
    sp_filter_reply_text(f, 403, SP_STR("RBAC: access denied"), why);
    return SP_STOP;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = sp_filter_route_config(f);
    if (!c)
        c = f->config;
    ptrdiff_t query = sp_str_chr(h->path, '?');
    struct sp_rbac_input in = {.request = h, .info = sp_filter_info(f),
                               .path = sp_str_sub(h->path, 0, query < 0 ? h->path.len : (size_t)query)};
    enum sp_status st = SP_CONTINUE;
    sp_metadata_view_init(&in.metadata, in.info);
    if (c->shadow.present)
        shadow(f, &c->shadow, &in);
    if (c->rules.present)
        st = enforce(f, &c->rules, &in);
    sp_metadata_view_done(&in.metadata);
    return st;
}

const struct sp_filter_ops sp_rbac_ops = {
    .name = "rbac",
    .type_url = "envoy.extensions.filters.http.rbac.v3.RBAC",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = config_free,
    .decode_headers = decode_headers,
};
