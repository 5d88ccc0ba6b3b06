/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading certificates, DER and PEM. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/cert_gen.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "crypto/x509_constraints.h"

static char *run(const char *command)
{
    static char out[1 << 16];
    FILE *f = popen(command, "r");
    size_t n = fread(out, 1, sizeof(out) - 1, f);
    out[n] = 0;
    assert_int_equal(pclose(f), 0);
    return out;
}

/* A certificate of openssl's with this subject and these names, in the arena. */
static struct sp_x509 made(struct sp_arena *arena, const char *options)
{
    char command[2048];
    struct sp_pem block;
    struct sp_x509 x;
    const char *why = "";
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -days 3 -utf8 %s 2>/dev/null",
             options);
    struct sp_str pem = sp_arena_str(arena, sp_str_c(run(command)));
    assert_int_equal(sp_pem_next(&pem, arena, &block, &why), 1);
    if (sp_x509_parse(block.der, arena, &x, &why) < 0)
        fail_msg("%s: %s", options, why);
    return x;
}

static void object_ids(void **state)
{
    static const struct {
        const char *dotted, *hex;
    } cases[] = {
        {"1.3.6.1.4.1.311.20.2.3", "2b060104018237140203"}, {"2.5.29.17", "551d11"}, {"2.999.1", "883701"}, {"0.0", "00"},
        {"2.4294967295", "908080804f"}, {"1", NULL}, {"", NULL}, {"3.1", NULL}, {"1.40", NULL}, {"1.2.", NULL}, {"1..2", NULL},
        {"1.02", NULL}, {"1.2.x", NULL}, {"1.2.99999999999", NULL},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        sp_arena_init(&arena);
        struct sp_str oid = sp_x509_oid(&arena, sp_str_c(cases[i].dotted));
        if (!oid.ptr != !cases[i].hex || (oid.ptr && strcmp(sp_hex(&arena, oid.ptr, oid.len).ptr, cases[i].hex) != 0))
            fail_msg("%s: %s", cases[i].dotted, oid.ptr ? sp_hex(&arena, oid.ptr, oid.len).ptr : "none");
        sp_arena_done(&arena);
    }
}

