/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_ocsp: asks a responder whether certificates are revoked (sallyport.tls.v1.Ocsp), over a cluster of the config's.
 * Part of a compiled config, and of the next one that says the same of the same cluster; shared by all workers; each worker
 * has answers of its own, a bounded number, and asks once for however many wait.  Answers without an outcome (no answer, a
 * bad one) are kept for two seconds, so that a responder that is down is not stormed.
 */
#ifndef SP_CLUSTERS_OCSP_H
#define SP_CLUSTERS_OCSP_H

#include "clusters/asker.h"
#include "clusters/cluster.h"
#include "config/doc.h"
#include "sallyport/tls/v1/revocation.pb-c.h"
#include "stats/stats.h"

struct sp_ocsp;

/* Counters are made under `scope`, as "ocsp.*". NULL after an error. */
struct sp_ocsp *sp_ocsp_new(const struct sp_doc *doc, struct sp_diag *diag, const Sallyport__Tls__V1__Ocsp *msg,
                            struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx,
                            struct sp_stats_scope *scope);
/* One's own reference. With the last one nobody waits any more. NULL-safe. */
void sp_ocsp_free(struct sp_ocsp *o);
/* The same, for those who know nothing of clusters. NULL-safe. */
struct sp_asker *sp_ocsp_asker(struct sp_ocsp *o);

/* The certificates need not outlive the call. `issuer` NULL: there is none to ask about it. Never calls done from inside. */
enum sp_ocsp_verdict sp_ocsp_ask(struct sp_ocsp *o, struct sp_worker *worker, const struct sp_x509 *cert,
                                 const struct sp_x509 *issuer, struct sp_ocsp_wait *wait);
/* done will not come. Fine where nothing is asked. */
void sp_ocsp_cancel(struct sp_ocsp_wait *wait);

#endif
