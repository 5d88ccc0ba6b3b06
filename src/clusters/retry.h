/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether an attempt that went wrong is made again: RetryPolicy, the x-envoy-* request headers that an internal client may
 * set (the connection manager takes them off others' requests), the max_retries breaker and the back-off.  What it does
 * not decide: whether the request can be sent again at all (clusters/upstream.c).  Part of a request; its slot's thread.
 */
#ifndef SP_CLUSTERS_RETRY_H
#define SP_CLUSTERS_RETRY_H

#include "clusters/state.h"
#include "route/route.h"

/* Envoy's stream reset reasons. X(enum suffix, "text", flag) */
#define SP_RESET_TABLE(X) \
    X(CONNECT_TIMEOUT, "connection timeout", UF) X(CONNECT_LOCAL, "local connection failure", UF) \
    X(CONNECT_REMOTE, "remote connection failure", UF) X(TERMINATED, "connection termination", UC) \
    X(LOCAL, "local reset", LR) X(OVERFLOW, "overflow", UO) X(REMOTE, "remote reset", UR) \
    X(REFUSED, "remote refused stream reset", UR) X(PROTOCOL, "protocol error", UPE)

enum sp_reset {
#define X(id, text, flag) SP_RESET_##id,
    SP_RESET_TABLE(X)
#undef X
};
struct sp_str sp_reset_text(enum sp_reset r);
uint32_t sp_reset_flag(enum sp_reset r);

struct sp_retry {
    const struct sp_retry_policy *policy; /* NULL: none */
    uint32_t on;                          /* SP_RETRY_*, from the policy and the request */
    unsigned left, done;
    struct sp_str status_codes, header_names; /* from the request: comma-separated */
    enum sp_routing routing;              /* whose breaker allows them */
    bool holding;                         /* a permit of that */
    bool early;                           /* RFC 8470: the request came early at the door's client, whose business a 425 is */
    struct sp_rq_stats *const *counted;   /* sp_upstream_setup's, once sp_retry_begin is over; NULL: nobody's */
    uint64_t asked_ns;                    /* how long the answer asks to wait; 0: it does not */
};

enum sp_retry_answer { SP_RETRY_NO, SP_RETRY_YES, SP_RETRY_LIMIT, SP_RETRY_OVERFLOW };

/* Reads and removes the x-envoy-* headers of retries. Either may be NULL. */
void sp_retry_begin(struct sp_retry *r, const struct sp_retry_policy *policy, struct sp_headers *request);
/* YES: a permit is held until the next call, or done. `sent`: some of the request was. */
enum sp_retry_answer sp_retry_reset(struct sp_retry *r, struct sp_slot *s, enum sp_reset reason, bool sent);
/* `wall_ns`: Unix time. */
enum sp_retry_answer sp_retry_response(struct sp_retry *r, struct sp_slot *s, const struct sp_headers *h, int64_t wall_ns);
/* How long to wait before the next attempt: fully jittered, 25 ms * 2^n, at most 250 ms, or as the policy or the answer
 * has it. */
uint64_t sp_retry_wait_ns(const struct sp_retry *r, struct sp_slot *s);
/* Gives the permit back. */
void sp_retry_release(struct sp_retry *r, struct sp_slot *s);

#endif
