/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_transport: a connected TCP or unix socket on a worker: reads into a buffer, writes with a queue (try first, then
 * uv_write).  Plain bytes; TLS stands above it (http/wire).  One thread.  Owned by whoever made it until
 * sp_transport_close, after which it calls nobody and frees itself once uv has closed the handle.
 */
#ifndef SP_NET_TRANSPORT_H
#define SP_NET_TRANSPORT_H

#include "base/buf.h"
#include "event/worker.h"
#include "net/addr.h"

struct sp_transport;

struct sp_transport_cb {
    /* Client: connected (0) or not (negative errno; close it). */
    void (*on_connect)(void *ctx, int err);
    /* `in` grew (take from it what you like), or err: UV_EOF or a negative errno, reading is over. */
    void (*on_read)(void *ctx, struct sp_buf *in, int err);
    /* The write queue is empty again after it was not, or writing failed (negative errno). */
    void (*on_drained)(void *ctx, int err);
};

struct sp_sock_options {
    bool keepalive;
    unsigned keepalive_time, keepalive_interval, keepalive_probes; /* seconds; 0: the system's */
    struct sp_addr bind; /* family 0: none */
};

/* Accepts from a listening handle. NULL: none waiting or out of descriptors (*ret_err). TCP_NODELAY is set. */
struct sp_transport *sp_transport_accept(struct sp_worker *w, uv_stream_t *listening, const struct sp_transport_cb *cb,
                                         void *ctx, int *ret_err);
/* Begins to connect; on_connect tells, never from inside this call. NULL with *ret_err when it cannot even begin. */
struct sp_transport *sp_transport_connect(struct sp_worker *w, const struct sp_addr *to, const struct sp_sock_options *o,
                                          const struct sp_transport_cb *cb, void *ctx, int *ret_err);
/* Takes over a connected descriptor: for tests (socketpair). */
struct sp_transport *sp_transport_adopt(struct sp_worker *w, int fd, const struct sp_transport_cb *cb, void *ctx);
void sp_transport_set_cb(struct sp_transport *t, const struct sp_transport_cb *cb, void *ctx);
void sp_transport_read(struct sp_transport *t, bool on);
/* Takes all bytes of `b`. At most one try-write a call: callers gather a turn's output first. */
void sp_transport_write(struct sp_transport *t, struct sp_buf *b);
/* Bytes accepted but not yet given to the kernel. */
size_t sp_transport_queued(const struct sp_transport *t);
/* Half close after what is queued (FIN). */
void sp_transport_shutdown(struct sp_transport *t);
/* reset: with RST (SO_LINGER 0), dropping what is queued; else what is queued is still tried, then the socket closes. */
void sp_transport_close(struct sp_transport *t, bool reset);
struct sp_addr sp_transport_peer(const struct sp_transport *t);
struct sp_addr sp_transport_local(const struct sp_transport *t);

#endif
