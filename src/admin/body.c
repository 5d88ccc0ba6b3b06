/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/body.h"

#include <assert.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "event/worker.h"

/* A client that reads slowly for longer than this would keep stats of owners that are gone in memory. */
#define LONGEST_NS (120 * SP_NS_PER_S)
/* One that reads nothing for so long gives its place to one that waits. */
#define STALLED_NS (2 * SP_NS_PER_S)
#define LOOK_NS (SP_NS_PER_S / 2)

enum {
    WHOLE_MAX = 256 << 20, /* of all answers together that are put together for other listeners' filters */
    PLACES = 32,           /* answers under way at once: each holds what its client has not read, some hundred KiB */
    PLACES_FOR_WHOLE = 64, /* the same, for answers that are there */
    WAITING_MAX = 1024,    /* for a place */
    PIECES_A_TURN = 4,     /* of all answers: others have their turn between */
    PIECE = 128 << 10,
    LONG_ANSWER = 64 << 10, /* is sent in pieces, too */
};

struct sp_admin_body {
    struct sp_source source;
    struct sp_list link; /* of desk.ready or desk.waiting */
    struct sp_list open; /* of desk.open: it has a place */
    struct sp_worker *worker;
    struct sp_filter *filter; /* NULL: it is over; whoever has it in hand (busy) frees it */
    struct sp_admin_answer whole; /* for a remote one, and of one that was made at once: what there is of it */
    const struct sp_admin_body_ops *ops;
    void *ctx;
    uint64_t began_ns, paused_ns;
    size_t length; /* where it is known */
    unsigned pauses;
    bool busy, has_head;
};

/* All answers of this process that are made in pieces: the main thread's. */
static struct {
    struct sp_list ready, waiting, open;
    unsigned n_open, n_waiting;
    size_t held; /* of remote ones */
    struct sp_msg msg;
    struct sp_timer timer;
    struct sp_worker *worker;
    bool posted;
} desk;

static void on_turn(struct sp_msg *m);
static void on_look(struct sp_timer *t);

static void desk_open(struct sp_worker *w)
{
    if (desk.worker != w)
        desk.posted = false;
    if (!desk.ready.next) {
        sp_list_init(&desk.ready);
        sp_list_init(&desk.waiting);
        sp_list_init(&desk.open);
        desk.msg.run = on_turn;
        desk.timer.fire = on_look;
    }
    desk.worker = w;
}

static void run_soon(void)
{
    if (desk.posted)
        return;
    desk.posted = true;
    sp_worker_post(desk.worker, &desk.msg);
}

static void ready(struct sp_admin_body *b)
{
    if (b->pauses || sp_list_linked(&b->link))
        return;
    sp_list_push_back(&desk.ready, &b->link);
    run_soon();
}

static void take_place(struct sp_admin_body *b)
{
    sp_list_push_back(&desk.open, &b->open);
    desk.n_open++;
    ready(b);
}

static void waits_no_more(void)
{
    assert(desk.n_waiting);
    if (!--desk.n_waiting)
        sp_timer_stop(&desk.timer);
}

/* To whom came last: he is the likeliest to wait for it still, and those before him may be many that never read. */
static void leave_place(struct sp_admin_body *b)
{
    if (!sp_list_linked(&b->open))
        return;
    sp_list_remove(&b->open);
    desk.n_open--;
    struct sp_list *next = desk.n_open < PLACES ? sp_list_pop(&desk.waiting) : NULL;
    if (!next)
        return;
    waits_no_more();
    struct sp_admin_body *n = SP_CONTAINER_OF(next, struct sp_admin_body, link);
    n->began_ns = n->worker->turn.now_ns;
    take_place(n);
}

static void over(struct sp_admin_body *b)
{
    if (!sp_list_linked(&b->open) && !((struct sp_admin_stream *)b->filter)->remote)
        waits_no_more();
    sp_list_remove(&b->link);
    leave_place(b);
    if (((struct sp_admin_stream *)b->filter)->remote)
        desk.held -= b->whole.body.len;
    ((struct sp_admin_stream *)b->filter)->body = NULL;
    b->filter = NULL;
    sp_buf_clear(&b->whole.body);
    if (b->ops->free)
        b->ops->free(b->ctx);
    if (!b->busy)
        free(b);
}

