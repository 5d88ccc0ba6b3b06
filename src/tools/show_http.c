/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection manager: how requests are read, gates, filters, logs; then its routes. */
#include <assert.h>

#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stream/staged.h"
#include "tools/show.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpFilter Filter;
typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Shield;
typedef Sallyport__Filters__Http__OriginShield__V1__Proof Proof;

#define PROOF(name) SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__PROOF__PROOF_##name
#define SHIELD_DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor
#define FILE_DESC &envoy__extensions__access_loggers__file__v3__file_access_log__descriptor

/* ---- how requests are read ---- */

static void say_limit(struct sp_show *s, struct sp_tree_node *n, const char *key, const char *words, const Google__Protobuf__Duration *d,
                      const char *otherwise)
{
    if (d && (d->seconds || d->nanos))
        sp_tree_say(&s->tree, n, key, "%s %.*s", words, SP_STR_ARG(sp_show_duration(s, d)));
    else if (!d && otherwise)
        sp_tree_say(&s->tree, n, key, "%s %s", words, otherwise);
    else
        sp_tree_say(&s->tree, n, key, "%s any time", words);
}

static void show_client(struct sp_show *s, struct sp_tree_node *n, const sp_look_hcm *h)
{
    if (h->n_original_ip_detection_extensions)
        sp_tree_say(&s->tree, n, "client", "client by %zu extension%s", h->n_original_ip_detection_extensions,
                    h->n_original_ip_detection_extensions == 1 ? "" : "s");
    else if (h->xff_num_trusted_hops)
        sp_tree_say(&s->tree, n, "client", "client out of x-forwarded-for, %u hop%s", h->xff_num_trusted_hops, h->xff_num_trusted_hops == 1 ? "" : "s");
    else
        sp_tree_say(&s->tree, n, "client", sp_look_true(h->use_remote_address) ? "client is the peer" : "client as x-forwarded-for says");
}

static void show_paths(struct sp_show *s, struct sp_tree_node *n, const sp_look_hcm *h)
{
    static const char *const slashes[] = {"kept", "kept", "refused", "redirected", "unescaped"};
    unsigned action = (unsigned)h->path_with_escaped_slashes_action;
    sp_tree_say(&s->tree, n, "paths", "paths %s, slashes %s, escaped ones %s", sp_look_true(h->normalize_path) ? "normalised" : "as sent",
                h->merge_slashes ? "merged" : "as sent", action < SP_ARRAY_LEN(slashes) ? slashes[action] : "?");
    const Envoy__Config__Core__V3__HttpProtocolOptions *o = h->common_http_protocol_options;
    static const char *const underscores[] = {"allowed", "refused", "dropped"};
    unsigned u = o ? (unsigned)o->headers_with_underscores_action : 0;
    sp_tree_say(&s->tree, n, "underscores", "header names with underscores %s", u < SP_ARRAY_LEN(underscores) ? underscores[u] : "?");
}

static void show_limits(struct sp_show *s, struct sp_tree_node *n, const sp_look_hcm *h)
{
    const Envoy__Config__Core__V3__HttpProtocolOptions *o = h->common_http_protocol_options;
    say_limit(s, n, "request_headers_timeout", "headers within", h->request_headers_timeout, "10s");
    say_limit(s, n, "request_timeout", "requests within", h->request_timeout, NULL);
    say_limit(s, n, "stream_idle_timeout", "streams idle for", h->stream_idle_timeout, "300s");
    say_limit(s, n, "idle_timeout", "connections idle for", o ? o->idle_timeout : NULL, "3600s");
    if (o && o->max_connection_duration)
        say_limit(s, n, "max_connection_duration", "connections of", o->max_connection_duration, NULL);
}

/* ---- gates and filters ---- */

static const char *proof_word(const Proof *p)
{
    switch (p->proof_case) {
    case PROOF(SECRET_HEADER):
        return "a secret header";
    case PROOF(PEER_ADDRESS):
        return "the peer's address";
    case PROOF(CLIENT_CERTIFICATE):
        return "a client certificate";
    case PROOF(HEADER_VALUE):
        return "a header's value";
    case PROOF(AKAMAI_G2O):
        return "Akamai's signature";
    case PROOF(SIGNED_TOKEN):
        return "a signed token";
    case PROOF(PRESET):
        return "a preset, see below";
    default:
        return "?";
    }
}

