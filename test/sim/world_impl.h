/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the simulated world share: world.c has the scheduler, the pipes and the end, world_filters.c the filters that are
 * the world's own, world_acts.c what clients and origins do.
 */
#ifndef TEST_SIM_WORLD_IMPL_H
#define TEST_SIM_WORLD_IMPL_H

#include "world.h"

#include "../unit/http/codec_user.h"
#include "door_fix.h"

enum { LINKS = 5, REQUESTS = 40, BODY = 60000, STEPS = 3000 };

/* Bytes under way: sent, and come but not yet consumed. */
struct pipe {
    struct sp_buf sent, come;
};

/* A connection to an origin. */
struct link {
    struct sp_codec *codec; /* the door's end; NULL: there is no connection */
    struct cu_side origin;
    struct pipe up, down;
    bool told; /* codec->ops->eof was called */
};

struct request {
    struct cu_exchange *client, *origin;
    uint64_t asked, answered; /* bytes of the bodies that were sent */
};

struct world {
    const struct world_setup *setup;
    struct world_end *end;
    uint64_t seed;
    size_t at; /* of setup->bytes */
    struct door *door;
    struct sp_codec *codec; /* the door's towards the client; NULL: that connection is over */
    struct cu_side client;
    struct pipe in, out;
    bool told, calm;
    bool h2_down, h2_up;
    unsigned high_water;
    struct link links[LINKS];
    struct request requests[REQUESTS];
    unsigned n;
};

extern struct world *world; /* the one that runs: for the filters, whose config has no room for it */

unsigned draw(struct world *w, unsigned n);
/* Into the trace. */
void note(struct world *w, uint64_t what, uint64_t more);

/* A filter that stops whoever it likes, for as long as it likes, and the router. */
extern const struct sp_filter_ops world_stop_ops, world_router_ops;
struct hop;
/* The codec has closed the router's stream. */
void hop_closed(struct hop *r);
void link_open(struct world *w, struct link *l);

void client_acts(struct world *w);
void origin_acts(struct world *w);
void origin_answers(struct world *w, struct request *r);
void end_half(struct world *w, struct cu_exchange *x);

#endif
