/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_verify.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "config/secret.h"
#include "crypto/hash.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;
typedef Envoy__Config__Core__V3__DataSource Source;

enum { DIGEST = 32, DEFAULT_DEPTH = 100 };

struct pins {
    uint8_t (*v)[DIGEST];
    size_t n;
};

struct sp_tls_verify {
    struct sp_x509_trust *trust;
    struct sp_tls_matchers *matchers;
    struct pins spki, hash;
    enum sp_x509_purpose purpose; /* the peer's */
    unsigned max_depth;
    bool accept_untrusted;
    char *path; /* of trusted_ca */
};

static int add_pem(const struct sp_doc *doc, struct sp_diag *diag, const Source *source, struct sp_x509_trust *trust,
                   int (*add)(struct sp_x509_trust *, struct sp_str, char *))
{
    struct sp_secret pem = {0};
    char why[SP_X509_WHY_MAX];
    if (sp_secret_read(doc, diag, source, 0, &pem) < 0)
        return -1;
    int r = add(trust, sp_secret_str(&pem), why);
    if (r < 0)
        sp_doc_err(doc, diag, source, NULL, -1, "cannot be used: %s", why);
    sp_secret_done(&pem);
    return r;
}

static void take_trust(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, struct sp_tls_verify *v)
{
    if (!msg->trusted_ca)
        return;
    v->trust = sp_x509_trust_new();
    bool file = msg->trusted_ca->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
    v->path = sp_xstrdup(file ? msg->trusted_ca->filename : "<inline>");
    if (add_pem(doc, diag, msg->trusted_ca, v->trust, sp_x509_trust_add) == 0 && msg->crl)
        add_pem(doc, diag, msg->crl, v->trust, sp_x509_trust_add_crl);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* 64 digits, or with a colon behind each two. */
static bool read_hex(const char *s, uint8_t out[DIGEST])
{
    bool colons = strlen(s) > 2 && s[2] == ':';
    for (unsigned i = 0; i < DIGEST; i++) {
        int high = hex_digit(s[0]), low = high < 0 ? -1 : hex_digit(s[1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
        s += 2;
        if (colons && i + 1 < DIGEST && *s++ != ':')
            return false;
    }
    return *s == 0;
}

static bool read_base64(const char *s, uint8_t out[DIGEST])
{
    struct sp_arena arena;
    struct sp_str bytes;
    sp_arena_init(&arena);
    bool good = sp_base64_decode(&arena, SP_BASE64, sp_str_c(s), &bytes) == 0 && bytes.len == DIGEST;
    if (good)
        memcpy(out, bytes.ptr, DIGEST);
    sp_arena_done(&arena);
    return good;
}

static void take_pins(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, struct sp_tls_verify *v)
{
    v->spki = (struct pins){sp_xcalloc(msg->n_verify_certificate_spki + 1, DIGEST), msg->n_verify_certificate_spki};
    v->hash = (struct pins){sp_xcalloc(msg->n_verify_certificate_hash + 1, DIGEST), msg->n_verify_certificate_hash};
    for (size_t i = 0; i < v->spki.n; i++)
        if (!read_base64(msg->verify_certificate_spki[i], v->spki.v[i]))
            sp_doc_err(doc, diag, msg, "verify_certificate_spki", (int)i,
                       "is not the base64 of a SHA-256 (openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | "
                       "openssl dgst -sha256 -binary | base64)");
    for (size_t i = 0; i < v->hash.n; i++)
        if (!read_hex(msg->verify_certificate_hash[i], v->hash.v[i]))
            sp_doc_err(doc, diag, msg, "verify_certificate_hash", (int)i,
                       "is not a SHA-256 in hex, with or without colons (openssl x509 -noout -fingerprint -sha256)");
}

static void check_sense(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, const struct sp_tls_verify *v)
{
    if (!v->trust && v->matchers)
        sp_doc_err(doc, diag, msg, msg->n_match_typed_subject_alt_names ? "match_typed_subject_alt_names"
                                                                          : "match_subject_alt_names",
                   -1, "says nothing without a trusted_ca: anyone can write any name into a certificate (set trusted_ca)");
    if (!v->trust && msg->crl)
        sp_doc_err(doc, diag, msg, "crl", -1, "cannot be checked without the CA that signed it (set trusted_ca)");
    if (v->accept_untrusted && msg->crl)
        sp_doc_warn(doc, diag, msg, "crl", -1, "refuses nobody, since trust_chain_verification is ACCEPT_UNTRUSTED");
}

struct sp_tls_verify *sp_tls_verify_new(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, bool client)
{
    assert(doc && diag && msg);
    unsigned errors = diag->n_errors;
    struct sp_tls_verify *v = sp_xcalloc(1, sizeof(*v));
    v->purpose = client ? SP_X509_FOR_SERVER : SP_X509_FOR_CLIENT;
    v->max_depth = msg->max_verify_depth ? msg->max_verify_depth->value : DEFAULT_DEPTH;
    v->accept_untrusted =
        msg->trust_chain_verification ==
        ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__CERTIFICATE_VALIDATION_CONTEXT__TRUST_CHAIN_VERIFICATION__ACCEPT_UNTRUSTED;
    take_trust(doc, diag, msg, v);
    v->matchers = sp_tls_matchers_new(doc, diag, msg);
    take_pins(doc, diag, msg, v);
    check_sense(doc, diag, msg, v);
    if (diag->n_errors == errors)
        return v;
    sp_tls_verify_free(v);
    return NULL;
}

void sp_tls_verify_free(struct sp_tls_verify *v)
{
    if (!v)
        return;
    sp_x509_trust_free(v->trust);
    sp_tls_matchers_free(v->matchers);
    free(v->spki.v);
    free(v->hash.v);
    free(v->path);
    free(v);
}

bool sp_tls_verify_chain(const struct sp_tls_verify *v)
{
    return v->trust && !v->accept_untrusted;
}

bool sp_tls_verify_decides(const struct sp_tls_verify *v)
{
    return v->trust || v->accept_untrusted || v->spki.n || v->hash.n;
}

const struct sp_x509_trust *sp_tls_verify_trust(const struct sp_tls_verify *v)
{
    return v->trust;
}

struct sp_str sp_tls_verify_trust_path(const struct sp_tls_verify *v)
{
    return sp_str_c(v->path);
}

static bool pinned(const struct pins *pins, struct sp_str of)
{
    uint8_t digest[DIGEST];
    if (pins->n)
        sp_sha256(of, digest);
    for (size_t i = 0; i < pins->n; i++)
        if (memcmp(pins->v[i], digest, DIGEST) == 0)
            return true;
    return false;
}

enum sp_tls_verdict sp_tls_verify_peer(const struct sp_tls_verify *v, const struct sp_x509 *chain, unsigned n,
                                       struct sp_str host, bool *ret_trusted, struct sp_x509_problem *ret_problem)
{
    assert(v && chain && n && ret_trusted && ret_problem);
    struct sp_x509_check check = {.purpose = v->purpose, .now = time(NULL), .max_depth = v->max_depth};
    *ret_trusted = v->trust && sp_x509_trust_verify(v->trust, chain, n, &check, ret_problem);
    if (!*ret_trusted && sp_tls_verify_chain(v))
        return SP_TLS_BAD_CHAIN;
    if (host.len && !sp_tls_cert_is_for(chain, host))
        return SP_TLS_BAD_NAME;
    if (v->matchers && !sp_tls_matchers_match(v->matchers, chain))
        return SP_TLS_BAD_NAME;
    if ((v->spki.n || v->hash.n) && !pinned(&v->spki, chain->spki) && !pinned(&v->hash, chain->der))
        return SP_TLS_BAD_PIN;
    return SP_TLS_GOOD;
}
