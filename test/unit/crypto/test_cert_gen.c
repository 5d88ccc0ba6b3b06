/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "crypto/jws_sign.h"

static const char *const dns[] = {"localhost", "*.example.com", NULL}, *const ip[] = {"127.0.0.1", "::1", NULL};
static const char *const uri[] = {"spiffe://example.com/door", NULL};

static void write_file(const char *dir, const char *name, struct sp_str text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(text.ptr, 1, text.len, f);
    fclose(f);
}

/* What openssl says; the certificate is judged by another program than the one that made it. */
static char *openssl(const char *dir, const char *args)
{
    static char out[8192];
    char command[512];
    snprintf(command, sizeof(command), "cd %s && openssl %s 2>&1", dir, args);
    FILE *f = popen(command, "r");
    out[fread(out, 1, sizeof(out) - 1, f)] = 0;
    pclose(f);
    return out;
}

static void openssl_accepts_them(void **state)
{
    struct sp_arena a;
    struct sp_made_cert ca, leaf;
    char dir[] = "/tmp/sp-cert-XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    sp_arena_init(&a);
    struct sp_cert_request ca_request = {.common_name = "a CA", .is_ca = true};
    struct sp_cert_request request = {.common_name = "leaf", .dns = dns, .ip = ip, .uri = uri, .server = true, .client = true};
    assert_int_equal(sp_cert_make(&ca_request, NULL, &a, &ca), 0);
    assert_int_equal(sp_cert_make(&request, &ca, &a, &leaf), 0);
    write_file(dir, "ca.pem", ca.cert_pem);
    write_file(dir, "leaf.pem", leaf.cert_pem);
    write_file(dir, "leaf.key", leaf.key_pem);
    assert_string_equal(openssl(dir, "verify -purpose sslserver -CAfile ca.pem leaf.pem"), "leaf.pem: OK\n");
    assert_string_equal(openssl(dir, "verify -purpose sslclient -CAfile ca.pem leaf.pem"), "leaf.pem: OK\n");
    char *text = openssl(dir, "x509 -in leaf.pem -noout -text");
    assert_non_null(strstr(text, "DNS:localhost, DNS:*.example.com, URI:spiffe://example.com/door, IP Address:127.0.0.1, "
                                 "IP Address:0:0:0:0:0:0:0:1"));
    assert_non_null(strstr(text, "Issuer: CN = a CA"));
    text = openssl(dir, "pkey -in leaf.key -pubout -out a.pub && openssl x509 -in leaf.pem -noout -pubkey -out b.pub && "
                        "cmp a.pub b.pub && echo same");
    assert_non_null(strstr(text, "same"));
    sp_arena_done_wipe(&a);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void dates_are_as_asked(void **state)
{
    struct sp_arena a;
    struct sp_made_cert m;
    char dir[] = "/tmp/sp-cert-XXXXXX", command[64];
    assert_non_null(mkdtemp(dir));
    sp_arena_init(&a);
    struct sp_cert_request r = {.common_name = "old", .not_before = 1577836800, .not_after = 1609459200};
    assert_int_equal(sp_cert_make(&r, NULL, &a, &m), 0);
    write_file(dir, "old.pem", m.cert_pem);
    assert_string_equal(openssl(dir, "x509 -in old.pem -noout -dates"),
                        "notBefore=Jan  1 00:00:00 2020 GMT\nnotAfter=Jan  1 00:00:00 2021 GMT\n");
    sp_arena_done(&a);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

static void bad_names_are_refused(void **state)
{
    static const char *const bad_ip[] = {"1.2.3", NULL}, *const empty[] = {"", NULL};
    static char long_name[200];
    memset(long_name, 'a', sizeof(long_name) - 1);
    const char *const too_long[] = {long_name, NULL};
    struct sp_arena a;
    struct sp_made_cert m;
    sp_arena_init(&a);
    struct sp_cert_request requests[] = {{.common_name = ""},
                                         {.common_name = long_name},
                                         {.common_name = "a", .ip = bad_ip},
                                         {.common_name = "a", .dns = empty},
                                         {.common_name = "a", .dns = too_long}};
    for (size_t i = 0; i < SP_ARRAY_LEN(requests); i++)
        assert_int_equal(sp_cert_make(&requests[i], NULL, &a, &m), -EINVAL);
    sp_arena_done(&a);
}

/* Signatures are checked by the filter's own verifier in test_jws; here: form and freshness. */
static void tokens_have_three_parts(void **state)
{
    struct sp_arena a;
    sp_arena_init(&a);
    struct sp_signer *s = sp_signer_new(SP_STR("k"));
    assert_non_null(s);
    struct sp_str t = sp_signer_sign(s, SP_STR("{\"sub\":\"a\"}"), &a), part, rest = t;
    unsigned n = 0;
    while (sp_str_split(&rest, '.', &part))
        n++;
    assert_int_equal(n, 3);
    assert_int_equal(part.len, 86);
    assert_false(sp_str_eq(t, sp_signer_sign(s, SP_STR("{\"sub\":\"a\"}"), &a)));
    assert_true(sp_str_find(sp_signer_jwks(s, &a), SP_STR("\"kid\":\"k\"")) > 0);
    sp_signer_free(s);
    sp_arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(openssl_accepts_them), cmocka_unit_test(dates_are_as_asked),
                                       cmocka_unit_test(bad_names_are_refused), cmocka_unit_test(tokens_have_three_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
