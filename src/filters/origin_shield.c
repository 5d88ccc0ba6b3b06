/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/origin_shield_client.h"
#include "filters/origin_shield_exempt.h"
#include "filters/origin_shield_proof.h"
#include "filters/registry.h"
#include "net/sample.h"

typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Message;

static const struct sp_str ns = SP_STR_INIT("sallyport.filters.http.origin_shield");

struct config {
    struct sp_arena arena; /* holds secrets */
    struct sp_proof proof;
    struct sp_proof_header *strip; /* what never reaches an origin */
    struct sp_proof_header *keep;  /* secret as well, but asked for: not to be indexed by HPACK */
    unsigned n_strip, n_keep;
    struct sp_shield_exemption *exemptions;
    unsigned n_exemptions;
    struct sp_shield_client client;
    bool shadow;
    struct sp_sample sample;
    struct sp_gate_refusal refusal;
    /* By which leaves failed: "secret_header,peer_address" and the details around it. */
    struct sp_str failed[1 << SP_PROOF_N_LEAVES], details[1 << SP_PROOF_N_LEAVES];
    struct sp_counter allowed, refused, shadow_refused, exempted, client_failed;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_proof_done(&c->proof);
    for (unsigned i = 0; i < c->n_exemptions; i++)
        sp_shield_exemption_done(&c->exemptions[i]);
    sp_arena_done_wipe(&c->arena);
    free(c);
}

static bool listed(const struct sp_proof_header *v, unsigned n, struct sp_str name)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_eq(v[i].name, name))
            return true;
    return false;
}

static unsigned count_leaves(const struct sp_proof *p)
{
    unsigned n = 0;
    if (p->kind < SP_PROOF_N_LEAVES)
        return 1;
    for (unsigned i = 0; i < p->set.n; i++)
        n += count_leaves(&p->set.v[i]);
    return n;
}

/* Gathers the headers of all secrets, each once. */
static void gather(struct config *c, const struct sp_proof *p)
{
    if (p->kind >= SP_PROOF_N_LEAVES) {
        for (unsigned i = 0; i < p->set.n; i++)
            gather(c, &p->set.v[i]);
    } else if (p->kind == SP_PROOF_SECRET_HEADER) {
        const struct sp_proof_header *h = &p->secret.header;
        if (p->secret.keep && !listed(c->keep, c->n_keep, h->name))
            c->keep[c->n_keep++] = *h;
        if (!p->secret.keep && !listed(c->strip, c->n_strip, h->name))
            c->strip[c->n_strip++] = *h;
    }
}

static bool headers_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    unsigned n = count_leaves(&c->proof);
    c->strip = sp_arena_zalloc(&c->arena, n * sizeof(*c->strip));
    c->keep = sp_arena_zalloc(&c->arena, n * sizeof(*c->keep));
    gather(c, &c->proof);
    for (unsigned i = 0; i < c->n_keep; i++)
        if (listed(c->strip, c->n_strip, c->keep[i].name)) {
            sp_doc_err(build->doc, build->diag, msg, "proof", -1,
                       "%.*s is to be kept by one secret_header and taken out by another (give both the same keep)",
                       SP_STR_ARG(c->keep[i].name));
            return false;
        }
    return true;
}

static void name_failures(struct config *c)
{
    for (unsigned mask = 0; mask < SP_ARRAY_LEN(c->failed); mask++) {
        struct sp_str text = SP_STR("");
        for (unsigned kind = 0; kind < SP_PROOF_N_LEAVES; kind++)
            if (mask & 1u << kind)
                text = sp_arena_printf(&c->arena, "%.*s%s%.*s", SP_STR_ARG(text), text.len ? "," : "",
                                       SP_STR_ARG(sp_proof_name(kind)));
        c->failed[mask] = text;
        c->details[mask] = sp_arena_printf(&c->arena, "origin_shield_refused{%.*s}", SP_STR_ARG(text));
    }
}

static bool client_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    if (!sp_shield_client_init(&c->client, build, &c->arena, msg->client_address))
        return false;
    if (c->client.kind == SP_SHIELD_CLIENT_NONE || sp_proof_names_customer(&c->proof))
        return true;
    sp_doc_err(build->doc, build->diag, msg, "client_address", -1,
               "the proof can hold for any tenant of the CDN, who may forge the address (make a secret_header, a "
               "client_certificate with names or pins, or x-azure-fdid with peer_address part of every way to pass)");
    return false;
}

static bool exemptions_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    bool good = true;
    c->exemptions = sp_arena_zalloc(&c->arena, msg->n_exemptions * sizeof(*c->exemptions));
    for (size_t i = 0; i < msg->n_exemptions; i++)
        good &= sp_shield_exemption_init(&c->exemptions[c->n_exemptions++], build, &c->arena, msg->exemptions[i]);
    return good;
}

static void counters_init(struct config *c, struct sp_stats_scope *scope)
{
    c->allowed = sp_stats_counter(scope, SP_STR("allowed"));
    c->refused = sp_stats_counter(scope, SP_STR("refused"));
    c->shadow_refused = sp_stats_counter(scope, SP_STR("shadow_refused"));
    c->exempted = sp_stats_counter(scope, SP_STR("exempted"));
    c->client_failed = sp_stats_counter(scope, SP_STR("client_address_failed"));
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("origin_shield"), NULL, SP_STR_NULL);
    sp_arena_init(&c->arena);
    c->shadow = msg->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW;
    sp_sample_init(&c->sample, msg->enforced_percent ? msg->enforced_percent->value : 100, sp_str_c(build->stat_prefix),
                   sp_str_c(build->filter_name));
    bool good = sp_proof_init(&c->proof, build, &c->arena, scope, msg->proof);
    /* A proof with errors says nothing about the rest. */
    good = good && headers_init(build, msg, c) && client_init(build, msg, c);
    good &= exemptions_init(build, msg, c);
    good &= sp_gate_refusal_init(build, &c->arena, msg->refusal, &c->refusal);
    if (!good) {
        config_free(c);
        return NULL;
    }
    name_failures(c);
    counters_init(c, scope);
    return c;
}

