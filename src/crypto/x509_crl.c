/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/x509_crl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    return sp_str_cmp(*(const struct sp_str *)a, *(const struct sp_str *)b);
}

/* No extension that we would have to understand: of the list (delta, distribution point) or of an entry (indirect). */
static bool no_critical(struct sp_der list)
{
    struct sp_der ext, oid, body;
    bool critical;
    while (list.n)
        if (!sp_der_take(&list, SP_DER_SEQUENCE, &ext) || !sp_der_take(&ext, SP_DER_OID, &oid) ||
            !sp_der_take_bool_or_false(&ext, &critical) || !sp_der_take(&ext, SP_DER_OCTET_STRING, &body) || ext.n || critical)
            return false;
    return true;
}

static bool entry(struct sp_der e, struct sp_str *ret_serial)
{
    struct sp_der serial, exts;
    int64_t when;
    if (!sp_der_take(&e, SP_DER_INTEGER, &serial) || serial.n == 0 || !sp_der_take_time(&e, &when))
        return false;
    *ret_serial = sp_der_str(serial);
    return e.n == 0 || (sp_der_take(&e, SP_DER_SEQUENCE, &exts) && e.n == 0 && no_critical(exts));
}

static const char *entries(struct sp_der list, struct sp_arena *arena, struct sp_x509_crl *crl)
{
    struct sp_der e;
    unsigned n = 0;
    for (struct sp_der i = list; i.n; n++)
        if (!sp_der_take(&i, SP_DER_SEQUENCE, &e))
            return "malformed list of revoked certificates";
    crl->serials = sp_arena_alloc(arena, n * sizeof(*crl->serials) + 1);
    while (list.n)
        if (!sp_der_take(&list, SP_DER_SEQUENCE, &e) || !entry(e, &crl->serials[crl->n_serials++]))
            return "malformed or indirect entry";
    if (n)
        qsort(crl->serials, n, sizeof(*crl->serials), compare);
    return NULL;
}

static const char *to_be_signed(struct sp_der tbs, struct sp_arena *arena, struct sp_x509_crl *crl,
                                struct sp_str *ret_algorithm)
{
    struct sp_der v, list = {NULL, 0}, exts;
    unsigned version;
    bool v2 = sp_der_is(&tbs, SP_DER_INTEGER);
    if (v2 && (!sp_der_take_uint(&tbs, &version) || version != 1))
        return "unknown version";
    if (!sp_der_take_whole(&tbs, SP_DER_SEQUENCE, ret_algorithm) || !sp_der_take_whole(&tbs, SP_DER_SEQUENCE, &crl->issuer) ||
        !sp_der_take_time(&tbs, &crl->this_update))
        return "malformed list";
    if ((sp_der_is(&tbs, SP_DER_UTC_TIME) || sp_der_is(&tbs, SP_DER_GENERAL_TIME)) &&
        !sp_der_take_time(&tbs, &crl->next_update))
        return "malformed list";
    if (sp_der_is(&tbs, SP_DER_SEQUENCE) && !sp_der_take(&tbs, SP_DER_SEQUENCE, &list))
        return "malformed list";
    if (tbs.n && (!v2 || !sp_der_take(&tbs, SP_DER_CONTEXT_CONS(0), &v) || tbs.n || !sp_der_take(&v, SP_DER_SEQUENCE, &exts) ||
                  v.n || !no_critical(exts)))
        return "a delta list, one of a part of the certificates, or malformed";
    return entries(list, arena, crl);
}

int sp_x509_crl_parse(struct sp_str der, struct sp_arena *arena, struct sp_x509_crl *ret, const char **ret_why)
{
    assert(arena && ret && ret_why);
    struct sp_x509_crl crl = {.next_update = INT64_MAX};
    struct sp_der d = sp_der_over(der), seq, tbs, algorithm;
    struct sp_str outer, inner = SP_STR_NULL;
    *ret_why = "malformed list";
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take_whole(&seq, SP_DER_SEQUENCE, &crl.tbs) ||
        !sp_der_take_whole(&seq, SP_DER_SEQUENCE, &outer) || !sp_der_take_bits(&seq, &crl.signature.bytes) || seq.n)
        return -EINVAL;
    d = sp_der_over(crl.tbs);
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &tbs))
        return -EINVAL;
    const char *why = to_be_signed(tbs, arena, &crl, &inner);
    if (why) {
        *ret_why = why;
        return -EINVAL;
    }
    d = sp_der_over(outer);
    if (!sp_str_eq(inner, outer) || !sp_der_take(&d, SP_DER_SEQUENCE, &algorithm) ||
        !sp_signature_algorithm(algorithm, &crl.signature) || crl.signature.kind == SP_SIG_UNKNOWN) {
        *ret_why = "signed with an algorithm that is not supported";
        return -EINVAL;
    }
    crl.digest_len = sp_signature_digest(&crl.signature, crl.tbs, crl.digest);
    *ret = crl;
    return 0;
}

bool sp_x509_crl_has(const struct sp_x509_crl *crl, struct sp_str serial)
{
    assert(crl);
    return crl->n_serials && bsearch(&serial, crl->serials, crl->n_serials, sizeof(serial), compare);
}

bool sp_x509_crl_signed_by(const struct sp_x509_crl *crl, const struct sp_x509 *issuer)
{
    assert(crl && issuer);
    if (issuer->has_key_usage && !(issuer->key_usage & SP_KU_CRL_SIGN))
        return false;
    if (crl->signature.kind == SP_SIG_ED25519)
        return sp_signature_verify(&crl->signature, &issuer->key, crl->tbs);
    return sp_signature_verify_digest(&crl->signature, &issuer->key, crl->digest, crl->digest_len);
}
