/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Questions that openssl's responder understands, and its answers, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crypto/hash.h"
#include "crypto/ocsp.h"
#include "crypto/pem.h"

static const char script[] =
    "set -e\n"
    "key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; openssl pkey -in $1.key -pubout -out $1.pub; }\n"
    "make() { name=$1 issuer=$2 serial=$3 days=$4; key $name; printf \"$5\" > $name.ext\n"
    "  if [ $issuer = - ]; then by=\"-key $name.key\"; else by=\"-force_pubkey $name.pub -CA $issuer.pem -CAkey $issuer.key\"; fi\n"
    "  openssl x509 -new -subj \"/CN=${subject:-$name}\" $by -set_serial $serial -days $days -extfile $name.ext -out $name.pem; }\n"
    "ca='basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign,cRLSign\\n'\n"
    "ocsp='extendedKeyUsage=OCSPSigning\\n'\n"
    "make root - 1 30 \"$ca\"; subject=root make false_root - 1 30 \"$ca\"\n"
    "make good root 0x0a 30 'keyUsage=digitalSignature\\n'\n"
    "make high root 0x00f123456789abcdef 30 'keyUsage=digitalSignature\\n'\n"
    "make revoked root 0x0b 30 'keyUsage=digitalSignature\\n'\n"
    "make stranger root 0x0c 30 'keyUsage=digitalSignature\\n'\n"
    "make responder root 0x10 30 \"$ocsp\"\n"
    "make late_responder root 0x11 0 \"$ocsp\"\n"
    "make no_responder root 0x12 30 'extendedKeyUsage=clientAuth\\n'\n"
    "make odd_responder root 0x14 30 \"${ocsp}1.2.3.4=critical,ASN1:UTF8String:x\\n\"\n"
    "make false_responder false_root 0x10 30 \"$ocsp\"\n"
    "make inter root 0x13 30 \"$ca\"; make low_responder inter 0x15 30 \"$ocsp\"\n"
    "{ printf 'V\\t491231235959Z\\t\\t0A\\tunknown\\t/CN=good\\n'; printf 'V\\t491231235959Z\\t\\tF123456789ABCDEF\\tunknown\\t/CN=high\\n'\n"
    "  printf 'R\\t491231235959Z\\t250101000000Z\\t0B\\tunknown\\t/CN=revoked\\n'; } > index\n";

static char dir[] = "/tmp/sp-ocsp-XXXXXX";
static struct sp_arena arena;

static void sh(const char *format, ...)
{
    char command[4096], whole[4300];
    va_list ap;
    va_start(ap, format);
    vsnprintf(command, sizeof(command), format, ap);
    va_end(ap);
    snprintf(whole, sizeof(whole), "cd %s && { %s ; } > said 2>&1", dir, command);
    if (system(whole) != 0)
        fail_msg("%s", command);
}

static struct sp_str slurp(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("no %s", path);
    char *p = sp_arena_alloc(&arena, 1 << 16);
    size_t n = fread(p, 1, 1 << 16, f);
    fclose(f);
    return sp_str_n(p, n);
}

static void spit(const char *name, struct sp_str s)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_true(f && fwrite(s.ptr, 1, s.len, f) == s.len);
    fclose(f);
}

static struct sp_x509 load(const char *name)
{
    char file[64];
    snprintf(file, sizeof(file), "%s.pem", name);
    struct sp_str pem = slurp(file);
    struct sp_pem block;
    struct sp_x509 x;
    const char *why = NULL;
    assert_int_equal(sp_pem_next(&pem, &arena, &block, &why), 1);
    if (sp_x509_parse(block.der, &arena, &x, &why) < 0)
        fail_msg("%s: %s", name, why);
    return x;
}

