/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/x509_trust.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "crypto/pem.h"
#include "crypto/x509_constraints.h"
#include "crypto/x509_crl.h"

enum {
    MAX_PATH = SP_X509_MAX_CHAIN + 1,
    MAX_SIGNATURES = 32, /* verified for one chain: what a peer can make us work */
};

struct anchor {
    struct sp_x509 cert;
    struct anchor *next;         /* in the order they were added */
    struct anchor *same_subject;
};

struct list {
    struct sp_x509_crl crl;
    struct list *next;
};

struct sp_x509_trust {
    struct sp_arena arena;
    struct sp_map by_subject; /* the first anchor of it */
    struct anchor *first, **end;
    struct list *lists;
    unsigned n;
};

struct sp_x509_trust *sp_x509_trust_new(void)
{
    struct sp_x509_trust *t = sp_xcalloc(1, sizeof(*t));
    sp_arena_init(&t->arena);
    sp_map_init(&t->by_subject);
    t->end = &t->first;
    return t;
}

void sp_x509_trust_free(struct sp_x509_trust *t)
{
    if (!t)
        return;
    sp_map_done(&t->by_subject);
    sp_arena_done(&t->arena);
    free(t);
}

static struct anchor *anchors_of(const struct sp_x509_trust *t, struct sp_str subject)
{
    return sp_map_get(&t->by_subject, subject);
}

static bool is_anchor(const struct sp_x509_trust *t, const struct sp_x509 *cert)
{
    for (const struct anchor *a = anchors_of(t, cert->subject); a; a = a->same_subject)
        if (sp_str_eq(a->cert.der, cert->der))
            return true;
    return false;
}

static int add_certificate(struct sp_x509_trust *t, struct sp_str der, const char **ret_why)
{
    struct anchor *a = sp_arena_zalloc(&t->arena, sizeof(*a));
    if (sp_x509_parse(der, &t->arena, &a->cert, ret_why) < 0)
        return -EINVAL;
    if (is_anchor(t, &a->cert))
        return 0;
    struct anchor *same = anchors_of(t, a->cert.subject);
    if (same) {
        a->same_subject = same->same_subject;
        same->same_subject = a;
    } else {
        sp_map_add(&t->by_subject, a->cert.subject, a);
    }
    *t->end = a;
    t->end = &a->next;
    t->n++;
    return 0;
}

static int add_list(struct sp_x509_trust *t, struct sp_str der, const char **ret_why)
{
    struct list *l = sp_arena_zalloc(&t->arena, sizeof(*l));
    if (sp_x509_crl_parse(der, &t->arena, &l->crl, ret_why) < 0)
        return -EINVAL;
    l->next = t->lists;
    t->lists = l;
    return 0;
}

static bool is_certificate(struct sp_str label)
{
    return sp_str_eq(label, SP_STR("CERTIFICATE")) || sp_str_eq(label, SP_STR("X509 CERTIFICATE")) ||
           sp_str_eq(label, SP_STR("TRUSTED CERTIFICATE"));
}

static int add_blocks(struct sp_x509_trust *t, struct sp_str pem, bool crl, char why[SP_X509_WHY_MAX])
{
    const char *what = crl ? "revocation list" : "certificate", *problem = NULL;
    struct sp_pem block;
    unsigned n = 0;
    int r;
    while ((r = sp_pem_next(&pem, &t->arena, &block, &problem)) > 0) {
        if (crl ? !sp_str_eq(block.label, SP_STR("X509 CRL")) : !is_certificate(block.label))
            continue;
        n++;
        if ((crl ? add_list : add_certificate)(t, block.der, &problem) < 0) {
            snprintf(why, SP_X509_WHY_MAX, "%s %u in it: %s", what, n, problem);
            return -EINVAL;
        }
    }
    if (r < 0)
        snprintf(why, SP_X509_WHY_MAX, "%s", problem);
    else if (n == 0)
        snprintf(why, SP_X509_WHY_MAX, "there is no %s in PEM form in it", what);
    return n && r == 0 ? 0 : -EINVAL;
}

