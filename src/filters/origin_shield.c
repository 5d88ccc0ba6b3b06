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
#include "stream/caller.h"
#include "stream/stream.h"

typedef Sallyport__Filters__Http__OriginShield__V1__OriginShield Message;

static const struct sp_str ns = SP_STR_INIT("sallyport.filters.http.origin_shield");

/* A header with signed tokens. One that nobody here found good would be taken for a good one by an origin that reads it. */
struct token_header {
    struct sp_proof_header header;
    uint32_t keep; /* it stays when a token of these is good */
};

struct config {
    struct sp_arena arena; /* holds secrets */
    struct sp_proof proof;
    struct sp_proof_header *strip; /* what never reaches an origin */
    struct sp_proof_header *keep;  /* secret as well, but asked for: not to be indexed by HPACK */
    struct sp_proof_header *values; /* not secret, but a stranger's copy is a lie */
    unsigned n_strip, n_keep, n_values;
    struct sp_shield_exemption *exemptions;
    unsigned n_exemptions;
    struct sp_shield_client client;
    bool shadow;
    struct sp_sample sample;
    struct sp_gate_refusal refusal;
    bool asks_g2o;
    struct token_header *tokens; /* n_tokens of them */
    unsigned n_tokens;
    struct sp_counter allowed, refused, shadow_refused, exempted, client_failed;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_proof_done(&c->proof);
    sp_shield_client_done(&c->client);
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

static struct token_header *token_header(struct config *c, const struct sp_proof_header *header)
{
    for (unsigned i = 0; i < c->n_tokens; i++)
        if (sp_str_eq(c->tokens[i].header.name, header->name))
            return &c->tokens[i];
    c->tokens[c->n_tokens].header = *header;
    return &c->tokens[c->n_tokens++];
}

/* Gathers the headers of all proofs that others must not see, each once. */
static void gather(struct config *c, const struct sp_proof *p)
{
    switch (p->kind) {
    case SP_PROOF_SECRET_HEADER:
        if (p->secret.keep && !listed(c->keep, c->n_keep, p->secret.header.name))
            c->keep[c->n_keep++] = p->secret.header;
        if (!p->secret.keep && !listed(c->strip, c->n_strip, p->secret.header.name))
            c->strip[c->n_strip++] = p->secret.header;
        break;
    case SP_PROOF_HEADER_VALUE:
        if (!listed(c->values, c->n_values, p->value.header.name))
            c->values[c->n_values++] = p->value.header;
        break;
    case SP_PROOF_AKAMAI_G2O:
        c->asks_g2o = true;
        break;
    case SP_PROOF_SIGNED_TOKEN:
        token_header(c, &p->token.header)->keep |= p->token.token.keep ? 1u << p->token.index : 0;
        break;
    case SP_PROOF_ALL_OF:
    case SP_PROOF_ANY_OF:
        for (unsigned i = 0; i < p->set.n; i++)
            gather(c, &p->set.v[i]);
        break;
    default:
        break;
    }
}

static bool headers_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    unsigned n = count_leaves(&c->proof);
    c->strip = sp_arena_zalloc(&c->arena, n * sizeof(*c->strip));
    c->keep = sp_arena_zalloc(&c->arena, n * sizeof(*c->keep));
    c->values = sp_arena_zalloc(&c->arena, n * sizeof(*c->values));
    c->tokens = sp_arena_zalloc(&c->arena, n * sizeof(*c->tokens));
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

static bool client_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    if (!sp_shield_client_init(&c->client, build, &c->arena, msg->client_address))
        return false;
    if (c->client.kind == SP_SHIELD_CLIENT_NONE || sp_proof_vouches(&c->proof))
        return true;
    sp_doc_err(build->doc, build->diag, msg, "client_address", -1,
               "the proof can hold for any tenant of the CDN, or for a user with a token of his own, who may forge the address (make "
               "a secret_header, a client_certificate with names or pins, a signature, a token of a load balancer or IAP, or "
               "x-azure-fdid or an Access token with peer_address part of every way to pass)");
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
    bool good = sp_sample_read(&c->sample, build->doc, build->diag, msg, c->shadow, msg->enforced_percent,
                               sp_str_c(build->stat_prefix), sp_str_c(build->filter_name));
    /* A proof with errors says nothing about the rest. */
    good &= sp_proof_init(&c->proof, build, &c->arena, scope, msg->proof) && headers_init(build, msg, c) &&
            client_init(build, msg, c);
    good &= exemptions_init(build, msg, c);
    good &= sp_gate_refusal_init(build, &c->arena, msg->refusal, &c->refusal);
    if (!good) {
        config_free(c);
        return NULL;
    }
    counters_init(c, scope);
    return c;
}

/* Of one stream. */
struct shield {
    struct sp_filter base;
    struct sp_proof_held held;
    bool holds;
};

static bool derives_client(const void *config)
{
    const struct config *c = config;
    return c->client.kind != SP_SHIELD_CLIENT_NONE;
}

static bool vouches(const void *config)
{
    const struct config *c = config;
    return sp_proof_vouches(&c->proof);
}

static void remove_header(const struct sp_proof_header *header, struct sp_headers *h)
{
    sp_headers_remove_alike(h, header->name);
}

/* What looks alike to CGI goes even where the good one stays. */
static void hide_token(const struct token_header *t, struct sp_headers *h, uint32_t good_tokens)
{
    struct sp_str good = t->keep & good_tokens ? sp_headers_get(h, t->header.name) : SP_STR_NULL;
    remove_header(&t->header, h);
    if (!good.ptr)
        return;
    sp_headers_add(h, t->header.name, good);
    sp_headers_find(h, t->header.name, NULL)->never_index = true;
}

