/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key sets that are fetched: when, how often, what is taken, and how long old keys serve. */
#include "fetch_fake.h"

#include "filters/jwks_remote.h"

#define REMOTE &envoy__extensions__filters__http__jwt_authn__v3__remote_jwks__descriptor
#define URI "http_uri: {uri: 'http://issuer.test/jwks?x=1', cluster: c, timeout: 2s}"
#define SET(kid) "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"" kid "\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}]}"
#define S SP_NS_PER_S

static struct sp_jwks_stats stats;
static struct sp_jwks_remote *r;
static struct sp_live_set *set;

static void begin(const char *yaml)
{
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("t"), NULL, SP_STR_NULL);
    stats.success = sp_stats_counter(scope, SP_STR("success"));
    stats.failed = sp_stats_counter(scope, SP_STR("failed"));
    r = sp_jwks_remote_new(&fake.build, fetch_fake_begin(REMOTE, yaml), SP_STR("x"), &stats);
    assert_non_null(r);
    set = sp_doc_live(fake.doc);
    assert_null(sp_jwks_remote_keys(r));
    sp_live_set_start_tasks(set, &fake.prober);
    assert_true(fake.called);
}

static void end(void)
{
    sp_live_set_stop_tasks(set);
    fetch_pass(100000 * S);
    assert_false(fake.called);
    sp_jwks_remote_free(r);
    fetch_fake_end();
}

static uint64_t id(void)
{
    const struct sp_jwks *keys = sp_jwks_remote_keys(r);
    return keys ? sp_jwks_id(keys) : 0;
}

static void test_first_fetch(void **state)
{
    uint64_t good = sp_counter_value(stats.success);
    begin(URI);
    assert_false(sp_live_set_ready(set));
    assert_string_equal(fake.url, "http://issuer.test/jwks?x=1");
    assert_int_equal(fake.max_body, SP_JWKS_MAX_BYTES);
    assert_int_equal(fake.timeout_ns, 2 * S);
    fetch_answer(200, SET("a"));
    assert_true(sp_live_set_ready(set));
    assert_int_equal(sp_jwks_count(sp_jwks_remote_keys(r)), 1);
    assert_int_equal(sp_counter_value(stats.success), good + 1);
    end();
}

static void test_refresh(void **state)
{
    begin(URI ", cache_duration: 60s");
    fetch_answer(200, SET("a"));
    uint64_t first = id();
    fetch_pass(54 * S);
    assert_false(fake.called);
    fetch_pass(S + S / 2); /* 5 s before they are too old */
    fetch_answer(200, SET("a"));
    assert_int_equal(id(), first); /* the same text is the same set: caches live on */
    fetch_pass(56 * S);
    fetch_answer(200, SET("b"));
    assert_int_not_equal(id(), first);
    end();
    begin(URI ", cache_duration: 4s");
    fetch_answer(200, SET("a"));
    fetch_pass(2 * S);
    fetch_answer(200, SET("a"));
    end();
}

static void test_fast_listener(void **state)
{
    begin(URI ", async_fetch: {fast_listener: true}");
    assert_true(sp_live_set_ready(set));
    end();
    assert_int_equal(fake.cancelled, 1);
}

static void test_waits_after_failures(void **state)
{
    uint64_t bad = sp_counter_value(stats.failed);
    begin(URI ", async_fetch: {failed_refetch_duration: 2s}");
    uint64_t longest = 2 * S;
    for (unsigned i = 0; i < 8; i++) {
        fetch_answer(i % 2 ? 0 : 503, "");
        assert_true(sp_live_set_ready(set)); /* the first try is over */
        assert_null(sp_jwks_remote_keys(r));
        fetch_pass(longest / 2 - 1);
        assert_false(fake.called);
        fetch_pass(longest / 2 + 2);
        longest = SP_MIN(2 * longest, 30 * S);
    }
    assert_int_equal(sp_counter_value(stats.failed), bad + 8);
    fetch_answer(200, SET("a"));
    assert_non_null(sp_jwks_remote_keys(r));
    end();
}

static void test_retry_policy(void **state)
{
    uint64_t bad = sp_counter_value(stats.failed);
    begin(URI ", retry_policy: {num_retries: 3, retry_back_off: {base_interval: 1s, max_interval: 3s}}");
    static const unsigned longest[] = {1, 2, 3};
    for (unsigned i = 0; i < 3; i++) {
        fetch_answer(500, "");
        assert_false(sp_live_set_ready(set));
        fetch_pass(longest[i] * S / 2 - 1);
        assert_false(fake.called);
        fetch_pass(longest[i] * S / 2 + 2);
        assert_true(fake.called);
    }
    assert_int_equal(sp_counter_value(stats.failed), bad);
    fetch_answer(500, "");
    assert_int_equal(sp_counter_value(stats.failed), bad + 1);
    assert_true(sp_live_set_ready(set));
    end();
}

