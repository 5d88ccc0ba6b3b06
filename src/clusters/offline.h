/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clusters that ask nobody: a tool that wants to know what would be sent (tools/explain) takes a worker's part of each
 * cluster off the network.  Requests are made ready as ever, a host is picked, and the tool is told of it in place of a
 * connection; no answer comes.  Set after sp_cluster_attach, on that worker's thread; hosts are taken to be healthy.
 */
#ifndef SP_CLUSTERS_OFFLINE_H
#define SP_CLUSTERS_OFFLINE_H

#include "clusters/cluster.h"
#include "http/message.h"
#include "net/addr.h"

struct sp_upstream;

struct sp_offline_request {
    const struct sp_cluster *cluster;
    struct sp_str cluster_name;
    const struct sp_headers *head;   /* as it would be sent */
    const void *info;                /* the sp_stream_info of the request that it is; NULL: a call of a filter's */
    bool has_host;                   /* else there is none to send it to, or nobody has asked DNS for it */
    bool auto_host_rewrite;          /* the host's name becomes the authority */
    struct sp_addr host;
    struct sp_str hostname;          /* Endpoint.hostname; may be empty */
    const char *protocol;            /* "HTTP/1.1", "HTTP/2", "HTTP/2 or HTTP/1.1 by ALPN" */
    bool tls;
    struct sp_str sni, verify_name;  /* by auto_sni and auto_san_validation; empty: the cluster's TLS context says */
    uint64_t connect_ns, timeout_ns, per_try_ns; /* 0: none */
    bool redirects;                  /* some of its answers would be followed */
    unsigned retries;                /* how often it would be tried again */
    uint32_t retry_on;               /* SP_RETRY_* */
};

struct sp_offline {
    /* The strings live until it returns. */
    void (*asked)(struct sp_offline *o, const struct sp_offline_request *r);
};

/* `worker`: its index. `o` outlives the cluster's being attached. */
void sp_cluster_offline(struct sp_cluster *c, unsigned worker, struct sp_offline *o);

/* For clusters/upstream.c: an attempt of a slot that is offline. */
void sp_offline_asked(struct sp_upstream *u);

#endif
