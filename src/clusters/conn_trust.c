/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a host's certificate stands, beyond what the handshake finds: what a responder says of it, and what changes later. */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/conn.h"

enum { LOG_BURST = 5 };

struct sp_conn_check {
    struct sp_peer_check peer;
    struct sp_conn *conn;
};

/* Over TLS contexts, which are one for equal messages. */
static struct sp_asker *asker_of(const struct sp_cluster *c, const struct sp_tls_ctx *tls)
{
    if (c->options.tls == tls || c->options.tls_h1 == tls)
        return c->options.asker;
    for (unsigned i = 0; i < c->sockets.n; i++)
        if (c->sockets.v[i].options.tls == tls || c->sockets.v[i].options.tls_h1 == tls)
            return c->sockets.v[i].options.asker;
    return NULL;
}

/* It is open: what runs on it may end, and nothing is begun any more. */
static void distrust(struct sp_conn *c, enum sp_tls_fail fail, const char *why)
{
    char at[SP_ADDR_TEXT_MAX];
    sp_addr_format(&c->peer, at);
    sp_tls_stats_failed(&sp_conn_stats(c)->ssl, fail);
    sp_log_limited(SP_LOG_WARNING, "cluster", LOG_BURST, "%.*s: the certificate of %s is good no longer: %s",
                   SP_STR_ARG(c->slot->cluster->name), at, why);
    sp_conn_drain(c);
}

static void on_settled(struct sp_peer_check *check, const char *why)
{
    struct sp_conn *c = SP_CONTAINER_OF(check, struct sp_conn_check, peer)->conn;
    if (c->state == SP_CONN_CLOSING)
        return;
    if (!c->connected) {
        if (why)
            sp_tls_distrust(sp_wire_tls(c->wire), why);
        sp_wire_proceed(c->wire);
    } else if (why) {
        distrust(c, SP_TLS_FAIL_VERIFY_CA, why);
        c->events->changed(c);
    }
}

void sp_conn_trust_init(struct sp_conn *c, const struct sp_tls_ctx *tls)
{
    assert(c && !c->check);
    struct sp_asker *asker = tls ? asker_of(c->slot->cluster, tls) : NULL;
    if (SP_LIKELY(!asker))
        return;
    c->check = sp_xcalloc(1, sizeof(*c->check));
    c->check->conn = c;
    c->check->peer = (struct sp_peer_check){.settled = on_settled, .worker = c->slot->worker, .asker = asker};
}

void sp_conn_trust_done(struct sp_conn *c)
{
    assert(c);
    if (c->check)
        sp_peer_check_cancel(&c->check->peer);
    free(c->check);
    c->check = NULL;
}

bool sp_conn_on_secure(void *ctx)
{
    struct sp_conn *c = ctx;
    const char *why = NULL;
    if (SP_LIKELY(!c->check) || c->state == SP_CONN_CLOSING)
        return true;
    enum sp_ocsp_verdict verdict = sp_peer_check_begin(&c->check->peer, sp_wire_tls(c->wire), &why);
    if (verdict == SP_OCSP_REFUSES)
        sp_tls_distrust(sp_wire_tls(c->wire), why);
    return verdict == SP_OCSP_PASSES;
}

bool sp_conn_trusted(struct sp_conn *c)
{
    assert(c);
    struct sp_tls *tls = c->connected && c->wire ? sp_wire_tls(c->wire) : NULL;
    if (!tls)
        return true;
    const char *why = c->check ? sp_peer_check_again(&c->check->peer, tls) : sp_tls_still_good(tls) ? NULL : sp_tls_error(tls).ptr;
    if (why) {
        enum sp_tls_fail fail = sp_tls_failure(tls);
        distrust(c, fail ? fail : SP_TLS_FAIL_VERIFY_CA, why);
        return false;
    }
    if (SP_LIKELY(!sp_tls_staple_ran_out(tls, c->slot->turn->wall_ns / (int64_t)SP_NS_PER_S)))
        return true;
    sp_conn_drain(c); /* nothing is wrong with it: the next one brings a new response */
    return false;
}
