/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_watch: a descriptor that a worker waits for, embedded in its owner.  For sockets, of which there are many and new ones
 * all the time: one system call to begin, none to end, and 24 bytes, where uv_poll costs five calls and 160 bytes.  What is
 * rare (signals, watched directories, the thread pool) stays with uv, whose loop the worker runs beside these (event/worker).
 * One thread.
 */
#ifndef SP_EVENT_WATCH_H
#define SP_EVENT_WATCH_H

#include <stdint.h>
#include <sys/epoll.h>

struct sp_worker;

struct sp_watch {
    /* `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, those of them that were asked for; an error or a hang-up (epoll tells those
     * unasked) stands as all that were asked for, and EPOLLERR beside them. Level-triggered. */
    void (*ready)(struct sp_watch *w, uint32_t events);
    int fd;
    uint32_t events; /* what is waited for; 0: nothing, not even errors */
};

/* Waits for `events` from now on; 0: not at all. The descriptor is open, and one that epoll can watch. 0 or negative errno. */
int sp_watch_set(struct sp_worker *w, struct sp_watch *x, uint32_t events);
/* Nothing more is told, of this turn neither. The descriptor is closed next, which makes the kernel forget it: it may not have
 * been duplicated. */
void sp_watch_end(struct sp_worker *w, struct sp_watch *x);

#endif
