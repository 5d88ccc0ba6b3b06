/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A chain with scripted filters, a fake codec on one side and a fake upstream on the other.  Everything that happens is
 * written to `trace`, a token each: "a.dh" (filter a, decode headers), "a.dd5!" (data, 5 bytes, the end), "out.h200",
 * "rx.pause", "up.cancel" and so on, so that a test compares one line.
 */
#ifndef TEST_SIM_CHAIN_FIX_H
#define TEST_SIM_CHAIN_FIX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/chain.h"

enum event { DH, DD, DT, EH, ED, ET, N_EVENTS };
enum { FIX_FILTERS = 6, FIX_STEPS = 64 };

struct fix;

/* What one filter does: the n-th call of a kind returns step[kind][n]; beyond that, SP_CONTINUE. */
struct script {
    enum sp_status step[N_EVENTS][FIX_STEPS];
    unsigned calls[N_EVENTS];
    void (*hook)(struct fix *x, struct sp_filter *f, enum event e); /* in the callback, before it returns */
    bool blind;  /* no data and trailers callbacks */
    bool off;    /* HttpFilter.disabled */
    unsigned completed, destroyed;
    unsigned phase[2]; /* by direction: 0 nothing seen, 1 the head, 2 the end */
};

struct fix {
    struct sp_turn turn;
    struct sp_arena arena;
    struct sp_stream_info info;
    struct sp_chain chain;
    struct sp_filter_plan plan;
    struct sp_filter_slot slots[FIX_FILTERS];
    struct sp_filter_ops ops[FIX_FILTERS];
    struct script s[FIX_FILTERS];
    char names[FIX_FILTERS][2];
    struct sp_source rx, up;
    int rx_pauses, up_pauses;
    bool link_up; /* the terminal filter links the upstream when it gets the head: default */
    struct sp_headers request, response, req_trailers, resp_trailers;
    bool quiet; /* no trace: for the random test */
    char trace[8192];
    struct sp_buf to_upstream, to_client; /* bodies that arrived */
    bool upstream_end, client_end, reset;
    bool aborted; /* the test called sp_chain_abort */
    unsigned status;
    bool (*route)(struct fix *x);
    bool (*at_terminal)(struct fix *x);
};

/* n filters, the first n_gates of them gates, the last one terminal: named a, b, ... and t. `limit` of held bytes. */
struct fix *fix_new(unsigned n, unsigned n_gates, size_t limit);
/* Makes the chain of it: after the scripts were set. */
void fix_start(struct fix *x);
/* Completes and destroys the chain, checks that every filter was told exactly once, and frees all. */
void fix_end(struct fix *x);
struct sp_filter *fix_filter(struct fix *x, unsigned i);
void fix_say(struct fix *x, const char *fmt, ...) SP_PRINTF(2, 3);
/* The request and the response, piece by piece. */
void fix_req_headers(struct fix *x, const char *method, bool end);
void fix_req_data(struct fix *x, const char *text, bool end);
void fix_req_trailers(struct fix *x);
void fix_resp_headers(struct fix *x, unsigned status, bool end);
void fix_resp_data(struct fix *x, const char *text, bool end);
void fix_resp_trailers(struct fix *x);
void fix_resp_abort(struct fix *x, enum sp_abort why);
/* The trace since the last call is exactly this. */
void fix_expect(struct fix *x, const char *trace);
/* Compares and clears. */
void fix_bytes(struct sp_buf *b, const char *text);
void fix_details(struct fix *x, const char *text);

#endif
