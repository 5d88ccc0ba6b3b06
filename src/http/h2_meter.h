/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_h2_meter: counts the frames of an HTTP/2 connection as they arrive, before nghttp2 sees them, and says when a peer
 * sends more of a kind than any honest one does (RFC 9113 section 10.5; Envoy's max_inbound_* options; the known
 * floods: ping, settings, empty frames, priority, window update, rapid reset, continuation; data and heads for nobody; windows
 * that open by a few bytes).  It looks at frame headers
 * only. nghttp2 limits a part of these, and none of those that it answers and forgets at once.
 *
 * It also sees to it that a frame header that arrives in pieces is passed on as a whole: nghttp2 1.52 counts each piece
 * of a CONTINUATION's header as a frame of its own.
 *
 * Embedded in its connection (http/h2_conn.h); one thread.  Details are static strings.
 */
#ifndef SP_HTTP_H2_METER_H
#define SP_HTTP_H2_METER_H

#include "http/codec.h"
#include "http/h2_order.h"

enum { SP_H2_FRAME_HEADER = 9, SP_H2_PREFACE = 24, SP_H2_MAX_CONTINUATIONS = 8 };

/* A token bucket on the turn's clock. */
struct sp_h2_bucket {
    uint64_t at_ns, level; /* level: billionths of a token */
    uint32_t burst, per_s;
};

struct sp_h2_meter {
    uint64_t now_ns;       /* the caller keeps it up to date */
    bool server;
    uint32_t max_empty, max_priority, max_window_update;
    /* Where in the byte stream it stands. */
    unsigned preface;      /* bytes of the client's preface still to come */
    unsigned n_head;       /* bytes of `head` gathered so far */
    uint32_t left;         /* payload bytes of the current frame still to come */
    bool block_open;       /* a header block, of which the last frame has not begun */
    bool block_frame;      /* the current frame is part of one */
    bool pad_due;          /* the next payload byte is a DATA frame's pad length */
    bool run_ends;         /* with this frame: what follows is judged by what the session makes of it */
    uint8_t parent_due;    /* bytes of a PRIORITY frame's stream dependency still to come */
    uint32_t id, parent;   /* of that frame */
    uint32_t fault;        /* what is told is no flood, but breaks a rule: with this code the connection ends */
    struct sp_h2_order order;
    uint8_t head[SP_H2_FRAME_HEADER];
    /* Counts. */
    unsigned continuations, empty_run;
    uint32_t n_metadata;
    uint64_t n_priority, n_window_update, n_streams, n_data_sent;
    uint64_t data_in, data_taken; /* bytes of DATA: all that came, and, as the caller counts it, what streams took of it */
    uint64_t heads_in, heads_taken; /* HEADERS frames: the same */
    uint32_t stray_window, dribble;
    struct sp_h2_bucket pings, settings, others, resets;
    unsigned n_ended, n_premature; /* requests that ended, and those of them reset young and unanswered */
};

void sp_h2_meter_init(struct sp_h2_meter *m, const struct sp_codec_config *config, uint64_t now_ns);

/*
 * Looks at the next n bytes.  Returns how many of them, from the first, may be passed on to nghttp2: whole frame
 * headers and payload.  Fewer than n when what follows is a piece of a frame header (see gather), behind a RST_STREAM, or when a
 * limit is passed or (m->fault) a rule broken: then *ret_flood says which.
 */
size_t sp_h2_meter_scan(struct sp_h2_meter *m, const char *p, size_t n, const char **ret_flood);
/* The next bytes belong to a frame header of which a part was gathered, or that is not all there. */
static inline bool sp_h2_meter_gathers(const struct sp_h2_meter *m, size_t n)
{
    return !m->preface && !m->left && (m->n_head || n < SP_H2_FRAME_HEADER);
}
/* Takes bytes into m->head; returns how many. When m->n_head is then SP_H2_FRAME_HEADER, pass the head on, if no limit
 * was passed, and set m->n_head to 0. */
size_t sp_h2_meter_gather(struct sp_h2_meter *m, const char *p, size_t n, const char **ret_flood);

/* A header block has begun and is not complete. */
static inline bool sp_h2_meter_in_block(const struct sp_h2_meter *m)
{
    return m->block_open || (m->block_frame && m->left);
}

/*
 * A DATA frame of n bytes goes out; `clipped` by the peer's windows, while there was more. A peer that opens them by a byte at a time
 * has us make a frame for each byte (CVE-2019-9511). NULL, or that limit.
 */
const char *sp_h2_meter_sent(struct sp_h2_meter *m, size_t n, bool clipped);
/* A stream was reset for the peer's fault, by either side. NULL, or which limit that passes. */
const char *sp_h2_meter_reset(struct sp_h2_meter *m);
/* A request is over. PREMATURE: reset by the peer within a second of its begin and before any answer. ANSWERED: reset by
 * the peer behind the whole answer, which spares us its content: that reset is not held against it. */
enum sp_h2_end { SP_H2_END_WELL, SP_H2_END_ANSWERED, SP_H2_END_RESET, SP_H2_END_PREMATURE };
const char *sp_h2_meter_ended(struct sp_h2_meter *m, enum sp_h2_end how);

#endif
