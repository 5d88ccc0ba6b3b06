/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Paths and revocation, with certificates that openssl makes, and judged by openssl too: what it says of each case must
 * be what is said here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "crypto/pem.h"
#include "crypto/x509_trust.h"

/*
 * make NAME ISSUER DAYS EXTENSIONS [KEY [SIGNATURE OPTIONS]]: NAME.key and NAME.pem. ISSUER "-": itself.
 */
static const char script[] =
    "set -e\n"
    "key() { case ${2:-p256} in rsa) openssl genrsa -out $1.key 2048;; rsa1024) openssl genrsa -out $1.key 1024;;\n"
    "  ed25519) openssl genpkey -algorithm ed25519 -out $1.key;; p384) openssl ecparam -name secp384r1 -genkey -noout -out $1.key;;\n"
    "  p521) openssl ecparam -name secp521r1 -genkey -noout -out $1.key;;\n"
    "  *) openssl ecparam -name prime256v1 -genkey -noout -out $1.key;; esac\n"
    "  openssl pkey -in $1.key -pubout -out $1.pub; } 2>/dev/null\n"
    "make() { name=$1 issuer=$2 days=$3 ext=$4 kind=$5; shift; shift; shift; shift; [ $# -eq 0 ] || shift\n"
    "  case $ext in *CA:true*) key $name $kind;; *) [ -f leaf.$kind.key ] || key leaf.$kind $kind; cp leaf.$kind.key $name.key; cp leaf.$kind.pub $name.pub;; esac\n"
    "  printf \"$ext\" > $name.ext\n"
    "  if [ $issuer = - ]; then by=\"-key $name.key\"; else by=\"-force_pubkey $name.pub -CA $issuer.pem -CAkey $issuer.key\"; fi\n"
    "  openssl x509 -new -subj \"/O=Test/CN=${subject:-$name}\" $by -set_serial $((serial = serial + 1)) -days $days \\\n"
    "    -extfile $name.ext \"$@\" -out $name.pem 2>/dev/null\n"
    "}\n"
    "ca='basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign,cRLSign\\n'\n"
    "leaf='extendedKeyUsage=clientAuth\\nsubjectAltName=DNS:a.example.com,URI:spiffe://example.com/a,IP:10.1.2.3,email:a@example.com\\n'\n"
    "make root - 30 \"$ca\"\n"
    "make inter root 30 \"$ca\"\n"
    "make inter2 inter 30 \"$ca\"\n"
    "make leaf0 root 30 \"$leaf\"\n"
    "make leaf1 inter 30 \"$leaf\"\n"
    "make leaf2 inter2 30 \"$leaf\"\n"
    "make flat root 30 'basicConstraints=critical,CA:true,pathlen:0\\n'\n"
    "make below_flat flat 30 \"$ca\"\n"
    "make leaf_flat flat 30 \"$leaf\"\n"
    "make leaf_below_flat below_flat 30 \"$leaf\"\n"
    "make not_ca root 30 'basicConstraints=CA:false\\n'\n"
    "make leaf_of_not_ca not_ca 30 \"$leaf\"\n"
    "make no_sign root 30 'basicConstraints=critical,CA:true\\nkeyUsage=critical,cRLSign\\n'\n"
    "make leaf_of_no_sign no_sign 30 \"$leaf\"\n"
    "make server_leaf root 30 'extendedKeyUsage=serverAuth\\n'\n"
    "make plain_leaf root 30 'subjectKeyIdentifier=hash\\n'\n"
    "make encipher_leaf root 30 'keyUsage=critical,keyEncipherment\\n'\n"
    "make critical root 30 '1.2.3.4=critical,ASN1:UTF8String:x\\n'\n"
    "make server_ca root 30 \"${ca}extendedKeyUsage=serverAuth\\n\"\n"
    "make leaf_server_ca server_ca 30 \"$leaf\"\n"
    "make self - 30 \"$leaf\"\n"
    "make rsa_root - 30 \"$ca\" rsa\n"
    "make rsa_leaf rsa_root 30 \"$leaf\" rsa\n"
    "make pss_leaf rsa_root 30 \"$leaf\" rsa -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32\n"
    "make sha512_leaf rsa_root 30 \"$leaf\" p256 -sha512\n"
    "make sha1_leaf rsa_root 30 \"$leaf\" p256 -sha1\n"
    "make small_leaf root 30 \"$leaf\" rsa1024\n"
    "make p384_root - 30 \"$ca\" p384 -sha384\n"
    "make p384_leaf p384_root 30 \"$leaf\" p384 -sha384\n"
    "make p521_leaf p384_root 30 \"$leaf\" p521 -sha512\n"
    "make ed_root - 30 \"$ca\" ed25519\n"
    "make ed_leaf ed_root 30 \"$leaf\" ed25519\n"
    "subject=root make false_root - 30 \"$ca\"\n"
    "subject=inter make false_inter false_root 30 \"$ca\"\n"
    "for c in 'permitted;DNS:example.com' 'permitted;DNS:example.org' 'excluded;DNS:example.com' 'excluded;DNS:b.example.com' \\\n"
    "  'permitted;IP:10.0.0.0/255.0.0.0' 'permitted;IP:11.0.0.0/255.0.0.0' 'excluded;IP:10.0.0.0/255.0.0.0' \\\n"
    "  'permitted;URI:example.com' 'permitted;URI:.example.com' 'permitted;email:example.com' 'permitted;email:b@example.com' \\\n"
    "  'excluded;URI:example.com' 'excluded;email:a@example.com' 'permitted;dirName:dn\\n[dn]\\nO=Test' \\\n"
    "  'permitted;dirName:dn\\n[dn]\\nO=Other' 'excluded;dirName:dn\\n[dn]\\nO=Test' 'excluded;dirName:dn\\n[dn]\\nO=Other' \\\n"
    "  'permitted;dirName:dn\\n[dn]\\nO=TEST' 'excluded;dirName:dn\\n[dn]\\nO=test' \\\n"
    "  'permitted;dirName:dn\\n[dn]\\nO=Test\\nOU=Below'; do\n"
    "  i=$((i + 1)); make nc$i root 30 \"${ca}nameConstraints=critical,$c\\n\"; make nc_leaf$i nc$i 30 \"$leaf\"\n"
    "done\n"
    "make nc_below nc2 30 \"$ca\"; make nc_leaf_below nc_below 30 \"$leaf\"\n"
    "mkdir db; printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db/index\\ncrlnumber=db/number\\ndefault_md=sha256\\ndefault_crl_days=10\\n' > ca.conf\n"
    "crl() { name=$1 issuer=$2; shift; shift; : > db/index; echo 01 > db/number\n"
    "  for r in \"$@\"; do openssl ca -config ca.conf -keyfile $issuer.key -cert $issuer.pem -revoke $r.pem; done 2>/dev/null\n"
    "  openssl ca -config ca.conf -keyfile $issuer.key -cert $issuer.pem -gencrl $more -out $name.crl 2>/dev/null; }\n"
    "crl empty root\n"
    "crl root root leaf0\n"
    "crl inter inter leaf1\n"
    "crl inter_empty inter\n"
    "crl root_inter root inter\n"
    "more='-crl_lastupdate 200101000000Z -crl_nextupdate 200201000000Z' crl stale root\n"
    "crl false false_root\n"
    "more='-crl_lastupdate 200101000000Z -crl_nextupdate 200201000000Z' crl stale_root root leaf0\n"
    "make short_leaf root 2 \"$leaf\"\n"
    "cat stale_root.crl empty.crl > old_and_new.crl; cat empty.crl root.crl > no_and_yes.crl; cat root.crl empty.crl > yes_and_no.crl\n"
    "cat root.pem inter.pem > root_and_inter.pem; cat root.pem leaf0.pem > root_and_leaf.pem\n"
    "for l in root false; do openssl crl -in $l.crl -outform DER -out ${l}_der.crl; done; head -c 200 empty.crl > cut.crl; cp root.pem nothing.crl\n"
    "printf '[delta]\\ndeltaCRL=critical,1\\n[partial]\\nissuingDistributionPoint=critical,@idp\\n[idp]\\nonlyuser=TRUE\\n' >> ca.conf\n"
    "sed -i 's/deltaCRL=critical,1/2.5.29.27=critical,DER:020101/' ca.conf\n"
    "more='-crlexts delta' crl delta root; more='-crlexts partial' crl partial root\n"
    "make only_certs - 30 'basicConstraints=critical,CA:true\\nkeyUsage=critical,keyCertSign\\n'; crl no_crl_sign only_certs\n"
    "cat empty.crl inter_empty.crl > both.crl; cat root.crl inter.crl > revoked.crl; cat root_inter.crl inter_empty.crl > inter_revoked.crl\n";

