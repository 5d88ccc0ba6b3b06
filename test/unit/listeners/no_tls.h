/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A net/tls that is never reached: for a test program whose listeners are all plain. */
#ifndef SP_TEST_NO_TLS_H
#define SP_TEST_NO_TLS_H

#include <stdlib.h>

#include "net/tls.h"

#define NO_TLS(type, name, ...) \
    type name(__VA_ARGS__) \
    { \
        abort(); \
    }
NO_TLS(struct sp_tls *, sp_tls_accept, struct sp_tls_ctx *c)
NO_TLS(struct sp_tls *, sp_tls_connect, struct sp_tls_ctx *c, struct sp_str sni, struct sp_str name)
NO_TLS(struct sp_tls_ctx *, sp_tls_ctx_ref, struct sp_tls_ctx *c)
NO_TLS(bool, sp_tls_ctx_verifies, const struct sp_tls_ctx *c)
NO_TLS(struct sp_str, sp_tls_error, const struct sp_tls *t)
NO_TLS(enum sp_tls_fail, sp_tls_failure, const struct sp_tls *t)
NO_TLS(const struct sp_tls_info *, sp_tls_get_info, struct sp_tls *t)
NO_TLS(bool, sp_tls_resumed, const struct sp_tls *t)
NO_TLS(struct sp_str, sp_tls_peer_der, struct sp_tls *t)
NO_TLS(void, sp_tls_shutdown, struct sp_tls *t, struct sp_buf *net_out)
NO_TLS(enum sp_tls_state, sp_tls_pump, struct sp_tls *t, struct sp_buf *a, struct sp_buf *b, struct sp_buf *c,
       struct sp_buf *d, size_t high)
NO_TLS(void, sp_tls_ctx_certs, const struct sp_tls_ctx *c, void (*each)(void *arg, const struct sp_tls_cert_info *info),
       void *arg)
NO_TLS(struct sp_tls_ctx *, sp_tls_ctx_server, const struct sp_doc *doc, struct sp_diag *diag,
       const Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext *msg)

void sp_tls_free(struct sp_tls *t)
{
    if (t)
        abort();
}

void sp_tls_ctx_unref(struct sp_tls_ctx *c)
{
    if (c)
        abort();
}

#endif
