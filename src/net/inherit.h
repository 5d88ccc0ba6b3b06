/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listening sockets that another process opened for this one: systemd (socket activation: LISTEN_FDS), or the process that
 * this one takes over from (server/hot_restart.h).  Whoever is about to bind an address asks here first.
 *
 * Main thread, from the start until all listeners are bound.
 */
#ifndef SP_NET_INHERIT_H
#define SP_NET_INHERIT_H

#include "net/addr.h"

/* Takes the descriptor over. -ENOTSOCK, or -EINVAL when it is no stream socket that is bound: it is closed then. */
int sp_inherit_add(int fd);
/* What systemd says in LISTEN_PID and LISTEN_FDS, which are taken out of the environment: how many were added. */
unsigned sp_inherit_systemd(void);
/* One that is bound to this address (the caller's from then on), or -1. */
int sp_inherit_take(const struct sp_addr *at);
/* Whether the kernel shares connections out between this one and others of its address (SO_REUSEPORT). */
bool sp_inherit_shares(int fd);
/* Closes those that nobody took, calling back for each before. */
void sp_inherit_drop(void (*each)(void *arg, const struct sp_addr *at), void *arg);

#endif
