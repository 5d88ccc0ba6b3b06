/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_heavy: the streams of one worker that hold most memory, for the overload manager's reset_high_memory_stream.  Nothing is counted
 * while requests run: the bytes are added up when somebody asks, in one walk over the worker's streams.  One thread; lives as long
 * as the walk.
 */
#ifndef SP_STREAM_HEAVY_H
#define SP_STREAM_HEAVY_H

#include "stream/stream.h"

enum {
    SP_HEAVY_MAX = 50,    /* streams that one walk resets at most: Envoy's */
    SP_HEAVY_CLASSES = 8, /* powers of two, the last one open: Envoy's */
};

struct sp_heavy {
    size_t least; /* bytes that a stream must hold to count */
    unsigned n;
    struct {
        struct sp_stream *stream;
        size_t held;
    } v[SP_HEAVY_MAX]; /* the heaviest first */
};

/* `on`: how far the action is on (event/overload.h), not 0; 2^log2_min bytes is the lightest class. */
void sp_heavy_init(struct sp_heavy *h, uint32_t on, unsigned log2_min);
/* What waits in the stream, its codecs and its attempt on the way to the origin, and its arena. */
size_t sp_stream_held(const struct sp_stream *s);
/* All streams of a connection; `beside`: bytes that it holds for the one that it has, beyond these. */
void sp_heavy_weigh(struct sp_heavy *h, const struct sp_stream_owner *o, size_t beside);
/* Ends those that were found: HTTP/2 streams by RST_STREAM, HTTP/1 with their connection. Not from a stream's own callbacks. */
void sp_heavy_reset(const struct sp_heavy *h);

#endif
