/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/admin_desk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static struct {
    struct sp_worker *main; /* written before workers run */
    void (*_Atomic answer)(void *ctx, struct sp_admin_question *q);
    void *ctx;
    _Atomic unsigned asked;
} desk;

void sp_admin_desk_open(struct sp_worker *main, void (*answer)(void *ctx, struct sp_admin_question *q), void *ctx)
{
    desk.main = main;
    desk.ctx = ctx;
    atomic_store_explicit(&desk.answer, answer, memory_order_release);
}

static void question_free(struct sp_admin_question *q)
{
    atomic_fetch_sub_explicit(&desk.asked, 1, memory_order_relaxed);
    free(q->said.body);
    free(q);
}

static void on_answered(struct sp_msg *m)
{
    struct sp_admin_question *q = SP_CONTAINER_OF(m, struct sp_admin_question, msg);
    if (!q->filter || sp_worker_self() != q->from) { /* the worker has ended, and its streams with it */
        question_free(q);
        return;
    }
    q->answered = true;
    q->told(q->filter, &q->said);
}

void sp_admin_desk_answer(struct sp_admin_question *q)
{
    assert(q && q->said.status);
    q->msg.run = on_answered;
    sp_worker_post(q->from, &q->msg);
}

static void on_asked(struct sp_msg *m)
{
    struct sp_admin_question *q = SP_CONTAINER_OF(m, struct sp_admin_question, msg);
    void (*answer)(void *ctx, struct sp_admin_question *q) = atomic_load_explicit(&desk.answer, memory_order_acquire);
    if (answer)
        answer(desk.ctx, q);
    else
        question_free(q);
}

struct sp_admin_question *sp_admin_desk_ask(struct sp_filter *f, void (*told)(struct sp_filter *f, const struct sp_admin_said *said),
                                            struct sp_str method, struct sp_str path, bool may_change)
{
    assert(f && told);
    struct sp_worker *self = sp_worker_self();
    if (!atomic_load_explicit(&desk.answer, memory_order_acquire) || !self)
        return NULL;
    if (atomic_fetch_add_explicit(&desk.asked, 1, memory_order_relaxed) >= SP_ADMIN_QUESTIONS_MAX) {
        atomic_fetch_sub_explicit(&desk.asked, 1, memory_order_relaxed);
        return NULL;
    }
    struct sp_admin_question *q = sp_xcalloc(1, sizeof(*q) + method.len + path.len);
    memcpy(q->text, method.ptr, method.len);
    memcpy(q->text + method.len, path.ptr, path.len);
    q->from = self;
    q->filter = f;
    q->told = told;
    q->method = sp_str_n(q->text, method.len);
    q->path = sp_str_n(q->text + method.len, path.len);
    q->may_change = may_change;
    q->msg.run = on_asked;
    sp_worker_post(desk.main, &q->msg);
    return q;
}

void sp_admin_desk_let_go(struct sp_admin_question *q)
{
    if (q && q->answered)
        question_free(q);
    else if (q)
        q->filter = NULL;
}
