/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_race: a connection to a host that has several addresses, after RFC 8305 ("Happy Eyeballs") as Envoy does it: they are tried one after
 * the other, the next when one has failed or has taken 300 ms, and the first that connects is taken; the others are closed.  On its
 * worker's thread; from sp_race_new until its callback or sp_race_cancel.
 */
#ifndef SP_NET_RACE_H
#define SP_NET_RACE_H

#include "net/transport.h"

enum { SP_RACE_MOST = 16, SP_RACE_NEXT_MS = 300 };

struct sp_race;

/* The transport is connected and now the callee's, who sets its callbacks; or NULL, and err is the last one's. The race is over. */
typedef void sp_race_done(void *ctx, struct sp_transport *t, int err);

/* n addresses, 1 .. SP_RACE_MOST, in this order; copied, but for paths. Never calls back from inside. */
struct sp_race *sp_race_new(struct sp_worker *w, const struct sp_addr *v, unsigned n, const struct sp_sock_options *o, sp_race_done *done,
                            void *ctx);
void sp_race_cancel(struct sp_race *r); /* NULL-safe */

/*
 * RFC 8305 section 4: `count` addresses of the first family (AF_UNSPEC: that of v[0]; or if no address has it), then one of the
 * others, and again.  ret has room for n.
 */
void sp_race_sort(const struct sp_addr *v, unsigned n, int first_family, unsigned count, struct sp_addr *ret);

#endif