static struct sp_str proof_text(struct sp_show *s, const Proof *p, unsigned depth)
{
    bool all = p->proof_case == PROOF(ALL_OF);
    if ((!all && p->proof_case != PROOF(ANY_OF)) || depth > 16)
        return sp_str_c(proof_word(p));
    const Sallyport__Filters__Http__OriginShield__V1__ProofSet *set = all ? p->all_of : p->any_of;
    struct sp_str out = SP_STR("");
    for (size_t i = 0; i < set->n_proofs; i++)
        out = sp_arena_printf(&s->tree.arena, "%.*s%s%.*s", SP_STR_ARG(out), i ? all ? " and " : " or " : "",
                              SP_STR_ARG(proof_text(s, set->proofs[i], depth + 1)));
    return depth ? sp_arena_printf(&s->tree.arena, "(%.*s)", SP_STR_ARG(out)) : out;
}

static void show_filter(struct sp_show *s, struct sp_tree_node *under, const Filter *f)
{
    const ProtobufCMessage *whole = sp_doc_any(s->doc, f->typed_config), *msg = whole ? sp_staged_content(s->doc, f->typed_config) : NULL;
    const struct sp_filter_ops *ops = sp_look_ops(msg);
    struct sp_str type = sp_show_type(s, msg);
    struct sp_tree_node *n = sp_tree_add(&s->tree, under, ops && ops->gate ? "gate" : "filter", type);
    if (!sp_str_eq(type, sp_str_c(f->name)))
        sp_tree_say(&s->tree, n, "as", "\"%s\"", f->name);
    if (msg && msg->descriptor == SHIELD_DESC && ((const Shield *)msg)->proof)
        sp_tree_say(&s->tree, n, "proof", "proof by %.*s", SP_STR_ARG(proof_text(s, ((const Shield *)msg)->proof, 0)));
    if (whole && msg && (!sp_look_enforces(whole) || !sp_look_enforces(msg)))
        sp_tree_say(&s->tree, n, "enforcement", "ON TRIAL");
    if (f->disabled)
        sp_tree_say(&s->tree, n, "disabled", "off but where a route turns it on");
}

static void show_upgrades(struct sp_show *s, struct sp_tree_node *under, const sp_look_hcm *h)
{
    for (size_t i = 0; i < h->n_upgrade_configs; i++) {
        struct sp_tree_node *n = sp_tree_add(&s->tree, under, "upgrade", sp_str_c(h->upgrade_configs[i]->upgrade_type));
        if (h->upgrade_configs[i]->enabled && !h->upgrade_configs[i]->enabled->value)
            sp_tree_say(&s->tree, n, "enabled", "where a route allows it");
        for (size_t k = 0; k < h->upgrade_configs[i]->n_filters; k++)
            show_filter(s, n, h->upgrade_configs[i]->filters[k]);
    }
}

static void show_logs(struct sp_show *s, struct sp_tree_node *under, const sp_look_hcm *h)
{
    for (size_t i = 0; i < h->n_access_log; i++) {
        const ProtobufCMessage *msg = sp_doc_any(s->doc, h->access_log[i]->typed_config);
        struct sp_tree_node *n = sp_tree_add(&s->tree, under, "access log", msg ? sp_str_c(msg->descriptor->short_name) : SP_STR("?"));
        if (msg && msg->descriptor == FILE_DESC)
            sp_tree_say(&s->tree, n, "path", "%s", ((const Envoy__Extensions__AccessLoggers__File__V3__FileAccessLog *)msg)->path);
    }
}

void sp_show_http(struct sp_show *s, struct sp_tree_node *chain, const sp_look_hcm *h)
{
    assert(s && chain && h);
    static const char *const codecs[] = {"HTTP/1.1 and HTTP/2", "HTTP/1.1", "HTTP/2", "HTTP/3"};
    struct sp_tree_node *n = sp_tree_add(&s->tree, chain, "connection manager", sp_str_c(h->stat_prefix));
    sp_tree_say(&s->tree, n, "codec", "%s", (unsigned)h->codec_type < SP_ARRAY_LEN(codecs) ? codecs[h->codec_type] : "?");
    show_client(s, n, h);
    show_paths(s, n, h);
    show_limits(s, n, h);
    for (size_t i = 0; i < h->n_http_filters; i++)
        show_filter(s, n, h->http_filters[i]);
    show_upgrades(s, n, h);
    show_logs(s, n, h);
    if (sp_look_table(h))
        sp_show_routes(s, n, sp_look_table(h));
}
