/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_asker: somebody who can be asked whether a certificate is revoked, seen from below: connections to origins ask, and what
 * is asked goes over connections to origins itself (clusters/ocsp.h).
 */
#ifndef SP_CLUSTERS_ASKER_H
#define SP_CLUSTERS_ASKER_H

#include "base/list.h"
#include "crypto/x509.h"

struct sp_worker;
struct sp_ocsp_entry;

enum sp_ocsp_verdict { SP_OCSP_PASSES, SP_OCSP_REFUSES, SP_OCSP_ASKING };

/* Embedded in whoever waits; zeroed before the first use. */
struct sp_ocsp_wait {
    void (*done)(struct sp_ocsp_wait *w); /* after ASKING, from the worker's loop: `verdict` is one of the other two */
    enum sp_ocsp_verdict verdict;
    const char *why;                      /* static: where it is refused */
    int64_t until;                        /* Unix seconds: the verdict holds so long */
    struct sp_list link;                  /* these are sp_ocsp's */
    struct sp_ocsp_entry *entry;
};

struct sp_asker {
    /* The certificates need not outlive the call. `issuer` NULL: there is none to ask about it. Never calls done from inside. */
    enum sp_ocsp_verdict (*ask)(struct sp_asker *a, struct sp_worker *worker, const struct sp_x509 *cert, const struct sp_x509 *issuer,
                                struct sp_ocsp_wait *wait);
    void (*cancel)(struct sp_ocsp_wait *wait); /* done will not come. Fine where nothing is asked. */
    void (*free)(struct sp_asker *a);          /* one's own reference; with the last one nobody waits any more */
};

#endif
