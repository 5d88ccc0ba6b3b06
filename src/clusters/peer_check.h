/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_peer_check: whether a peer's certificate stands, beyond what the TLS handshake has found: asked of an OCSP responder where
 * the TLS context says so, before the first byte of a request is looked at or sent, and again as long as the connection
 * lives.  What an origin staples answers for the responder as long as it says "good".  Embedded in a connection; one thread.
 *
 * OCSP answers hold for a while only.  Once one has run out, the next request makes the question be asked again; that
 * request does not wait for it, but the connection ends with the answer if that is no.
 */
#ifndef SP_CLUSTERS_PEER_CHECK_H
#define SP_CLUSTERS_PEER_CHECK_H

#include "clusters/asker.h"
#include "net/tls.h"

struct sp_peer_check {
    /* The answer came: `why` it is no, or NULL. From the worker's loop. */
    void (*settled)(struct sp_peer_check *c, const char *why);
    struct sp_worker *worker;
    struct sp_asker *asker; /* NULL: nobody is asked */
    struct sp_ocsp_wait wait;
    bool asked;
};

enum sp_ocsp_verdict sp_peer_check_begin(struct sp_peer_check *c, struct sp_tls *tls, const char **ret_why);
/* Before each request: NULL, or why the certificate is not taken any more (static, or tls's). `c` NULL: nobody is asked. */
const char *sp_peer_check_again(struct sp_peer_check *c, struct sp_tls *tls);
/* Asks somebody else from now on, with an open question too: whoever was asked may be gone after that. `tls`: NULL without TLS. */
void sp_peer_check_move(struct sp_peer_check *c, struct sp_tls *tls, struct sp_asker *to);
void sp_peer_check_cancel(struct sp_peer_check *c);

#endif
