/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wycheproof's vectors of JWS and of key sets, which scripts/wycheproof brings from the Go module proxy; skipped without them.
 * No forgery may pass.  Of the good ones those that are not taken stand below, each with its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/jws.h"

enum { MAX_FILE = 8 << 20 };

static struct sp_arena arena;

/* Vectors that are called valid there and refused here, on purpose. */
static const struct stricter {
    const char *comment;
    enum sp_jws_result why;
} stricter[] = {
    {"emptyPayload", SP_JWS_FORM}, /* no claims */
    {"Figure20", SP_JWS_NO_KEY}, /* the key says PS256, the token PS384 */
    {"Figure27", SP_JWS_NO_KEY}, /* the key's alg is "ES521", which no RFC knows: such a key is not used */
    {"InvalidCharacterInsertedInHeader", SP_JWS_HEADER_BASE64}, /* '?' within base64url */
    {"InvalidCharacterInsertedInPayload", SP_JWS_PAYLOAD_BASE64},
};

static json_t *vectors(const char *name)
{
    char path[600];
    const char *cache = getenv("SALLYPORT_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    snprintf(path, sizeof(path), "%s%s/wycheproof/%s", cache ? cache : xdg ? xdg : home ? home : "",
             cache ? "" : xdg ? "/sallyport" : "/.cache/sallyport", name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = sp_xmalloc(MAX_FILE);
    size_t n = fread(text, 1, MAX_FILE, f);
    fclose(f);
    json_t *root = json_loadb(text, n, 0, NULL);
    free(text);
    assert_non_null(root);
    return root;
}

/* A group has one key, or a set of them. */
static struct sp_jwks *key_set(const json_t *group)
{
    const char *why;
    const json_t *key = json_object_get(group, "public");
    if (!key)
        key = json_object_get(group, "private");
    json_t *set = json_object_get(key, "keys") ? json_deep_copy(key) : json_pack("{s:[O]}", "keys", key);
    char *text = json_dumps(set, 0);
    struct sp_jwks *k = sp_jwks_new(sp_str_c(text), &arena, &why);
    free(text);
    json_decref(set);
    return k;
}

static enum sp_jws_result verify(const struct sp_jwks *keys, const char *token)
{
    struct sp_jws jws;
    enum sp_jws_result r = sp_jws_parse_bytes(sp_str_c(token), &arena, &jws);
    if (r != SP_JWS_OK)
        return r;
    r = keys ? sp_jws_verify(&jws, keys) : SP_JWS_NO_KEY;
    sp_jws_done(&jws);
    return r;
}

static bool on_purpose(const char *comment, enum sp_jws_result r)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(stricter); i++)
        if (strcmp(stricter[i].comment, comment) == 0)
            return stricter[i].why == r;
    return false;
}

static const char *text_of(const json_t *test, const char *member)
{
    return json_string_value(json_object_get(test, member));
}

static bool is_valid(const json_t *test)
{
    return strcmp(text_of(test, "result"), "valid") == 0;
}

/* What the vectors themselves call a matter of taste. */
static bool ambiguous(const json_t *test)
{
    size_t i;
    json_t *flag;
    json_array_foreach(json_object_get(test, "flags"), i, flag)
        if (strcmp(json_string_value(flag), "Ambiguous") == 0)
            return true;
    return false;
}

/* Two vectors of bad padding lost it: they are, byte for byte, one that the same group calls valid. */
static bool contradicts(const json_t *group, const char *token)
{
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(group, "tests"), i, test)
        if (is_valid(test) && strcmp(text_of(test, "jws"), token) == 0)
            return true;
    return false;
}

struct count {
    unsigned tests, forged, good, stricter, contradictory;
};

static void run_group(const json_t *group, struct count *n)
{
    size_t i;
    json_t *test;
    struct sp_jwks *keys = key_set(group);
    json_array_foreach(json_object_get(group, "tests"), i, test) {
        const char *comment = text_of(test, "comment"), *token = text_of(test, "jws");
        int id = (int)json_integer_value(json_object_get(test, "tcId"));
        enum sp_jws_result r = verify(keys, token);
        n->tests++;
        if (is_valid(test)) {
            if (r != SP_JWS_OK && !on_purpose(comment, r))
                fail_msg("vector %d (%s) is good: %s", id, comment, sp_jws_result_text(r));
            n->good += r == SP_JWS_OK;
            n->stricter += r != SP_JWS_OK;
        } else if (r == SP_JWS_OK) {
            if (!contradicts(group, token) && !ambiguous(test))
                fail_msg("vector %d (%s) is forged and passes", id, comment);
            n->contradictory++;
        } else {
            n->forged++;
        }
    }
    sp_jwks_free(keys);
}

static void run_file(const char *name, struct count *n)
{
    size_t i;
    json_t *group, *root = vectors(name);
    if (!root) {
        print_message("skipped: no vectors (scripts/wycheproof brings them)\n");
        skip();
    }
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        run_group(group, n);
    json_decref(root);
    print_message("%u vectors: %u forged and refused, %u good, %u refused on purpose, %u a matter of taste\n", n->tests, n->forged,
                  n->good, n->stricter, n->contradictory);
}

static void test_signatures(void **state)
{
    struct count n = {0};
    run_file("json_web_signature_test.json", &n);
    assert_true(n.tests >= 400 && n.forged >= 350 && n.good >= 30 && n.stricter <= 12 && n.contradictory <= 2);
}

/* Keys that may not be used: for other things, too small, of a flawed generator, no points of their curves. */
static void test_key_sets(void **state)
{
    struct count n = {0};
    run_file("json_web_key_test.json", &n);
    assert_true(n.tests >= 26 && n.forged >= 19 && n.good >= 5 && n.stricter == 0 && n.contradictory <= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signatures), cmocka_unit_test(test_key_sets)};
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
