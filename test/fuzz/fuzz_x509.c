/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a certificate ('c' first), as a list of revoked certificates ('l'), as a PEM text ('p') or as an OCSP
 * response ('o', about a certificate whose issuer hashes to zeros; nobody has signed it): no crash, no
 * reading behind the end, no name with a control byte in it.  What is a certificate is its own CA then, and is verified
 * with name constraints.
 */
#include <assert.h>
#include <stdint.h>

#include "crypto/ocsp.h"
#include "crypto/x509_constraints.h"
#include "crypto/x509_crl.h"
#include "crypto/x509_trust.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        assert(s.ptr[i] >= ' ' && s.ptr[i] < 127);
}

static void check_names(const struct sp_str *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        check_text(v[i]);
}

static void certificate(struct sp_str der, struct sp_arena *arena)
{
    struct sp_x509 x;
    const char *why = NULL;
    if (sp_x509_parse(der, arena, &x, &why) < 0) {
        assert(why);
        return;
    }
    check_text(sp_x509_name_text(arena, x.subject));
    check_text(sp_x509_name_text(arena, x.issuer));
    check_names(x.dns, x.n_dns);
    check_names(x.uri, x.n_uri);
    check_names(x.email, x.n_email);
    check_names(x.ip, x.n_ip);
    assert(x.spki.len && x.serial.len && x.tbs.len);
    if (x.name_constraints.len)
        sp_x509_within(&x, x.name_constraints);
    struct sp_x509_trust *t = sp_x509_trust_new();
    struct sp_x509 chain[] = {x, x, x};
    struct sp_x509_problem problem;
    struct sp_x509_check check = {.now = x.not_before, .max_depth = 1};
    if (!sp_x509_trust_verify(t, chain, 3, &check, &problem))
        assert(problem.text);
    sp_x509_trust_free(t);
}

static void list(struct sp_str der, struct sp_arena *arena)
{
    struct sp_x509_crl crl;
    const char *why = NULL;
    if (sp_x509_crl_parse(der, arena, &crl, &why) < 0) {
        assert(why);
        return;
    }
    for (unsigned i = 0; i < crl.n_serials; i++)
        assert(sp_x509_crl_has(&crl, crl.serials[i]));
    assert(!sp_x509_crl_has(&crl, SP_STR("")));
}

static void pem(struct sp_str text)
{
    char why[SP_X509_WHY_MAX] = "";
    struct sp_x509_trust *t = sp_x509_trust_new();
    if (sp_x509_trust_add(t, text, why) == 0)
        assert(sp_x509_trust_count(t) > 0);
    if (sp_x509_trust_add_crl(t, text, why) < 0)
        assert(why[0]);
    sp_x509_trust_free(t);
}

static void ocsp(struct sp_str der)
{
    static const struct sp_ocsp_id id = {.serial = SP_STR_INIT("\x01")};
    static const struct sp_x509 issuer = {.subject = SP_STR_INIT("\x30\x00"), .key.kind = SP_KEY_P256};
    struct sp_ocsp_check check = {.id = &id, .issuer = &issuer, .now = 1700000000, .max_age = 300};
    struct sp_ocsp_answer answer;
    const char *why = NULL;
    int r = sp_ocsp_read(der, &check, &answer, &why);
    assert(r < 0 && why);
    (void)r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_arena arena;
    if (size < 1)
        return 0;
    struct sp_str rest = sp_str_n((const char *)data + 1, size - 1);
    sp_arena_init(&arena);
    if (data[0] == 'c')
        certificate(rest, &arena);
    else if (data[0] == 'l')
        list(rest, &arena);
    else if (data[0] == 'p')
        pem(rest);
    else if (data[0] == 'o')
        ocsp(rest);
    sp_arena_done(&arena);
    return 0;
}