static void test_what_is_not_taken(void **state)
{
    static const struct {
        unsigned status;
        const char *body;
    } bad[] = {{0, ""}, {200, ""}, {204, SET("b")}, {301, SET("b")}, {404, SET("b")}, {500, SET("b")}, {200, "[]"}, {200, "{"},
               {200, "{\"keys\":[]}"}, {200, "{\"keys\":[{\"kty\":\"RSA\"}]}"}, {200, SET("b") "x"},
               {200, "{\"keys\":[],\"keys\":[]}"}, {200, "<html>"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        begin(URI ", cache_duration: 4s");
        fetch_answer(200, SET("a"));
        uint64_t before = id();
        fetch_pass(3 * S);
        fetch_answer(bad[i].status, bad[i].body);
        assert_int_equal(id(), before);
        end();
    }
}

/* Old keys serve while the issuer is down, but not for ever; and come back. */
static void test_stale_keys(void **state)
{
    begin(URI ", cache_duration: 60s");
    fetch_answer(200, SET("a"));
    uint64_t began = fake.now_ns;
    while (fake.now_ns - began < 60 * S + SP_JWKS_STALE_NS - 40 * S) {
        fetch_pass(30 * S);
        if (fake.called)
            fetch_answer(503, "");
        assert_non_null(sp_jwks_remote_keys(r));
    }
    for (unsigned i = 0; i < 6; i++) {
        fetch_pass(31 * S);
        if (fake.called)
            fetch_answer(503, "");
    }
    assert_null(sp_jwks_remote_keys(r));
    fetch_pass(31 * S);
    fetch_answer(200, SET("a"));
    assert_non_null(sp_jwks_remote_keys(r));
    end();
}

/* After a failure the same text is told again: who watches sees that all is well. */
static void test_recovery(void **state)
{
    begin(URI ", cache_duration: 4s");
    fetch_answer(200, SET("a"));
    const struct sp_jwks *first = sp_jwks_remote_keys(r);
    uint64_t first_id = id();
    fetch_pass(3 * S);
    fetch_answer(0, "");
    fetch_pass(3 * S);
    fetch_answer(200, SET("a"));
    assert_ptr_not_equal(sp_jwks_remote_keys(r), first);
    assert_int_equal(id(), first_id); /* of the same keys: verdicts stay */
    end();
}

static void asked(void *ctx)
{
    fail();
}

static void test_aim(void **state)
{
    _Atomic bool ready = false;
    struct sp_arena arena;
    struct sp_fetch_target t = {.timeout_ns = S};
    fetch_fake_begin(REMOTE, URI);
    sp_arena_init(&arena);
    t.cluster = fake.build.find_cluster(NULL, SP_STR("c"));
    assert_null(sp_fetch_split(SP_STR("https://a.test/1"), &t));
    r = sp_jwks_remote_new_aimless(&fake.build, S, 60 * S, SP_STR("x"), &stats, &ready);
    assert_false(fake.called);
    sp_jwks_remote_open(r, &fake.prober, asked, NULL);
    sp_jwks_remote_missed(r);
    sp_jwks_remote_aim(r, &fake.prober, &t, 0);
    assert_string_equal(fake.url, "https://a.test/1");
    assert_false(ready);
    fetch_answer(200, SET("a"));
    assert_true(ready);
    uint64_t first = id();
    sp_jwks_remote_aim(r, &fake.prober, &t, 0); /* nothing new */
    assert_false(fake.called);
    assert_null(sp_fetch_split(SP_STR("https://a.test/2"), &t));
    sp_jwks_remote_aim(r, &fake.prober, &t, 0);
    assert_string_equal(fake.url, "https://a.test/2");
    assert_int_equal(id(), first); /* the old ones until the new ones are there */
    sp_jwks_remote_aim(r, &fake.prober, &t, sp_jws_alg_bit(SP_STR("ES256")));
    assert_int_equal(fake.cancelled, 1);
    fetch_answer(200, SET("a"));
    assert_int_not_equal(id(), first);
    sp_jwks_remote_halt(r);
    sp_jwks_remote_free(r);
    sp_arena_done(&arena);
    fetch_fake_end();
}

/* No worker, or none that may ask: the answer is at once what the keys say. */
static void woken(struct sp_jwks_waiter *w)
{
    fail();
}

static void test_nobody_waits_without_a_worker(void **state)
{
    struct sp_jwks_waiter w = {.woken = woken};
    begin(URI);
    assert_false(sp_jwks_remote_wait(r, &w, &fake.prober.turn));
    sp_jwks_remote_unwait(&w);
    end();
}

/* The next config takes the place of the last one, whose task may run on for a while. */
static void next(const char *yaml, bool before_the_old_one_stops)
{
    struct sp_jwks_remote *old = r;
    struct sp_live_set *old_set = set;
    r = sp_jwks_remote_new(&fake.build, fetch_fake_next(REMOTE, yaml), SP_STR("x"), &stats);
    assert_non_null(r);
    set = sp_doc_live(fake.doc);
    if (before_the_old_one_stops)
        sp_live_set_start_tasks(set, &fake.prober);
    sp_live_set_stop_tasks(old_set);
    sp_jwks_remote_free(old);
    fetch_fake_old_gone();
    if (!before_the_old_one_stops)
        sp_live_set_start_tasks(set, &fake.prober);
}

/* An issuer that is down during a reload closes no door, and a storm of reloads asks nobody. */
static void test_the_next_config(void **state)
{
    begin(URI ", cache_duration: 60s");
    fetch_answer(200, SET("a"));
    for (unsigned i = 0; i < 5; i++) {
        fetch_pass(9 * S);
        next(URI ", cache_duration: 60s", i % 2);
        assert_non_null(sp_jwks_remote_keys(r));
        assert_true(sp_live_set_ready(set));
        assert_false(fake.called);
    }
    fetch_pass(9 * S);
    assert_false(fake.called);
    fetch_pass(2 * S); /* 5 s before they are too old, as if nothing had happened */
    fetch_answer(503, "");
    assert_non_null(sp_jwks_remote_keys(r));
    next(URI ", cache_duration: 60s", false);
    assert_non_null(sp_jwks_remote_keys(r));
    fetch_answer(200, SET("b")); /* it was due */
    uint64_t new = id();
    next(URI ", cache_duration: 60s, retry_policy: {num_retries: 2}", false);
    assert_non_null(sp_jwks_remote_keys(r));
    assert_int_not_equal(new, 0);
    end();
    /* With the last config that had it, it is forgotten. */
    begin(URI);
    end();
}

static void test_keys_that_grew_too_old(void **state)
{
    begin(URI ", cache_duration: 60s");
    fetch_answer(200, SET("a"));
    sp_live_set_stop_tasks(set); /* so that the time passes with no try */
    fetch_pass(60 * S + SP_JWKS_STALE_NS + S);
    next(URI ", cache_duration: 60s", false);
    assert_true(fake.called);
    assert_null(sp_jwks_remote_keys(r));
    fetch_answer(503, "");
    next(URI ", cache_duration: 60s", false);
    assert_false(sp_live_set_ready(set));
    fetch_answer(200, SET("a"));
    assert_non_null(sp_jwks_remote_keys(r));
    end();
}

/* What an unverified connection brought is not believed of a verified one; nor is another URL's. */
static void test_another_place(void **state)
{
    begin(URI);
    fetch_answer(200, SET("a"));
    next("http_uri: {uri: 'http://issuer.test/other', cluster: c, timeout: 2s}", false);
    assert_null(sp_jwks_remote_keys(r));
    fetch_answer(200, SET("a"));
    cluster.transport.bytes[0] ^= 1;
    next("http_uri: {uri: 'http://issuer.test/other', cluster: c, timeout: 2s}", false);
    assert_null(sp_jwks_remote_keys(r));
    end();
    assert_int_equal(fake.cancelled, 1);
}

static void test_bad_configs(void **state)
{
    static const char *const bad[][2] = {
        {"http_uri: {uri: 'issuer.test/jwks', cluster: c, timeout: 2s}", "begins with neither"},
        {"http_uri: {uri: 'http://issuer.test/', cluster: nobody, timeout: 2s}", "no cluster \"nobody\""}};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_null(sp_jwks_remote_new(&fake.build, fetch_fake_begin(REMOTE, bad[i][0]), SP_STR("x"), &stats));
        assert_true(fetch_fake_error(bad[i][1]));
        fetch_fake_end();
    }
}

