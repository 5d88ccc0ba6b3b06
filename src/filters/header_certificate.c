/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/filters/http/header_certificate/v1/header_certificate.pb-c.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/ocsp.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/header_certificate_cache.h"
#include "filters/header_certificate_decode.h"
#include "filters/registry.h"
#include "net/sample.h"
#include "stats/stats.h"
#include "stream/stream.h"

typedef Sallyport__Filters__Http__HeaderCertificate__V1__HeaderCertificate Message;

enum { MAX_RELATED = 32 };

struct config {
    struct sp_arena arena;
    struct sp_str header;
    struct sp_str *related; /* n_related of them */
    unsigned n_related;
    sp_header_cert_format format;
    struct sp_cert_check *check;
    struct sp_header_cert_cache *cache; /* NULL where a responder is asked: that has answers of its own */
    struct sp_ocsp *ocsp;               /* NULL: nobody is */
    bool required, strip, shadow;
    struct sp_sample sample;
    struct sp_gate_refusal refusal;
    struct sp_counter verified, none, unproven, refused, shadow_refused;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_cert_check_free(c->check);
    sp_header_cert_cache_free(c->cache);
    sp_ocsp_free(c->ocsp);
    sp_arena_done(&c->arena);
    free(c);
}

static bool names_init(const struct sp_filter_build *build, const Message *msg, struct config *c)
{
    c->header = sp_gate_header_name(build, &c->arena, msg, "header", msg->header);
    bool good = c->header.ptr;
    if (msg->n_related_headers > MAX_RELATED) {
        sp_doc_err(build->doc, build->diag, msg, "related_headers", MAX_RELATED, "is one too many (at most %d)", MAX_RELATED);
        return false;
    }
    c->related = sp_arena_zalloc(&c->arena, (msg->n_related_headers + 1) * sizeof(*c->related));
    for (size_t i = 0; i < msg->n_related_headers; i++) {
        struct sp_str name = sp_gate_header_name(build, &c->arena, msg, "related_headers", msg->related_headers[i]);
        good &= name.ptr != NULL;
        c->related[c->n_related++] = name;
    }
    return good;
}

static bool behind_proof(const struct sp_filter_build *build, const Message *msg)
{
    if (build->proof_before && !build->proof_is_weak)
        return true;
    if (build->proof_before)
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "the proof before this gate can hold for any tenant of the CDN, or for a user with a token of his own, who may "
                   "show anybody's certificate (see client_address of origin_shield: the same proofs will do)");
    else
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "nobody proves before this gate that the CDN sent the header (put an origin_shield before it)");
    return false;
}

static void counters_init(struct config *c, struct sp_stats_scope *scope)
{
    c->verified = sp_stats_counter(scope, SP_STR("verified"));
    c->none = sp_stats_counter(scope, SP_STR("none"));
    c->unproven = sp_stats_counter(scope, SP_STR("unproven"));
    c->refused = sp_stats_counter(scope, SP_STR("refused"));
    c->shadow_refused = sp_stats_counter(scope, SP_STR("shadow_refused"));
}

static bool check_init(const struct sp_filter_build *build, const Message *msg, struct config *c,
                       struct sp_stats_scope *scope)
{
    c->check = sp_cert_check_new(build->doc, build->diag, msg->validation_context);
    if (!c->check)
        return false;
    const Sallyport__Tls__V1__Ocsp *ocsp = sp_cert_check_ocsp(c->check);
    if (ocsp) {
        c->ocsp = sp_ocsp_new(build->doc, build->diag, ocsp, build->find_cluster, build->ctx, scope);
        return c->ocsp != NULL;
    }
    c->cache = sp_header_cert_cache_new();
    return true;
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    const Message *msg = (const void *)base;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("header_certificate"), NULL, SP_STR_NULL);
    sp_arena_init(&c->arena);
    c->format = msg->format;
    c->required = msg->required;
    c->strip = msg->strip;
    c->shadow = msg->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW;
    bool good = sp_sample_read(&c->sample, build->doc, build->diag, msg, c->shadow, msg->enforced_percent,
                               sp_str_c(build->stat_prefix), sp_str_c(build->filter_name));
    good &= names_init(build, msg, c);
    good &= behind_proof(build, msg);
    good &= sp_gate_refusal_init(build, &c->arena, msg->refusal, &c->refusal);
    good &= check_init(build, msg, c, scope);
    if (!good) {
        config_free(c);
        return NULL;
    }
    counters_init(c, scope);
    return c;
}

