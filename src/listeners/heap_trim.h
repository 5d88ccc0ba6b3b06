/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_heap_trim: after many connections have ended, the system gets back what they held: malloc keeps freed memory that lies below
 * anything in use.  Embedded in a listener's socket on one worker; malloc_trim itself runs on a thread of its own, since with
 * gigabytes it takes its time (an allocation may wait for a few milliseconds of it).  Each once in ten seconds at most.  One thread.
 */
#ifndef SP_LISTENERS_HEAP_TRIM_H
#define SP_LISTENERS_HEAP_TRIM_H

#include "event/worker.h"

enum { SP_HEAP_TRIM_MIN = 256 }; /* connections fewer than there were, and fewer than half: that is many */

/* Zero-initialise. */
struct sp_heap_trim {
    struct sp_timer timer;
    struct sp_worker *worker;
    unsigned now, most;   /* connections; most: since the last time */
    uint64_t last_ns;     /* of the turn's clock; 0: never */
};

/* So many connections there are now; after each that ended or began. */
void sp_heap_trim_note(struct sp_heap_trim *t, struct sp_worker *w, unsigned n);
void sp_heap_trim_stop(struct sp_heap_trim *t);

#endif