static void on_pause(struct sp_source *s)
{
    struct sp_admin_body *b = SP_CONTAINER_OF(s, struct sp_admin_body, source);
    if (!b->pauses++)
        b->paused_ns = b->worker->turn.now_ns;
}

static void on_resume(struct sp_source *s)
{
    struct sp_admin_body *b = SP_CONTAINER_OF(s, struct sp_admin_body, source);
    assert(b->pauses);
    b->pauses--;
    if (!b->busy)
        ready(b);
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
    if (b->length)
        sp_headers_add_id(h, SP_H_CONTENT_LENGTH, sp_arena_u64(sp_filter_arena(f), b->length));
    sp_filter_info(f)->details = SP_STR("admin_filter_response");
    b->has_head = true;
    sp_link(&b->source, sink);
    sink->ops->headers(sink, h, end);
}

static void gather(struct sp_admin_body *b)
{
    size_t before = b->whole.body.len;
    int more = b->ops->more(b->ctx, &b->whole.body, PIECE);
    desk.held += b->whole.body.len - before;
    if (more > 0 && desk.held <= WHOLE_MAX) {
        ready(b);
        return;
    }
    struct sp_filter *f = b->filter;
    struct sp_admin_answer a = b->whole;
    desk.held -= a.body.len;
    sp_buf_init(&b->whole.body);
    over(b);
    if (more != 0) {
        sp_buf_clear(&a.body);
        a.status = 503;
        sp_admin_put(&a, more > 0 ? "too much is asked for at once\n" : "the config changed meanwhile\n");
    }
    sp_admin_answer(f, &a);
}

static void cut_off(struct sp_admin_body *b)
{
    struct sp_sink *sink = sp_filter_response_sink(b->filter);
    over(b);
    sink->ops->abort(sink, SP_ABORT_LOCAL);
}

/* One piece. The sink may cancel, and so end all, in any of its calls. */
static void go_on(struct sp_admin_body *b)
{
    struct sp_sink *sink = sp_filter_response_sink(b->filter);
    struct sp_buf piece;
    bool head_only = sp_str_eq(sp_filter_request(b->filter)->method, SP_STR("HEAD"));
    bool too_long = b->worker->turn.now_ns - b->began_ns > LONGEST_NS;
    sp_buf_init(&piece);
    int more = head_only ? 0 : too_long ? -1 : b->ops->more(b->ctx, &piece, PIECE);
    b->busy = true; /* whatever the sink does, it is still there behind it */
    if (!b->has_head)
        send_head(b, head_only);
    if (b->filter && !head_only && more >= 0 && (piece.len || more == 0))
        sink->ops->data(sink, &piece, more == 0);
    sp_buf_clear(&piece);
    b->busy = false;
    if (!b->filter)
        free(b);
    else if (more < 0)
        cut_off(b);
    else if (more == 0)
        over(b);
    else
        ready(b);
}

static void on_turn(struct sp_msg *m)
{
    (void)m;
    desk.posted = false;
    for (unsigned i = 0; i < PIECES_A_TURN; i++) {
        struct sp_list *first = sp_list_pop(&desk.ready);
        if (!first)
            return;
        struct sp_admin_body *b = SP_CONTAINER_OF(first, struct sp_admin_body, link);
        if (((struct sp_admin_stream *)b->filter)->remote)
            gather(b);
        else if (!b->pauses)
            go_on(b);
    }
    if (!sp_list_empty(&desk.ready))
        run_soon();
}

/* Of those that have a place and do not read for too long, one, or with `all` each of them. */
static void cut_stalled(bool all)
{
    uint64_t now = desk.worker->turn.now_ns;
    SP_LIST_FOREACH_SAFE (it, &desk.open) {
        struct sp_admin_body *b = SP_CONTAINER_OF(it, struct sp_admin_body, open);
        if (!b->pauses || !b->has_head || now - b->paused_ns <= STALLED_NS)
            continue;
        cut_off(b);
        if (!all)
            return;
    }
}

