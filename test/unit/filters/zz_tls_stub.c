/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls.h"
#define WEAK __attribute__((weak))
WEAK struct sp_tls_ctx *sp_tls_ctx_client(const struct sp_doc *doc, struct sp_diag *diag,
    const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *msg, const char *const *alpn) { return NULL; }
WEAK struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c) { return c; }
WEAK void sp_tls_ctx_unref(struct sp_tls_ctx *c) {}
WEAK bool sp_tls_ctx_verifies(const struct sp_tls_ctx *c) { return true; }
WEAK struct sp_tls *sp_tls_connect(struct sp_tls_ctx *ctx, struct sp_str sni, struct sp_str verify_name) { return NULL; }
WEAK struct sp_tls *sp_tls_accept(struct sp_tls_ctx *ctx) { return NULL; }
WEAK void sp_tls_free(struct sp_tls *t) {}
WEAK void sp_tls_shutdown(struct sp_tls *t, struct sp_buf *b) {}
WEAK enum sp_tls_state sp_tls_pump(struct sp_tls *t, struct sp_buf *a, struct sp_buf *b, struct sp_buf *c, struct sp_buf *d, size_t h) { return 0; }
WEAK struct sp_str sp_tls_error(const struct sp_tls *t) { return SP_STR_NULL; }
WEAK enum sp_tls_fail sp_tls_failure(const struct sp_tls *t) { return 0; }
WEAK const struct sp_tls_info *sp_tls_get_info(struct sp_tls *t) { return NULL; }
WEAK bool sp_tls_resumed(const struct sp_tls *t) { return false; }
