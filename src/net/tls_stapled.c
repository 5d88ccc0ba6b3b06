/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_stapled.h"

#include <assert.h>
#include <time.h>

#include "crypto/ocsp.h"

#define FAILED "TLS error: certificate verification failed: "

static enum sp_tls_staples policy(const struct sp_tls *t)
{
    return t->ctx->server || !t->ctx->verify ? SP_TLS_NO_STAPLES : sp_tls_verify_staples(t->ctx->verify);
}

bool sp_tls_stapled_ask(struct sp_tls *t)
{
    assert(t && t->ssl);
    return !policy(t) || wolfSSL_UseOCSPStapling(t->ssl, WOLFSSL_CSR_OCSP, 0) == WOLFSSL_SUCCESS;
}

static enum sp_tls_staple read_with(struct sp_tls *t, struct sp_str der, struct sp_arena *arena)
{
    struct sp_x509 issuer;
    struct sp_ocsp_id id;
    struct sp_ocsp_answer a;
    const char *why;
    if (!t->peer->issuer_der.len || sp_x509_parse(t->peer->issuer_der, arena, &issuer, &why) < 0)
        return SP_STAPLE_BAD; /* the leaf itself is trusted: nobody speaks for its issuer */
    sp_ocsp_id(&t->peer->cert, &issuer, &id);
    struct sp_ocsp_check check = {.id = &id, .issuer = &issuer, .now = time(NULL)};
    if (sp_ocsp_read(der, &check, &a, &why) < 0 || !a.next_update) /* without an end it was current only when it was made */
        return SP_STAPLE_BAD;
    if (a.status == SP_OCSP_GOOD)
        t->peer->staple_until = a.next_update;
    return a.status == SP_OCSP_GOOD ? SP_STAPLE_GOOD : a.status == SP_OCSP_REVOKED ? SP_STAPLE_REVOKED : SP_STAPLE_UNKNOWN;
}

/* Of a full handshake t->peer is this connection's own. */
static enum sp_tls_staple read_response(struct sp_tls *t)
{
    unsigned char *der = NULL;
    long n = wolfSSL_get_tlsext_status_ocsp_resp(t->ssl, &der);
    struct sp_arena arena;
    if (!der || n <= 0)
        return SP_STAPLE_MISSING;
    if (n > SP_OCSP_MAX_RESPONSE)
        return SP_STAPLE_BAD;
    sp_arena_init(&arena);
    enum sp_tls_staple s = read_with(t, sp_str_n((const char *)der, (size_t)n), &arena);
    sp_arena_done(&arena);
    return s;
}

static const char *reason(enum sp_tls_staple s, bool must)
{
    static const char *const reasons[SP_STAPLES][2] = {
        [SP_STAPLE_REVOKED] = {FAILED "the stapled OCSP response says that it is revoked", FAILED "the stapled OCSP response says that it is revoked"},
        [SP_STAPLE_UNKNOWN] = {FAILED "the stapled OCSP response does not know it",
                               FAILED "it demands a stapled OCSP response, which does not know it"},
        [SP_STAPLE_MISSING] = {FAILED "no OCSP response is stapled", FAILED "it demands a stapled OCSP response, and there is none"},
        [SP_STAPLE_BAD] = {FAILED "the stapled OCSP response does not count",
                           FAILED "it demands a stapled OCSP response, and that does not count"},
    };
    return reasons[s][must];
}

bool sp_tls_stapled_settle(struct sp_tls *t)
{
    assert(t && t->ssl);
    if (!policy(t) || !t->peer)
        return true;
    if (t->resumed) { /* a session lasts no longer than what was stapled when it began */
        t->staple = t->peer->staple_until ? SP_STAPLE_GOOD : SP_STAPLE_NOT_ASKED;
        return true;
    }
    enum sp_tls_staple s = read_response(t);
    bool must = t->peer->cert.must_staple;
    t->staple = (uint8_t)s;
    sp_tls_stapled_done(t);
    if (s == SP_STAPLE_GOOD || (s != SP_STAPLE_REVOKED && !must && policy(t) == SP_TLS_LENIENT_STAPLES))
        return true;
    t->why = reason(s, must);
    return false;
}

void sp_tls_stapled_done(struct sp_tls *t)
{
    unsigned char *der = NULL;
    if (!t->ssl || t->ctx->server)
        return;
    wolfSSL_get_tlsext_status_ocsp_resp(t->ssl, &der);
    if (!der)
        return;
    wolfSSL_Free(der);
    wolfSSL_set_tlsext_status_ocsp_resp(t->ssl, NULL, 0);
}
