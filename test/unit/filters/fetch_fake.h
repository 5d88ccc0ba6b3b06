/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fake of clusters/http_client.h and of the prober for what fetches (key sets, issuers): the test answers the one call
 * that is under way, and moves the clock.  It defines what it fakes: included once, by a test program that fetches, not by its helpers.
 */
#ifndef TEST_UNIT_FILTERS_FETCH_FAKE_H
#define TEST_UNIT_FILTERS_FETCH_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "clusters/state.h"
#include "config/doc.h"
#include "config/load.h"
#include "filters/fetch.h"
#include "stats/stats.h"

struct fetch_fake {
    struct sp_worker prober;
    uint64_t now_ns;
    struct sp_doc *doc, *old; /* old: the last config's */
    struct sp_diag diag;
    struct sp_filter_build build; /* finds every cluster but "nobody" */
    /* The call under way. */
    bool called;
    unsigned calls, cancelled;
    char url[300]; /* of the last call: scheme://authority path */
    size_t max_body;
    uint64_t timeout_ns;
    sp_http_call_cb *done;
    void *ctx;
};

static struct fetch_fake fake;


static struct sp_cluster cluster = {.name = SP_STR_INIT("c")};

static struct sp_cluster *find(void *ctx, struct sp_str name)
{
    return sp_str_eq(name, SP_STR("nobody")) ? NULL : &cluster;
}

struct sp_http_call *sp_http_call_start(struct sp_cluster *c, struct sp_worker *w, const struct sp_http_request *r,
                                        sp_http_call_cb *done, void *ctx)
{
    assert_ptr_equal(c, &cluster);
    assert_ptr_equal(w, &fake.prober);
    assert_false(fake.called);
    assert_true(sp_str_eq(r->method, SP_STR("GET")));
    fake.called = true;
    fake.calls++;
    snprintf(fake.url, sizeof(fake.url), "%.*s://%.*s%.*s", SP_STR_ARG(r->scheme), SP_STR_ARG(r->authority), SP_STR_ARG(r->path));
    fake.max_body = r->max_body;
    fake.timeout_ns = r->timeout_ns;
    fake.done = done;
    fake.ctx = ctx;
    return (struct sp_http_call *)(void *)&fake;
}

void sp_http_call_cancel(struct sp_http_call *call)
{
    assert_ptr_equal(call, &fake);
    assert_true(fake.called);
    fake.called = false;
    fake.cancelled++;
}

/* Loads YAML in flow style, without its braces, as `desc`; a new prober. */
static inline const void *fetch_fake_begin(const ProtobufCMessageDescriptor *desc, const char *yaml)
{
    memset(&fake, 0, sizeof(fake));
    fake.now_ns = 1000 * SP_NS_PER_S;
    sp_turn_init(&fake.prober.turn);
    sp_turn_begin(&fake.prober.turn, fake.now_ns, 1800000000ll * 1000000000);
    sp_diag_init(&fake.diag);
    char text[1000];
    snprintf(text, sizeof(text), "{%s}", yaml);
    fake.doc = sp_doc_load_partial("t.yaml", sp_str_c(text), SP_SYNTAX_YAML, desc, &fake.diag);
    if (!fake.doc)
        sp_diag_print(&fake.diag, stderr);
    assert_non_null(fake.doc);
    fake.build = (struct sp_filter_build){.doc = fake.doc, .diag = &fake.diag, .find_cluster = find};
    return sp_doc_root(fake.doc);
}

/* A config that follows, while the last one still runs. */
static inline const void *fetch_fake_next(const ProtobufCMessageDescriptor *desc, const char *yaml)
{
    char text[1000];
    snprintf(text, sizeof(text), "{%s}", yaml);
    assert_null(fake.old);
    fake.old = fake.doc;
    fake.build.doc = fake.doc = sp_doc_load_partial("t.yaml", sp_str_c(text), SP_SYNTAX_YAML, desc, &fake.diag);
    assert_non_null(fake.doc);
    return sp_doc_root(fake.doc);
}

/* What was compiled of the last one is freed. */
static inline void fetch_fake_old_gone(void)
{
    sp_doc_free(fake.old);
    fake.old = NULL;
}

static inline void fetch_fake_end(void)
{
    assert_false(fake.called);
    sp_turn_done(&fake.prober.turn);
    sp_doc_free(fake.doc);
    sp_diag_done(&fake.diag);
}

/* The answer to the call under way; status 0: none came. */
static inline void fetch_answer(unsigned status, const char *body)
{
    struct sp_buf b;
    assert_true(fake.called);
    fake.called = false;
    sp_buf_init(&b);
    sp_buf_append_str(&b, sp_str_c(body));
    fake.done(fake.ctx, status, NULL, &b, status ? SP_ABORT_NONE : SP_ABORT_TIMEOUT);
    sp_buf_clear(&b);
}

/* Time passes. */
static inline void fetch_pass(uint64_t ns)
{
    fake.now_ns += ns;
    sp_turn_begin(&fake.prober.turn, fake.now_ns, 1800000000ll * 1000000000);
    sp_turn_end(&fake.prober.turn);
}

/* Whether an error with that word was reported. */
static inline bool fetch_fake_error(const char *word)
{
    for (unsigned i = 0; i < fake.diag.n_items; i++)
        if (strstr(fake.diag.items[i].text, word))
            return true;
    return false;
}

static inline int fetch_fake_setup(void **state)
{
    sp_stats_init(0);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    return 0;
}

static inline int fetch_fake_teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}

#endif
