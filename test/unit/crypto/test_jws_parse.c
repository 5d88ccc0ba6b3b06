/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The form of a token, before any key is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"
#include "jws_vectors.h"

static struct sp_arena arena;

static struct sp_str b64(const char *text)
{
    return sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_c(text));
}

static enum sp_jws_result parse(struct sp_str token)
{
    struct sp_jws jws;
    enum sp_jws_result r = sp_jws_parse(token, &arena, &jws);
    if (r == SP_JWS_OK)
        sp_jws_done(&jws);
    return r;
}

static enum sp_jws_result parse_json(const char *header, const char *payload)
{
    return parse(sp_arena_printf(&arena, "%s.%s.AAAA", b64(header).ptr, b64(payload).ptr));
}

static void test_good(void **state)
{
    struct sp_jws jws;
    struct sp_str token = SP_STR(V_RS256);
    assert_int_equal(sp_jws_parse(token, &arena, &jws), SP_JWS_OK);
    assert_string_equal(jws.alg.ptr, "RS256");
    assert_string_equal(jws.kid.ptr, "rsa");
    assert_int_equal(jws.signature.len, 256);
    assert_string_equal(sp_json_str(jws.payload, "sub").ptr, "alice");
    assert_ptr_equal(jws.header_b64.ptr, token.ptr);
    sp_jws_done(&jws);
    assert_int_equal(parse_json("{\"alg\":\"ES256\"}", "{}"), SP_JWS_OK);
    assert_int_equal(parse_json("{\"alg\":\"ES256\",\"kid\":\"\",\"typ\":\"JWT\",\"jwk\":{\"a\":{}}}", "{}"),
                     SP_JWS_OK);
}

/* AWS's base64 with padding: only where it is asked for, and still strict. */
static void test_padding(void **state)
{
    static const char *const bad[] = {"e30=.e30=.AA=", "e30=.e30=.AA===", "e30.e30=.AA=A", "e3=0.e30.AAAA", "e30==.e30.AAAA",
        "e30=.=.AA==", "e31=.e30.AA==", "e30 .e30.AA=="};
    struct sp_jws jws;
    struct sp_str head = sp_base64_encode(&arena, SP_BASE64URL_PAD, SP_STR("{\"alg\":\"ES256\"} "));
    assert_true(sp_str_ends(head, SP_STR("=")));
    struct sp_str token = sp_arena_printf(&arena, "%s.e30=.AA==", head.ptr);
    assert_int_equal(parse(token), SP_JWS_HEADER_BASE64);
    assert_int_equal(sp_jws_parse_padded(token, &arena, &jws), SP_JWS_OK);
    assert_int_equal(jws.signature.len, 1);
    assert_int_equal(jws.payload_b64.len, 4); /* what is signed has its padding */
    sp_jws_done(&jws);
    assert_int_equal(sp_jws_parse_padded(sp_arena_printf(&arena, "%s.e30.AAAA", head.ptr), &arena, &jws), SP_JWS_OK);
    sp_jws_done(&jws);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_int_not_equal(sp_jws_parse_padded(sp_str_c(bad[i]), &arena, &jws), SP_JWS_OK);
}