struct gate {
    struct sp_filter base;
    struct sp_ocsp_wait wait;
    /* While it waits, in the stream's arena: */
    struct sp_x509 leaf;
    const struct sp_str *ders;
    unsigned n;
    struct sp_str value;
};

/* A request on its way through the gate. */
struct pass {
    struct sp_filter *f;
    const struct config *c;
    struct sp_stream_info *info;
    struct sp_headers *h;
    struct sp_arena *arena;
};

static void remove_all(const struct config *c, struct sp_headers *h)
{
    sp_headers_remove_alike(h, c->header);
    for (unsigned i = 0; i < c->n_related; i++)
        sp_headers_remove_alike(h, c->related[i]);
}

/*
 * Behind this gate the client's certificate is the one in the header or none: never the one that the CDN shows for
 * itself, or all its customers' clients would be it.
 */
static struct sp_client_cert *facts(const struct pass *p, struct sp_tls_info **ret_info)
{
    struct sp_client_cert *cert = sp_arena_zalloc(p->arena, sizeof(*cert));
    struct sp_tls_info *info = sp_arena_alloc(p->arena, sizeof(*info));
    *info = *p->info->conn->tls;
    sp_cert_tell_none(info);
    cert->tls = info;
    if (ret_info)
        *ret_info = info;
    return cert;
}

static void take_none(const struct pass *p)
{
    if (p->info->conn->tls->peer_presented)
        p->info->header_cert = facts(p, NULL);
}

static enum sp_status refuse(const struct pass *p, const char *why)
{
    const struct config *c = p->c;
    struct sp_str text = sp_arena_printf(p->arena, "%s", why), path = sp_gate_log_path(p->h);
    bool enforced = !c->shadow && sp_sample_has(&c->sample, &p->info->conn->peer);
    char peer[SP_ADDR_TEXT_MAX];
    remove_all(c, p->h);
    take_none(p);
    sp_log_limited(SP_LOG_INFO, "header_certificate", 10, "%s %s: %s (%.*s %.*s)", enforced ? "refused" : "would refuse",
                   sp_addr_ip_text(&p->info->conn->socket, peer), why, SP_STR_ARG(p->h->method), SP_STR_ARG(path));
    for (char *at = (char *)(uintptr_t)text.ptr; *at; at++)
        *at = *at == ' ' ? '_' : *at;
    struct sp_str details = sp_arena_printf(p->arena, "header_certificate_refused{%.*s}", SP_STR_ARG(text));
    if (enforced) {
        sp_counter_inc(c->refused);
        return sp_gate_refuse(p->f, &c->refusal, details);
    }
    sp_counter_inc(c->shadow_refused);
    sp_filter_note_shadow(p->f, details);
    return SP_CONTINUE;
}

static enum sp_status without(const struct pass *p, struct sp_counter counter, const char *why)
{
    sp_counter_inc(counter);
    if (p->c->required)
        return refuse(p, why);
    remove_all(p->c, p->h);
    take_none(p);
    return SP_CONTINUE;
}

/* Facts as of a certificate that came by TLS; the header goes on in one spelling, or not at all. */
static enum sp_status take(const struct pass *p, const struct sp_x509 *leaf, const struct sp_str *ders, unsigned n,
                           struct sp_str value)
{
    struct sp_tls_info *info;
    struct sp_client_cert *cert = facts(p, &info);
    sp_cert_tell(leaf, p->arena, info);
    cert->der = ders[0];
    struct sp_str *others = sp_arena_alloc(p->arena, n * sizeof(*others));
    memcpy(others, ders + 1, (n - 1) * sizeof(*others));
    cert->others = others;
    cert->n_others = n - 1;
    p->info->header_cert = cert;
    sp_headers_remove_alike(p->h, p->c->header);
    if (!p->c->strip)
        sp_headers_add(p->h, p->c->header, value);
    sp_counter_inc(p->c->verified);
    return SP_CONTINUE;
}