int sp_x509_trust_add(struct sp_x509_trust *t, struct sp_str pem, char why[SP_X509_WHY_MAX])
{
    assert(t && why);
    return add_blocks(t, pem, false, why);
}

int sp_x509_trust_add_crl(struct sp_x509_trust *t, struct sp_str pem, char why[SP_X509_WHY_MAX])
{
    assert(t && why);
    return add_blocks(t, pem, true, why);
}

unsigned sp_x509_trust_count(const struct sp_x509_trust *t)
{
    assert(t);
    return t->n;
}

const struct sp_x509 *sp_x509_trust_at(const struct sp_x509_trust *t, unsigned i)
{
    assert(t && i < t->n);
    const struct anchor *a = t->first;
    while (i--)
        a = a->next;
    return &a->cert;
}

/* One search for a path, from the leaf upwards. */
struct walk {
    const struct sp_x509_trust *trust;
    const struct sp_x509_check *check;
    const struct sp_x509 *chain;
    unsigned n, used; /* used: bits, of those on the path */
    const struct sp_x509 *path[MAX_PATH];
    unsigned signatures;
    struct sp_x509_problem problem; /* the first that tells more than "no issuer" */
};

static bool problem(struct walk *w, const char *text, unsigned depth)
{
    if (!w->problem.text)
        w->problem = (struct sp_x509_problem){text, depth};
    return false;
}

static bool self_issued(const struct sp_x509 *c)
{
    return sp_str_eq(c->issuer, c->subject);
}

static bool in_time(struct walk *w, const struct sp_x509 *c, unsigned depth)
{
    if (w->check->now < c->not_before)
        return problem(w, "certificate is not yet valid", depth);
    if (w->check->now > c->not_after)
        return problem(w, "certificate has expired", depth);
    return true;
}

static bool for_purpose(struct walk *w, const struct sp_x509 *c, unsigned depth)
{
    unsigned want = w->check->purpose == SP_X509_FOR_SERVER ? SP_EKU_SERVER : SP_EKU_CLIENT;
    return !c->has_ext_usage || c->ext_usage & (want | SP_EKU_ANY) || problem(w, "unsuitable certificate purpose", depth);
}

static bool good_leaf(struct walk *w, const struct sp_x509 *c)
{
    if (c->unknown_critical)
        return problem(w, "unhandled critical extension", 0);
    if (c->key.kind == SP_KEY_UNKNOWN)
        return problem(w, "key of an unsupported kind or size", 0);
    if (c->has_key_usage && !(c->key_usage & SP_KU_DIGITAL_SIGNATURE))
        return problem(w, "unsuitable certificate purpose", 0);
    return in_time(w, c, 0) && for_purpose(w, c, 0);
}

/* May c have issued path[depth - 1]? */
static bool good_issuer(struct walk *w, const struct sp_x509 *c, unsigned depth, bool anchor)
{
    if (!c->is_ca || (c->has_key_usage && !(c->key_usage & SP_KU_CERT_SIGN)))
        return problem(w, "invalid CA certificate", depth);
    if (c->unknown_critical)
        return problem(w, "unhandled critical extension", depth);
    int below = 0;
    for (unsigned i = 1; i < depth; i++)
        below += !self_issued(w->path[i]);
    if (c->path_len >= 0 && below > c->path_len)
        return problem(w, "path length constraint exceeded", depth);
    return in_time(w, c, depth) && (anchor || for_purpose(w, c, depth));
}

static bool signed_by(struct walk *w, const struct sp_x509 *c, const struct sp_x509 *issuer, unsigned depth)
{
    if (w->signatures == MAX_SIGNATURES)
        return problem(w, "certificate chain too long", depth);
    w->signatures++;
    if (c->signature.kind == SP_SIG_UNKNOWN)
        return problem(w, "signature algorithm is not supported", depth);
    return sp_signature_verify(&c->signature, &issuer->key, c->tbs) || problem(w, "certificate signature failure", depth);
}