static char dir[] = "/tmp/sp-x509-XXXXXX";

static struct sp_str slurp(struct sp_arena *arena, const char *name, const char *suffix)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s%s", dir, name, suffix);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("no %s", path);
    char *p = sp_arena_alloc(arena, 1 << 16);
    size_t n = fread(p, 1, 1 << 16, f);
    fclose(f);
    return sp_str_n(p, n);
}

static struct sp_x509 load(struct sp_arena *arena, const char *name)
{
    struct sp_str pem = slurp(arena, name, ".pem");
    struct sp_pem block;
    struct sp_x509 x;
    const char *why = NULL;
    assert_int_equal(sp_pem_next(&pem, arena, &block, &why), 1);
    if (sp_x509_parse(block.der, arena, &x, &why) < 0)
        fail_msg("%s: %s", name, why);
    return x;
}

struct question {
    const char *trusted, *crl; /* names, crl may be NULL */
    const char *chain[6];      /* the leaf first */
    const char *said;          /* NULL: good */
    unsigned depth;
    int max_depth;             /* 0: 100; -1: 0 */
    bool server;               /* the leaf is a server's */
    bool not_asked;            /* openssl is not asked: it has another opinion, see the remark */
};

static bool we_say(struct sp_arena *arena, const struct question *q, struct sp_x509_problem *ret)
{
    struct sp_x509_trust *t = sp_x509_trust_new();
    struct sp_x509 chain[6];
    char why[SP_X509_WHY_MAX];
    unsigned n = 0;
    if (sp_x509_trust_add(t, slurp(arena, q->trusted, ".pem"), why) < 0)
        fail_msg("%s: %s", q->trusted, why);
    if (q->crl && sp_x509_trust_add_crl(t, slurp(arena, q->crl, ".crl"), why) < 0)
        fail_msg("%s: %s", q->crl, why);
    for (; n < 6 && q->chain[n]; n++)
        chain[n] = load(arena, q->chain[n]);
    struct sp_x509_check check = {.purpose = q->server ? SP_X509_FOR_SERVER : SP_X509_FOR_CLIENT, .now = time(NULL),
                                  .max_depth = q->max_depth ? (unsigned)(q->max_depth < 0 ? 0 : q->max_depth) : 100};
    bool good = sp_x509_trust_verify(t, chain, n, &check, ret);
    sp_x509_trust_free(t);
    return good;
}