/* As Envoy shows them in XFCC and in logs, which is openssl's RFC 2253 form. */
static void names_read_as_openssl_writes_them(void **state)
{
    static const struct {
        const char *subject, *text;
    } cases[] = {
        {"/CN=a", "CN=a"},
        {"/C=DE/ST=Bavaria/L=Munich/O=Example/OU=Edge/CN=client", "CN=client,OU=Edge,O=Example,L=Munich,ST=Bavaria,C=DE"},
        {"/O=Comma\\, Inc./CN=x", "CN=x,O=Comma\\, Inc."},
        {"/CN=plus\\+quote\\\"back\\\\slash<>;", "CN=plus\\+quote\\\"back\\\\slash\\<\\>\\;"},
        {"/CN=#leading", "CN=\\#leading"},
        {"/CN= spaces ", "CN=\\ spaces\\ "},
        {"/CN=Zo\xc3\xab", "CN=Zo\\C3\\AB"},
        {"/emailAddress=a@example.com/serialNumber=7/DC=org/UID=u/GN=g/SN=s/title=t/initials=i",
         "initials=i,title=t,SN=s,GN=g,UID=u,DC=org,serialNumber=7,emailAddress=a@example.com"},
        {"/O=multi+OU=valued/CN=x", "CN=x,OU=valued+O=multi"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        char options[512];
        sp_arena_init(&arena);
        snprintf(options, sizeof(options), "-subj '%s'", cases[i].subject);
        struct sp_x509 x = made(&arena, options);
        assert_string_equal(sp_x509_name_text(&arena, x.subject).ptr, cases[i].text);
        snprintf(options, sizeof(options), "/tmp/sp-x509-%d.der", getpid());
        FILE *f = fopen(options, "w");
        fwrite(x.der.ptr, 1, x.der.len, f);
        fclose(f);
        char command[2048];
        snprintf(command, sizeof(command), "openssl x509 -inform DER -in %s -noout -subject -nameopt RFC2253; rm %s", options,
                 options);
        char expected[512];
        snprintf(expected, sizeof(expected), "subject=%s\n", cases[i].text);
        assert_string_equal(run(command), expected);
        sp_arena_done(&arena);
    }
}

/* What openssl 3 makes of strings in other character sets, and of attributes whose types it does not know. */
static void names_of_other_kinds(void **state)
{
    static const struct {
        const char *conf, *text;
    } cases[] = {
        {"[req]\nstring_mask=MASK:0x800\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=Zo\xc3\xab, 5 \xe2\x82\xac\n",
         "CN=Zo\\C3\\AB\\, 5 \\E2\\82\\AC"}, /* BMPString */
        {"[req]\nstring_mask=MASK:0x4\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=Zo\xc3\xab\n", "CN=Zo\\C3\\AB"}, /* T61String */
        {"oid_section=oids\n[oids]\nodd=1.3.6.1.4.1.99999.7\nhigh=2.999.3\n[req]\ndistinguished_name=dn\nprompt=no\n"
         "[dn]\nodd=x\nhigh=y\nCN=z\n",
         "CN=z,2.999.3=#0C0179,1.3.6.1.4.1.99999.7=#0C0178"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        char conf[64], options[128];
        sp_arena_init(&arena);
        snprintf(conf, sizeof(conf), "/tmp/sp-x509-%d.conf", getpid());
        FILE *f = fopen(conf, "w");
        fputs(cases[i].conf, f);
        fclose(f);
        snprintf(options, sizeof(options), "-config %s", conf);
        struct sp_x509 x = made(&arena, options);
        unlink(conf);
        assert_string_equal(sp_x509_name_text(&arena, x.subject).ptr, cases[i].text);
        f = fopen(conf, "w");
        fwrite(x.der.ptr, 1, x.der.len, f);
        fclose(f);
        char command[256], expected[256];
        snprintf(command, sizeof(command), "openssl x509 -inform DER -in %s -noout -subject -nameopt RFC2253", conf);
        snprintf(expected, sizeof(expected), "subject=%s\n", cases[i].text);
        assert_string_equal(run(command), expected);
        unlink(conf);
        sp_arena_done(&arena);
    }
}

/* What no tool writes, and an attacker may. */
static void odd_names(void **state)
{
    static const struct {
        struct sp_str der;
        const char *text;
    } cases[] = {
        {SP_STR_INIT("\x30\x0f\x31\x0d\x30\x0b\x06\x03\x55\x04\x03\x1c\x04\x00\x01\xf6\x00"), "CN=\\F0\\9F\\98\\80"}, /* UniversalString */
        {SP_STR_INIT("\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04\x03\x1e\x03\x00\x41\x42"), "CN=#1E03004142"},         /* half a letter */
        {SP_STR_INIT("\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x02\x01\x05"), "CN=#020105"},                     /* a number */
        {SP_STR_INIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\x0a\x7f"), "CN=\\0A\\7F"},
        {SP_STR_INIT("\x30\x0c\x31\x0a\x30\x08\x06\x02\x27\x01\x0c\x02\x61\x62"), "0.39.1=#0C026162"},
        {SP_STR_INIT("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x01\x61\x00"), ""}, /* something behind the value */
        {SP_STR_INIT("\x30\x00"), ""},
        {SP_STR_INIT("\x31\x00"), NULL},
        {SP_STR_INIT(""), NULL},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        sp_arena_init(&arena);
        struct sp_str text = sp_x509_name_text(&arena, cases[i].der);
        if (!text.ptr != !cases[i].text || (text.ptr && strcmp(text.ptr, cases[i].text) != 0))
            fail_msg("case %zu: %s", i, text.ptr ? text.ptr : "none");
        sp_arena_done(&arena);
    }
}

/* A host is found where it stands, not where it is written to look like one. */
static void constraints_of_uris_and_addresses(void **state)
{
    static const struct {
        const char *uri, *email, *base;
        bool permitted, excluded; /* still good under such a constraint */
    } cases[] = {
        {"https://user:word@host.example:8443/x", NULL, "host.example", true, false},
        {"https://host.example?q", NULL, "host.example", true, false},
        {"https://HOST.example#f", NULL, "host.example", true, false},
        {"https://evil.example/@host.example", NULL, "host.example", false, true},
        {"https://host.example@evil.example/", NULL, "host.example", false, true},
        {"https://host.example.evil.example", NULL, "host.example", false, true},
        {"https://a.host.example", NULL, ".host.example", true, false},
        {"https://host.example", NULL, ".host.example", false, true},
        {"urn:host.example", NULL, "host.example", false, false}, /* no host: neither can be told */
        {NULL, "a@host.example", "host.example", true, false},
        {NULL, "a@b.host.example", ".host.example", true, false},
        {NULL, "a@host.example", "a@HOST.example", true, false},
        {NULL, "A@host.example", "a@host.example", false, true},
        {NULL, "host.example", "host.example", false, true},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        for (unsigned excluded = 0; excluded < 2; excluded++) {
            struct sp_str name = sp_str_c(cases[i].uri ? cases[i].uri : cases[i].email);
            struct sp_x509 x = {.subject = SP_STR("\x30\x00")};
            size_t n = strlen(cases[i].base);
            char der[64] = {0x30, (char)(n + 6), (char)(0xa0 + excluded), (char)(n + 4), 0x30, (char)(n + 2), cases[i].uri ? (char)0x86 : (char)0x81,
                            (char)n};
            memcpy(der + 8, cases[i].base, n);
            *(cases[i].uri ? &x.n_uri : &x.n_email) = 1;
            *(cases[i].uri ? &x.uri : &x.email) = &name;
            if (sp_x509_within(&x, sp_str_n(der, n + 8)) != (excluded ? cases[i].excluded : cases[i].permitted))
                fail_msg("%s of %s, %s", name.ptr, cases[i].base, excluded ? "excluded" : "permitted");
        }
    struct sp_x509 x = {.subject = SP_STR("\x30\x00")};
    assert_true(sp_x509_within(&x, SP_STR("\x30\x00")));
    static const struct sp_str malformed[] = {
        SP_STR_INIT(""),                                                 /* nothing */
        SP_STR_INIT("\x30\x00\x00"),                                     /* more behind it */
        SP_STR_INIT("\x30\x02\xa0\x05"),                                 /* cut */
        SP_STR_INIT("\x30\x02\xa1\x05"),
        SP_STR_INIT("\x30\x02\xa2\x00"),                                 /* a list of another kind */
        SP_STR_INIT("\x30\x08\xa0\x06\x30\x04\x88\x02\x2a\x03"),         /* a kind of name without rules */
        SP_STR_INIT("\x30\x08\xa0\x06\x30\x04\x87\x02\x0a\x00"),         /* an address without a mask */
        SP_STR_INIT("\x30\x0a\xa1\x08\x30\x06\x82\x01\x61\x80\x01\x01"), /* a minimum */
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(malformed); i++)
        if (sp_x509_within(&x, malformed[i]))
            fail_msg("malformed %zu passed", i);
}

static void fields(void **state)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_x509 x = made(&arena, "-subj /CN=a -addext 'subjectAltName=DNS:a.example,DNS:*.b.example,URI:spiffe://x/y,IP:192.0.2.1,"
                                    "IP:2001:db8::1,email:a@b.example,otherName:1.2.3.4;UTF8:x,RID:1.2.3' "
                                    "-addext 'keyUsage=digitalSignature,keyCertSign' "
                                    "-addext 'extendedKeyUsage=serverAuth,clientAuth,1.2.3.4'");
    assert_int_equal(x.n_dns, 2);
    assert_true(sp_str_eq(x.dns[1], SP_STR("*.b.example")));
    assert_int_equal(x.n_uri, 1);
    assert_true(sp_str_eq(x.uri[0], SP_STR("spiffe://x/y")));
    assert_int_equal(x.n_ip, 2);
    assert_string_equal(x.ip[0].ptr, "192.0.2.1");
    assert_string_equal(x.ip[1].ptr, "2001:db8::1");
    assert_int_equal(x.ip_bytes[1].len, 16);
    assert_int_equal(x.n_email, 1);
    assert_int_equal(x.n_other, 2);
    assert_true(sp_str_eq(sp_x509_other_text(x.other[0], sp_x509_oid(&arena, SP_STR("1.2.3.4"))), SP_STR("x")));
    assert_null(sp_x509_other_text(x.other[0], sp_x509_oid(&arena, SP_STR("1.2.3.5"))).ptr);
    assert_true(x.is_ca && x.path_len == -1 && !x.unknown_critical);
    assert_true(x.has_key_usage && x.key_usage == (SP_KU_DIGITAL_SIGNATURE | SP_KU_CERT_SIGN));
    assert_true(x.has_ext_usage && x.ext_usage == (SP_EKU_SERVER | SP_EKU_CLIENT));
    assert_int_equal(x.key.kind, SP_KEY_P256);
    assert_int_equal(x.not_after - x.not_before, 3 * 86400);
    assert_true(sp_signature_verify(&x.signature, &x.key, x.tbs)); /* it signed itself */
    assert_false(x.must_staple);
    assert_true(made(&arena, "-subj /CN=a -addext tlsfeature=status_request_v2,status_request").must_staple);
    assert_false(made(&arena, "-subj /CN=a -addext tlsfeature=status_request_v2").must_staple);
    sp_arena_done(&arena);
}

static struct sp_made_cert own(struct sp_arena *arena)
{
    static const char *const dns[] = {"www.example.com", NULL}, *const uri[] = {"spiffe://x/y", NULL};
    struct sp_made_cert m;
    struct sp_cert_request r = {.common_name = "a", .dns = dns, .uri = uri, .server = true, .not_before = 1577836800,
                                .not_after = 4102444799};
    assert_int_equal(sp_cert_make(&r, NULL, arena, &m), 0);
    return m;
}

static void dates(void **state)
{
    struct sp_arena arena;
    struct sp_x509 x;
    const char *why;
    sp_arena_init(&arena);
    assert_int_equal(sp_x509_parse(own(&arena).cert_der, &arena, &x, &why), 0);
    assert_int_equal(x.not_before, 1577836800); /* 2020-01-01 */
    assert_int_equal(x.not_after, 4102444799);  /* 2099-12-31 */
    static const struct {
        const char *text;
        int64_t when;
    } times[] = {
        {"\x17\x0d" "700101000000Z", 0},          {"\x17\x0d" "491231235959Z", 2524607999},
        {"\x17\x0d" "500101000000Z", -631152000}, {"\x18\x0f" "20240229120000Z", 1709208000},
        {"\x18\x0f" "20000229000000Z", 951782400}, {"\x18\x0f" "00010101000000Z", -62135596800},
        {"\x18\x0f" "99991231235959Z", 253402300799},
        {"\x17\x0d" "700101000000+", INT64_MIN},  {"\x17\x0d" "701301000000Z", INT64_MIN},
        {"\x17\x0d" "700132000000Z", INT64_MIN},  {"\x17\x0d" "700101240000Z", INT64_MIN},
        {"\x17\x0d" "7001010000/0Z", INT64_MIN},  {"\x18\x0f" "20230229000000Z", INT64_MIN},
        {"\x18\x0f" "21000229000000Z", INT64_MIN}, {"\x17\x0b" "7001010000Z", INT64_MIN},
        {"\x17\x0d" "700100000000Z", INT64_MIN},  {"\x16\x0d" "700101000000Z", INT64_MIN},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(times); i++) {
        struct sp_der d = sp_der_over(sp_str_c(times[i].text));
        int64_t when = INT64_MIN;
        bool good = sp_der_take_time(&d, &when);
        if (good != (times[i].when != INT64_MIN) || when != times[i].when)
            fail_msg("%s: %lld", times[i].text + 2, (long long)when);
    }
    sp_arena_done(&arena);
}

static void der_is_strict(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool good;
    } cases[] = {
        {"\x04\x00", 2, true},          {"\x04\x01x", 3, true},
        {"\x04\x81\x01x", 4, false},    /* not the shortest form */
        {"\x04\x82\x00\x80", 4, false}, {"\x04\x80x\0\0", 5, false}, /* indefinite */
        {"\x04\x02x", 3, false},        {"\x1f\x01\x00", 3, false},  /* a tag of more bytes */
        {"\x04", 1, false},             {"", 0, false},
        {"\x04\x84\x00\x00\x00\x01x", 7, false}, {"\x04\xff", 2, false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_der d = sp_der_over(sp_str_n(cases[i].bytes, cases[i].n)), body;
        uint8_t tag;
        assert_int_equal(sp_der_any(&d, &tag, &body, NULL), cases[i].good);
    }
    unsigned v;
    bool flag;
    struct sp_der d = sp_der_over(SP_STR("\x02\x01\xff"));
    assert_false(sp_der_take_uint(&d, &v)); /* negative */
    d = sp_der_over(SP_STR("\x02\x02\x00\x01"));
    assert_false(sp_der_take_uint(&d, &v)); /* a zero too many */
    d = sp_der_over(SP_STR("\x02\x02\x00\xff"));
    assert_true(sp_der_take_uint(&d, &v) && v == 255);
    d = sp_der_over(SP_STR("\x01\x01\x01"));
    assert_false(sp_der_take_bool_or_false(&d, &flag));
    d = sp_der_over(SP_STR("\x01\x01\xff"));
    assert_true(sp_der_take_bool_or_false(&d, &flag) && flag);
}

/* Every byte changed to every value: never a crash, and what still parses is another certificate only by its names. */
static void one_byte_wrong(void **state)
{
    struct sp_arena arena, scratch;
    sp_arena_init(&arena);
    sp_arena_init(&scratch);
    struct sp_str der = own(&arena).cert_der;
    uint8_t *p = (uint8_t *)(uintptr_t)der.ptr;
    struct sp_x509 x, original;
    const char *why;
    assert_int_equal(sp_x509_parse(der, &arena, &original, &why), 0);
    unsigned parsed = 0;
    for (size_t i = 0; i < der.len; i++) {
        uint8_t was = p[i];
        for (unsigned v = 0; v < 256; v += 3) {
            if ((uint8_t)v == was)
                continue;
            p[i] = (uint8_t)v;
            why = NULL;
            if (sp_x509_parse(der, &scratch, &x, &why) == 0) {
                parsed++;
                for (unsigned k = 0; k < x.n_dns; k++)
                    assert_true(sp_str_chr(x.dns[k], 0) < 0);
            } else {
                assert_non_null(why);
            }
        }
        p[i] = was;
        sp_arena_done(&scratch);
    }
    assert_true(parsed > 0);
    for (size_t n = 0; n < der.len; n++)
        assert_int_equal(sp_x509_parse(sp_str_n(der.ptr, n), &scratch, &x, &why), -EINVAL);
    sp_arena_done(&scratch);
    sp_arena_done(&arena);
}

/* A name with a NUL reads as a shorter one elsewhere: the whole certificate is refused. */
static void hostile_names(void **state)
{
    static const char bad[] = {0, '\n', ' ', 127, (char)0xff};
    struct sp_arena arena;
    struct sp_x509 x;
    const char *why = NULL;
    sp_arena_init(&arena);
    struct sp_str der = own(&arena).cert_der;
    ptrdiff_t at = sp_str_find(der, SP_STR("www.example.com"));
    assert_true(at > 0);
    for (size_t i = 0; i < sizeof(bad); i++) {
        ((char *)(uintptr_t)der.ptr)[at + 3] = bad[i];
        assert_int_equal(sp_x509_parse(der, &arena, &x, &why), -EINVAL);
        assert_string_equal(why, "malformed subjectAltName");
    }
    sp_arena_done(&arena);
}

static void pem_blocks(void **state)
{
    struct sp_arena arena;
    struct sp_pem block;
    const char *why = NULL;
    sp_arena_init(&arena);
    struct sp_str text = SP_STR("a remark\n-----BEGIN A-----\nYW\r\nJj\n-----END A-----\nmore\n-----BEGIN B C-----\n-----END B C-----");
    assert_int_equal(sp_pem_next(&text, &arena, &block, &why), 1);
    assert_true(sp_str_eq(block.label, SP_STR("A")));
    assert_true(sp_str_eq(block.der, SP_STR("abc")));
    assert_true(sp_str_starts(block.text, SP_STR("-----BEGIN A-----")) && sp_str_ends(block.text, SP_STR("-----END A-----")));
    assert_int_equal(sp_pem_next(&text, &arena, &block, &why), 1);
    assert_true(sp_str_eq(block.label, SP_STR("B C")));
    assert_int_equal(block.der.len, 0);
    assert_int_equal(sp_pem_next(&text, &arena, &block, &why), 0);
    static const struct {
        struct sp_str text;
        const char *why;
    } bad[] = {
        {SP_STR_INIT("-----BEGIN A-----\nYWJj\n"), "a PEM block has no end"},
        {SP_STR_INIT("-----BEGIN A"), "a PEM block has no end"},
        {SP_STR_INIT("-----BEGIN A-----\nYWJj\n-----END B-----"), "the BEGIN and END lines of a PEM block differ"},
        {SP_STR_INIT("-----BEGIN A-----\nYW!j\n-----END A-----"), "a PEM block is no base64"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        text = bad[i].text;
        assert_int_equal(sp_pem_next(&text, &arena, &block, &why), -EINVAL);
        assert_string_equal(why, bad[i].why);
    }
    sp_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(object_ids),
        cmocka_unit_test(names_read_as_openssl_writes_them), cmocka_unit_test(names_of_other_kinds), cmocka_unit_test(odd_names),
        cmocka_unit_test(constraints_of_uris_and_addresses), cmocka_unit_test(fields),
        cmocka_unit_test(dates), cmocka_unit_test(der_is_strict), cmocka_unit_test(one_byte_wrong),
        cmocka_unit_test(hostile_names), cmocka_unit_test(pem_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