static void test_split(void **state)
{
    static const char *const good[][4] = {
        {"https://a.test", "https", "a.test", "/"}, {"HTTP://a:8080/x/y?z=1", "http", "a:8080", "/x/y?z=1"},
        {"http://[::1]:80/", "http", "[::1]:80", "/"}};
    static const char *const bad[] = {"", "a.test", "ftp://a/", "https://", "https:///x", "https://u@a/", "https://a b/", "https://a?x",
                                      "https://a/#x", "https://a/\n", "https://a/\xc3\xa4", "https://a\\b/", "//a/", "https:/a/"};
    struct sp_fetch_target t;
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        assert_null(sp_fetch_split(sp_str_c(good[i][0]), &t));
        assert_true(sp_str_eq(t.scheme, sp_str_c(good[i][1])));
        assert_true(sp_str_eq(t.authority, sp_str_c(good[i][2])));
        assert_true(sp_str_eq(t.path, sp_str_c(good[i][3])));
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (!sp_fetch_split(sp_str_c(bad[i]), &t))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_fetch),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_fast_listener),
        cmocka_unit_test(test_waits_after_failures),
        cmocka_unit_test(test_retry_policy),
        cmocka_unit_test(test_what_is_not_taken),
        cmocka_unit_test(test_stale_keys),
        cmocka_unit_test(test_recovery),
        cmocka_unit_test(test_aim),
        cmocka_unit_test(test_nobody_waits_without_a_worker),
        cmocka_unit_test(test_the_next_config),
        cmocka_unit_test(test_keys_that_grew_too_old),
        cmocka_unit_test(test_another_place),
        cmocka_unit_test(test_bad_configs),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, fetch_fake_setup, fetch_fake_teardown);
}
