/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/cert_check.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/tls_peer.h"
#include "net/tls_verify.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;

_Static_assert((int)SP_CERT_CHECK_MAX_CHAIN <= (int)SP_X509_MAX_CHAIN, "chain");

struct sp_cert_check {
    struct sp_tls_verify *verify;
    const Sallyport__Tls__V1__Ocsp *ocsp; /* the document's; NULL: nobody is asked */
};

struct sp_cert_check *sp_cert_check_new(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg)
{
    assert(doc && diag && msg);
    struct sp_tls_verify *v = sp_tls_verify_new(doc, diag, msg, false);
    if (!v)
        return NULL;
    if (!sp_tls_verify_chain(v)) {
        sp_doc_err(doc, diag, msg, NULL, -1,
                   "anybody can make a certificate that this takes (set trusted_ca, and do not accept untrusted ones)");
        sp_tls_verify_free(v);
        return NULL;
    }
    struct sp_cert_check *c = sp_xmalloc(sizeof(*c));
    c->verify = v;
    c->ocsp = sp_tls_revocation_ocsp(doc, msg);
    return c;
}

void sp_cert_check_free(struct sp_cert_check *c)
{
    if (!c)
        return;
    sp_tls_verify_free(c->verify);
    free(c);
}

const Sallyport__Tls__V1__Ocsp *sp_cert_check_ocsp(const struct sp_cert_check *c)
{
    assert(c);
    return c->ocsp;
}

bool sp_cert_check(const struct sp_cert_check *c, const struct sp_x509 *chain, unsigned n, struct sp_cert_verdict *ret)
{
    assert(c && chain && n && n <= SP_CERT_CHECK_MAX_CHAIN && ret);
    struct sp_tls_finding f;
    enum sp_tls_verdict v = sp_tls_verify_peer(c->verify, chain, n, SP_STR_NULL, &f);
    const char *why = NULL;
    if (v == SP_TLS_BAD_CHAIN)
        why = f.problem.text;
    else if (v == SP_TLS_BAD_NAME)
        why = "none of its names is one that is accepted";
    else if (v == SP_TLS_BAD_PIN)
        why = "neither it nor its key is pinned";
    *ret = (struct sp_cert_verdict){f.version, f.until, f.issuer, why};
    return v == SP_TLS_GOOD && f.trusted;
}

bool sp_cert_check_holds(const struct sp_cert_check *c, uint64_t version, int64_t until)
{
    assert(c);
    return sp_tls_verify_holds(c->verify, version, until);
}

void sp_cert_tell(const struct sp_x509 *cert, struct sp_arena *arena, struct sp_tls_info *info)
{
    assert(cert && arena && info);
    sp_tls_peer_describe(cert, arena, info);
    info->peer_presented = info->peer_verified = true;
}

void sp_cert_tell_none(struct sp_tls_info *info)
{
    assert(info);
    static const struct sp_x509 none;
    sp_tls_peer_names(&none, info);
    info->peer_presented = info->peer_verified = false;
    info->peer_subject = info->peer_issuer = info->peer_serial = info->peer_sha256 = info->peer_spki_sha256 = SP_STR_NULL;
}
