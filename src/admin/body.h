/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_admin_body: an answer's body that is made while it is sent: a piece a turn, and none while the client does not read.  So no
 * page holds the main thread or lies in memory as a whole, however long it is; but for one that another listener's filter asked for,
 * which is handed over whole.  A few are under way at once, the others wait; who does not read gives his place to one who waits.
 * For this directory; main thread.
 */
#ifndef SP_ADMIN_BODY_H
#define SP_ADMIN_BODY_H

#include "admin/handlers.h"

struct sp_admin_body_ops {
    /* Appends about so many bytes more: 1; the end: 0; negative errno: the rest cannot be made, and the answer is cut off. */
    int (*more)(void *ctx, struct sp_buf *out, size_t bytes);
    void (*free)(void *ctx); /* may be NULL */
};

struct sp_admin_body;

/* Answers with it, from the next turn on, or 503 when too many ask; takes ctx. The head is 200 and of that type. */
void sp_admin_answer_in_pieces(const struct sp_admin_request *r, struct sp_admin_answer *a, const struct sp_admin_body_ops *ops, void *ctx);
/* The stream is over, or goes. NULL-safe. */
void sp_admin_body_cancel(struct sp_admin_body *b);

#endif
