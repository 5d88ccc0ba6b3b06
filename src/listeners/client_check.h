/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_client_check: whether a client's certificate stands, beyond what the TLS handshake has found: asked of an OCSP
 * responder where the filter chain's context says so, before the first byte of a request is looked at, and again as
 * long as the connection lives.  Embedded in a connection; one thread.
 *
 * OCSP answers hold for a while only.  Once one has run out, the next request makes the question be asked again; that
 * request does not wait for it, but the connection ends with the answer if that is no.
 */
#ifndef SP_LISTENERS_CLIENT_CHECK_H
#define SP_LISTENERS_CLIENT_CHECK_H

#include "clusters/ocsp.h"
#include "net/tls.h"

struct sp_client_check {
    /* The answer came: `why` it is no, or NULL. From the worker's loop. */
    void (*settled)(struct sp_client_check *c, const char *why);
    struct sp_worker *worker;
    struct sp_ocsp *ocsp; /* NULL: nobody is asked */
    struct sp_ocsp_wait wait;
    bool asked;
};

enum sp_ocsp_verdict sp_client_check_begin(struct sp_client_check *c, struct sp_tls *tls, const char **ret_why);
/* Before each request: NULL, or why the certificate is not taken any more (static, or tls's). */
const char *sp_client_check_again(struct sp_client_check *c, struct sp_tls *tls);
void sp_client_check_cancel(struct sp_client_check *c);

#endif