static bool derives_client(const void *config)
{
    const struct config *c = config;
    return c->client.kind != SP_SHIELD_CLIENT_NONE;
}

static void remove_header(const struct sp_proof_header *header, struct sp_headers *h)
{
    sp_headers_remove_alike(h, header->name);
}

static void hide_secrets(const struct config *c, struct sp_headers *h)
{
    for (unsigned i = 0; i < c->n_strip; i++)
        remove_header(&c->strip[i], h);
    for (unsigned i = 0; i < c->n_keep; i++)
        for (struct sp_header *at = NULL; (at = sp_headers_find(h, c->keep[i].name, at));)
            at->never_index = true;
}

static void set_client(const struct config *c, struct sp_stream_info *info, const struct sp_headers *h)
{
    if (c->client.kind == SP_SHIELD_CLIENT_NONE)
        return;
    struct sp_addr client = {0};
    info->client_derived = sp_shield_client_find(&c->client, h, info->conn, &client);
    info->client_failed = !info->client_derived;
    info->client = info->client_derived ? client : info->conn->peer;
    if (SP_LIKELY(info->client_derived))
        return;
    char peer[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(&info->conn->socket, peer);
    sp_counter_inc(c->client_failed);
    sp_log_limited(SP_LOG_WARNING, "origin_shield", 10,
                   "no client address from %.*s: %.*s is absent, there twice, or no address", (int)n, peer,
                       SP_STR_ARG(c->client.header.name));
}

/* Nobody vouched for what this request says of its client. */
static void forget_client(const struct config *c, struct sp_stream_info *info, struct sp_headers *h, bool holds)
{
    if (info->proven) /* by a shield before this one */
        return;
    info->client = info->conn->peer;
    info->client_derived = info->client_failed = false;
    if (!holds && c->client.kind == SP_SHIELD_CLIENT_HEADER)
        remove_header(&c->client.header, h);
}

static const struct sp_shield_exemption *find_exemption(const struct config *c, const struct sp_headers *h,
                                                        const struct sp_stream_info *info)
{
    for (unsigned i = 0; i < c->n_exemptions; i++)
        if (sp_shield_exemption_match(&c->exemptions[i], h, info))
            return &c->exemptions[i];
    return NULL;
}

static enum sp_status exempt(struct sp_filter *f, const struct sp_shield_exemption *e, bool enforced)
{
    const struct config *c = f->config;
    sp_counter_inc(c->exempted);
    if (e->forward || !enforced)
        return SP_CONTINUE;
    const struct sp_reply reply = {
        .status = 200, .body = SP_STR("ok\n"), .details = SP_STR("origin_shield_exempted"), .no_store = true};
    sp_filter_reply(f, &reply);
    return SP_STOP;
}

static void log_refusal(const struct config *c, const struct sp_stream_info *info, const struct sp_headers *h,
                        bool enforced, unsigned failed)
{
    char peer[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(&info->conn->socket, peer);
    struct sp_str path = sp_gate_log_path(h);
    sp_log_limited(SP_LOG_INFO, "origin_shield", 10, "%s %.*s: %.*s (%.*s %.*s)", enforced ? "refused" : "would refuse",
                   (int)n, peer, SP_STR_ARG(c->failed[failed]), SP_STR_ARG(h->method), SP_STR_ARG(path));
}

static enum sp_status refuse(struct sp_filter *f, const struct sp_headers *h, bool enforced, unsigned failed)
{
    const struct config *c = f->config;
    log_refusal(c, sp_filter_info(f), h, enforced, failed);
    if (enforced) {
        sp_counter_inc(c->refused);
        return sp_gate_refuse(f, &c->refusal, c->details[failed]);
    }
    sp_counter_inc(c->shadow_refused);
    sp_filter_set_metadata(f, ns, SP_STR("shadow_refused"),
                           sp_arena_printf(sp_filter_arena(f), "\"%.*s\"", SP_STR_ARG(c->failed[failed])));
    sp_filter_note_shadow(f, c->details[failed]);
    return SP_CONTINUE;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_stream_info *info = sp_filter_info(f);
    unsigned failed;
    bool holds = sp_proof_check(&c->proof, h, info->conn, &failed);
    bool enforced = !c->shadow && sp_sample_has(&c->sample, &info->conn->peer);
    hide_secrets(c, h);
    if (holds && enforced) {
        info->proven = true;
        set_client(c, info, h);
    } else {
        forget_client(c, info, h, holds);
    }
    if (SP_LIKELY(holds)) {
        sp_counter_inc(c->allowed);
        return SP_CONTINUE;
    }
    const struct sp_shield_exemption *e = find_exemption(c, h, info);
    return e ? exempt(f, e, enforced) : refuse(f, h, enforced, failed);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    hide_secrets(f->config, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_origin_shield_ops = {
    .name = "origin_shield",
    .type_url = "sallyport.filters.http.origin_shield.v1.OriginShield",
    .size = sizeof(struct sp_filter),
    .gate = true,
    .proves = true,
    .config_new = config_new,
    .config_free = config_free,
    .derives_client = derives_client,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
};
