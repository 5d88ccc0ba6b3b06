/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two straight pipes.  Whatever receives half a message (a request or a response) is a sink; whatever
 * produces one is a source.  Codecs, the filter chain and the upstream speak only these two.  One thread.
 *
 * Order on a sink: headers (1xx heads with end=false may come first, any number), then data any number of times,
 * then trailers at most once.  The half is over with end=true or with trailers.  `abort` may come instead of any of
 * these, and ends the half.  After the end, after abort and after the sink called cancel, the source never calls
 * the sink again, with one exception: abort(SP_ABORT_TIMEOUT) after the end, on the sink of a server's codec, gives up
 * what the client has not taken.
 *
 * A source's callers may call pause, resume and cancel at any time, also from inside the sink's callbacks.  Pauses
 * are counted.  A paused source may still deliver what it was delivering in this call; it delivers nothing later
 * until as many resumes came.  resume never calls the sink from the caller's stack (the source defers).  Abort on
 * a sink by its source and cancel on a source by its sink are synchronous and do not call back.
 */
#ifndef SP_HTTP_MESSAGE_H
#define SP_HTTP_MESSAGE_H

#include "base/buf.h"
#include "http/headers.h"

/* Why a half ended early. Names appear in logs (sp_abort_name). */
enum sp_abort {
    SP_ABORT_NONE,
    SP_ABORT_RESET,    /* the peer reset the stream */
    SP_ABORT_CLOSED,   /* the peer's connection ended */
    SP_ABORT_REFUSED,  /* the peer did not begin to work on it: safe to send again (REFUSED_STREAM, GOAWAY) */
    SP_ABORT_PROTOCOL, /* the peer broke the protocol */
    SP_ABORT_TOO_LARGE, /* a limit on headers or body */
    SP_ABORT_TIMEOUT,
    SP_ABORT_CONNECT,  /* no connection could be made */
    SP_ABORT_LOCAL,    /* we ended it: a refusal by reset, a drain, an overload */
    SP_ABORT_CANCEL,   /* nobody wants it any more */
};
const char *sp_abort_name(enum sp_abort why);

struct sp_sink;
struct sp_source;

struct sp_sink_ops {
    /* `h` and its bytes stay valid until the stream's end. The receiver may change it. */
    void (*headers)(struct sp_sink *s, struct sp_headers *h, bool end);
    /* The sink takes all bytes out of `b` (or leaves what it does not want; the source then drops them). */
    void (*data)(struct sp_sink *s, struct sp_buf *b, bool end);
    void (*trailers)(struct sp_sink *s, struct sp_headers *t);
    void (*abort)(struct sp_sink *s, enum sp_abort why);
};

struct sp_source_ops {
    void (*pause)(struct sp_source *s);
    void (*resume)(struct sp_source *s);
    void (*cancel)(struct sp_source *s, enum sp_abort why);
};

struct sp_sink {
    const struct sp_sink_ops *ops;
    struct sp_source *source; /* who feeds it: paused when the sink is full. NULL until linked */
};

struct sp_source {
    const struct sp_source_ops *ops;
    struct sp_sink *sink; /* who is fed. NULL until linked and after the half ended */
};

static inline void sp_link(struct sp_source *source, struct sp_sink *sink)
{
    source->sink = sink;
    sink->source = source;
}

#endif
