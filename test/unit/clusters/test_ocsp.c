/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions to a responder that gives no answer that counts: policies, waiting, giving up, bounds. What its answers mean is
 * tested in test/unit/crypto/test_ocsp.c and, with openssl's responder, in test/integration/test_mtls_ocsp.py. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "clusters/ocsp.h"
#include "config/rules.h"
#include "crypto/cert_gen.h"
#include "crypto/ct.h"

static struct sp_arena certs;
static struct sp_x509 issuer, leaf[8];

static void make(void)
{
    struct sp_made_cert ca, made;
    const char *why;
    sp_arena_init(&certs);
    assert_int_equal(sp_cert_make(&(struct sp_cert_request){.common_name = "ca", .is_ca = true}, NULL, &certs, &ca), 0);
    assert_int_equal(sp_x509_parse(ca.cert_der, &certs, &issuer, &why), 0);
    for (size_t i = 0; i < SP_ARRAY_LEN(leaf); i++) {
        assert_int_equal(sp_cert_make(&(struct sp_cert_request){.common_name = "leaf", .client = true}, &ca, &certs, &made), 0);
        assert_int_equal(sp_x509_parse(made.cert_der, &certs, &leaf[i], &why), 0);
        leaf[i].serial = sp_arena_printf(&certs, "%c%c", 1, (int)('a' + i));
    }
}

struct rig {
    struct t_bed b;
    struct t_config config;
    struct sp_ocsp *ocsp;
};

static struct sp_cluster *find(void *ctx, struct sp_str name)
{
    struct rig *r = ctx;
    return sp_str_eq(name, SP_STR("c")) ? r->b.cluster : NULL;
}

static void begin(struct rig *r, const char *yaml)
{
    t_bed_hosts(&r->b, 1, NULL);
    t_config_load(&r->config, &sallyport__tls__v1__ocsp__descriptor, yaml);
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("t"), NULL, SP_STR_NULL);
    r->ocsp = sp_ocsp_new(r->config.doc, &r->config.diag, r->config.msg, find, r, scope);
    assert_non_null(r->ocsp);
}

static void end(struct rig *r)
{
    sp_ocsp_free(r->ocsp);
    t_config_done(&r->config);
    t_bed_free(&r->b);
}

struct asker {
    struct sp_ocsp_wait wait;
    unsigned told;
};

static void told(struct sp_ocsp_wait *w)
{
    SP_CONTAINER_OF(w, struct asker, wait)->told++;
}

static enum sp_ocsp_verdict ask(struct rig *r, struct asker *a, unsigned which)
{
    *a = (struct asker){.wait.done = told};
    return sp_ocsp_ask(r->ocsp, &r->b.workers[0], &leaf[which], &issuer, &a->wait);
}

static uint64_t count(const char *name)
{
    char full[64];
    uint64_t v;
    snprintf(full, sizeof(full), "t.ocsp.%s", name);
    assert_int_equal(sp_stats_find(sp_str_c(full), &v), 0);
    return v;
}

/* The newest question, as the responder sees it. */
static struct fake_exchange *question(struct rig *r)
{
    t_step(&r->b, 0);
    struct sp_wire *w = fake_wires[fake_n - 1];
    if (!w->ready) {
        fake_connect(w);
        t_step(&r->b, 0);
    }
    return fake_stream_at(w, 0);
}

static void answer(struct rig *r, unsigned status, const char *body)
{
    struct fake_exchange *x = question(r);
    fake_respond(x, status, false);
    fake_data(x, body, true);
    t_step(&r->b, 0);
}