static bool openssl_says(const struct question *q)
{
    char command[2048];
    int n = snprintf(command, sizeof(command), "cd %s && : > others", dir);
    for (unsigned i = 1; i < 6 && q->chain[i]; i++)
        n += snprintf(command + n, sizeof(command) - (size_t)n, " && cat %s.pem >> others", q->chain[i]);
    n += snprintf(command + n, sizeof(command) - (size_t)n,
                  " && openssl verify -no-CApath -partial_chain -auth_level 1 -purpose %s -CAfile %s.pem %s",
                  q->server ? "sslserver" : "sslclient", q->trusted, q->chain[1] ? "-untrusted others" : "");
    if (q->crl)
        n += snprintf(command + n, sizeof(command) - (size_t)n, " -crl_check_all -CRLfile %s.crl", q->crl);
    if (q->max_depth)
        n += snprintf(command + n, sizeof(command) - (size_t)n, " -verify_depth %d", q->max_depth < 0 ? 0 : q->max_depth);
    snprintf(command + n, sizeof(command) - (size_t)n, " %s.pem >/dev/null 2>&1", q->chain[0]);
    return system(command) == 0;
}

static void ask(const struct question *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sp_arena arena;
        struct sp_x509_problem p = {0};
        sp_arena_init(&arena);
        bool good = we_say(&arena, &q[i], &p);
        if (good != !q[i].said || (!good && strcmp(p.text, q[i].said) != 0) || (!good && p.depth != q[i].depth))
            fail_msg("%s by %s: %s at %u", q[i].chain[0], q[i].trusted, good ? "good" : p.text, p.depth);
        if (!q[i].not_asked && openssl_says(&q[i]) != good)
            fail_msg("%s by %s: openssl says %s", q[i].chain[0], q[i].trusted, good ? "bad" : "good");
        sp_arena_done(&arena);
    }
}