static void test_sections(void **state)
{
    static const char *const bad[] = {"", ".", "..", "...", "a", "a.b", "a.b.", "a..c", ".b.c", "a.b.c.", "a.b.c.d",
        ".a.b.c",
                                      "a..b.c"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_int_equal(parse(sp_str_c(bad[i])), SP_JWS_FORM);
    assert_int_equal(parse(SP_STR_NULL), SP_JWS_FORM);
    assert_int_equal(parse(sp_arena_printf(&arena, "%s.x", V_RS256)), SP_JWS_FORM);
}

static void test_base64(void **state)
{
    struct sp_str h = b64("{\"alg\":\"RS256\"}"), p = b64("{\"a\":1}");
    static const char *const bad[] = {"=", "==", "\n", " ", "+", "/", "%3D", "\xff"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        assert_int_equal(parse(sp_arena_printf(&arena, "%s%s.%s.AAAA", h.ptr, bad[i], p.ptr)), SP_JWS_HEADER_BASE64);
        assert_int_equal(parse(sp_arena_printf(&arena, "%s.%s%s.AAAA", h.ptr, p.ptr, bad[i])), SP_JWS_PAYLOAD_BASE64);
        assert_int_equal(parse(sp_arena_printf(&arena, "%s.%s.AAAA%s", h.ptr, p.ptr, bad[i])), SP_JWS_SIGNATURE_BASE64);
    }
    assert_int_equal(parse(sp_arena_printf(&arena, "%s.%s.AB", h.ptr, p.ptr)),
                     SP_JWS_SIGNATURE_BASE64); /* stray bits */
    assert_int_equal(parse(sp_arena_printf(&arena, "%s.%s.A", h.ptr, p.ptr)), SP_JWS_SIGNATURE_BASE64);
    assert_int_equal(parse(sp_arena_printf(&arena, " %s.%s.AAAA", h.ptr, p.ptr)), SP_JWS_HEADER_BASE64);
}

static void test_json(void **state)
{
    static const char *const bad[] = {"", " ", "[]", "\"x\"", "null", "1", "{", "{}{}",
        "{\"alg\":\"RS256\",\"alg\":\"none\"}",
                                      "{\"alg\":\"RS256\",\"x\":\"\\u0000\"}",
                                          "{\"alg\":\"RS256\",\"x\":{\"y\":1,\"y\":1}}",
                                      "{'alg':'RS256'}", "{\"alg\":\"RS256\"}x", "{\"x\":1e999}"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        if (bad[i][0])
            assert_int_equal(parse_json(bad[i], "{}"), SP_JWS_HEADER_JSON);
        if (bad[i][0])
            assert_int_equal(parse_json("{\"alg\":\"RS256\"}", bad[i]), SP_JWS_PAYLOAD_JSON);
    }
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"x\":[[[[[[[[1]]]]]]]]}", "{}"), SP_JWS_HEADER_JSON); /* deep */
    char deep[200];
    memset(deep, '[', sizeof(deep));
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 100, ']', 95);
    memcpy(deep + 195, "}", 2);
    assert_int_equal(parse_json("{\"alg\":\"RS256\"}", deep), SP_JWS_PAYLOAD_JSON);
}

static void test_alg(void **state)
{
    static const char *const none[] = {"none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "RS1", "ES256K", "HS1",
        "A128KW",
                                       "RSA-OAEP", "dir", "EdDSA ", "eddsa", "RS2567"};
    for (size_t i = 0; i < SP_ARRAY_LEN(none); i++) {
        struct sp_str h = sp_arena_printf(&arena, "{\"alg\":\"%s\"}", none[i]);
        assert_int_equal(parse_json(h.ptr, "{}"), SP_JWS_ALG);
        /* The unsecured form without a signature has no three sections at all. */
        assert_int_equal(parse(sp_arena_printf(&arena, "%s.%s.", b64(h.ptr).ptr, b64("{}").ptr)), SP_JWS_FORM);
    }
    assert_int_equal(parse_json("{}", "{}"), SP_JWS_HEADER_ALG);
    assert_int_equal(parse_json("{\"alg\":null}", "{}"), SP_JWS_HEADER_ALG);
    assert_int_equal(parse_json("{\"alg\":[\"RS256\"]}", "{}"), SP_JWS_HEADER_ALG);
    assert_int_equal(parse_json("{\"ALG\":\"RS256\"}", "{}"), SP_JWS_HEADER_ALG);
}

static void test_kid_and_crit(void **state)
{
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"kid\":1}", "{}"), SP_JWS_HEADER_KID);
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"kid\":null}", "{}"), SP_JWS_HEADER_KID);
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", "{}"), SP_JWS_CRIT);
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"crit\":[]}", "{}"), SP_JWS_CRIT);
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"crit\":null}", "{}"), SP_JWS_CRIT);
    assert_int_equal(parse_json("{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", "{}"), SP_JWS_CRIT);
}

