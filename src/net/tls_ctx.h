/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_tls_ctx: a compiled DownstreamTlsContext or UpstreamTlsContext: certificates, keys, trust, pins, name matchers,
 * versions, ciphers, ALPN, session policy.  Compiled from the config (blocks on the disk); immutable afterwards but for CAs and
 * revocation lists, which are watched; points to nothing of its document; shared by all workers; reference-counted, atomically
 * (connections hold it).  Whatever cannot be loaded is a config
 * error with place and remedy: there is no fall-back.
 *
 * Resumption: tickets are off wherever a client certificate is asked for, and keys differ for each context, so that a
 * ticket can neither skip a certificate nor cross virtual hosts (dependencies.md section 2).
 */
#ifndef SP_NET_TLS_CTX_H
#define SP_NET_TLS_CTX_H

#include "config/doc.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "sallyport/tls/v1/revocation.pb-c.h"

struct sp_tls_ctx;

/* Once a process, before any other TLS or crypto call; 0 or -EIO. */
int sp_tls_global_init(void);
void sp_tls_global_done(void);

/*
 * NULL after an error; errors are in `diag`.  `whose`: of which filter chain or cluster, whatever names it over reloads: the context
 * that an earlier document made for it of an equal message, with equal certificates and keys, is returned, with its sessions
 * and ticket keys (config/keep.h).  So pointers tell whether connections may stay.  Empty: never shared.
 */
struct sp_tls_ctx *sp_tls_ctx_server(const struct sp_doc *doc, struct sp_diag *diag,
                                     const Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext *msg,
                                     struct sp_str whose);
/* `default_alpn`: NULL-terminated list used when the config names no ALPN (what the cluster's protocol needs), or NULL. */
struct sp_tls_ctx *sp_tls_ctx_client(const struct sp_doc *doc, struct sp_diag *diag,
                                     const Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext *msg,
                                     const char *const *default_alpn, struct sp_str whose);
struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c);
void sp_tls_ctx_unref(struct sp_tls_ctx *c); /* NULL-safe */
/* While `doc` is compiled: it uses a context of an earlier document, too, with the files that are watched for it. */
void sp_tls_ctx_use(const struct sp_tls_ctx *c, const struct sp_doc *doc);

/* Whether a peer's certificate is verified against a CA here: certificate matchers elsewhere need it. */
bool sp_tls_ctx_verifies(const struct sp_tls_ctx *c);

/* A client's: whether the config says itself what it offers by ALPN. */
bool sp_tls_ctx_own_alpn(const struct sp_tls_ctx *c);

/*
 * Whom to ask about peers' certificates, as the document of `common` says it (may be NULL); NULL: nobody. Asking is the business of
 * whoever has clusters.
 */
const Sallyport__Tls__V1__Ocsp *sp_tls_ctx_ocsp(const struct sp_doc *doc,
                                                const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *common);

/* For /certs and expiry gauges: calls back for each certificate of the context and each CA. */
struct sp_tls_cert_info {
    const void *context; /* which one it is of: to tell them apart */
    bool is_ca;
    struct sp_str path; /* file name or "<inline>" */
    struct sp_str subject, issuer, serial; /* serial in hex */
    const struct sp_str *dns, *uri, *ip; /* ip as text */
    unsigned n_dns, n_uri, n_ip;
    int64_t not_before, not_after; /* Unix seconds */
    int64_t ocsp_from, ocsp_until; /* of the OCSP response that is stapled to it; 0: none */
};
void sp_tls_ctx_certs(const struct sp_tls_ctx *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg);

/* For gauges, and cheaper: our certificates and the first CA, by the names of their secrets, or Envoy's for those without. */
void sp_tls_ctx_expiries(const struct sp_tls_ctx *c, void (*each)(void *arg, struct sp_str name, int64_t not_after), void *arg);

#endif