static void test_question(void **state)
{
    struct rig r;
    struct asker a;
    begin(&r, "{cluster: c, path: /ocsp, authority: ca.test}");
    assert_int_equal(ask(&r, &a, 0), SP_OCSP_ASKING);
    assert_int_equal(fake_n, 0); /* nothing happens inside */
    struct fake_exchange *x = question(&r);
    assert_str(x->request->method, "POST");
    assert_str(x->request->path, "/ocsp");
    assert_str(x->request->authority, "ca.test");
    assert_str(sp_headers_get(x->request, SP_STR("content-type")), "application/ocsp-request");
    assert_int_equal(x->body[0], 0x30);
    sp_ocsp_cancel(&a.wait);
    end(&r);
}

/* What is known of certificates, and what is being asked, stays when a config takes the place of another. */
static void test_the_next_config(void **state)
{
    struct rig r;
    struct asker a, b;
    begin(&r, "{cluster: c}");
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("t"), NULL, SP_STR_NULL);
    assert_int_equal(ask(&r, &a, 0), SP_OCSP_ASKING);
    answer(&r, 404, ""); /* kept for two seconds */
    assert_int_equal(a.told, 1);
    assert_int_equal(ask(&r, &b, 1), SP_OCSP_ASKING);
    struct sp_ocsp *old = r.ocsp;
    t_config_done(&r.config);
    t_config_load(&r.config, &sallyport__tls__v1__ocsp__descriptor, "{cluster: c, nonce: true}");
    r.ocsp = sp_ocsp_new(r.config.doc, &r.config.diag, r.config.msg, find, &r, scope);
    assert_ptr_not_equal(r.ocsp, old);
    sp_ocsp_free(r.ocsp);
    t_config_done(&r.config);
    t_config_load(&r.config, &sallyport__tls__v1__ocsp__descriptor, "{cluster: c}");
    r.ocsp = sp_ocsp_new(r.config.doc, &r.config.diag, r.config.msg, find, &r, scope);
    assert_ptr_equal(r.ocsp, old);
    sp_ocsp_free(old);
    uint64_t asked = count("asked");
    assert_int_equal(ask(&r, &a, 0), SP_OCSP_REFUSES);
    assert_int_equal(count("asked"), asked);
    answer(&r, 404, "");
    assert_int_equal(b.told, 1);
    end(&r);
}

static void test_strict_and_soft(void **state)
{
    static const struct {
        unsigned status;
        const char *body, *why;
    } cases[] = {
        {200, "hello", "the OCSP responder's answer does not count"},
        {200, "\x30\x03\x0a\x01\x03", "the OCSP responder's answer does not count"},
        {500, "", "the OCSP responder refuses"},
        {0, "", "the OCSP responder does not answer"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases) * 2; i++) {
        bool soft = i % 2;
        struct rig r;
        struct asker a, b;
        begin(&r, soft ? "{cluster: c, policy: SOFT}" : "{cluster: c}");
        uint64_t failed = count("failed"), asked = count("asked");
        assert_int_equal(ask(&r, &a, 0), SP_OCSP_ASKING);
        assert_int_equal(ask(&r, &b, 0), SP_OCSP_ASKING); /* the same question */
        if (cases[i / 2].status) {
            answer(&r, cases[i / 2].status, cases[i / 2].body);
        } else {
            question(&r);
            t_step(&r.b, 2100);
        }
        assert_true(a.told == 1 && b.told == 1);
        assert_int_equal(a.wait.verdict, soft ? SP_OCSP_PASSES : SP_OCSP_REFUSES);
        assert_string_equal(b.wait.why, cases[i / 2].why);
        assert_int_equal(count("failed") - failed, 1);
        assert_int_equal(count("asked") - asked, 1);
        /* Remembered for two seconds, and then asked again. */
        t_step(&r.b, 900);
        assert_int_equal(ask(&r, &a, 0), soft ? SP_OCSP_PASSES : SP_OCSP_REFUSES);
        assert_int_equal(count("asked") - asked, 1);
        t_step(&r.b, 3000);
        assert_int_equal(ask(&r, &a, 0), SP_OCSP_ASKING);
        sp_ocsp_cancel(&a.wait);
        end(&r);
    }
}

