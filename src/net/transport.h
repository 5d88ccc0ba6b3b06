/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_transport: a connected TCP or unix socket on a worker: reads into a buffer, writes with a queue (try first, then
 * when the socket takes more).  Plain bytes; TLS stands above it (http/wire).  One thread.  Owned by whoever made it
 * until sp_transport_close, after which it calls nobody and frees itself at the end of the turn.
 *
 * It stands on event/watch, not on uv_tcp: an idle connection is smaller by half, a blocked write costs no allocation, bulk
 * reads take 64 KiB a call, and TCP and unix sockets are the same code.
 */
#ifndef SP_NET_TRANSPORT_H
#define SP_NET_TRANSPORT_H

#include "base/buf.h"
#include "event/worker.h"
#include "net/sock.h"

struct sp_transport;

struct sp_transport_cb {
    /* Client: connected (0) or not (negative errno; close it). */
    void (*on_connect)(void *ctx, int err);
    /* `in` grew (take from it what you like), or err: UV_EOF or a negative errno, reading is over. */
    void (*on_read)(void *ctx, struct sp_buf *in, int err);
    /* The write queue is empty again after it was not, or writing failed (negative errno). Never from inside a call. */
    void (*on_drained)(void *ctx, int err);
    /* The socket has said all that it has to say for now; always the last call of several. May be NULL. */
    void (*on_turn)(void *ctx);
};

/* Begins to connect; on_connect tells, never from inside this call. NULL with *ret_err when it cannot even begin. */
struct sp_transport *sp_transport_connect(struct sp_worker *w, const struct sp_addr *to, const struct sp_sock_options *o,
                                          const struct sp_transport_cb *cb, void *ctx, int *ret_err);
/* Takes over a connected descriptor: an accepted one (TCP_NODELAY is inherited from the listening socket), or one of a
 * socketpair in tests. NULL, with `fd` closed and *ret_err, when the loop cannot watch it. */
struct sp_transport *sp_transport_adopt(struct sp_worker *w, int fd, const struct sp_transport_cb *cb, void *ctx,
                                        int *ret_err);
void sp_transport_set_cb(struct sp_transport *t, const struct sp_transport_cb *cb, void *ctx);
/* Begins off. Turning off is lazy: the socket is watched on until bytes arrive that nobody wants, so that toggling costs
 * no system call; those bytes stay in the kernel. While off, a reset is noticed but a half close is not. */
void sp_transport_read(struct sp_transport *t, bool on);
/* What was read and not yet taken: the same buffer that on_read gets. */
struct sp_buf *sp_transport_in(struct sp_transport *t);
/* Takes all bytes of `b`: callers gather a turn's output first. After a failure (on_drained tells) bytes are dropped. */
void sp_transport_write(struct sp_transport *t, struct sp_buf *b);
/* What the next write gives may wait in the kernel for what is written behind it, for 200 ms at most (MSG_MORE): a packet less. */
void sp_transport_hold(struct sp_transport *t, bool hold);
/* Bytes accepted but not yet given to the kernel. */
size_t sp_transport_queued(const struct sp_transport *t);
/* The same and what the kernel holds that the peer has not acknowledged: to see whether a slow reader reads at all. */
size_t sp_transport_unacked(const struct sp_transport *t);
/* Half close after what is queued (FIN). */
void sp_transport_shutdown(struct sp_transport *t);
/* reset: with RST (SO_LINGER 0), dropping what is queued; else what is queued is tried once more, then the socket
 * closes: whoever must not lose it waits for on_drained first. */
void sp_transport_close(struct sp_transport *t, bool reset);
struct sp_addr sp_transport_peer(const struct sp_transport *t);
struct sp_addr sp_transport_local(const struct sp_transport *t);

#endif
