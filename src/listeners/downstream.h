/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_downstream: one client's connection: it joins a wire with the connection manager that the filter chain names, knows
 * who the peer is, and counts.  Owned by its home (a listener's socket on one worker); holds a reference of the snapshot
 * it runs by; buries itself when the wire has ended.  One thread.
 */
#ifndef SP_LISTENERS_DOWNSTREAM_H
#define SP_LISTENERS_DOWNSTREAM_H

#include "listeners/heap_trim.h"
#include "listeners/listener_impl.h"
#include "stream/heavy.h"
#include "stream/stream.h"

struct sp_downstream_home {
    struct sp_worker *worker;
    const struct sp_listener *listener;
    struct sp_snapshot *snapshot; /* may be NULL: a listener that is not in the config */
    struct sp_listener_worker_stats of_worker; /* the listener's, of this worker */
    uint64_t drain_ns;            /* how long connections may take that drain for a newer config */
    struct sp_timer drain;        /* closes those that took longer */
    struct sp_list conns;         /* of sp_downstream */
    unsigned n_conns;
    struct sp_heap_trim trim;
    bool draining;
    void (*emptied)(struct sp_downstream_home *h); /* the last connection went; may be NULL */
};

/* Takes over an accepted descriptor and what the listener's limits were asked for it. 0 or negative errno (the descriptor is closed then, too). */
int sp_downstream_open(struct sp_downstream_home *h, int fd, const struct sp_addr *peer);
/* After the home got a newer listener and snapshot: all go over to it, or drain. */
void sp_downstream_adopt_all(struct sp_downstream_home *h);
/* No request is lost: HTTP/1 answers with Connection: close, HTTP/2 says GOAWAY twice; what is left after drain_ns is reset. */
void sp_downstream_retire_all(struct sp_downstream_home *h);
/* Those that hold the config `number` or an older one are reset, or only their streams that do. */
void sp_downstream_cut_all(struct sp_downstream_home *h, uint64_t number);
/* All their streams are weighed. */
void sp_downstream_weigh_all(const struct sp_downstream_home *h, struct sp_heavy *heavy);
/* All of them: no new streams, close after the last one. */
void sp_downstream_drain_all(struct sp_downstream_home *h);
/* All of them: reset, at the end of the turn. */
void sp_downstream_reset_all(struct sp_downstream_home *h);

#endif
