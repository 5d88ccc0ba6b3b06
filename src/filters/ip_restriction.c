/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/registry.h"
#include "net/address_set.h"
#include "net/sample.h"
#include "stats/stats.h"
#include "stream/caller.h"

typedef Sallyport__Filters__Http__IpRestriction__V1__IpRestriction Message;

static const struct sp_str ns = SP_STR_INIT("sallyport.filters.http.ip_restriction");

struct config {
    struct sp_arena arena;
    struct sp_address_rules rules;
    Sallyport__Common__V1__Source source;
    bool shadow;
    struct sp_sample sample;
    struct sp_gate_refusal refusal;
    struct sp_counter allowed, denied, shadow_denied;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_address_rules_done(&c->rules);
    sp_arena_done(&c->arena);
    free(c);
}

static bool source_ok(const struct sp_filter_build *build, const Message *msg)
{
    if (msg->source != SALLYPORT__COMMON__V1__SOURCE__CLIENT || build->client_derived)
        return true;
    sp_doc_err(build->doc, build->diag, msg, "source", -1,
               "nothing before this gate derives CLIENT (put an origin_shield with client_address before it, "
               "or choose PEER)");
    return false;
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    c->source = msg->source;
    c->shadow = msg->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW;
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("ip_restriction"), NULL, SP_STR_NULL);
    bool good = sp_sample_read(&c->sample, build->doc, build->diag, msg, c->shadow, msg->enforced_percent,
                               sp_str_c(build->stat_prefix), sp_str_c(build->filter_name));
    good &= source_ok(build, msg);
    const struct sp_address_rules_fields fields = SP_ADDRESS_RULES_FIELDS(msg);
    good &= sp_address_rules_init(&c->rules, build->doc, build->diag, "ip_restriction", scope, &fields);
    good &= sp_gate_refusal_init(build, &c->arena, msg->refusal, &c->refusal);
    if (!good) {
        config_free(c);
        return NULL;
    }
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->denied = sp_stats_counter(scope, SP_STR("denied"));
    c->shadow_denied = sp_stats_counter(scope, SP_STR("shadow_denied"));
    return c;
}

/* NULL when the address is not known. */
static const struct sp_addr *address(const struct config *c, const struct sp_stream_info *info)
{
    const struct sp_addr *a = NULL;
    switch (c->source) {
    case SALLYPORT__COMMON__V1__SOURCE__SOCKET:
        a = &info->conn->socket;
        break;
    case SALLYPORT__COMMON__V1__SOURCE__PEER:
        a = &info->conn->peer;
        break;
    case SALLYPORT__COMMON__V1__SOURCE__CLIENT:
        a = info->client_failed ? NULL : &info->client;
        break;
    default: /* the field rules demand a source */
        break;
    }
    return a && a->family ? a : NULL;
}

/* Why it is denied, for the log; a NULL slice when it is not. `ret_list`: the list that the range stands in, or "". */
static struct sp_str verdict(const struct config *c, const struct sp_addr *a, struct sp_arena *arena,
                             struct sp_str *ret_list)
{
    struct sp_cidr range;
    char text[SP_ADDR_TEXT_MAX];
    *ret_list = SP_STR("");
    if (!a)
        return SP_STR("address_unknown");
    if (sp_address_rules_admit(&c->rules, a, &range, ret_list))
        return SP_STR_NULL;
    if (!range.family)
        return SP_STR("not_in_allow");
    size_t n = sp_cidr_format(&range, text);
    return sp_arena_str(arena, sp_str_n(text, n));
}

static void log_denial(bool enforced, const struct sp_addr *a, struct sp_str why, struct sp_str list,
                       const struct sp_headers *h)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h);
    sp_log_limited(SP_LOG_INFO, "ip_restriction", 10, "%s %s: %.*s%s%.*s (%.*s %.*s)",
                   enforced ? "denied" : "would deny", a ? sp_addr_ip_text(a, text) : "an unknown address", SP_STR_ARG(why), list.len ? " of " : "",
                   SP_STR_ARG(list), SP_STR_ARG(h->method), SP_STR_ARG(path));
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_arena *arena = sp_filter_arena(f);
    const struct sp_addr *a = address(c, sp_filter_info(f));
    struct sp_str list, why = verdict(c, a, arena, &list);
    if (SP_LIKELY(!why.ptr)) {
        sp_counter_inc(c->allowed);
        return SP_CONTINUE;
    }
    struct sp_str details = sp_arena_printf(arena, "ip_restriction_denied{%.*s}", SP_STR_ARG(why));
    bool enforced = !c->shadow && sp_sample_has(&c->sample, &sp_filter_info(f)->conn->peer);
    log_denial(enforced, a, why, list, h);
    if (!enforced) {
        sp_counter_inc(c->shadow_denied);
        sp_filter_set_metadata(f, ns, SP_STR("shadow_denied"), sp_arena_printf(arena, "\"%.*s\"", SP_STR_ARG(why)));
        sp_filter_note_shadow(f, details);
        return SP_CONTINUE;
    }
    sp_counter_inc(c->denied);
    return sp_gate_refuse(f, &c->refusal, details);
}

/* Only a list has a name; and only where it is not enough to be in no list of those refused. */
static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    const struct config *c = f->config;
    const struct sp_addr *a = address(c, sp_filter_info(f));
    struct sp_str list = SP_STR("");
    if (a && c->rules.allow && sp_address_set_find(c->rules.allow, a, NULL, &list))
        sp_caller_say(out, SP_STR("network"), list);
}

static void explain(struct sp_filter *f, struct sp_buf *out)
{
    static const char *const sources[] = {[SALLYPORT__COMMON__V1__SOURCE__SOCKET] = "SOCKET", [SALLYPORT__COMMON__V1__SOURCE__PEER] = "PEER",
                                          [SALLYPORT__COMMON__V1__SOURCE__CLIENT] = "CLIENT"};
    const struct config *c = f->config;
    const struct sp_addr *a = address(c, sp_filter_info(f));
    char text[SP_ADDR_TEXT_MAX], range_text[SP_ADDR_TEXT_MAX] = "no range of deny";
    struct sp_cidr range;
    struct sp_str list = SP_STR("");
    if (!a)
        return;
    if (c->rules.allow && sp_address_set_find(c->rules.allow, a, &range, &list))
        sp_cidr_format(&range, range_text);
    sp_buf_append_str(out, sp_arena_printf(sp_filter_arena(f), "%s %s is in %s%s%.*s", sources[c->source], sp_addr_ip_text(a, text), range_text,
                                           list.len ? " of " : "", SP_STR_ARG(list)));
}

const struct sp_filter_ops sp_ip_restriction_ops = {
    .name = "ip_restriction",
    .type_url = "sallyport.filters.http.ip_restriction.v1.IpRestriction",
    .size = sizeof(struct sp_filter),
    .gate = true,
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .explain = explain,
    .caller = caller,
};
