/* SPDX-License-Identifier: GPL-2.0-or-later */
/* origin_shield: Akamai's signatures. */
#include "fake_chain.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "filters/origin_shield_g2o.h"
#include "filters/registry.h"

#define OPS &sp_origin_shield_ops
#define DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor

#define KEY "0123456789abcdef-g2o"
#define NEXT "0123456789abcdef-next"
#define KEYS "keys: [{nonce: n1, secret: {inline_string: " KEY "}}, {nonce: n2, secret: {inline_string: " NEXT "}}]"
enum { NOW = 1800000000 };

static struct fake_stream s;
static struct fake_config *c;
static struct sp_arena arena;
static unsigned ids;

static const char *text(const char *fmt, ...)
{
    char out[2000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out, sizeof(out), fmt, ap);
    va_end(ap);
    return sp_arena_str(&arena, sp_str_c(out)).ptr;
}

static void begin(const char *fields)
{
    c = fake_config_new(OPS, DESC, text("proof: {akamai_g2o: {%s}}", fields));
    fake_stream_init(&s, "/");
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

/* A request for `url` with these two headers; NULL: without. */
static void carry(const char *url, const char *data, const char *sign)
{
    fake_stream_done(&s);
    fake_stream_init(&s, url);
    s.info.raw_path = sp_str_c(url);
    if (data)
        fake_header(&s, "x-akamai-g2o-auth-data", data);
    if (sign)
        fake_header(&s, "x-akamai-g2o-auth-sign", sign);
}

static const char *sign(unsigned version, const char *key, const char *data, const char *url)
{
    uint8_t mac[SP_G2O_MAX_MAC];
    size_t n = sp_g2o_sign(version, sp_str_c(key), sp_str_c(data), sp_str_c(url), &arena, mac);
    return sp_base64_encode(&arena, SP_BASE64, sp_str_n((char *)mac, n)).ptr;
}

static const char *data_at(unsigned version, int64_t epoch, const char *nonce)
{
    return text("%u, 23.1.2.3, 203.0.113.9, %lld, %u.4711, %s", version, (long long)epoch, ++ids, nonce);
}

static void passes(void)
{
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(s.info.proven);
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-data"));
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-sign"));
}

static void refused(const char *why)
{
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", text("origin_shield_refused{%s}", why));
    assert_false(s.info.proven);
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-data"));
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-sign"));
}

/* As published with akamai-g2o-lua (akamai-g2o_spec.lua), and computed again with Python's hashlib and hmac. */
static void test_published_vectors(void **state)
{
    static const char *const want[] = {"FWvsJT8JBKvnZ4jGiE7uYA==", "LL4EzlYZG9DWKjDYegZf7Q==", "D2+ASTlqs3WfCC5EBIhtjA==",
        "OLU/4N3Sc5gvy7Ta/e1rzMgPb2g=", "d/8DhQppXfD8WvbEP5TU3UVrPxgifX4LumVfadVPxgk="};
    for (unsigned version = 1; version <= SP_G2O_VERSIONS; version++) {
        const char *data = text("%u, 1.2.3.4, 3.4.5.6, 1471524574, 2805760.691583751, v1", version);
        assert_string_equal(sign(version, "s3cr3tk3y", data, "/abc"), want[version - 1]);
    }
}

static void test_good(void **state)
{
    begin(KEYS);
    uint64_t hits = fake_stat("origin_shield.secret.n1.hit"), of_next = fake_stat("origin_shield.secret.n2.hit");
    static const char *const urls[] = {"/", "/a/b.html", "/x?a=b&c=%20d", "/%2e/"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(urls); i++) {
        const char *data = data_at(5, NOW, "n1");
        carry(urls[i], data, sign(5, KEY, data, urls[i]));
        passes();
    }
    /* The nonce selects the key. */
    const char *data = data_at(5, NOW, "n2");
    carry("/", data, sign(5, NEXT, data, "/"));
    passes();
    assert_int_equal(fake_stat("origin_shield.secret.n1.hit"), hits + SP_ARRAY_LEN(urls));
    assert_int_equal(fake_stat("origin_shield.secret.n2.hit"), of_next + 1);
    /* What was sent is signed, spaces or none. */
    carry("/", text("5,23.1.2.3,203.0.113.9,%d,%u,n1", NOW, ++ids), NULL);
    data = fake_request_header(&s, "x-akamai-g2o-auth-data");
    fake_header(&s, "x-akamai-g2o-auth-sign", sign(5, KEY, data, "/"));
    passes();
    finish();
}

static void test_signature_is_wrong(void **state)
{
    begin(KEYS);
    const char *data = data_at(5, NOW, "n1"), *good = sign(5, KEY, data, "/a?b");
    const struct {
        const char *url, *data, *sign;
    } bad[] = {
        {"/a?b", NULL, NULL}, {"/a?b", data, NULL}, {"/a?b", NULL, good}, {"/a?b", data, ""}, {"/a", data, good},
        {"/a?b&c", data, good}, {"/A?b", data, good}, {"/a?b", data_at(5, NOW, "n1"), good},
        {"/a?b", data, sign(5, NEXT, data, "/a?b")}, /* the other nonce's key */
        {"/a?b", data, sign(4, KEY, data, "/a?b")}, {"/a?b", data, sign(3, KEY, data, "/a?b")},
        {"/a?b", data, text("%.*s", (int)strlen(good) - 1, good)}, {"/a?b", data, text("%s=", good)},
        {"/a?b", data, text(" %s", good)}, {"/a?b", data, text("%s,%s", good, good)}, {"/a?b", text("%s ", data), good},
        {"/a?b", data, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        carry(bad[i].url, bad[i].data, bad[i].sign);
        refused("akamai_g2o");
    }
    /* Twice, be it the same. */
    carry("/a?b", data, good);
    fake_header(&s, "x-akamai-g2o-auth-data", data);
    refused("akamai_g2o");
    carry("/a?b", data, good);
    fake_header(&s, "x-akamai-g2o-auth-sign", good);
    refused("akamai_g2o");
    /* None of it counted against the true one. */
    carry("/a?b", data, good);
    passes();
    finish();
}

static void test_form(void **state)
{
    begin(KEYS "\n, versions: [1, 2, 3, 4, 5]");
    static const char *const bad[] = {
        "", "5", "5, 1.2.3.4, 3.4.5.6, 1800000000, 1", "5, 1.2.3.4, 3.4.5.6, 1800000000, 1, n1, x", "5, 1.2.3.4, 3.4.5.6, 1800000000, 1, ",
        "5, , 3.4.5.6, 1800000000, 1, n1", "0, 1.2.3.4, 3.4.5.6, 1800000000, 1, n1", "6, 1.2.3.4, 3.4.5.6, 1800000000, 1, n1",
        "-5, 1.2.3.4, 3.4.5.6, 1800000000, 1, n1", "5x, 1.2.3.4, 3.4.5.6, 1800000000, 1, n1", "5, 1.2.3.4, 3.4.5.6, 1800000000.0, 1, n1",
        "5, 1.2.3.4, 3.4.5.6, 0x6b49d200, 1, n1", "5, 1.2.3.4, 3.4.5.6, 99999999999999999999, 1, n1", "5, 1.2.3.4, 3.4.5.6, 1800000000, 1, n3",
        "5, 1.2.3.4, 3.4.5.6, 1800000000, 1, N1",
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(bad); i++) {
        carry("/", bad[i], sign(5, KEY, bad[i], "/"));
        refused("akamai_g2o");
    }
    char *large = sp_arena_alloc(&arena, 1400);
    memset(large, '1', 1200);
    snprintf(large + 1200, 200, ", 1.2.3.4, 3.4.5.6, %d, 1, n1", NOW);
    memcpy(large, "5, ", 3);
    carry("/", large, sign(5, KEY, large, "/"));
    refused("akamai_g2o");
    finish();
}

static void at(int64_t epoch, const char *why)
{
    const char *data = data_at(5, epoch, "n1");
    carry("/", data, sign(5, KEY, data, "/"));
    if (why)
        refused(why);
    else
        passes();
}

static void test_time_window(void **state)
{
    begin(KEYS);
    at(NOW - 30, NULL);
    at(NOW + 30, NULL);
    at(NOW - 31, "akamai_g2o_time");
    at(NOW + 31, "akamai_g2o_time");
    at(0, "akamai_g2o_time");
    finish();
    begin(KEYS ", window: 5s");
    at(NOW - 5, NULL);
    at(NOW - 6, "akamai_g2o_time");
    at(NOW + 6, "akamai_g2o_time");
    finish();
}

static void test_versions(void **state)
{
    begin(KEYS);
    for (unsigned v = 1; v <= 5; v++) {
        const char *data = data_at(v, NOW, "n1");
        carry("/", data, sign(v, KEY, data, "/"));
        if (v == 5)
            passes();
        else
            refused("akamai_g2o"); /* only if named */
    }
    finish();
    begin(KEYS ", versions: [1, 2, 3, 4]");
    for (unsigned v = 1; v <= 5; v++) {
        const char *data = data_at(v, NOW, "n1");
        carry("/", data, sign(v, KEY, data, "/"));
        if (v == 5)
            refused("akamai_g2o");
        else
            passes();
    }
    finish();
}

static void test_replay(void **state)
{
    begin(KEYS);
    const char *data = data_at(5, NOW, "n1"), *good = sign(5, KEY, data, "/a");
    carry("/a", data, good);
    passes();
    for (unsigned i = 0; i < 3; i++) {
        carry("/a", data, good);
        refused("akamai_g2o_replay");
    }
    finish();
}

/* A signature that was caught is not used up by whoever has it: he does not come from the CDN. */
static void test_strangers_use_nothing_up(void **state)
{
    static const char *const proofs[] = {
        "proof: {all_of: {proofs: [{peer_address: {cidrs: [198.51.100.0/24]}}, {akamai_g2o: {" KEYS "}}]}}",
        "proof: {all_of: {proofs: [{akamai_g2o: {" KEYS "}}, {peer_address: {cidrs: [198.51.100.0/24]}}]}}",
        "proof: {all_of: {proofs: [{any_of: {proofs: [{all_of: {proofs: [{akamai_g2o: {" KEYS "}}]}}, {header_value: {name: x, values: [v]}}]}}, "
        "{peer_address: {cidrs: [198.51.100.0/24]}}]}}",
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(proofs); i++) {
        c = fake_config_new(OPS, DESC, proofs[i]);
        fake_stream_init(&s, "/");
        const char *data = data_at(5, NOW, "n1"), *good = sign(5, KEY, data, "/");
        for (unsigned n = 0; n < 3; n++) {
            carry("/", data, good);
            refused(i < 2 ? "peer_address" : "header_value");
        }
        carry("/", data, good);
        fake_address(&s, "198.51.100.7");
        passes();
        carry("/", data, good);
        fake_address(&s, "198.51.100.7");
        refused(i < 2 ? "akamai_g2o_replay" : "header_value,akamai_g2o_replay");
        finish();
    }
    /* Another way in is asked all the same. */
    c = fake_config_new(OPS, DESC, "proof: {any_of: {proofs: [{all_of: {proofs: [{peer_address: {cidrs: [198.51.100.0/24]}}, "
                        "{header_value: {name: x, values: [v]}}]}}, {akamai_g2o: {" KEYS "}}]}}");
    fake_stream_init(&s, "/");
    const char *data = data_at(5, NOW, "n1");
    carry("/", data, sign(5, KEY, data, "/"));
    passes();
    finish();
}

/* When no more can be remembered, nobody can tell a replay: refused. */
static void test_replay_set_is_full(void **state)
{
    begin(KEYS ", replay_capacity: 1024");
    unsigned passed = 0, full = 0;
    for (unsigned i = 0; i < 1100; i++) {
        const char *data = data_at(5, NOW, "n1");
        carry("/", data, sign(5, KEY, data, "/"));
        if (fake_decode(&s, c) == SP_CONTINUE) {
            passed++;
            continue;
        }
        assert_string_equal(sp_arena_str(&arena, s.reply.details).ptr, "origin_shield_refused{akamai_g2o_full}");
        full++;
    }
    assert_in_range(passed, 700, 1024);
    assert_int_equal(passed + full, 1100);
    finish();
}

static void test_path_alone(void **state)
{
    begin(KEYS ", signed_url: PATH");
    const char *data = data_at(5, NOW, "n1");
    carry("/a?b=c", data, sign(5, KEY, data, "/a"));
    passes();
    data = data_at(5, NOW, "n1");
    carry("/a?b=c", data, sign(5, KEY, data, "/a?b=c"));
    refused("akamai_g2o");
    finish();
}

/* A shadow, too, lets no signature reach the origin, where it could be used again. */
static void test_shadow(void **state)
{
    c = fake_config_new(OPS, DESC, "proof: {akamai_g2o: {" KEYS "}}\nenforcement: SHADOW");
    fake_stream_init(&s, "/");
    carry("/", "x", "y");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-data"));
    assert_null(fake_request_header(&s, "x-akamai-g2o-auth-sign"));
    assert_string_equal(fake_metadata(&s, "sallyport.filters.http.origin_shield", "shadow_refused"), "\"akamai_g2o\"");
    finish();
}

static void bad_config(const char *fields, const char *words)
{
    fake_config_refused(OPS, DESC, text("proof: {akamai_g2o: {%s}}", fields), words);
}

static void test_config_errors(void **state)
{
    bad_config("", "akamai_g2o");
    bad_config("keys: []", "akamai_g2o.keys");
    bad_config("keys: [{secret: {inline_string: " KEY "}}]", "keys[0].nonce");
    bad_config("keys: [{nonce: k}]", "keys[0].secret");
    bad_config("keys: [{nonce: k, secret: {inline_string: s3cr3tk3y}}]", "9 bytes can be guessed");
    bad_config("keys: [{nonce: k, secret: {inline_string: ''}}]", "keys[0].secret");
    bad_config("keys: [{nonce: 'a,b', secret: {inline_string: " KEY "}}]", "keys[0].nonce|comma");
    bad_config("keys: [{nonce: k, secret: {inline_string: " KEY "}}, {nonce: k, secret: {inline_string: " NEXT "}}]",
               "keys[1].nonce|selects one key");
    bad_config(KEYS ", versions: []", "versions");
    bad_config(KEYS ", versions: [6]", "versions[0]");
    bad_config(KEYS ", versions: [0]", "versions[0]");
    bad_config(KEYS ", window: 0.5s", "window");
    bad_config(KEYS ", window: 2h", "window");
    bad_config(KEYS ", replay_capacity: 0", "replay_capacity");
}

static int setup(void **state)
{
    sp_arena_init(&arena);
    return fake_setup(state);
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    return fake_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_signature_is_wrong),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_time_window),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_strangers_use_nothing_up),
        cmocka_unit_test(test_replay_set_is_full),
        cmocka_unit_test(test_path_alone),
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_config_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
