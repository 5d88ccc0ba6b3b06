/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/x509_store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/pem.h"

struct sp_x509_trust *sp_x509_trust_new(void)
{
    static _Atomic uint64_t versions;
    struct sp_x509_trust *t = sp_xcalloc(1, sizeof(*t));
    t->version = ++versions;
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

bool sp_x509_is_anchor(const struct sp_x509_trust *t, const struct sp_x509 *cert)
{
    for (const struct sp_x509_anchor *a = sp_x509_anchors_of(t, cert->subject); a; a = a->same_subject)
        if (sp_str_eq(a->cert.der, cert->der))
            return true;
    return false;
}

static int add_certificate(struct sp_x509_trust *t, struct sp_str der, const char **ret_why)
{
    struct sp_x509_anchor *a = sp_arena_zalloc(&t->arena, sizeof(*a));
    if (sp_x509_parse(sp_arena_str(&t->arena, der), &t->arena, &a->cert, ret_why) < 0)
        return -EINVAL;
    if (sp_x509_is_anchor(t, &a->cert))
        return 0;
    struct sp_x509_anchor *same = sp_x509_anchors_of(t, a->cert.subject);
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

/*
 * Which trusted certificate signed it is found out here, once: lists are asked at every handshake.  Issuers that are not
 * trusted themselves may come with a peer; one that bears a trusted one's name and not its signature is a forgery, or the
 * rest of an old key.
 */
static int find_signer(const struct sp_x509_trust *t, struct sp_x509_list *l, const char **ret_why)
{
    struct sp_x509_anchor *first = sp_x509_anchors_of(t, l->crl.issuer);
    for (const struct sp_x509_anchor *a = first; a; a = a->same_subject)
        if (sp_x509_crl_signed_by(&l->crl, &a->cert)) {
            l->signer = a;
            return 0;
        }
    if (!first)
        return 0;
    *ret_why = "it is not signed by the trusted certificate of that name, or that may not sign lists (keyUsage cRLSign)";
    return -EINVAL;
}

static int add_list(struct sp_x509_trust *t, struct sp_str der, const char **ret_why)
{
    struct sp_x509_list *l = sp_arena_zalloc(&t->arena, sizeof(*l));
    if (sp_x509_crl_parse(sp_arena_str(&t->arena, der), &t->arena, &l->crl, ret_why) < 0 || find_signer(t, l, ret_why) < 0)
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

/* Blocks are decoded beside the store and only what belongs in it is copied: a private key may stand in the same file. */
static int add_blocks(struct sp_x509_trust *t, struct sp_str pem, struct sp_arena *scratch, bool crl,
                      char why[SP_X509_WHY_MAX])
{
    const char *what = crl ? "revocation list" : "certificate", *problem = NULL;
    struct sp_pem block;
    unsigned n = 0;
    int r;
    while ((r = sp_pem_next(&pem, scratch, &block, &problem)) > 0) {
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

static int add_text(struct sp_x509_trust *t, struct sp_str text, bool crl, char why[SP_X509_WHY_MAX])
{
    struct sp_arena scratch;
    sp_arena_init(&scratch);
    int r = add_blocks(t, text, &scratch, crl, why);
    sp_arena_done_wipe(&scratch);
    return r;
}

int sp_x509_trust_add(struct sp_x509_trust *t, struct sp_str pem, char why[SP_X509_WHY_MAX])
{
    assert(t && why);
    return add_text(t, pem, false, why);
}

int sp_x509_trust_add_crl(struct sp_x509_trust *t, struct sp_str text, char why[SP_X509_WHY_MAX])
{
    assert(t && why);
    const char *problem = NULL;
    if (!text.len || text.ptr[0] != SP_DER_SEQUENCE || sp_str_find(text, SP_STR("-----BEGIN ")) >= 0)
        return add_text(t, text, true, why);
    int r = add_list(t, text, &problem); /* DER, as most CAs publish them */
    if (r < 0)
        snprintf(why, SP_X509_WHY_MAX, "revocation list in DER form: %s", problem);
    return r;
}

uint64_t sp_x509_trust_version(const struct sp_x509_trust *t)
{
    assert(t);
    return t->version;
}

int64_t sp_x509_trust_lists_until(const struct sp_x509_trust *t)
{
    assert(t);
    int64_t until = INT64_MAX;
    for (const struct sp_x509_list *l = t->lists; l; l = l->next)
        until = SP_MIN(until, l->crl.next_update);
    return until;
}

unsigned sp_x509_trust_count(const struct sp_x509_trust *t)
{
    assert(t);
    return t->n;
}

const struct sp_x509 *sp_x509_trust_at(const struct sp_x509_trust *t, unsigned i)
{
    assert(t && i < t->n);
    const struct sp_x509_anchor *a = t->first;
    while (i--)
        a = a->next;
    return &a->cert;
}