static bool not_revoked(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth], *issuer = w->path[depth + 1];
    const char *text = "unable to get certificate CRL";
    for (const struct list *l = w->trust->lists; l; l = l->next) {
        if (!sp_str_eq(l->crl.issuer, c->issuer))
            continue;
        if (w->check->now < l->crl.this_update)
            text = "CRL is not yet valid";
        else if (w->check->now > l->crl.next_update)
            text = "CRL has expired";
        else if (!sp_x509_crl_signed_by(&l->crl, issuer))
            text = "CRL signature failure";
        else if (sp_x509_crl_has(&l->crl, c->serial))
            return problem(w, "certificate revoked", depth);
        else
            text = NULL;
        if (!text)
            return true;
    }
    return problem(w, text, depth);
}

static bool names_within(struct walk *w, unsigned top)
{
    for (unsigned ca = top; ca > 0; ca--)
        for (unsigned i = 0; w->path[ca]->name_constraints.len && i < ca; i++)
            if ((i == 0 || !self_issued(w->path[i])) && !sp_x509_within(w->path[i], w->path[ca]->name_constraints))
                return problem(w, "permitted subtree violation", i);
    return true;
}

/* path[top] is trusted. */
static bool good_path(struct walk *w, unsigned top)
{
    if (top > 1 && top - 1 > w->check->max_depth)
        return problem(w, "certificate chain too long", top - 1);
    if (!names_within(w, top))
        return false;
    for (unsigned i = 0; w->trust->lists && i < top; i++)
        if (!not_revoked(w, i))
            return false;
    return true;
}

static bool by_anchor(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth];
    for (const struct anchor *a = anchors_of(w->trust, c->issuer); a; a = a->same_subject) {
        w->path[depth + 1] = &a->cert;
        if (good_issuer(w, &a->cert, depth + 1, true) && signed_by(w, c, &a->cert, depth) && good_path(w, depth + 1))
            return true;
    }
    return false;
}

static bool extend(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth];
    if (is_anchor(w->trust, c) && good_path(w, depth))
        return true;
    if (by_anchor(w, depth))
        return true;
    for (unsigned i = 1; depth + 2 < MAX_PATH && i < w->n; i++) {
        const struct sp_x509 *issuer = &w->chain[i];
        if (w->used & 1u << i || !sp_str_eq(issuer->subject, c->issuer))
            continue;
        if (!good_issuer(w, issuer, depth + 1, false) || !signed_by(w, c, issuer, depth))
            continue;
        w->used |= 1u << i;
        w->path[depth + 1] = issuer;
        if (extend(w, depth + 1))
            return true;
        w->used &= ~(1u << i);
    }
    return false;
}

/* Nothing was wrong with any certificate, but no path led to a trusted one. */
static struct sp_x509_problem no_path(const struct walk *w)
{
    const struct sp_x509 *c = &w->chain[0];
    unsigned depth = 0;
    for (unsigned i = 1; i < w->n && !self_issued(c); i++)
        if (sp_str_eq(w->chain[i].subject, c->issuer)) {
            c = &w->chain[i];
            depth++;
        }
    if (!self_issued(c))
        return (struct sp_x509_problem){"unable to get local issuer certificate", depth};
    return (struct sp_x509_problem){
        depth ? "self-signed certificate in certificate chain" : "self-signed certificate", depth};
}

bool sp_x509_trust_verify(const struct sp_x509_trust *t, const struct sp_x509 *chain, unsigned n,
                          const struct sp_x509_check *check, struct sp_x509_problem *ret_problem)
{
    assert(t && chain && n && n <= SP_X509_MAX_CHAIN && check && ret_problem);
    struct walk w = {.trust = t, .check = check, .chain = chain, .n = n, .used = 1, .path = {chain}};
    if (good_leaf(&w, chain) && extend(&w, 0))
        return true;
    *ret_problem = w.problem.text ? w.problem : no_path(&w);
    return false;
}