static bool good(const struct pass *p, struct sp_str value, const struct sp_x509 *chain, unsigned n,
                 struct sp_cert_verdict *ret)
{
    struct sp_header_cert_seen *seen = NULL;
    unsigned worker = sp_stream_get_owner(sp_filter_stream(p->f))->worker;
    if (p->c->cache && sp_header_cert_cache_find(p->c->cache, worker, value, &seen) &&
        sp_cert_check_holds(p->c->check, seen->version, seen->until))
        return true;
    if (!sp_cert_check(p->c->check, chain, n, ret))
        return false;
    if (seen)
        sp_header_cert_cache_put(seen, ret->version, ret->until);
    return true;
}

static struct pass pass_of(struct sp_filter *f, struct sp_headers *h)
{
    return (struct pass){f, f->config, sp_filter_info(f), h, sp_filter_arena(f)};
}

static void on_answer(struct sp_ocsp_wait *w)
{
    struct gate *g = SP_CONTAINER_OF(w, struct gate, wait);
    struct pass p = pass_of(&g->base, sp_filter_request(&g->base));
    enum sp_status status = w->verdict == SP_OCSP_PASSES ? take(&p, &g->leaf, g->ders, g->n, g->value) : refuse(&p, w->why);
    if (status == SP_CONTINUE)
        sp_filter_continue(&g->base, SP_DECODE);
}

static enum sp_status ask(const struct pass *p, const struct sp_x509 *leaf, const struct sp_x509 *issuer,
                          const struct sp_str *ders, unsigned n, struct sp_str value)
{
    struct gate *g = (struct gate *)p->f;
    struct sp_str *kept = sp_arena_alloc(p->arena, n * sizeof(*kept));
    g->wait.done = on_answer;
    switch (sp_ocsp_ask(p->c->ocsp, sp_filter_turn(p->f)->worker, leaf, issuer, &g->wait)) {
    case SP_OCSP_PASSES:
        return take(p, leaf, ders, n, value);
    case SP_OCSP_REFUSES:
        return refuse(p, g->wait.why);
    case SP_OCSP_ASKING:
        break;
    }
    memcpy(kept, ders, n * sizeof(*kept));
    g->leaf = *leaf;
    g->ders = kept;
    g->n = n;
    g->value = value;
    return SP_STOP_PAUSE;
}

static enum sp_status judge(const struct pass *p, struct sp_str value)
{
    struct sp_str ders[SP_CERT_CHECK_MAX_CHAIN];
    struct sp_x509 chain[SP_CERT_CHECK_MAX_CHAIN];
    struct sp_cert_verdict verdict = {0}; /* of a verdict that is remembered only that it was good */
    const char *why = NULL;
    unsigned n = sp_header_cert_decode(p->c->format, value, p->arena, ders);
    for (unsigned i = 0; i < n; i++)
        if (sp_x509_parse(ders[i], p->arena, &chain[i], &why) < 0)
            n = 0;
    if (n == 0)
        return refuse(p, "malformed");
    if (!good(p, value, chain, n, &verdict))
        return refuse(p, verdict.why);
    return p->c->ocsp ? ask(p, chain, verdict.issuer, ders, n, value) : take(p, chain, ders, n, value);
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct pass p = pass_of(f, h);
    if (!p.info->proven)
        return without(&p, p.c->unproven, "unproven");
    struct sp_header *line = sp_headers_find(h, p.c->header, NULL);
    if (!line || !line->value.len)
        return without(&p, p.c->none, "missing");
    if (sp_headers_find(h, p.c->header, line))
        return refuse(&p, "repeated");
    return judge(&p, line->value);
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    remove_all(f->config, t);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *f)
{
    sp_ocsp_cancel(&((struct gate *)f)->wait);
}

const struct sp_filter_ops sp_header_certificate_ops = {
    .name = "header_certificate",
    .type_url = "sallyport.filters.http.header_certificate.v1.HeaderCertificate",
    .size = sizeof(struct gate),
    .gate = true,
    .certifies = true,
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .destroy = destroy,
};
