/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_staple.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

#include "config/secret.h"
#include "crypto/ocsp.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate Certificate;

/* wolfSSL asks for the response; it frees what it gets. */
static int on_status(WOLFSSL *ssl, void *arg)
{
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    if (!t || !t->stapled)
        return SSL_TLSEXT_ERR_NOACK;
    struct sp_str der = t->member->staple;
    unsigned char *copy = wolfSSL_Malloc(der.len);
    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    memcpy(copy, der.ptr, der.len);
    wolfSSL_set_tlsext_status_ocsp_resp(ssl, copy, (int)der.len);
    return SSL_TLSEXT_ERR_OK;
}

/* For wolfSSL to verify the response by, and nothing else: peers are judged elsewhere. */
static bool give_issuer(WOLFSSL_CTX *w, const struct sp_x509 *issuer)
{
    wolfSSL_CTX_set_verify(w, WOLFSSL_VERIFY_NONE, NULL);
    return wolfSSL_CTX_load_verify_buffer_ex(w, (const unsigned char *)issuer->der.ptr, (long)issuer->der.len, WOLFSSL_FILETYPE_ASN1, 0,
                                             WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) == WOLFSSL_SUCCESS &&
           wolfSSL_CTX_set_tlsext_status_cb(w, on_status) == WOLFSSL_SUCCESS;
}

static const char *take(struct sp_tls_member *m, struct sp_tls_ctx *ctx, struct sp_str der, const struct sp_x509 *issuer)
{
    struct sp_ocsp_id id;
    struct sp_ocsp_answer answer;
    const char *why = NULL;
    if (!issuer)
        return "certificate_chain lacks the issuer, by whom it is verified: append that";
    sp_ocsp_id(&m->leaf, issuer, &id);
    struct sp_ocsp_check check = {.id = &id, .issuer = issuer, .now = time(NULL), .any_time = true};
    if (sp_ocsp_read(der, &check, &answer, &why) < 0)
        return why;
    if (answer.status != SP_OCSP_GOOD)
        return answer.status == SP_OCSP_REVOKED ? "it says that the certificate is revoked" : "it does not know the certificate";
    if (!give_issuer(m->wolf, issuer))
        return "wolfSSL does not take the issuer";
    m->staple = sp_arena_str(&ctx->arena, der);
    m->staple_from = answer.this_update;
    m->staple_until = answer.next_update; /* without one it is never current, as in Envoy */
    return NULL;
}

static int none(const struct sp_tls_member *m, const struct sp_tls_ctx *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                const Certificate *cert)
{
    if (!ctx->server || (ctx->staple_policy != SP_TLS_MUST_STAPLE && !m->leaf.must_staple))
        return 0;
    sp_doc_err(doc, diag, cert, NULL, -1,
               "there is nothing to staple, and there has to be, by ocsp_staple_policy or the certificate's TLS feature (set ocsp_staple)");
    return -EINVAL;
}

int sp_tls_staple_load(struct sp_tls_member *m, struct sp_tls_ctx *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                       const Certificate *cert, const struct sp_x509 *issuer)
{
    assert(m && ctx && doc && diag && cert);
    struct sp_secret der = {0};
    if (!cert->ocsp_staple)
        return none(m, ctx, doc, diag, cert);
    if (!ctx->server) {
        sp_doc_err(doc, diag, cert, "ocsp_staple", -1, "is for certificates of listeners (take it out)");
        return -EINVAL;
    }
    if (sp_secret_read(doc, diag, cert->ocsp_staple, 0, &der) < 0)
        return -EINVAL;
    const char *why = take(m, ctx, sp_secret_str(&der), issuer);
    sp_secret_done(&der);
    if (why) {
        sp_doc_err(doc, diag, cert->ocsp_staple, NULL, -1, "cannot be stapled: %s (openssl ocsp -respout FILE asks for one)", why);
        return -EINVAL;
    }
    if (m->staple_until < time(NULL))
        sp_doc_warn(doc, diag, cert->ocsp_staple, NULL, -1,
                    "is out of date, or without a nextUpdate: no client gets it, and by ocsp_staple_policy none may get in (openssl ocsp "
                    "-respout FILE asks for a new one)");
    return 0;
}

bool sp_tls_staple_decide(struct sp_tls *t)
{
    assert(t && t->member);
    const struct sp_tls_member *m = t->member;
    if (!t->wants_staple)
        return true;
    t->stapled = m->staple.len && time(NULL) <= m->staple_until;
    if (t->stapled)
        return true;
    bool must = t->ctx->staple_policy == SP_TLS_MUST_STAPLE || m->leaf.must_staple;
    return !must && !(t->ctx->staple_policy == SP_TLS_STRICT && m->staple.len);
}

bool sp_tls_staple_start(struct sp_tls *t)
{
    assert(t && t->ssl);
    struct sp_str der = t->member->leaf.der;
    return !t->stapled || !t->tls12 ||
           wolfSSL_use_certificate_buffer(t->ssl, (const unsigned char *)der.ptr, (long)der.len, WOLFSSL_FILETYPE_ASN1) == WOLFSSL_SUCCESS;
}
