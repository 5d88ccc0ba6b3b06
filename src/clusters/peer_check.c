/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/peer_check.h"

#include <assert.h>

#include "event/worker.h"

static void on_answer(struct sp_ocsp_wait *w)
{
    struct sp_peer_check *c = SP_CONTAINER_OF(w, struct sp_peer_check, wait);
    c->settled(c, w->verdict == SP_OCSP_REFUSES ? w->why : NULL);
}

static enum sp_ocsp_verdict ask(struct sp_peer_check *c, struct sp_tls *tls, struct sp_str der)
{
    struct sp_str issuer_der = sp_tls_peer_issuer_der(tls);
    enum sp_ocsp_verdict verdict = SP_OCSP_REFUSES;
    struct sp_x509 leaf, issuer;
    struct sp_arena arena;
    sp_arena_init(&arena);
    c->asked = true;
    c->wait.done = on_answer;
    c->wait.why = "malformed certificate";
    if (sp_x509_parse(der, &arena, &leaf, &c->wait.why) == 0 &&
        (!issuer_der.len || sp_x509_parse(issuer_der, &arena, &issuer, &c->wait.why) == 0))
        verdict = c->asker->ask(c->asker, c->worker, &leaf, issuer_der.len ? &issuer : NULL, &c->wait);
    sp_arena_done(&arena);
    return verdict;
}

enum sp_ocsp_verdict sp_peer_check_begin(struct sp_peer_check *c, struct sp_tls *tls, const char **ret_why)
{
    assert(c && c->settled && tls && ret_why);
    struct sp_str der = sp_tls_peer_der(tls);
    if (!c->asker || !der.len || sp_tls_stapled_until(tls)) /* whether no certificate will do is the handshake's affair */
        return SP_OCSP_PASSES;
    enum sp_ocsp_verdict verdict = ask(c, tls, der);
    *ret_why = c->wait.why;
    return verdict;
}

const char *sp_peer_check_again(struct sp_peer_check *c, struct sp_tls *tls)
{
    assert(tls);
    if (!sp_tls_still_good(tls))
        return sp_tls_error(tls).ptr;
    if (!c)
        return NULL;
    int64_t until = c->asked ? c->wait.until : sp_tls_stapled_until(tls);
    if (!c->asker || c->wait.entry || (!c->asked && !until) || c->worker->turn.wall_ns / (int64_t)SP_NS_PER_S <= until)
        return NULL;
    return ask(c, tls, sp_tls_peer_der(tls)) == SP_OCSP_REFUSES ? c->wait.why : NULL;
}

void sp_peer_check_move(struct sp_peer_check *c, struct sp_tls *tls, struct sp_asker *to)
{
    assert(c);
    bool waiting = c->wait.entry != NULL;
    if (to == c->asker)
        return;
    sp_peer_check_cancel(c);
    c->asker = to;
    if (!waiting)
        return;
    enum sp_ocsp_verdict verdict = to ? ask(c, tls, sp_tls_peer_der(tls)) : SP_OCSP_PASSES;
    if (verdict != SP_OCSP_ASKING)
        c->settled(c, verdict == SP_OCSP_REFUSES ? c->wait.why : NULL);
}

void sp_peer_check_cancel(struct sp_peer_check *c)
{
    assert(c);
    if (c->asker)
        c->asker->cancel(&c->wait);
}
