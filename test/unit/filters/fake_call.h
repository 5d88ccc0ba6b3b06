/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of clusters/http_client.c: calls are noted and answered by the test.  For one test program, which includes it once.
 */
#ifndef TEST_UNIT_FILTERS_FAKE_CALL_H
#define TEST_UNIT_FILTERS_FAKE_CALL_H

#include "clusters/http_client.h"
#include "fake_chain.h"

enum { FAKE_CALLS = 64 };

struct sp_http_call {
    struct sp_arena arena;
    struct sp_http_request r;
    struct sp_header headers[8];
    sp_http_call_cb *done;
    void *ctx;
    bool over, cancelled;
};

static struct sp_http_call fake_calls[FAKE_CALLS];
static unsigned n_fake_calls;

struct sp_http_call *sp_http_call_start(struct sp_cluster *c, struct sp_worker *w, const struct sp_http_request *r,
                                        sp_http_call_cb *done, void *ctx)
{
    assert_true(n_fake_calls < FAKE_CALLS && r->n_headers <= SP_ARRAY_LEN(fake_calls->headers));
    struct sp_http_call *call = &fake_calls[n_fake_calls++];
    memset(call, 0, sizeof(*call));
    sp_arena_init(&call->arena);
    call->r = *r;
    call->r.path = sp_arena_str(&call->arena, r->path);
    call->r.authority = sp_arena_str(&call->arena, r->authority);
    call->r.body = sp_arena_str(&call->arena, r->body);
    for (unsigned i = 0; i < r->n_headers; i++) {
        call->headers[i] = r->headers[i];
        call->headers[i].name = sp_arena_str(&call->arena, r->headers[i].name);
        call->headers[i].value = sp_arena_str(&call->arena, r->headers[i].value);
    }
    call->r.headers = call->headers;
    call->done = done;
    call->ctx = ctx;
    return call;
}

static const struct sp_headers *fake_call_trailers; /* of the answer that is given next */

const struct sp_headers *sp_http_call_trailers(const struct sp_http_call *call)
{
    return fake_call_trailers;
}

void sp_http_call_cancel(struct sp_http_call *call)
{
    assert_false(call->over);
    call->over = call->cancelled = true;
}

/* The header's value; NULL when there is none. */
static inline const char *fake_call_header(const struct sp_http_call *call, const char *name)
{
    for (unsigned i = 0; i < call->r.n_headers; i++)
        if (sp_str_eq(call->headers[i].name, sp_str_c(name)))
            return call->headers[i].value.ptr;
    return NULL;
}

/* status 0: no answer, for that reason. */
static inline void fake_answer(struct sp_http_call *call, unsigned status, const char *body, enum sp_abort why)
{
    struct sp_buf b;
    assert_false(call->over);
    call->over = true;
    sp_buf_init(&b);
    sp_buf_append_str(&b, sp_str_c(body));
    call->done(call->ctx, status, NULL, &b, why);
    sp_buf_clear(&b);
}

static inline void fake_calls_forget(void)
{
    for (unsigned i = 0; i < n_fake_calls; i++) {
        assert_true(fake_calls[i].over);
        sp_arena_done(&fake_calls[i].arena);
    }
    n_fake_calls = 0;
}

#endif
