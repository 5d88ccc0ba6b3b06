/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to filters of other listeners, which ask from their workers (filters/admin_desk.h). */
#include <assert.h>
#include <stdlib.h>

#include "admin/body.h"
#include "base/mem.h"
#include "filters/admin_desk.h"

struct sp_admin_remote {
    struct sp_list link;
    struct sp_admin_stream stream; /* of which only what handlers keep in it is of use */
    struct sp_arena arena;
    struct sp_admin_question *question;
};

static struct sp_list waiting; /* for an answer that comes later */

static void remote_free(struct sp_admin_remote *r)
{
    sp_admin_desk_answer(r->question);
    sp_list_remove(&r->link);
    sp_arena_done(&r->arena);
    free(r);
}

void sp_admin_remote_answer(struct sp_admin_remote *r, struct sp_admin_answer *a)
{
    assert(r && a);
    struct sp_admin_said *said = &r->question->said;
    *said = (struct sp_admin_said){.status = a->status, .content_type = a->content_type, .n_body = a->body.len};
    said->headers = sp_admin_headers(a, &said->n_headers);
    said->body = sp_xmalloc(a->body.len + 1);
    sp_buf_peek(&a->body, said->body, a->body.len);
    sp_buf_clear(&a->body);
    remote_free(r);
}

static void on_question(void *ctx, struct sp_admin_question *q)
{
    struct sp_admin_remote *r = sp_xcalloc(1, sizeof(*r));
    struct sp_admin_answer a;
    r->question = q;
    r->stream.remote = r;
    sp_arena_init(&r->arena);
    sp_list_push_back(&waiting, &r->link);
    sp_admin_answer_init(&a);
    struct sp_admin_request request = {.server = ctx, .stream = &r->stream, .method = q->method, .arena = &r->arena};
    sp_admin_split(q->path, &request.path, &request.query);
    sp_admin_dispatch(&request, &a);
    if (!a.later)
        sp_admin_answer(&r->stream.filter, &a);
}

void sp_admin_remote_start(struct sp_server *s)
{
    sp_list_init(&waiting);
    sp_admin_desk_open(sp_server_main(s), on_question, s);
}

/* Workers have ended: nobody waits for what is still to come. */
void sp_admin_remote_stop(void)
{
    sp_admin_desk_open(NULL, NULL, NULL);
    SP_LIST_FOREACH_SAFE (it, &waiting) {
        struct sp_admin_remote *r = SP_CONTAINER_OF(it, struct sp_admin_remote, link);
        sp_reload_ask_cancel(&r->stream.ask);
        sp_refusals_cancel(&r->stream.refusals);
        sp_admin_body_cancel(r->stream.body);
        r->question->said.status = 503;
        remote_free(r);
    }
}