/* Who gives up is not told; when the last one does, the question is taken back. */
static void test_cancel(void **state)
{
    struct rig r;
    struct asker a, b, c;
    begin(&r, "{cluster: c}");
    uint64_t asked = count("asked");
    ask(&r, &a, 0);
    ask(&r, &b, 0);
    sp_ocsp_cancel(&a.wait);
    sp_ocsp_cancel(&a.wait); /* harmless */
    answer(&r, 500, "");
    assert_true(a.told == 0 && b.told == 1);
    ask(&r, &c, 1);
    question(&r);
    sp_ocsp_cancel(&c.wait);
    t_step(&r.b, 0);
    assert_int_equal(c.told, 0);
    assert_int_equal(count("asked") - asked, 2);
    assert_int_equal(ask(&r, &c, 1), SP_OCSP_ASKING); /* anew */
    assert_int_equal(count("asked") - asked, 3);
    sp_ocsp_cancel(&c.wait);
    end(&r);
}

/* The first one that is told ends another that waits too. */
static struct asker *victim;

static void told_and_cancels(struct sp_ocsp_wait *w)
{
    told(w);
    sp_ocsp_cancel(&victim->wait);
}

static void test_cancel_while_told(void **state)
{
    struct rig r;
    struct asker a, b, c;
    begin(&r, "{cluster: c}");
    ask(&r, &a, 0);
    ask(&r, &b, 0);
    ask(&r, &c, 0);
    a.wait.done = told_and_cancels;
    victim = &b;
    answer(&r, 500, "");
    assert_true(a.told == 1 && b.told == 0 && c.told == 1);
    end(&r);
}

static void test_bounds(void **state)
{
    struct rig r;
    struct asker a[4];
    begin(&r, "{cluster: c, max_cached: 2}");
    uint64_t asked = count("asked");
    assert_int_equal(ask(&r, &a[0], 0), SP_OCSP_ASKING);
    assert_int_equal(ask(&r, &a[1], 1), SP_OCSP_ASKING);
    assert_int_equal(ask(&r, &a[2], 2), SP_OCSP_REFUSES); /* nothing can be forgotten */
    assert_string_equal(a[2].wait.why, "too many OCSP questions are under way");
    sp_ocsp_cancel(&a[0].wait);
    sp_ocsp_cancel(&a[1].wait);
    /* Answered ones go, the least recently used first. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ask(&r, &a[0], i), SP_OCSP_ASKING);
        answer(&r, 500, "");
        assert_int_equal(a[0].told, 1);
    }
    assert_int_equal(count("asked") - asked, 5);
    assert_int_equal(ask(&r, &a[0], 2), SP_OCSP_REFUSES);
    assert_int_equal(ask(&r, &a[0], 1), SP_OCSP_REFUSES);
    assert_int_equal(count("asked") - asked, 5);
    assert_int_equal(ask(&r, &a[0], 0), SP_OCSP_ASKING);
    sp_ocsp_cancel(&a[0].wait);
    end(&r);
}

static void test_nobody_to_ask(void **state)
{
    struct rig r;
    struct asker a = {.wait.done = told};
    begin(&r, "{cluster: c}");
    assert_int_equal(sp_ocsp_ask(r.ocsp, &r.b.workers[0], &leaf[0], NULL, &a.wait), SP_OCSP_REFUSES);
    assert_int_equal(a.wait.until, INT64_MAX);
    end(&r);
    begin(&r, "{cluster: c, policy: SOFT}");
    assert_int_equal(sp_ocsp_ask(r.ocsp, &r.b.workers[0], &leaf[0], NULL, &a.wait), SP_OCSP_PASSES);
    end(&r);
}

static int setup(void **state)
{
    make();
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done_wipe(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_question), cmocka_unit_test(test_the_next_config), cmocka_unit_test(test_strict_and_soft), cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_while_told), cmocka_unit_test(test_bounds),          cmocka_unit_test(test_nobody_to_ask),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