static void test_too_long(void **state)
{
    size_t n = SP_JWT_MAX_BYTES + 1;
    char *text = malloc(n);
    memset(text, 'A', n);
    text[10] = text[20] = '.';
    assert_int_equal(parse(sp_str_n(text, n)), SP_JWS_TOO_LONG);
    assert_int_equal(parse(sp_str_n(text, n - 1)), SP_JWS_HEADER_JSON);
    free(text);
}

/* 60 KiB of values would cost milliseconds. */
static void test_too_many_values(void **state)
{
    char *payload = malloc(2 * SP_JWT_MAX_VALUES + 100);
    for (unsigned n = SP_JWT_MAX_VALUES - 1; n <= SP_JWT_MAX_VALUES; n++) {
        size_t len = (size_t)sprintf(payload, "{\"a\":[");
        for (unsigned i = 0; i < n; i++)
            len += (size_t)sprintf(payload + len, i ? ",1" : "1");
        strcpy(payload + len, "]}");
        assert_int_equal(parse_json("{\"alg\":\"RS256\"}", payload),
                         n == SP_JWT_MAX_VALUES - 1 ? SP_JWS_OK : SP_JWS_PAYLOAD_JSON);
    }
    free(payload);
}

/* The last good header is known by its bytes: others between are read for what they are, bad ones leave nothing behind. */
static void test_headers_in_turn(void **state)
{
    static const struct {
        const char *header;
        const char *alg, *kid; /* alg NULL: it is refused */
    } rows[] = {
        {"{\"alg\":\"ES256\",\"kid\":\"a\"}", "ES256", "a"}, {"{\"alg\":\"ES256\",\"kid\":\"b\"}", "ES256", "b"},
        {"{\"alg\":\"RS256\"}", "RS256", NULL},             {"{\"alg\":\"none\"}", NULL, NULL},
        {"{\"alg\":\"RS256\",\"kid\":\"\"}", "RS256", ""},   {"{\"alg\":\"RS256\",\"crit\":[]}", NULL, NULL},
        {"{\"alg\":\"RS256\" }", "RS256", NULL},
    };
    for (unsigned i = 0; i < 3 * SP_ARRAY_LEN(rows) * SP_ARRAY_LEN(rows); i++) {
        unsigned which[] = {i / 3 / SP_ARRAY_LEN(rows), i / 3 % SP_ARRAY_LEN(rows), i / 3 / SP_ARRAY_LEN(rows)};
        unsigned row = which[i % 3];
        struct sp_jws jws;
        enum sp_jws_result r = sp_jws_parse(sp_arena_printf(&arena, "%s.e30.AAAA", b64(rows[row].header).ptr), &arena, &jws);
        assert_int_equal(r == SP_JWS_OK, rows[row].alg != NULL);
        if (r != SP_JWS_OK)
            continue;
        assert_string_equal(jws.alg.ptr, rows[row].alg);
        assert_int_equal(jws.alg_id, sp_jws_alg_parse(jws.alg));
        assert_int_equal(jws.kid.ptr != NULL, rows[row].kid != NULL);
        assert_true(sp_str_eq(jws.kid, sp_str_c(rows[row].kid)));
        assert_string_equal(jws.header_json.ptr, rows[row].header);
        sp_jws_done(&jws);
    }
}

static void test_texts(void **state)
{
    for (int r = SP_JWS_OK; r <= SP_JWS_SIGNATURE; r++)
        assert_true(sp_jws_result_text(r)[0]);
    assert_string_equal(sp_jws_result_text(SP_JWS_SIGNATURE), "Jwt verification fails");
    assert_string_equal(sp_jws_result_text(SP_JWS_NO_KEY), "Jwks doesn't have key to match kid or alg from Jwt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_padding), cmocka_unit_test(test_sections), cmocka_unit_test(test_base64),
        cmocka_unit_test(test_json), cmocka_unit_test(test_alg),      cmocka_unit_test(test_kid_and_crit),
        cmocka_unit_test(test_too_long), cmocka_unit_test(test_too_many_values), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_headers_in_turn),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