#define NO_ISSUER "unable to get local issuer certificate"

static void paths(void **state)
{
    static const struct question q[] = {
        {"root", NULL, {"leaf0"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf1"}, NO_ISSUER, 0, 0, false, false},
        {"root", NULL, {"leaf1", "inter"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf2", "inter"}, NO_ISSUER, 0, 0, false, false},
        {"root", NULL, {"leaf2", "inter", "inter2"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf2", "inter2", "inter"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf2", "inter2", "inter", "root"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf2", "self", "inter2", "inter"}, NULL, 0, 0, false, false},
        {"inter", NULL, {"leaf2", "inter2"}, NULL, 0, 0, false, false}, /* any trusted certificate ends a path */
        {"inter2", NULL, {"leaf2"}, NULL, 0, 0, false, false},
        {"leaf0", NULL, {"leaf0"}, NULL, 0, 0, false, false},
        {"inter", NULL, {"leaf0"}, NO_ISSUER, 0, 0, false, false},
        {"rsa_root", NULL, {"leaf0", "root"}, "self-signed certificate in certificate chain", 1, 0, false, false},
        {"root", NULL, {"self"}, "self-signed certificate", 0, 0, false, false},
        {"self", NULL, {"self"}, NULL, 0, 0, false, false},
        /* Others of the same name. */
        {"false_root", NULL, {"leaf0"}, "certificate signature failure", 0, 0, false, false},
        {"root", NULL, {"leaf1", "false_inter"}, "certificate signature failure", 0, 0, false, false},
        {"root", NULL, {"leaf1", "false_inter", "inter"}, NULL, 0, 0, false, true}, /* openssl gives up on the first */
        {"root", NULL, {"leaf1", "inter", "false_inter"}, NULL, 0, 0, false, false},
        /* What a CA may do. */
        {"root", NULL, {"leaf_flat", "flat"}, NULL, 0, 0, false, false},
        {"root", NULL, {"leaf_below_flat", "below_flat", "flat"}, "path length constraint exceeded", 2, 0, false, false},
        {"flat", NULL, {"leaf_below_flat", "below_flat"}, "path length constraint exceeded", 2, 0, false, false},
        {"root", NULL, {"leaf_of_not_ca", "not_ca"}, "invalid CA certificate", 1, 0, false, false},
        {"not_ca", NULL, {"leaf_of_not_ca"}, "invalid CA certificate", 1, 0, false, false},
        {"root", NULL, {"leaf_of_no_sign", "no_sign"}, "invalid CA certificate", 1, 0, false, false},
        {"root", NULL, {"leaf_server_ca", "server_ca"}, "unsuitable certificate purpose", 1, 0, false, false},
        /* What a leaf is for. */
        {"root", NULL, {"server_leaf"}, "unsuitable certificate purpose", 0, 0, false, false},
        {"root", NULL, {"server_leaf"}, NULL, 0, 0, true, false},
        {"root", NULL, {"leaf0"}, "unsuitable certificate purpose", 0, 0, true, false},
        {"root", NULL, {"plain_leaf"}, NULL, 0, 0, false, false},
        {"root", NULL, {"plain_leaf"}, NULL, 0, 0, true, false},
        {"root", NULL, {"encipher_leaf"}, "unsuitable certificate purpose", 0, 0, false, false},
        {"root", NULL, {"critical"}, "unhandled critical extension", 0, 0, false, false},
        /* How long the path may be. */
        {"root", NULL, {"leaf2", "inter2", "inter"}, NULL, 0, 2, false, false},
        {"root", NULL, {"leaf2", "inter2", "inter"}, "certificate chain too long", 2, 1, false, false},
        {"root", NULL, {"leaf1", "inter"}, "certificate chain too long", 1, -1, false, false},
        {"root", NULL, {"leaf0"}, NULL, 0, -1, false, false},
    };
    ask(q, SP_ARRAY_LEN(q));
}

static void algorithms(void **state)
{
    static const struct question q[] = {
        {"rsa_root", NULL, {"rsa_leaf"}, NULL, 0, 0, false, false},
        {"rsa_root", NULL, {"pss_leaf"}, NULL, 0, 0, false, false},
        {"rsa_root", NULL, {"sha512_leaf"}, NULL, 0, 0, false, false},
        {"rsa_root", NULL, {"sha1_leaf"}, "signature algorithm is not supported", 0, 0, false, false},
        {"root", NULL, {"small_leaf"}, "key of an unsupported kind or size", 0, 0, false, true}, /* RSA of 1024 bits */
        {"p384_root", NULL, {"p384_leaf"}, NULL, 0, 0, false, false},
        {"p384_root", NULL, {"p521_leaf"}, NULL, 0, 0, false, false},
        {"ed_root", NULL, {"ed_leaf"}, NULL, 0, 0, false, false},
    };
    ask(q, SP_ARRAY_LEN(q));
}

static void name_constraints(void **state)
{
    static const bool good[] = {true, false, false, true, true, false, false, true, false, true, false, false, false,
                                 true, false, false, true, true, false, false};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        char leaf[32], ca[32];
        snprintf(leaf, sizeof(leaf), "nc_leaf%zu", i + 1);
        snprintf(ca, sizeof(ca), "nc%zu", i + 1);
        struct question q = {"root", NULL, {leaf, ca}, good[i] ? NULL : "permitted subtree violation", 0, 0, false, false};
        ask(&q, 1);
        struct question trusted = {ca, NULL, {leaf}, q.said, 0, 0, false, false}; /* of the trusted one too */
        ask(&trusted, 1);
    }
    /* They hold over more than one step. */
    static const struct question q = {"root", NULL, {"nc_leaf_below", "nc_below", "nc2"}, "permitted subtree violation", 0, 0,
                                      false, false};
    ask(&q, 1);
}

static void revocation(void **state)
{
    static const struct question q[] = {
        {"root", "empty", {"leaf0"}, NULL, 0, 0, false, false},
        {"root", "root", {"leaf0"}, "certificate revoked", 0, 0, false, false},
        {"root", "root", {"plain_leaf"}, NULL, 0, 0, false, false},
        {"root", "both", {"leaf1", "inter"}, NULL, 0, 0, false, false},
        {"root", "revoked", {"leaf1", "inter"}, "certificate revoked", 0, 0, false, false},
        {"root", "inter_revoked", {"leaf1", "inter"}, "certificate revoked", 1, 0, false, false},
        {"root", "empty", {"leaf1", "inter"}, "unable to get certificate CRL", 0, 0, false, false},
        {"root", "inter_empty", {"leaf1", "inter"}, "unable to get certificate CRL", 1, 0, false, false},
        {"root", "stale", {"leaf0"}, "CRL has expired", 0, 0, false, false},
        {"root", "old_and_new", {"leaf0"}, NULL, 0, 0, false, false},
        {"root", "no_and_yes", {"leaf0"}, "certificate revoked", 0, 0, false, true}, /* openssl takes one of them */
        {"root", "yes_and_no", {"leaf0"}, "certificate revoked", 0, 0, false, true},
        {"root_and_inter", "inter_revoked", {"leaf1"}, "certificate revoked", 1, 0, false, true},
        {"root_and_leaf", "root", {"leaf0"}, "certificate revoked", 0, 0, false, true}, /* trusted, and revoked */
    };
    ask(q, SP_ARRAY_LEN(q));
}

static void lists_that_are_refused(void **state)
{
    static const struct {
        const char *name, *why;
    } cases[] = {
        {"false", "revocation list 1 in it: it is not signed by the trusted certificate of that name, or that may not sign "
                  "lists (keyUsage cRLSign)"},
        {"no_crl_sign", "revocation list 1 in it: it is not signed by the trusted certificate of that name, or that may not "
                        "sign lists (keyUsage cRLSign)"},
        {"delta", "revocation list 1 in it: a delta list, one of a part of the certificates, or malformed"},
        {"partial", "revocation list 1 in it: a delta list, one of a part of the certificates, or malformed"},
        {"cut", "a PEM block has no end"},
        {"false_der", "revocation list in DER form: it is not signed by the trusted certificate of that name, or that may "
                      "not sign lists (keyUsage cRLSign)"},
        {"nothing", "there is no revocation list in PEM form in it"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        char why[SP_X509_WHY_MAX] = "";
        sp_arena_init(&arena);
        struct sp_x509_trust *t = sp_x509_trust_new();
        const char *trusted = strcmp(cases[i].name, "no_crl_sign") == 0 ? "only_certs" : "root";
        assert_int_equal(sp_x509_trust_add(t, slurp(&arena, trusted, ".pem"), why), 0);
        if (sp_x509_trust_add_crl(t, slurp(&arena, cases[i].name, ".crl"), why) == 0 || strcmp(why, cases[i].why) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, why);
        sp_x509_trust_free(t);
        sp_arena_done(&arena);
    }
}

/* What may be set otherwise; -1: it is refused, else how many days it is good for. */
static void policies(void **state)
{
    static const struct {
        const char *crl, *chain[2];
        struct sp_x509_check check;
        int days;
    } cases[] = {
        {"empty", {"leaf0"}, {0}, 10},
        {"root_der", {"plain_leaf"}, {0}, 10},
        {"root_der", {"leaf0"}, {0}, -1},
        {NULL, {"leaf0"}, {0}, 30},
        {"stale", {"leaf0"}, {.crl_grace = 3600}, -1},
        {"stale", {"leaf0"}, {.crl_grace = 40 * 365 * 86400LL}, 30},
        {"stale_root", {"leaf0"}, {.crl_grace = 40 * 365 * 86400LL}, -1}, /* a late list still revokes */
        {"stale", {"leaf0"}, {.crl_optional = true}, -1},                /* and is no missing one */
        {"empty", {"leaf1", "inter"}, {0}, -1},
        {"empty", {"leaf1", "inter"}, {.crl_optional = true}, 10},
        {"root_inter", {"leaf1", "inter"}, {.crl_optional = true}, -1},
        {"inter_empty", {"leaf1", "inter"}, {.crl_leaf_only = true}, 10},
        {"inter_revoked", {"leaf1", "inter"}, {.crl_leaf_only = true}, 10},
        {"revoked", {"leaf1", "inter"}, {.crl_leaf_only = true}, -1},
        {NULL, {"short_leaf"}, {0}, 2},
        {NULL, {"short_leaf"}, {.now = 3 * 86400}, -1},
        {NULL, {"short_leaf"}, {.now = 3 * 86400, .allow_expired = true}, INT32_MAX},
        {"empty", {"short_leaf"}, {.now = 3 * 86400, .allow_expired = true}, 7},
        {"empty", {"short_leaf"}, {.now = 11 * 86400, .allow_expired = true}, -1},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_arena arena;
        struct sp_x509 chain[2];
        struct sp_x509_problem p = {0};
        struct sp_x509_found found = {0};
        char why[SP_X509_WHY_MAX];
        unsigned n = 0;
        sp_arena_init(&arena);
        struct sp_x509_trust *t = sp_x509_trust_new();
        assert_int_equal(sp_x509_trust_add(t, slurp(&arena, "root", ".pem"), why), 0);
        if (cases[i].crl && sp_x509_trust_add_crl(t, slurp(&arena, cases[i].crl, ".crl"), why) < 0)
            fail_msg("%s: %s", cases[i].crl, why);
        for (; n < 2 && cases[i].chain[n]; n++)
            chain[n] = load(&arena, cases[i].chain[n]);
        struct sp_x509_check check = cases[i].check;
        check.purpose = SP_X509_FOR_CLIENT;
        check.now += time(NULL);
        check.max_depth = 100;
        check.ret_found = &found;
        bool good = sp_x509_trust_verify(t, chain, n, &check, &p);
        int64_t days = (found.until - check.now + 43200) / 86400;
        if (good != (cases[i].days >= 0) || (good && days < INT32_MAX && days != cases[i].days))
            fail_msg("%zu: %s with %s: %s, %lld days", i, cases[i].chain[0], cases[i].crl ? cases[i].crl : "no list",
                     good ? "good" : p.text, (long long)days);
        if (good)
            assert_true(sp_str_eq(found.issuer->subject, chain[0].issuer));
        sp_x509_trust_free(t);
        sp_arena_done(&arena);
    }
}

static void of_this_day(void **state)
{
    struct sp_arena arena;
    struct sp_x509_problem p = {0};
    char why[SP_X509_WHY_MAX];
    sp_arena_init(&arena);
    struct sp_x509_trust *t = sp_x509_trust_new();
    assert_int_equal(sp_x509_trust_add(t, slurp(&arena, "root", ".pem"), why), 0);
    struct sp_x509 leaf = load(&arena, "leaf0"), root = load(&arena, "root");
    struct sp_x509_check check = {.purpose = SP_X509_FOR_CLIENT, .max_depth = 100};
    static const struct {
        int64_t from_start, from_end;
        const char *said;
    } times[] = {{0, 0, NULL}, {-1, 0, "certificate is not yet valid"}, {0, 1, "certificate has expired"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(times); i++) {
        check.now = times[i].from_start ? leaf.not_before + times[i].from_start : leaf.not_after + times[i].from_end;
        if (!times[i].from_start && !times[i].from_end)
            check.now = root.not_after < leaf.not_after ? root.not_after : leaf.not_after;
        bool good = sp_x509_trust_verify(t, &leaf, 1, &check, &p);
        assert_int_equal(good, !times[i].said);
        if (!good)
            assert_string_equal(p.text, times[i].said);
    }
    sp_x509_trust_free(t);
    sp_arena_done(&arena);
}

/* Many candidates of one name cannot make us verify signatures without end. */
static void many_candidates(void **state)
{
    struct sp_arena arena;
    struct sp_x509 chain[SP_X509_MAX_CHAIN];
    struct sp_x509_problem p = {0};
    char why[SP_X509_WHY_MAX];
    sp_arena_init(&arena);
    struct sp_x509_trust *t = sp_x509_trust_new();
    assert_int_equal(sp_x509_trust_add(t, slurp(&arena, "rsa_root", ".pem"), why), 0);
    chain[0] = load(&arena, "self"); /* issued by all of its own name */
    for (unsigned i = 1; i < SP_X509_MAX_CHAIN; i++) {
        chain[i] = chain[0];
        chain[i].is_ca = true;
    }
    struct sp_x509_check check = {.purpose = SP_X509_FOR_CLIENT, .now = time(NULL), .max_depth = 100};
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_false(sp_x509_trust_verify(t, chain, SP_X509_MAX_CHAIN, &check, &p));
    clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true(b.tv_sec - a.tv_sec < 3);
    sp_x509_trust_free(t);
    sp_arena_done(&arena);
}

/* All that this machine trusts can be read. */
static void the_system_bundle(void **state)
{
    static const char path[] = "/etc/ssl/certs/ca-certificates.crt";
    FILE *f = fopen(path, "r");
    if (!f)
        skip();
    static char text[1 << 20];
    char why[SP_X509_WHY_MAX];
    size_t n = fread(text, 1, sizeof(text), f);
    fclose(f);
    struct sp_x509_trust *t = sp_x509_trust_new();
    if (sp_x509_trust_add(t, sp_str_n(text, n), why) < 0)
        fail_msg("%s", why);
    assert_true(sp_x509_trust_count(t) > 50);
    for (unsigned i = 0; i < sp_x509_trust_count(t); i++) {
        const struct sp_x509 *x = sp_x509_trust_at(t, i);
        assert_true(x->is_ca);
        assert_int_not_equal(x->key.kind, SP_KEY_UNKNOWN);
    }
    sp_x509_trust_free(t);
}

static int make_all(void **state)
{
    char command[256];
    if (!mkdtemp(dir))
        return -1;
    snprintf(command, sizeof(command), "%s/make", dir);
    FILE *f = fopen(command, "w");
    if (!f)
        return -1;
    fputs(script, f);
    fclose(f);
    snprintf(command, sizeof(command), "cd %s && bash ./make > log 2>&1 || { cat log; exit 1; }", dir);
    return system(command);
}

static int remove_all(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),      cmocka_unit_test(algorithms),  cmocka_unit_test(name_constraints),
        cmocka_unit_test(revocation),
        cmocka_unit_test(lists_that_are_refused),
        cmocka_unit_test(policies), cmocka_unit_test(of_this_day), cmocka_unit_test(many_candidates),
        cmocka_unit_test(the_system_bundle),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