static void on_look(struct sp_timer *t)
{
    if (desk.n_waiting)
        cut_stalled(true);
    if (desk.n_waiting)
        sp_timer_start(&desk.worker->turn, t, LOOK_NS);
}

static void wait_for_place(struct sp_admin_body *b)
{
    sp_list_push_front(&desk.waiting, &b->link);
    if (!desk.n_waiting++)
        sp_timer_start(&desk.worker->turn, &desk.timer, LOOK_NS);
}

static void begin(struct sp_admin_stream *s, const struct sp_admin_answer *a, const struct sp_admin_body_ops *ops, void *ctx, unsigned places)
{
    struct sp_admin_body *b = sp_xcalloc(1, sizeof(*b));
    assert(!s->body);
    desk_open(sp_worker_self());
    *b = (struct sp_admin_body){.source = {.ops = &source_ops}, .filter = &s->filter, .ops = ops, .ctx = ctx,
                                .worker = sp_worker_self(), .whole = *a, .began_ns = sp_worker_self()->turn.now_ns};
    s->body = b;
    if (s->remote)
        ready(b);
    else if (desk.n_open < places)
        take_place(b);
    else
        wait_for_place(b);
}

void sp_admin_answer_in_pieces(const struct sp_admin_request *r, struct sp_admin_answer *a, const struct sp_admin_body_ops *ops, void *ctx)
{
    if (!r->stream->remote && desk.n_waiting >= WAITING_MAX) {
        ops->free(ctx);
        a->status = 503;
        sp_admin_put(a, "too many ask at once\n");
        return;
    }
    begin(r->stream, a, ops, ctx, PLACES);
    a->later = true;
}

/* An answer that is there. */
static int whole_more(void *ctx, struct sp_buf *out, size_t bytes)
{
    struct sp_buf *whole = &((struct sp_admin_stream *)ctx)->body->whole.body;
    sp_buf_move_n(out, whole, SP_MIN(whole->len, bytes));
    return whole->len > 0;
}

/* False: too many are read at once. */
static bool whole_in_pieces(struct sp_admin_stream *s, struct sp_admin_answer *a)
{
    static const struct sp_admin_body_ops ops = {whole_more, NULL};
    desk_open(sp_worker_self());
    if (desk.n_open >= PLACES_FOR_WHOLE)
        cut_stalled(false);
    if (desk.n_open >= PLACES_FOR_WHOLE) /* it would wait with all that it is */
        return false;
    size_t length = a->body.len;
    begin(s, a, &ops, s, PLACES_FOR_WHOLE);
    s->body->length = length;
    return true;
}

static void no_memory(struct sp_admin_answer *a)
{
    static const char text[] = "there is no memory for this page\n";
    sp_buf_clear(&a->body);
    sp_buf_append_static(&a->body, text, sizeof(text) - 1);
    a->status = 503;
    a->content_type = "text/plain";
}

void sp_admin_answer(struct sp_filter *f, struct sp_admin_answer *a)
{
    struct sp_admin_stream *s = (struct sp_admin_stream *)f;
    if (a->cut)
        no_memory(a);
    if (s->remote) {
        sp_admin_remote_answer(s->remote, a);
        return;
    }
    if (a->status == 200 && a->body.len > LONG_ANSWER) {
        if (whole_in_pieces(s, a))
            return;
        sp_buf_clear(&a->body);
        a->status = 503;
        a->content_type = "text/plain; charset=UTF-8";
        sp_admin_put(a, "too many ask at once\n");
    }
    char *body = sp_arena_alloc(sp_filter_arena(f), a->body.len + 1);
    size_t n = sp_buf_peek(&a->body, body, a->body.len);
    sp_buf_clear(&a->body);
    struct sp_reply reply = {.status = a->status,
                             .body = {body, n},
                             .content_type = sp_str_c(a->content_type),
                             .details = SP_STR("admin_filter_response")};
    reply.headers = sp_admin_headers(a, &reply.n_headers);
    sp_filter_reply(f, &reply);
}

void sp_admin_body_cancel(struct sp_admin_body *b)
{
    if (b)
        over(b);
}
