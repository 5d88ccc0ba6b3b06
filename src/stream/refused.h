/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests that were refused last, with the way each came: what gates and filters said, who decided and why.  Each thread
 * has a ring of its own, made with its first refusal, which it alone touches; whoever wants to see it asks the thread for a copy
 * (server/refusals.h).  Nothing of a request that is answered by its origin comes here.
 *
 * Memory is bounded: SP_REFUSED_RING entries of a fixed size a thread; texts of peers are cut, paths lose their query.
 */
#ifndef SP_STREAM_REFUSED_H
#define SP_STREAM_REFUSED_H

#include "stream/decision.h"

enum { SP_REFUSED_RING = 128, SP_REFUSED_TEXT = 896 };

/* What the texts of an entry are; TRACE is a list. */
enum sp_refused_text {
    SP_REFUSED_METHOD, SP_REFUSED_HOST, SP_REFUSED_PATH, SP_REFUSED_LISTENER, SP_REFUSED_BY, SP_REFUSED_REASON, SP_REFUSED_ROUTE,
    SP_REFUSED_REQUEST_ID,
    SP_REFUSED_CALLER, /* a JSON object as stream/decision.h writes it; empty when it is too long */
    SP_REFUSED_TRACE,  /* for each filter that saw the request's head: '+' passed, '~' shadowed, '-' refused, its name, NUL */
    SP_REFUSED_TEXTS,
};

struct sp_refused {
    int64_t at_ns; /* Unix time of its end */
    struct sp_addr client, peer;
    unsigned status; /* 0: reset, no answer */
    uint32_t flags;  /* SP_FLAG_* */
    enum sp_protocol protocol;
    uint16_t start[SP_REFUSED_TEXTS + 1]; /* of each text, and the end of the last */
    char text[SP_REFUSED_TEXT];
};

static inline struct sp_str sp_refused_text(const struct sp_refused *r, enum sp_refused_text which)
{
    return sp_str_n(r->text + r->start[which], (size_t)(r->start[which + 1] - r->start[which]));
}

struct sp_headers;
/* Remembers the request if it was refused. `request` may be NULL: there was no head that could be read. */
void sp_refused_note(const struct sp_stream_info *info, const struct sp_headers *request, int64_t now_wall_ns);

/*
 * A thread's ring as it is now, the oldest first; `dropped`: older ones that are overwritten, and those of a flood, of which no more
 * than a ring a second are written down.
 */
struct sp_refused_copy {
    unsigned n;
    uint64_t dropped;
    struct sp_refused v[];
};
/* The calling thread's, for free(); NULL: nothing was refused. */
struct sp_refused_copy *sp_refused_take_copy(void);
/* The calling thread is about to end: frees its ring. */
void sp_refused_thread_done(void);

#endif
