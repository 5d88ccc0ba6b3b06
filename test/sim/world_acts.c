/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "world_impl.h"

static void open_request(struct world *w)
{
    static const char *const methods[] = {"GET", "POST", "HEAD", "PUT", "DELETE"};
    char path[16];
    if (w->n == REQUESTS || !w->codec || !w->client.codec->ops->room(w->client.codec) || w->client.codec->want_close)
        return;
    struct cu_exchange *x = cu_open(&w->client);
    if (!x)
        return;
    snprintf(path, sizeof(path), "/%u", w->n);
    struct request *r = &w->requests[w->n++];
    r->client = x;
    unsigned method = draw(w, 5);
    struct sp_headers *h = cu_request(x, methods[method], sp_arena_str(x->cs->arena, sp_str_c(path)).ptr);
    if (w->calm || draw(w, 8))
        cu_add(h, "x-origin-verify", "0123456789abcdef");
    if (draw(w, 4) == 0)
        cu_add(h, "x-forwarded-for", "203.0.113.9");
    x->tx_begun = true;
    x->tx_ended = method % 2 == 0 || draw(w, 4) == 0;
    cu_send(x, h, x->tx_ended);
}

void end_half(struct world *w, struct cu_exchange *x)
{
    x->tx_ended = true;
    if (draw(w, 4)) {
        cu_send_data(x, 0, true);
        return;
    }
    struct sp_headers *t = cu_trailers(x);
    cu_add(t, "x-sum", "1");
    x->cs->tx.ops->trailers(&x->cs->tx, t);
}

static void more_body(struct world *w, struct cu_exchange *x, uint64_t *sent)
{
    if (x->tx_ended || x->cancelled || x->pauses > x->resumes)
        return;
    if (*sent < BODY && draw(w, 5)) {
        size_t n = 1 + draw(w, draw(w, 4) ? 500 : 20000);
        cu_send_data(x, n, false);
        *sent += n;
    } else {
        end_half(w, x);
    }
}

static void reader_acts(struct world *w, struct cu_exchange *x)
{
    struct sp_source *rx = &x->cs->rx;
    if (x->user_pauses && draw(w, 2)) {
        x->user_pauses--;
        rx->ops->resume(rx);
    } else if (draw(w, 3) == 0 && rx->sink) {
        x->user_pauses++;
        rx->ops->pause(rx);
    }
}

static void breaks_off(struct world *w, struct cu_exchange *x)
{
    if (draw(w, 2) && x->cs->rx.sink)
        x->cs->rx.ops->cancel(&x->cs->rx, SP_ABORT_CANCEL);
    else if (x->tx_begun && !x->tx_ended && !x->cancelled) {
        x->tx_ended = true;
        x->cs->tx.ops->abort(&x->cs->tx, SP_ABORT_LOCAL);
    }
}

static struct request *pick_request(struct world *w)
{
    return w->n ? &w->requests[w->n - 1 - draw(w, SP_MIN(w->n, 6u))] : NULL;
}

void client_acts(struct world *w)
{
    struct request *r = pick_request(w);
    if (!r || !r->client->cs || draw(w, 4) == 0) {
        open_request(w);
        return;
    }
    struct cu_exchange *x = r->client;
    unsigned what = draw(w, w->calm ? 6 : 40);
    if (what < 2)
        reader_acts(w, x);
    else if (what == 39)
        breaks_off(w, x);
    else
        more_body(w, x, &r->asked);
}

void origin_answers(struct world *w, struct request *r)
{
    struct cu_exchange *x = r->origin;
    static const unsigned codes[] = {200, 204, 404, 500, 304};
    if (w->calm && !x->ended) /* an answer that ends first would break the request off */
        return;
    if (!w->calm && draw(w, 6) == 0) {
        cu_send(x, cu_response(x, draw(w, 2) ? 103 : 102), false);
        return;
    }
    unsigned status = w->calm ? 200 : codes[draw(w, 5)];
    struct sp_headers *h = cu_response(x, status);
    x->tx_begun = true;
    x->tx_ended = strcmp(x->method, "HEAD") == 0 || status == 204 || status == 304 || draw(w, 6) == 0;
    cu_send(x, h, x->tx_ended);
}

void origin_acts(struct world *w)
{
    struct request *r = pick_request(w);
    if (!r || !r->origin || !r->origin->cs)
        return;
    struct cu_exchange *x = r->origin;
    unsigned what = draw(w, w->calm ? 6 : 40);
    if (what < 2)
        reader_acts(w, x);
    else if (what == 39)
        breaks_off(w, x);
    else if (!x->tx_begun && !x->cancelled)
        origin_answers(w, r);
    else if (x->tx_begun)
        more_body(w, x, &r->answered);
}