static void hide_secrets(const struct config *c, struct sp_headers *h, uint32_t good_tokens)
{
    for (unsigned i = 0; i < c->n_strip; i++)
        remove_header(&c->strip[i], h);
    for (unsigned i = 0; i < c->n_keep; i++)
        for (struct sp_header *at = NULL; (at = sp_headers_find(h, c->keep[i].name, at));)
            at->never_index = true;
    for (unsigned i = 0; i < c->n_tokens; i++)
        hide_token(&c->tokens[i], h, good_tokens);
    for (unsigned i = 0; c->asks_g2o && i < SP_ARRAY_LEN(sp_proof_g2o_headers); i++)
        remove_header(&sp_proof_g2o_headers[i], h);
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
    sp_counter_inc(c->client_failed);
    sp_log_limited(SP_LOG_WARNING, "origin_shield", 10,
                   "no client address from %s: %.*s is absent, there twice, or no address",
                   sp_addr_ip_text(&info->conn->socket, peer), SP_STR_ARG(c->client.header.name));
}

/* What the CDN says and others may read, as "x_azure_fdid": that one is the client's, and the same name to some origins. */
static void remove_lookalikes(const struct config *c, struct sp_headers *h)
{
    if (c->client.kind == SP_SHIELD_CLIENT_HEADER)
        sp_headers_remove_lookalikes(h, c->client.header.name);
    for (unsigned i = 0; i < c->n_values; i++)
        sp_headers_remove_lookalikes(h, c->values[i].name);
    for (unsigned i = 0; i < c->n_tokens; i++)
        sp_headers_remove_lookalikes(h, c->tokens[i].header.name);
}

static void remove_sayings(const struct config *c, struct sp_headers *h)
{
    if (c->client.kind == SP_SHIELD_CLIENT_HEADER)
        remove_header(&c->client.header, h);
    for (unsigned i = 0; i < c->n_values; i++)
        remove_header(&c->values[i], h);
}

/* Nobody vouched for what this request says of its client. */
static void forget_client(const struct config *c, struct sp_stream_info *info, struct sp_headers *h, bool holds)
{
    if (info->proven) /* by a shield before this one */
        return;
    info->client = info->conn->peer;
    info->client_derived = info->client_failed = false;
    if (!holds)
        remove_sayings(c, h);
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

static void log_refusal(const struct sp_stream_info *info, const struct sp_headers *h, bool enforced, struct sp_str faults)
{
    char peer[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h);
    /* A flood is refused without its addresses being written out: nearly all of its lines are left out. */
    sp_log_limited(SP_LOG_INFO, "origin_shield", 10, "%s %s: %.*s (%.*s %.*s)", enforced ? "refused" : "would refuse",
                   sp_addr_ip_text(&info->conn->socket, peer), SP_STR_ARG(faults), SP_STR_ARG(h->method), SP_STR_ARG(path));
}

static enum sp_status refuse(struct sp_filter *f, const struct sp_headers *h, bool enforced, unsigned failed)
{
    const struct config *c = f->config;
    struct sp_arena *arena = sp_filter_arena(f);
    struct sp_str faults = sp_proof_faults(failed, arena);
    struct sp_str details = sp_arena_cat(arena, sp_arena_cat(arena, SP_STR("origin_shield_refused{"), faults), SP_STR("}"));
    log_refusal(sp_filter_info(f), h, enforced, faults);
    if (enforced) {
        sp_counter_inc(c->refused);
        return sp_gate_refuse(f, &c->refusal, details);
    }
    sp_counter_inc(c->shadow_refused);
    sp_filter_set_metadata(f, ns, SP_STR("shadow_refused"), sp_arena_printf(arena, "\"%.*s\"", SP_STR_ARG(faults)));
    sp_filter_note_shadow(f, details);
    return SP_CONTINUE;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_stream_info *info = sp_filter_info(f);
    struct sp_proof_request r = {.h = h,
                                 .info = info,
                                 .arena = sp_filter_arena(f),
                                 .turn = sp_filter_turn(f),
                                 .now = sp_filter_turn(f)->wall_ns / (int64_t)SP_NS_PER_S,
                                 .worker = sp_stream_get_owner(sp_filter_stream(f))->worker,
                                 .held = &((struct shield *)f)->held};
    bool holds = sp_proof_check(&c->proof, &r);
    bool enforced = !c->shadow && sp_sample_has(&c->sample, &info->conn->peer);
    ((struct shield *)f)->holds = holds;
    hide_secrets(c, h, r.good_tokens);
    remove_lookalikes(c, h);
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
    return e ? exempt(f, e, enforced) : refuse(f, h, enforced, r.failed);
}

static void explain(struct sp_filter *f, struct sp_buf *out)
{
    const struct sp_stream_info *info = sp_filter_info(f);
    bool exempted = !info->proven && find_exemption(f->config, sp_filter_request(f), info);
    sp_buf_append_str(out, info->proven ? SP_STR("its proof is there")
                           : exempted   ? SP_STR("exempted: no proof is asked for")
                                        : SP_STR("on trial"));
}

/* Half a proof is nobody's. */
static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    const struct shield *s = (const struct shield *)f;
    if (s->holds)
        sp_proof_caller(&s->held, sp_filter_info(f), out);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    hide_secrets(f->config, t, 0);
    remove_sayings(f->config, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_origin_shield_ops = {
    .name = "origin_shield",
    .type_url = "sallyport.filters.http.origin_shield.v1.OriginShield",
    .size = sizeof(struct shield),
    .gate = true,
    .proves = true,
    .config_new = config_new,
    .config_free = config_free,
    .derives_client = derives_client,
    .vouches = vouches,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .explain = explain,
    .caller = caller,
};
