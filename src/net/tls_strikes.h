/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A strike register (RFC 8446 section 8.2): which tickets have been used for early data lately, so that a copy of a ClientHello
 * finds its own taken.  All memory is taken at the start; when there is no room nothing new is taken, rather than anything forgotten
 * too soon.  Any thread; a lock is held for a look-up.  Private to net/tls*.
 *
 * Two generations: one is filled, the one before only read.  They change places once the younger is as old as an entry has to live.
 */
#ifndef SP_NET_TLS_STRIKES_H
#define SP_NET_TLS_STRIKES_H

#include "base/str.h"

enum { SP_STRIKE_BYTES = 16 };
enum sp_strike { SP_STRIKE_NEW, SP_STRIKE_SEEN, SP_STRIKE_FULL };

struct sp_tls_strikes;

/* n: entries a generation; keep_ms: how long one is remembered at least, twice as long at most. */
struct sp_tls_strikes *sp_tls_strikes_new(unsigned n, uint64_t keep_ms);
void sp_tls_strikes_free(struct sp_tls_strikes *s); /* NULL-safe */
/* now_ms: of a clock that never goes back. What is new is remembered by that. */
enum sp_strike sp_tls_strikes_take(struct sp_tls_strikes *s, uint64_t now_ms, const uint8_t id[SP_STRIKE_BYTES]);

#endif
