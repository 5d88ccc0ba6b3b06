/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_top_model: what /overview says, twice, as rates: rows of listeners, filters, clusters and certificates, sorted and filtered, to be
 * shown or printed.  Made anew with each answer; owns the JSON that its strings point into.  One thread.
 */
#ifndef SP_TOOLS_TOP_MODEL_H
#define SP_TOOLS_TOP_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

struct sp_top_listener {
    const char *name, *address;
    int64_t active, refused; /* refused: since the start */
    double connections_s, requests_s, refused_s; /* _s: a second; NAN: not known yet */
    const char *why;         /* what it refused most, lately if it did; "" */
};

struct sp_top_filter {
    const char *scope, *name;
    double allowed_s, denied_s, shadow_s, errors_s;
    int64_t denied;
    const char *why; /* the counters that say so */
};

struct sp_top_cluster {
    const char *name;
    int64_t hosts, healthy, connections, active, pending;
    double requests_s, errors, p50, p99; /* errors: share of answers that were 5xx, NAN: there were none; milliseconds */
    bool bad; /* hosts are missing, or more than one answer in a hundred is an error */
};

struct sp_top_cert {
    const char *name, *path;
    int64_t days;
    bool expired, ca;
};

enum sp_top_sort { SP_TOP_BY_TROUBLE, SP_TOP_BY_REQUESTS, SP_TOP_BY_ERRORS, SP_TOP_BY_P99, SP_TOP_BY_NAME, SP_TOP_SORTS };
const char *sp_top_sort_name(enum sp_top_sort s);

struct sp_top_model {
    struct sp_arena arena;
    json_t *now, *before; /* before: NULL: there was no answer yet */
    json_t *refused;      /* what /refused says: requests, the newest first; NULL: it was not asked */
    double seconds;       /* between them; 0: unknown */
    struct sp_top_listener *listeners;
    struct sp_top_filter *filters;
    struct sp_top_cluster *clusters;
    struct sp_top_cert *certs;
    unsigned n_listeners, n_filters, n_clusters, n_certs;
    int64_t all_clusters; /* that there are; more than n_clusters when filtered or too many */
    double requests_s, errors; /* of all connection managers */
};

void sp_top_model_init(struct sp_top_model *m);
void sp_top_model_done(struct sp_top_model *m);
/* A new answer, taken over; the last one becomes the one before. False: it is no overview, and nothing changed. */
bool sp_top_model_take(struct sp_top_model *m, const char *text, size_t n);
/* The same of /refused. */
bool sp_top_model_take_refused(struct sp_top_model *m, const char *text, size_t n);
/* Makes the rows: those whose names have `filter` in them ("" all), letters alike. */
void sp_top_model_rows(struct sp_top_model *m, enum sp_top_sort sort, const char *filter);
/* The same as JSON; rows must have been made. */
json_t *sp_top_model_json(const struct sp_top_model *m);

/* m->now's members on the way `path`, "server.version". */
const json_t *sp_top_at(const struct sp_top_model *m, const char *path);

#endif
