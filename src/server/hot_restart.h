/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hot_restart: one process hands its listening sockets to the next one over a unix socket, so that no connection is
 * refused or lost while the binary changes.  The new process loads its config first, then asks; it gets the very descriptors
 * (connections wait in their queues, not in a process), warms its clusters and serves; only then does it say so, and the old
 * process stops accepting and drains.  If the new one ends before that, the old one serves on as if nothing had been.
 *
 * Each side sees to it that the other runs as the same user, or as root (SO_PEERCRED).
 *
 * Messages, one a packet (SOCK_SEQPACKET): "takeover 1"; "sockets" with descriptors, again and again; "go EPOCH", or "no REASON";
 * "serving".  A new process that is silent for too long (5 seconds before it asks, 30 before it serves) makes room for the next
 * one that comes.  Main thread; before the loop runs it blocks, for 5 seconds at most.
 */
#ifndef SP_SERVER_HOT_RESTART_H
#define SP_SERVER_HOT_RESTART_H

#include "base/defs.h"
#include "event/worker.h"

struct sp_hot_restart;

struct sp_hot_restart_events {
    /* Calls `add` for each socket that listens. */
    void (*each_socket)(void *ctx, void (*add)(void *arg, int fd), void *arg);
    /* Another process serves: stop accepting, and drain. */
    void (*on_handed_over)(void *ctx);
};

/*
 * Asks the process that listens at `path`, and enters what it gives in net/inherit. NULL: it refused, or nobody is to be
 * trusted there; `why` says so. No such process is no error. `user`: whom this process is to become (server/confine.h), and the one
 * before has; -1: nobody.
 */
struct sp_hot_restart *sp_hot_restart_take(const char *path, uid_t user, char *why, size_t why_size);
/* Process number: 0 for one that took nothing over. */
unsigned sp_hot_restart_epoch(const struct sp_hot_restart *h);
/* This process serves: says so to the old one, and is the one to be asked from now on. False, after logging it: the old one has
 * given it up for another, and it must end. */
bool sp_hot_restart_serve(struct sp_hot_restart *h, struct sp_worker *main, const struct sp_hot_restart_events *events, void *ctx);
/* Answers nobody any more. While the loop still runs; its handles close with the next turn. */
void sp_hot_restart_stop(struct sp_hot_restart *h);
void sp_hot_restart_free(struct sp_hot_restart *h); /* NULL-safe */

#endif
