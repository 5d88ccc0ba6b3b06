/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking for the addresses of a name: a question on its way through c-ares, which sends and reads without blocking, tells
 * TTLs and needs no thread (uv_getaddrinfo does none of the three).  /etc/hosts comes first.  The questions of one worker
 * that go to the same servers share a channel, made for the first and closed after the last, so that a changed
 * /etc/resolv.conf is seen.  One worker's: the prober's.
 */
#ifndef SP_CLUSTERS_DNS_H
#define SP_CLUSTERS_DNS_H

#include "event/worker.h"
#include "net/addr.h"
#include "stats/stats.h"

enum sp_dns_family { SP_DNS_AUTO, SP_DNS_V4_ONLY, SP_DNS_V6_ONLY, SP_DNS_V4_PREFERRED, SP_DNS_ALL }; /* Envoy's DnsLookupFamily */

/* dns.cares.*, under Envoy's names. */
struct sp_dns_stats {
    struct sp_counter resolve_total, not_found, get_addr_failure, timeouts;
    struct sp_gauge pending_resolutions;
};

/* CaresDnsResolverConfig. Owned by who asks; lives as long as its questions. */
struct sp_dns_servers {
    const struct sp_addr *v; /* n of them; none: the system's */
    unsigned n;
    bool fallback;           /* only where the system has none */
    bool tcp, no_search;
    unsigned timeout_s, tries; /* 0: c-ares' own */
    struct sp_dns_stats stats;
};

enum { SP_DNS_MAX = 256 }; /* addresses of one name that are taken; the others are dropped */

struct sp_dns_answer {
    bool ok;                  /* somebody answered; perhaps that there is no such name or address */
    const struct sp_addr *v;  /* n of them, port 0; live until the callback returns */
    unsigned n;
    uint32_t ttl_s;           /* the shortest; 0: unknown */
    struct sp_str why;        /* not ok, or none: what was said */
};

typedef void sp_dns_cb(void *ctx, const struct sp_dns_answer *a);
struct sp_dns_query;

/* `done` is called once, never from inside. `name` is copied. */
struct sp_dns_query *sp_dns_ask(struct sp_worker *w, const struct sp_dns_servers *servers, const char *name,
                                enum sp_dns_family family, sp_dns_cb *done, void *ctx);
/* Before `done` came: it will not come. */
void sp_dns_cancel(struct sp_dns_query *q);

#endif
