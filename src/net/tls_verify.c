/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_verify.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "crypto/hash.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;

enum { DIGEST = 32 };

struct pins {
    uint8_t (*v)[DIGEST];
    size_t n;
};

struct sp_tls_verify {
    struct sp_tls_trust *trust; /* NULL: no CAs */
    struct sp_tls_matchers *matchers;
    struct pins spki, hash;
    bool accept_untrusted, asks, any_rsa_usage;
    enum sp_tls_staples staples;
};

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

static void check_staples(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_tls_verify *v, bool client,
                          const Sallyport__Tls__V1__Ocsp *ocsp, const Sallyport__Tls__V1__Revocation *r)
{
    if (!r)
        return;
    if (!client)
        sp_doc_err(doc, diag, r, "staples", -1, "is for the certificates of origins: clients staple nothing (take it out)");
    else if (v->accept_untrusted)
        sp_doc_err(doc, diag, r, "staples", -1, "cannot be believed without a known issuer (trust_chain_verification is ACCEPT_UNTRUSTED)");
    else if (ocsp && v->staples == SP_TLS_STRICT_STAPLES)
        sp_doc_err(doc, diag, r, "staples", -1, "would never have ocsp asked (with LENIENT_STAPLES it is asked where nothing is stapled that counts)");
}

static void check_sense(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, const struct sp_tls_verify *v,
                        bool client)
{
    const Sallyport__Tls__V1__Ocsp *ocsp = v->asks ? sp_tls_revocation_ocsp(doc, msg) : NULL;
    const Sallyport__Tls__V1__Revocation *r = v->staples ? sp_tls_revocation(doc, diag, msg) : NULL;
    bool no_ca = !msg->trusted_ca && !msg->system_root_certs; /* what could not be loaded is reported already */
    if (no_ca && v->matchers)
        sp_doc_err(doc, diag, msg, msg->n_match_typed_subject_alt_names ? "match_typed_subject_alt_names"
                                                                          : "match_subject_alt_names",
                   -1, "says nothing without a trusted_ca: anyone can write any name into a certificate (set trusted_ca)");
    if (!client && !msg->trusted_ca && msg->system_root_certs && !v->matchers && !v->spki.n && !v->hash.n)
        sp_doc_err(doc, diag, msg, "system_root_certs", -1,
                   "anybody can get a certificate of a public CA (say whose: set match_typed_subject_alt_names, or a trusted_ca of "
                   "your own)");
    if (no_ca && msg->crl)
        sp_doc_err(doc, diag, msg, "crl", -1, "cannot be checked without the CA that signed it (set trusted_ca)");
    if (no_ca && msg->custom_validator_config)
        sp_doc_err(doc, diag, msg, "custom_validator_config", -1, "says nothing without a trusted_ca (set trusted_ca)");
    if (v->accept_untrusted && msg->crl)
        sp_doc_warn(doc, diag, msg, "crl", -1, "refuses nobody, since trust_chain_verification is ACCEPT_UNTRUSTED");
    if (v->accept_untrusted && ocsp)
        sp_doc_err(doc, diag, ocsp, NULL, -1, "cannot ask about certificates without a known issuer (trust_chain_verification "
                                                 "is ACCEPT_UNTRUSTED)");
    check_staples(doc, diag, v, client, ocsp, r);
}

static enum sp_tls_staples staples_of(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg)
{
    const Sallyport__Tls__V1__Revocation *r = sp_tls_revocation(doc, diag, msg);
    return r ? (enum sp_tls_staples)r->staples : SP_TLS_NO_STAPLES; /* of equal numbers */
}

struct sp_tls_verify *sp_tls_verify_new(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, bool client)
{
    assert(doc && diag && msg);
    unsigned errors = diag->n_errors;
    struct sp_tls_verify *v = sp_xcalloc(1, sizeof(*v));
    v->accept_untrusted =
        msg->trust_chain_verification ==
        ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__CERTIFICATE_VALIDATION_CONTEXT__TRUST_CHAIN_VERIFICATION__ACCEPT_UNTRUSTED;
    v->trust = sp_tls_trust_new(doc, diag, msg, client);
    v->asks = v->trust && sp_tls_revocation_ocsp(doc, msg);
    v->staples = v->trust ? staples_of(doc, diag, msg) : SP_TLS_NO_STAPLES;
    v->matchers = sp_tls_matchers_new(doc, diag, msg);
    take_pins(doc, diag, msg, v);
    check_sense(doc, diag, msg, v, client);
    if (diag->n_errors == errors)
        return v;
    sp_tls_verify_free(v);
    return NULL;
}

void sp_tls_verify_free(struct sp_tls_verify *v)
{
    if (!v)
        return;
    sp_tls_trust_free(v->trust);
    sp_tls_matchers_free(v->matchers);
    free(v->spki.v);
    free(v->hash.v);
    free(v);
}

void sp_tls_verify_any_rsa_usage(struct sp_tls_verify *v)
{
    assert(v);
    v->any_rsa_usage = true;
}

bool sp_tls_verify_chain(const struct sp_tls_verify *v)
{
    return v->trust && !v->accept_untrusted;
}

bool sp_tls_verify_decides(const struct sp_tls_verify *v)
{
    return v->trust || v->accept_untrusted || v->spki.n || v->hash.n;
}

const struct sp_tls_trust *sp_tls_verify_trust(const struct sp_tls_verify *v)
{
    return v->trust;
}

bool sp_tls_verify_asks(const struct sp_tls_verify *v)
{
    return v->asks;
}

enum sp_tls_staples sp_tls_verify_staples(const struct sp_tls_verify *v)
{
    return v->staples;
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

static bool chain_good(const struct sp_tls_verify *v, const struct sp_x509 *chain, unsigned n, struct sp_tls_finding *f)
{
    struct sp_x509_found found = {INT64_MAX, NULL};
    if (!v->trust)
        return false;
    const struct sp_x509_trust *trust = sp_tls_trust_now(v->trust);
    struct sp_x509_check check = sp_tls_trust_check(v->trust, time(NULL));
    check.ret_found = &found;
    check.any_rsa_usage = v->any_rsa_usage;
    f->version = sp_x509_trust_version(trust);
    if (!sp_x509_trust_verify(trust, chain, n, &check, &f->problem))
        return false;
    f->until = found.until;
    f->issuer = found.issuer;
    return true;
}

enum sp_tls_verdict sp_tls_verify_peer(const struct sp_tls_verify *v, const struct sp_x509 *chain, unsigned n,
                                       struct sp_str host, struct sp_tls_finding *ret)
{
    assert(v && chain && n && ret);
    *ret = (struct sp_tls_finding){.until = INT64_MAX};
    ret->trusted = chain_good(v, chain, n, ret);
    if (!ret->trusted && sp_tls_verify_chain(v))
        return SP_TLS_BAD_CHAIN;
    if (host.len && !sp_tls_cert_is_for(chain, host))
        return SP_TLS_BAD_NAME;
    if (v->matchers && !sp_tls_matchers_match(v->matchers, chain))
        return SP_TLS_BAD_NAME;
    if ((v->spki.n || v->hash.n) && !pinned(&v->spki, chain->spki) && !pinned(&v->hash, chain->der))
        return SP_TLS_BAD_PIN;
    return SP_TLS_GOOD;
}

bool sp_tls_verify_holds(const struct sp_tls_verify *v, uint64_t version, int64_t until)
{
    assert(v);
    return !v->trust || v->accept_untrusted ||
           (version == sp_x509_trust_version(sp_tls_trust_now(v->trust)) && (until == INT64_MAX || time(NULL) <= until));
}
