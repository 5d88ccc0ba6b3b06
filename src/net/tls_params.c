/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_params.h"

#include <assert.h>
#include <errno.h>

#include "config/names.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsParameters Params;
#define VERSION(name) ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__TLS_PARAMETERS__TLS_PROTOCOL__##name

/* Envoy's name and wolfSSL's; an empty one is known and not run, `why` says so. */
struct name {
    const char *name, *wolf, *why;
};

#define HYBRID "X25519MLKEM768"
#define NO_SECRECY "has no forward secrecy and is not supported (use an ECDHE cipher)"
#define SHA1 "relies on SHA-1, which is broken (use one with SHA-256)"

static const struct name ciphers[] = {
    {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", NULL},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384", NULL},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-CHACHA20-POLY1305", NULL},
    {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", NULL},
    {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", NULL},
    {"ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", NULL},
    {"ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES128-SHA", NULL},
    {"ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA", NULL},
    {"ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA256", NULL},
    {"ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES256-SHA384", NULL},
    {"ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", NULL},
    {"ECDHE-RSA-AES256-SHA", "ECDHE-RSA-AES256-SHA", NULL},
    {"ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES128-SHA256", NULL},
    {"ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", NULL},
    {"AES128-GCM-SHA256", NULL, NO_SECRECY},
    {"AES256-GCM-SHA384", NULL, NO_SECRECY},
    {"AES128-SHA", NULL, NO_SECRECY},
    {"AES256-SHA", NULL, NO_SECRECY},
    {"TLS_AES_128_GCM_SHA256", NULL, "is of TLS 1.3, whose ciphers are always on (take it out)"},
    {"TLS_AES_256_GCM_SHA384", NULL, "is of TLS 1.3, whose ciphers are always on (take it out)"},
    {"TLS_CHACHA20_POLY1305_SHA256", NULL, "is of TLS 1.3, whose ciphers are always on (take it out)"},
};

static const struct name groups[] = {
#ifdef SP_X25519MLKEM768 /* the wolfSSL of scripts/deps */
    {"X25519MLKEM768", "X25519MLKEM768", NULL},
#else
    {"X25519MLKEM768", NULL, "needs the wolfSSL that scripts/deps builds (use X25519)"},
#endif
    {"X25519", "X25519", NULL},
    {"P-256", "P-256", NULL},
    {"P-384", "P-384", NULL},
    {"P-521", "P-521", NULL},
    {"x25519", "X25519", NULL},
    {"prime256v1", "P-256", NULL},
    {"secp256r1", "P-256", NULL},
    {"secp384r1", "P-384", NULL},
    {"secp521r1", "P-521", NULL},
    {"X25519Kyber768Draft00", NULL, "is a draft that has been given up (use X25519MLKEM768)"},
};

static const struct name signatures[] = {
    {"ecdsa_secp256r1_sha256", "ECDSA+SHA256", NULL},
    {"ecdsa_secp384r1_sha384", "ECDSA+SHA384", NULL},
    {"ecdsa_secp521r1_sha512", "ECDSA+SHA512", NULL},
    {"rsa_pss_rsae_sha256", "RSA-PSS+SHA256", NULL},
    {"rsa_pss_rsae_sha384", "RSA-PSS+SHA384", NULL},
    {"rsa_pss_rsae_sha512", "RSA-PSS+SHA512", NULL},
    {"rsa_pkcs1_sha256", "RSA+SHA256", NULL},
    {"rsa_pkcs1_sha384", "RSA+SHA384", NULL},
    {"rsa_pkcs1_sha512", "RSA+SHA512", NULL},
    {"ed25519", "ED25519", NULL},
    {"rsa_pkcs1_sha1", NULL, SHA1},
    {"ecdsa_sha1", NULL, SHA1},
};

static const char tls13_ciphers[] = "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256";
static const char default_ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
#ifdef SP_X25519MLKEM768
static const char default_groups[] = HYBRID ":X25519:P-256:P-384";
#else
static const char default_groups[] = "X25519:P-256:P-384";
#endif
static const char default_signatures[] =
    "ECDSA+SHA256:RSA-PSS+SHA256:RSA+SHA256:ECDSA+SHA384:RSA-PSS+SHA384:RSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA512:"
    "RSA+SHA512:ED25519";

struct reader {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Params *msg;
    struct sp_arena *arena;
};

static const struct name *find(const struct reader *r, const struct name *table, size_t n, struct sp_str wanted,
                               const char *field, size_t index)
{
    struct sp_nearest nearest;
    sp_nearest_init(&nearest, wanted);
    for (size_t i = 0; i < n; i++) {
        if (sp_str_eq(wanted, sp_str_c(table[i].name)) && table[i].wolf)
            return &table[i];
        if (sp_str_eq(wanted, sp_str_c(table[i].name))) {
            sp_doc_err(r->doc, r->diag, r->msg, field, (int)index, "%.*s %s", SP_STR_ARG(wanted), table[i].why);
            return NULL;
        }
        if (table[i].wolf)
            sp_nearest_offer(&nearest, sp_str_c(table[i].name));
    }
    if (nearest.best.len)
        sp_doc_err(r->doc, r->diag, r->msg, field, (int)index, "there is no %.*s (did you mean %.*s?)", SP_STR_ARG(wanted),
                   SP_STR_ARG(nearest.best));
    else
        sp_doc_err(r->doc, r->diag, r->msg, field, (int)index, "there is no %.*s (the names are in docs/tls.md)",
                   SP_STR_ARG(wanted));
    return NULL;
}

static void append(struct sp_arena *arena, struct sp_str *list, const char *name)
{
    struct sp_str one = sp_str_c(name);
    *list = list->len ? sp_arena_printf(arena, "%.*s:%s", SP_STR_ARG(*list), name) : sp_arena_str(arena, one);
}

/* Envoy's "[A|B]" are ciphers of equal rank, of which the client chooses; here they stand in the order written. */
static void read_cipher(const struct reader *r, const char *text, size_t index, struct sp_str *list)
{
    struct sp_str s = sp_str_c(text), one;
    if (s.len >= 2 && s.ptr[0] == '[' && s.ptr[s.len - 1] == ']')
        s = sp_str_sub(s, 1, s.len - 1);
    while (sp_str_split(&s, '|', &one)) {
        const struct name *n = find(r, ciphers, SP_ARRAY_LEN(ciphers), one, "cipher_suites", index);
        if (n)
            append(r->arena, list, n->wolf);
    }
}

static const char *read_ciphers(const struct reader *r)
{
    struct sp_str list = SP_STR_NULL;
    for (size_t i = 0; r->msg && i < r->msg->n_cipher_suites; i++)
        read_cipher(r, r->msg->cipher_suites[i], i, &list);
    return sp_arena_printf(r->arena, "%s:%s", tls13_ciphers, list.len ? list.ptr : default_ciphers).ptr;
}

static const char *read_list(const struct reader *r, const struct name *table, size_t n, char *const *names, size_t n_names,
                             const char *field, const char *fallback)
{
    struct sp_str list = SP_STR_NULL;
    for (size_t i = 0; i < n_names; i++) {
        const struct name *found = find(r, table, n, sp_str_c(names[i]), field, i);
        if (found)
            append(r->arena, &list, found->wolf);
    }
    return list.len ? list.ptr : fallback;
}

static uint16_t group_number(struct sp_str name)
{
    static const struct {
        const char *name;
        uint16_t number;
    } numbers[] = {{HYBRID, SP_TLS_X25519MLKEM768}, {"X25519", 29}, {"P-256", 23}, {"P-384", 24}, {"P-521", 25}};
    for (size_t i = 0; i < SP_ARRAY_LEN(numbers); i++)
        if (sp_str_eq(name, sp_str_c(numbers[i].name)))
            return numbers[i].number;
    return 0;
}

/* The list's groups, each once. */
static void number_groups(struct sp_tls_params *p)
{
    struct sp_str list = sp_str_c(p->groups), name;
    while (sp_str_split(&list, ':', &name)) {
        unsigned i = 0;
        uint16_t number = group_number(name);
        while (i < p->n_groups && p->group[i] != number)
            i++;
        if (i == p->n_groups && i < SP_TLS_MAX_GROUPS)
            p->group[p->n_groups++] = number;
    }
}

static void read_versions(const struct reader *r, struct sp_tls_params *p)
{
    int low = r->msg ? (int)r->msg->tls_minimum_protocol_version : VERSION(TLS_AUTO);
    int high = r->msg ? (int)r->msg->tls_maximum_protocol_version : VERSION(TLS_AUTO);
    low = low == VERSION(TLS_AUTO) ? VERSION(TLSv1_2) : low;
    high = high == VERSION(TLS_AUTO) ? VERSION(TLSv1_3) : high;
    if (low > high)
        sp_doc_err(r->doc, r->diag, r->msg, "tls_maximum_protocol_version", -1,
                   "is below tls_minimum_protocol_version (no version is left)");
    p->tls12 = low == VERSION(TLSv1_2);
    p->tls13 = high == VERSION(TLSv1_3);
}

static void read_alpn(const struct sp_doc *doc, struct sp_diag *diag, const Common *msg, struct sp_arena *arena,
                      struct sp_tls_params *p)
{
    for (size_t i = 0; i < msg->n_alpn_protocols; i++) {
        struct sp_str rest = sp_str_c(msg->alpn_protocols[i]), one;
        if (rest.len == 0) {
            sp_doc_err(doc, diag, msg, "alpn_protocols", (int)i, "is empty (h2 and http/1.1 are what browsers speak)");
            continue;
        }
        while (sp_str_split(&rest, ',', &one)) {
            if (one.len == 0 || one.len > 255 || p->n_alpn == SP_TLS_MAX_ALPN) {
                sp_doc_err(doc, diag, msg, "alpn_protocols", (int)i,
                           "at most %d protocols of 1 to 255 bytes can be named (h2 and http/1.1 are what browsers speak)",
                           SP_TLS_MAX_ALPN);
                return;
            }
            p->alpn[p->n_alpn++] = sp_arena_str(arena, one);
        }
    }
}

int sp_tls_params_read(const struct sp_doc *doc, struct sp_diag *diag, const Common *msg, struct sp_arena *arena,
                       struct sp_tls_params *ret)
{
    assert(doc && diag && arena && ret);
    struct reader r = {doc, diag, msg ? msg->tls_params : NULL, arena};
    struct sp_tls_params p = {0};
    unsigned errors = diag->n_errors;
    read_versions(&r, &p);
    p.ciphers = read_ciphers(&r);
    p.groups = read_list(&r, groups, SP_ARRAY_LEN(groups), r.msg ? r.msg->ecdh_curves : NULL,
                         r.msg ? r.msg->n_ecdh_curves : 0, "ecdh_curves", default_groups);
    number_groups(&p);
    p.signatures =
        read_list(&r, signatures, SP_ARRAY_LEN(signatures), r.msg ? r.msg->signature_algorithms : NULL,
                  r.msg ? r.msg->n_signature_algorithms : 0, "signature_algorithms", default_signatures);
    if (msg)
        read_alpn(doc, diag, msg, arena, &p);
    if (diag->n_errors > errors)
        return -EINVAL;
    *ret = p;
    return 0;
}
