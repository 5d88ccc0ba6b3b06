/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions of filters on workers to the admin page, which answers on the main thread: posted there, and the answer back.  A filter
 * keeps its question, and with it the answer's bytes, until it lets go of it; when it is destroyed before, the answer goes nowhere.
 * Few may be kept, since an answer may be megabytes, and who asks may be slow to read it.
 */
#ifndef SP_FILTERS_ADMIN_DESK_H
#define SP_FILTERS_ADMIN_DESK_H

#include "event/worker.h"
#include "stream/filter.h"

enum { SP_ADMIN_QUESTIONS_MAX = 32 }; /* of the whole process */

/* What is answered: `body` is from malloc, the rest lives for ever. */
struct sp_admin_said {
    unsigned status;
    const char *content_type;
    const struct sp_header *headers;
    unsigned n_headers;
    char *body;
    size_t n_body;
};

struct sp_admin_question {
    struct sp_msg msg;
    struct sp_worker *from;
    struct sp_filter *filter;    /* its worker's: NULL when it is gone */
    bool answered;               /* its worker's, too */
    void (*told)(struct sp_filter *f, const struct sp_admin_said *said); /* on that worker, once, unless it is gone */
    struct sp_str method, path;  /* the path with its query */
    bool may_change;
    struct sp_admin_said said;
    char text[];
};

/* Main thread, before workers run: who answers. `answer` calls sp_admin_desk_answer, now or later. NULL: nobody any more. */
void sp_admin_desk_open(struct sp_worker *main, void (*answer)(void *ctx, struct sp_admin_question *q), void *ctx);
/* On the filter's worker. NULL: nobody answers here, or too many ask. */
struct sp_admin_question *sp_admin_desk_ask(struct sp_filter *f, void (*told)(struct sp_filter *f, const struct sp_admin_said *said),
                                            struct sp_str method, struct sp_str path, bool may_change);
void sp_admin_desk_let_go(struct sp_admin_question *q); /* on that worker; NULL-safe */
/* On the main thread: q->said is filled in. */
void sp_admin_desk_answer(struct sp_admin_question *q);

#endif