static int setup(void **state)
{
    char path[64];
    sp_arena_init(&arena);
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/script", dir);
    FILE *f = fopen(path, "w");
    fputs(script, f);
    fclose(f);
    sh("sh script");
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

struct asked {
    struct sp_x509 cert, issuer;
    struct sp_ocsp_id id;
    struct sp_ocsp_check check;
    struct sp_str response;
};

/* The responder's answer about a certificate; it signs as `signer`. */
static void ask(struct asked *a, const char *name, const char *signer, const uint8_t *nonce, const char *options)
{
    a->cert = load(name);
    a->issuer = load("root");
    sp_ocsp_id(&a->cert, &a->issuer, &a->id);
    a->check = (struct sp_ocsp_check){&a->id, &a->issuer, nonce, time(NULL), 300, false};
    spit("question", sp_ocsp_request(&a->id, nonce, &arena));
    sh("rm -f answer; openssl ocsp -index index -CA root.pem -rsigner %s.pem -rkey %s.key -reqin question -respout answer %s", signer,
       signer, options);
    a->response = slurp("answer");
}

static const char *outcome(const struct asked *a)
{
    static const char *const names[] = {"good", "revoked", "unknown"};
    struct sp_ocsp_answer answer;
    const char *why = NULL;
    return sp_ocsp_read(a->response, &a->check, &answer, &why) == 0 ? names[answer.status] : why;
}

static void answers(void **state)
{
    static const uint8_t nonce[SP_OCSP_NONCE] = "a nonce of thirty-two bytes....";
    static const struct {
        const char *name, *signer, *options, *said;
        bool nonce;
    } cases[] = {
        {"good", "root", "", "good", false},
        {"high", "root", "", "good", false}, /* a serial number with its highest bit set */
        {"revoked", "root", "", "revoked", false},
        {"stranger", "root", "", "unknown", false},
        {"good", "responder", "", "good", false},
        {"revoked", "responder", "", "revoked", false},
        {"good", "responder", "-resp_key_id", "good", false},
        {"good", "root", "-resp_key_id", "good", false},
        {"good", "responder", "-nmin 5", "good", false},
        {"good", "responder", "-ndays 3", "good", true},
        {"revoked", "responder", "-nmin 5", "revoked", true},
        {"good", "responder", "-resp_no_certs", "nobody signed it who may answer for the issuer", false},
        {"good", "no_responder", "", "nobody signed it who may answer for the issuer", false},
        {"good", "odd_responder", "", "nobody signed it who may answer for the issuer", false},
        {"good", "late_responder", "", "nobody signed it who may answer for the issuer", false},
        {"good", "false_responder", "", "nobody signed it who may answer for the issuer", false},
        {"good", "low_responder", "-rother inter.pem", "nobody signed it who may answer for the issuer", false},
        {"good", "good", "", "nobody signed it who may answer for the issuer", false},
        {"good", "false_root", "", "its signature is wrong", false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct asked a;
        ask(&a, cases[i].name, cases[i].signer, cases[i].nonce ? nonce : NULL, cases[i].options);
        if (strcmp(cases[i].signer, "late_responder") == 0)
            a.check.now += 2;
        if (strcmp(outcome(&a), cases[i].said) != 0)
            fail_msg("%s by %s %s: %s", cases[i].name, cases[i].signer, cases[i].options, outcome(&a));
    }
}

static void times(void **state)
{
    struct asked a;
    ask(&a, "good", "root", NULL, "");
    int64_t now = a.check.now;
    static const struct {
        int64_t later;
        const char *said;
    } without[] = {{0, "good"}, {-290, "good"}, {-310, "the answer is not valid yet"}, {590, "good"}, {620, "the answer is out of date"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(without); i++) {
        a.check.now = now + without[i].later;
        assert_string_equal(outcome(&a), without[i].said);
    }
    ask(&a, "good", "root", NULL, "-nmin 2");
    struct sp_ocsp_answer answer;
    const char *why;
    assert_int_equal(sp_ocsp_read(a.response, &a.check, &answer, &why), 0);
    assert_int_equal(answer.next_update - answer.this_update, 120);
    a.check.now += 100;
    assert_string_equal(outcome(&a), "good");
    a.check.now += 40;
    assert_string_equal(outcome(&a), "the answer is out of date");
}

static void of_another(void **state)
{
    static const uint8_t nonce[SP_OCSP_NONCE] = "one", other[SP_OCSP_NONCE] = "two";
    struct asked a;
    ask(&a, "good", "root", nonce, "");
    assert_string_equal(outcome(&a), "good");
    a.check.nonce = other;
    assert_string_equal(outcome(&a), "it does not have the nonce of the question");
    a.check.nonce = nonce;
    struct sp_x509 revoked = load("revoked"), inter = load("inter");
    struct sp_ocsp_id id;
    sp_ocsp_id(&revoked, &a.issuer, &id);
    a.check.id = &id;
    assert_string_equal(outcome(&a), "it says nothing of this certificate");
    sp_ocsp_id(&a.cert, &inter, &id); /* the same serial number, of another CA */
    assert_string_equal(outcome(&a), "it says nothing of this certificate");
    ask(&a, "good", "root", NULL, "");
    a.check.nonce = nonce;
    assert_string_equal(outcome(&a), "it does not have the nonce of the question");
}

static void errors(void **state)
{
    static const struct {
        const char *der;
        size_t n;
        const char *said;
    } cases[] = {
        {"", 0, "it is no OCSP response"},
        {"hello", 5, "it is no OCSP response"},
        {"\x30\x03\x0a\x01\x01", 5, "the responder calls the question malformed"},
        {"\x30\x03\x0a\x01\x03", 5, "the responder asks to try later"},
        {"\x30\x03\x0a\x01\x06", 5, "the responder does not answer us"},
        {"\x30\x03\x0a\x01\x04", 5, "unknown state"},
        {"\x30\x03\x0a\x01\x00", 5, "malformed response"},
    };
    struct asked a;
    ask(&a, "good", "root", NULL, "");
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        a.response = sp_str_n(cases[i].der, cases[i].n);
        assert_string_equal(outcome(&a), cases[i].said);
    }
}

/* Whatever is changed or cut: no answer, or the same one (bits that nothing depends on). */
static void damaged(void **state)
{
    struct asked a;
    ask(&a, "revoked", "responder", NULL, "-nmin 5");
    struct sp_str whole = a.response;
    char *copy = sp_arena_alloc(&arena, whole.len);
    for (size_t i = 0; i < whole.len; i++) {
        a.response = sp_str_sub(whole, 0, i);
        if (strcmp(outcome(&a), "revoked") == 0 || strcmp(outcome(&a), "good") == 0)
            fail_msg("cut at %zu", i);
        memcpy(copy, whole.ptr, whole.len);
        for (unsigned bit = 0; bit < 8; bit += 3) {
            copy[i] = (char)(whole.ptr[i] ^ 1 << bit);
            a.response = sp_str_n(copy, whole.len);
            if (strcmp(outcome(&a), "good") == 0)
                fail_msg("byte %zu changed from %02x to %02x", i, (uint8_t)whole.ptr[i], (uint8_t)copy[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers), cmocka_unit_test(times),   cmocka_unit_test(of_another),
                                       cmocka_unit_test(errors),  cmocka_unit_test(damaged)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
