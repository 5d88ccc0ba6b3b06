/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_whatif.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls_error.h"
#include "net/tls_hooks.h"
#include "net/tls_match.h"

/* What a client of today agrees upon; which one it is matters to nothing but logs. */
static void agree(const struct sp_tls_ctx *ctx, struct sp_tls_whatif *w)
{
    w->info.version = ctx->params.tls13 ? SP_STR("TLSv1.3") : SP_STR("TLSv1.2");
    w->info.cipher = ctx->params.tls13 ? SP_STR("TLS_AES_128_GCM_SHA256") : SP_STR("ECDHE-ECDSA-AES128-GCM-SHA256");
    for (unsigned i = 0; i < ctx->params.n_alpn && !w->info.alpn.len; i++)
        for (unsigned k = 0; k < w->n_alpn; k++)
            if (sp_str_eq(ctx->params.alpn[i], w->alpn[k]))
                w->info.alpn = ctx->params.alpn[i];
}

/* The client is taken to know every kind of key. */
static const struct sp_tls_member *choose(const struct sp_tls_ctx *ctx, struct sp_str sni)
{
    const struct sp_tls_member *best = &ctx->members[0];
    int best_rank = -1;
    for (unsigned i = 0; i < ctx->n_members; i++) {
        const struct sp_tls_member *m = &ctx->members[i];
        int rank = (sni.len && sp_tls_cert_is_for(&m->leaf, sni) ? 2 : 0) + (m->leaf.key.kind != SP_KEY_RSA);
        if (rank > best_rank) {
            best = m;
            best_rank = rank;
        }
    }
    return best;
}

static void judge(struct sp_tls_ctx *ctx, struct sp_tls_whatif *w)
{
    const char *why = NULL;
    struct sp_tls t = {.ctx = ctx, .peer = sp_tls_peer_new(w->ders, w->n_ders, &why)};
    if (!t.peer) {
        snprintf(w->why, sizeof(w->why), "TLS error: the certificate is malformed: %s", why);
        return;
    }
    w->peer = t.peer;
    w->good = sp_tls_judge(&t);
    if (w->good)
        return;
    char *text = sp_tls_explain(&t, 0);
    snprintf(w->why, sizeof(w->why), "%s", text);
    free(text);
}

void sp_tls_whatif(struct sp_tls_ctx *ctx, struct sp_tls_whatif *w)
{
    assert(ctx && ctx->server && w);
    w->asks = ctx->ask_cert;
    w->needs = ctx->need_cert;
    w->good = false;
    if (ctx->require_sni && !w->sni.len)
        snprintf(w->why, sizeof(w->why), "TLS error: require_sni, and the client names no server");
    else if (w->n_ders && ctx->ask_cert)
        judge(ctx, w);
    else if (ctx->need_cert)
        snprintf(w->why, sizeof(w->why), "TLS error: peer did not return a certificate");
    else
        w->good = true;
    if (!w->good)
        return;
    const struct sp_tls_member *m = choose(ctx, w->sni);
    w->info.sni = w->sni;
    agree(ctx, w);
    sp_tls_peer_tell(w->peer, &w->info);
    w->info.local_subject = m->subject;
    w->info.local_uri = m->leaf.uri, w->info.n_local_uri = m->leaf.n_uri;
    w->info.local_dns = m->leaf.dns, w->info.n_local_dns = m->leaf.n_dns;
    if (!w->peer)
        return;
    w->peer_der = w->peer->cert.der;
    w->others = w->peer->others;
    w->n_others = w->peer->n_others;
}

void sp_tls_whatif_done(struct sp_tls_whatif *w)
{
    assert(w);
    sp_tls_peer_unref(w->peer);
    w->peer = NULL;
}
