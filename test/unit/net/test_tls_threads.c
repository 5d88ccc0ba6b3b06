/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One context and many threads, as with workers: handshakes with tickets, with client certificates judged against one
 * set of CAs, with names matched by one expression; with one session of TLS 1.2.  Meant for the thread sanitizer too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "tls_kit.h"

enum { THREADS = 4, ROUNDS = 40 };

struct ctxs {
    struct sp_tls_ctx *open, *closed, *plain_client, *own_client;
};

struct job {
    const struct ctxs *ctxs;
    pthread_t thread;
    unsigned resumed, failed;
};

static void one(struct job *j, struct sp_tls_ctx *client, struct sp_tls_ctx *server, const char *sni)
{
    struct kit_pair p;
    kit_pair_init(&p, client, server, sni, sni);
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    /* cmocka's asserts are for its own thread. */
    if (p.client.state != SP_TLS_OPEN || p.server.state != SP_TLS_OPEN || p.server.app_in.len != 5 || p.client.app_in.len != 8)
        j->failed++;
    if (!sp_tls_get_info(p.client.tls)->peer_verified || sp_tls_get_info(p.server.tls)->sni.len != strlen(sni))
        j->failed++;
    j->resumed += sp_tls_resumed(p.client.tls);
    kit_pair_done(&p);
}

static void *work(void *arg)
{
    struct job *j = arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        one(j, j->ctxs->plain_client, j->ctxs->open, i % 2 ? "a.example.com" : "b.example.com");
        one(j, j->ctxs->own_client, j->ctxs->closed, "a.example.com");
        struct sp_tls_ctx *c = sp_tls_ctx_ref(j->ctxs->open);
        sp_tls_ctx_unref(c);
    }
    sp_buf_thread_done();
    sp_arena_thread_done();
    return NULL;
}

/* `run` on all of them at once; how many of its connections were resumed. */
static unsigned on_threads(void *(*run)(void *), const struct ctxs *ctxs)
{
    struct job jobs[THREADS] = {0};
    unsigned resumed = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i].ctxs = ctxs;
        assert_int_equal(pthread_create(&jobs[i].thread, NULL, run, &jobs[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        assert_int_equal(jobs[i].failed, 0);
        resumed += jobs[i].resumed;
    }
    return resumed;
}

static void many_threads(void **state)
{
    struct ctxs ctxs = {
        kit_server(KIT_SERVER),
        kit_server("common_tls_context: {tls_certificates: [" KIT_CERT ", {certificate_chain: @other.cert, private_key: "
                   "@other.key}], validation_context: {" KIT_CA ", match_typed_subject_alt_names: [{san_type: URI, matcher: "
                   "{safe_regex: {regex: 'spiffe://example\\.com/.*'}}}]}}\nrequire_client_certificate: true\n"),
        kit_client(KIT_CLIENT "max_session_keys: 3\n"),
        kit_client("common_tls_context: {validation_context: {" KIT_CA "}, tls_certificates: [{certificate_chain: "
                   "@client.cert, private_key: @client.key}]}\n"),
    };
    assert_true(on_threads(work, &ctxs) > 0);
    sp_tls_ctx_unref(ctxs.open);
    sp_tls_ctx_unref(ctxs.closed);
    sp_tls_ctx_unref(ctxs.plain_client);
    sp_tls_ctx_unref(ctxs.own_client);
}

static void *resume12(void *arg)
{
    struct job *j = arg;
    for (unsigned i = 0; i < ROUNDS; i++)
        one(j, j->ctxs->plain_client, j->ctxs->open, "a.example.com");
    sp_buf_thread_done();
    sp_arena_thread_done();
    return NULL;
}

/* Each connection of each thread resumes the one session, whatever the others do with it then. */
static void one_session_of_tls12(void **state)
{
    static const char *const slots[] = {"", "max_session_keys: 3\n"};
    for (size_t n = 0; n < SP_ARRAY_LEN(slots); n++) {
        char yaml[1024];
        snprintf(yaml, sizeof(yaml), "common_tls_context: {%svalidation_context: {%s}}\n%s", KIT_TLS12, KIT_CA, slots[n]);
        struct ctxs ctxs = {.open = kit_server(KIT_SERVER), .plain_client = kit_client(yaml)};
        struct job first = {.ctxs = &ctxs};
        one(&first, ctxs.plain_client, ctxs.open, "b.example.com");
        one(&first, ctxs.plain_client, ctxs.open, "a.example.com");
        assert_int_equal(first.failed + first.resumed, 0);
        assert_int_equal(on_threads(resume12, &ctxs), THREADS * ROUNDS);
        one(&first, ctxs.plain_client, ctxs.open, "b.example.com"); /* its session is still there, where there is room for two */
        assert_int_equal(first.resumed, n);
        sp_tls_ctx_unref(ctxs.open);
        sp_tls_ctx_unref(ctxs.plain_client);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_threads), cmocka_unit_test(one_session_of_tls12)};
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
