/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/body.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "event/worker.h"

/* A client that reads slowly for longer than this would keep stats of owners that are gone in memory. */
#define LONGEST_NS (120 * SP_NS_PER_S)
/* Of all answers together that are put together for other listeners' filters. */
enum { WHOLE_MAX = 256 << 20 };
static size_t held;

struct sp_admin_body {
    struct sp_source source;
    struct sp_msg msg; /* the next turn's call */
    struct sp_worker *worker;
    struct sp_filter *filter; /* NULL: it is over; the call that was posted frees it */
    struct sp_admin_answer whole; /* for a remote one: what there is of it */
    const struct sp_admin_body_ops *ops;
    void *ctx;
    uint64_t began_ns;
    unsigned pauses;
    bool posted, has_head;
};

static void post(struct sp_admin_body *b)
{
    if (b->posted || b->pauses)
        return;
    b->posted = true;
    sp_worker_post(b->worker, &b->msg);
}

static void over(struct sp_admin_body *b)
{
    ((struct sp_admin_stream *)b->filter)->body = NULL;
    b->filter = NULL;
    held -= b->whole.body.len;
    sp_buf_clear(&b->whole.body);
    b->ops->free(b->ctx);
    if (!b->posted)
        free(b);
}

static void on_pause(struct sp_source *s)
{
    SP_CONTAINER_OF(s, struct sp_admin_body, source)->pauses++;
}

static void on_resume(struct sp_source *s)
{
    struct sp_admin_body *b = SP_CONTAINER_OF(s, struct sp_admin_body, source);
    assert(b->pauses);
    b->pauses--;
    post(b);
}

static void on_cancel(struct sp_source *s, enum sp_abort why)
{
    over(SP_CONTAINER_OF(s, struct sp_admin_body, source));
}

static const struct sp_source_ops source_ops = {on_pause, on_resume, on_cancel};

static void send_head(struct sp_admin_body *b, bool end)
{
    struct sp_filter *f = b->filter;
    struct sp_headers *h = sp_arena_zalloc(sp_filter_arena(f), sizeof(*h));
    struct sp_sink *sink = sp_filter_response_sink(f);
    unsigned n;
    const struct sp_header *extra = sp_admin_headers(&b->whole, &n);
    sp_headers_init(h, sp_filter_arena(f));
    h->status = 200;
    sp_headers_add_id(h, SP_H_CONTENT_TYPE, sp_str_c(b->whole.content_type));
    for (unsigned i = 0; i < n; i++)
        sp_headers_add(h, extra[i].name, extra[i].value);
    sp_filter_info(f)->details = SP_STR("admin_filter_response");
    b->has_head = true;
    sp_link(&b->source, sink);
    sink->ops->headers(sink, h, end);
}

static void gather(struct sp_admin_body *b)
{
    size_t before = b->whole.body.len;
    int more = b->ops->more(b->ctx, &b->whole.body);
    held += b->whole.body.len - before;
    if (more > 0 && held <= WHOLE_MAX) {
        post(b);
        return;
    }
    struct sp_filter *f = b->filter;
    struct sp_admin_answer a = b->whole;
    held -= a.body.len;
    sp_buf_init(&b->whole.body);
    over(b);
    if (more != 0) {
        sp_buf_clear(&a.body);
        a.status = 503;
        sp_admin_put(&a, more > 0 ? "too much is asked for at once\n" : "the config changed meanwhile\n");
    }
    sp_admin_answer(f, &a);
}

/* One piece. The sink may cancel, and so end all, in any of its calls. */
static void go_on(struct sp_admin_body *b)
{
    struct sp_sink *sink = sp_filter_response_sink(b->filter);
    struct sp_buf piece;
    bool head_only = sp_str_eq(sp_filter_request(b->filter)->method, SP_STR("HEAD"));
    bool too_long = b->worker->turn.now_ns - b->began_ns > LONGEST_NS;
    sp_buf_init(&piece);
    int more = head_only ? 0 : too_long ? -1 : b->ops->more(b->ctx, &piece);
    b->posted = true; /* whatever the sink does, it is still there behind it */
    if (!b->has_head)
        send_head(b, head_only);
    if (b->filter && !head_only && more >= 0 && (piece.len || more == 0))
        sink->ops->data(sink, &piece, more == 0);
    sp_buf_clear(&piece);
    b->posted = false;
    if (b->filter && more < 0) {
        over(b);
        sink->ops->abort(sink, SP_ABORT_LOCAL);
    } else if (b->filter && more == 0) {
        over(b);
    } else if (b->filter) {
        post(b);
    } else {
        free(b);
    }
}

static void on_turn(struct sp_msg *m)
{
    struct sp_admin_body *b = SP_CONTAINER_OF(m, struct sp_admin_body, msg);
    b->posted = false;
    if (!b->filter)
        free(b);
    else if (((struct sp_admin_stream *)b->filter)->remote)
        gather(b);
    else if (!b->pauses)
        go_on(b);
}

void sp_admin_answer_in_pieces(const struct sp_admin_request *r, struct sp_admin_answer *a, const struct sp_admin_body_ops *ops, void *ctx)
{
    struct sp_admin_body *b = sp_xcalloc(1, sizeof(*b));
    assert(!r->stream->body);
    *b = (struct sp_admin_body){.source = {.ops = &source_ops}, .msg = {.run = on_turn}, .filter = &r->stream->filter, .ops = ops, .ctx = ctx,
                                .worker = sp_worker_self(), .whole = *a, .began_ns = sp_worker_self()->turn.now_ns};
    r->stream->body = b;
    a->later = true;
    post(b);
}

void sp_admin_body_cancel(struct sp_admin_body *b)
{
    if (b)
        over(b);
}
