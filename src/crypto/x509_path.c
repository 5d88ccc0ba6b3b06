/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "crypto/x509_constraints.h"
#include "crypto/x509_store.h"

enum {
    MAX_PATH = SP_X509_MAX_CHAIN + 1,
    MAX_SIGNATURES = 32, /* verified for one chain: what a peer can make us work */
};

/* One search for a path, from the leaf upwards. */
struct walk {
    const struct sp_x509_trust *trust;
    const struct sp_x509_check *check;
    const struct sp_x509 *chain;
    unsigned n, used; /* used: bits, of those on the path */
    const struct sp_x509 *path[MAX_PATH];
    unsigned signatures;
    unsigned top;        /* of the path that was found */
    int64_t until;       /* when what was found in order no longer is */
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
    if (w->check->allow_expired)
        return true;
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
    if (c->has_key_usage && !(c->key_usage & SP_KU_DIGITAL_SIGNATURE) && !(w->check->any_rsa_usage && c->key.kind == SP_KEY_RSA))
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

/* NULL: it is in force, and *ret_until says until when. */
static const char *list_problem(const struct walk *w, const struct sp_x509_list *l, const struct sp_x509 *issuer,
                                int64_t *ret_until)
{
    int64_t until = l->crl.next_update, grace = w->check->crl_grace;
    until = until > INT64_MAX - grace ? INT64_MAX : until + grace;
    if (w->check->now < l->crl.this_update)
        return "CRL is not yet valid";
    if (w->check->now > until)
        return "CRL has expired";
    if (!(l->signer && &l->signer->cert == issuer) && !sp_x509_crl_signed_by(&l->crl, issuer))
        return "CRL signature failure";
    *ret_until = until;
    return NULL;
}

/* Every list of the issuer is asked: one that names the certificate is enough, whatever the others say. */
static bool not_revoked(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth], *issuer = w->path[depth + 1];
    const char *text = w->check->crl_optional ? NULL : "unable to get certificate CRL";
    int64_t until, longest = 0;
    for (const struct sp_x509_list *l = w->trust->lists; l; l = l->next) {
        if (!sp_str_eq(l->crl.issuer, c->issuer))
            continue;
        const char *why = list_problem(w, l, issuer, &until);
        if (!why && sp_x509_crl_has(&l->crl, c->serial))
            return problem(w, "certificate revoked", depth);
        if (!why)
            longest = SP_MAX(longest, until);
        else
            text = why;
    }
    if (longest == 0)
        return !text || problem(w, text, depth);
    w->until = SP_MIN(w->until, longest);
    return true;
}

static bool names_within(struct walk *w, unsigned top)
{
    for (unsigned ca = top; ca > 0; ca--)
        for (unsigned i = 0; w->path[ca]->name_constraints.len && i < ca; i++)
            if ((i == 0 || !self_issued(w->path[i])) && !sp_x509_within(w->path[i], w->path[ca]->name_constraints))
                return problem(w, "permitted subtree violation", i);
    return true;
}

/* A trusted certificate needs no list, but none of another trusted one may name it. */
static bool distrusted(struct walk *w, unsigned top)
{
    const struct sp_x509 *c = w->path[top];
    for (const struct sp_x509_list *l = w->trust->lists; l; l = l->next)
        if (l->signer && sp_str_eq(l->crl.issuer, c->issuer) && sp_x509_crl_has(&l->crl, c->serial))
            return !problem(w, "certificate revoked", top);
    return false;
}

/* path[top] is trusted. */
static bool good_path(struct walk *w, unsigned top)
{
    if (top > 1 && top - 1 > w->check->max_depth)
        return problem(w, "certificate chain too long", top - 1);
    if (!names_within(w, top))
        return false;
    w->until = INT64_MAX;
    w->top = top;
    unsigned asked = w->trust->lists ? w->check->crl_leaf_only ? SP_MIN(top, 1u) : top : 0;
    for (unsigned i = 0; i < asked; i++)
        if (!not_revoked(w, i))
            return false;
    if (distrusted(w, top))
        return false;
    for (unsigned i = 0; i <= top && !w->check->allow_expired; i++)
        w->until = SP_MIN(w->until, w->path[i]->not_after);
    return true;
}

static bool by_anchor(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth];
    for (const struct sp_x509_anchor *a = sp_x509_anchors_of(w->trust, c->issuer); a; a = a->same_subject) {
        w->path[depth + 1] = &a->cert;
        if (good_issuer(w, &a->cert, depth + 1, true) && signed_by(w, c, &a->cert, depth) && good_path(w, depth + 1))
            return true;
    }
    return false;
}

static bool extend(struct walk *w, unsigned depth)
{
    const struct sp_x509 *c = w->path[depth];
    if (sp_x509_is_anchor(w->trust, c) && good_path(w, depth))
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
    if (good_leaf(&w, chain) && extend(&w, 0)) {
        if (check->ret_found)
            *check->ret_found = (struct sp_x509_found){w.until, w.top ? w.path[1] : NULL};
        return true;
    }
    *ret_problem = w.problem.text ? w.problem : no_path(&w);
    return false;
}
