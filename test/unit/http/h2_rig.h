/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One HTTP/2 codec whose peer is a test with hand-made frames: what the test puts into `in` is fed, what comes out is
 * read frame by frame and noted.  One thread.
 */
#ifndef TEST_H2_RIG_H
#define TEST_H2_RIG_H

#include "codec_user.h"
#include "h2_frames.h"

enum { RIG_STREAMS = 16384, RIG_NO_CODE = -1 };

struct rig_stream {
    int status;      /* the last head's; 0: none */
    int reset;       /* error code, or RIG_NO_CODE */
    bool end;
    unsigned n_heads;
    size_t body, window; /* content; sum of WINDOW_UPDATEs */
    char method[16], path[64], cookie[64];
};

struct rig {
    struct sp_turn turn;
    struct cu_side side;
    struct sp_buf in;
    size_t piece;     /* how the input is cut; 0: not */
    size_t room;      /* of each flush */
    int rc;           /* of the last feed */
    int goaway;       /* error code of the last, or RIG_NO_CODE */
    uint32_t goaway_last;
    unsigned n_goaways, n_pings, n_pongs, n_settings, n_setting_acks, n_frames, n_never_indexed;
    uint32_t settings[16];
    uint8_t ping[8];
    size_t conn_window;
    void *inflater;
    struct rig_stream s[RIG_STREAMS];
};

/* No codec yet. */
struct rig *rig_make(bool server);
/* Makes the codec, with what `configure` (or NULL) changes in its config, and sends it a preface and SETTINGS; both
 * sides' SETTINGS are acknowledged. */
struct rig *rig_new(bool server, void (*configure)(struct sp_codec_config *c));
void rig_free(struct rig *r);
/* Feeds r->in, flushes, reads what came, ends the turn. */
void rig_go(struct rig *r);
/* Flushes and reads only. */
void rig_flush(struct rig *r);
/* Server: the connection is in order; a request with this id is answered. */
void rig_check_alive(struct rig *r, uint32_t id);
void rig_forward(struct rig *r, uint64_t ns);
/* A hook that answers each request's head with 200 and ten bytes. */
void rig_answer(struct cu_side *side, struct cu_exchange *x, enum cu_point at);

#endif
