/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_member.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/asn_public.h>

#include "base/mem.h"
#include "config/live.h"
#include "config/secret.h"
#include "crypto/pem.h"
#include "net/tls_early.h"
#include "net/tls_hooks.h"
#include "net/tls_staple.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate Certificate;
typedef Envoy__Config__Core__V3__DataSource Source;

enum { MIN_RSA_BITS = 2048, MIN_ECC_BITS = 256, MAX_NAMED_CAS = 32, MAX_CHAIN = 9 };

struct build {
    struct sp_tls_member *m;
    struct sp_tls_ctx *ctx;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Certificate *cert;
    struct sp_x509 issuer; /* of the chain; der empty: it is not there */
    bool astray;           /* what comes behind the leaf is not the issuer's */
};

/* A signature that peers do not take; what issued itself is not judged by it. */
static bool badly_signed(const struct sp_x509 *cert)
{
    return cert->signature.kind == SP_SIG_UNKNOWN && !sp_str_eq(cert->subject, cert->issuer);
}

static const char badly_signed_text[] = "it is signed with SHA-1 or another algorithm that peers do not take (have it issued with SHA-256)";

/*
 * Blocks are decoded beside the context's arena, and only the leaf is copied: the key may stand in the same file.  What follows
 * the leaf is looked at too: wolfSSL passes over what it cannot read, and peers would miss it.
 */
static int read_leaf(struct build *b, struct sp_str pem, const char **ret_why)
{
    struct sp_arena scratch, *keep = &b->ctx->arena;
    struct sp_pem block;
    struct sp_x509 other;
    unsigned n = 0;
    int r = -EINVAL;
    *ret_why = "there is no certificate in PEM form in it";
    sp_arena_init(&scratch);
    while (sp_pem_next(&pem, &scratch, &block, ret_why) > 0)
        if (sp_str_eq(block.label, SP_STR("CERTIFICATE"))) {
            bool first = n++ == 0;
            if (n > MAX_CHAIN) {
                *ret_why = "the chain is longer than nine certificates, which many peers do not take";
                r = -EINVAL;
                break;
            }
            r = first ? sp_x509_parse(sp_arena_str(keep, block.der), keep, &b->m->leaf, ret_why)
                      : sp_x509_parse(block.der, &scratch, &other, ret_why);
            if (r == 0 && !first && !b->issuer.der.len && sp_str_eq(other.subject, b->m->leaf.issuer))
                r = sp_x509_parse(sp_arena_str(keep, block.der), keep, &b->issuer, ret_why);
            if (r < 0) {
                *ret_why = first ? *ret_why : "a certificate behind the first is malformed";
                break;
            }
            if (badly_signed(first ? &b->m->leaf : &other)) {
                *ret_why = first ? badly_signed_text : "a certificate behind the first is signed with SHA-1 or another algorithm that "
                                                       "peers do not take (have it issued with SHA-256)";
                r = -EINVAL;
                break;
            }
            b->astray |= n == 2 && !sp_str_eq(other.subject, b->m->leaf.issuer);
        }
    sp_arena_done_wipe(&scratch);
    return r;
}

static void warn_of_dates(struct build *b)
{
    int64_t now = time(NULL);
    if (b->m->leaf.not_after < now)
        sp_doc_warn(b->doc, b->diag, b->cert, "certificate_chain", -1, "has expired (peers that verify it will not connect)");
    else if (b->m->leaf.not_before > now)
        sp_doc_warn(b->doc, b->diag, b->cert, "certificate_chain", -1, "is not valid yet (is the clock right?)");
}

static int load_chain(struct build *b)
{
    struct sp_secret pem = {0};
    const Source *source = b->cert->certificate_chain;
    const char *why = NULL;
    if (sp_secret_read(b->doc, b->diag, source, 0, &pem) < 0)
        return -EINVAL;
    int r = read_leaf(b, sp_secret_str(&pem), &why);
    if (r == 0 && b->m->leaf.key.kind == SP_KEY_UNKNOWN) {
        why = "its key is not one of RSA of 2048 to 4096 bits, P-256, P-384, P-521 and Ed25519";
        r = -EINVAL;
    }
    if (r == 0 && wolfSSL_CTX_use_certificate_chain_buffer(b->m->wolf, (const unsigned char *)pem.ptr, (long)pem.len) !=
                      WOLFSSL_SUCCESS) {
        why = "a certificate of the chain is malformed";
        r = -EINVAL;
    }
    if (r < 0)
        sp_doc_err(b->doc, b->diag, source, NULL, -1, "cannot be used: %s", why);
    sp_secret_done(&pem);
    if (r < 0)
        return r;
    b->m->has_cert = true;
    b->m->subject = sp_x509_name_text(&b->ctx->arena, b->m->leaf.subject);
    bool file = source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
    b->m->path = sp_arena_str(&b->ctx->arena, sp_str_c(file ? source->filename : "<inline>"));
    warn_of_dates(b);
    if (b->astray)
        sp_doc_warn(b->doc, b->diag, source, NULL, -1,
                    "the second certificate in it is not the issuer of the first: peers may not find the path (put each behind the one that it issued)");
    return 0;
}

/* The block of the private key; others (EC PARAMETERS, certificates) may stand beside it. */
static bool find_key(struct sp_str pem, struct sp_arena *arena, struct sp_pem *ret)
{
    const char *why;
    while (sp_pem_next(&pem, arena, ret, &why) > 0)
        if (sp_str_ends(ret->label, SP_STR("PRIVATE KEY")))
            return true;
    return false;
}

static bool encrypted(const struct sp_pem *key)
{
    return sp_str_eq(key->label, SP_STR("ENCRYPTED PRIVATE KEY")) || sp_str_find(key->text, SP_STR("Proc-Type:")) >= 0;
}

static const char not_decrypted[] = "cannot be decrypted (is password right? Ciphers other than AES are not supported)";

/* To DER in `out`, of `size` bytes; its length, or 0 and *ret_why. */
static int decode_key(const struct sp_pem *key, const struct sp_secret *password, unsigned char *out, int size,
                      const char **ret_why)
{
    if (encrypted(key) && !password->ptr) {
        *ret_why = "is encrypted (set password)";
        return 0;
    }
    int n = wc_KeyPemToDer((const unsigned char *)key->text.ptr, (int)key->text.len, out, size,
                           encrypted(key) ? password->ptr : NULL);
    if (n > 0)
        return n;
    *ret_why = encrypted(key) ? not_decrypted : "is malformed";
    return 0;
}

static const char *use_key(struct build *b, struct sp_str pem, const struct sp_secret *password, struct sp_arena *arena)
{
    struct sp_pem key;
    const char *why = NULL;
    if (!find_key(pem, arena, &key))
        return "has no private key in PEM form in it";
    int size = (int)key.text.len, n;
    unsigned char *der = sp_arena_alloc(arena, key.text.len + 1);
    if (!(n = decode_key(&key, password, der, size, &why)))
        return why;
    if (wolfSSL_CTX_use_PrivateKey_buffer(b->m->wolf, der, n, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
        return encrypted(&key) ? not_decrypted : "is malformed, too small or of a kind that is not supported";
    if (wolfSSL_CTX_check_private_key(b->m->wolf) != WOLFSSL_SUCCESS)
        return "does not belong to the certificate (its public key is another one)";
    return NULL;
}

static int load_key(struct build *b)
{
    struct sp_secret pem = {0}, password = {0};
    struct sp_arena arena;
    if (sp_secret_read(b->doc, b->diag, b->cert->private_key, 0, &pem) < 0)
        return -EINVAL;
    int r = 0;
    if (b->cert->password)
        r = sp_secret_read(b->doc, b->diag, b->cert->password, SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY, &password);
    if (r == 0) {
        sp_arena_init(&arena);
        const char *why = use_key(b, sp_secret_str(&pem), &password, &arena);
        sp_arena_done_wipe(&arena);
        if (why)
            sp_doc_err(b->doc, b->diag, b->cert, "private_key", -1, "%s", why);
        r = why ? -EINVAL : 0;
    }
    sp_secret_done(&pem);
    sp_secret_done(&password);
    return r;
}

static WOLFSSL_CTX *new_wolf(const struct sp_tls_ctx *c)
{
    WOLFSSL_METHOD *method = c->server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
    return method ? wolfSSL_CTX_new(method) : NULL;
}

static bool set_versions(const struct sp_tls_ctx *c, WOLFSSL_CTX *w)
{
    int low = c->params.tls12 ? WOLFSSL_TLSV1_2 : WOLFSSL_TLSV1_3;
    return wolfSSL_CTX_SetMinVersion(w, low) == WOLFSSL_SUCCESS &&
           (c->params.tls13 || wolfSSL_CTX_set_max_proto_version(w, TLS1_2_VERSION) == WOLFSSL_SUCCESS);
}

static void set_tickets(const struct sp_tls_ctx *c, WOLFSSL_CTX *w)
{
    /* wolfSSL's own cache is one for the process: it would carry sessions from one context to another. */
    wolfSSL_CTX_set_session_cache_mode(w, c->sessions ? WOLFSSL_SESS_CACHE_NO_INTERNAL : WOLFSSL_SESS_CACHE_OFF);
    if (!c->server && c->sessions && c->params.tls12)
        wolfSSL_CTX_UseSessionTicket(w);
    else if (!c->server)
        wolfSSL_CTX_NoTicketTLSv12(w);
    if (!c->server)
        return;
    if (c->tickets) {
        wolfSSL_CTX_set_TicketHint(w, (int)sp_tls_tickets_lifetime(c->tickets));
        wolfSSL_CTX_set_timeout(w, sp_tls_tickets_lifetime(c->tickets));
        return;
    }
    wolfSSL_CTX_NoTicketTLSv12(w);
    wolfSSL_CTX_no_ticket_TLSv13(w);
}

/* The CAs that a client's certificate may come from, so that clients with several can choose. A hint: a long list of them
 * would only make every handshake longer. */
static void name_cas(const struct sp_tls_ctx *c, WOLFSSL_CTX *w)
{
    const struct sp_tls_trust *cas = c->ask_cert && c->verify ? sp_tls_verify_trust(c->verify) : NULL;
    if (!cas)
        return;
    sp_live_peek(); /* it may serve another context already, and change */
    const struct sp_x509_trust *trust = sp_tls_trust_now(cas);
    bool few = sp_x509_trust_count(trust) <= MAX_NAMED_CAS;
    WOLF_STACK_OF(WOLFSSL_X509_NAME) *names = few ? wolfSSL_sk_X509_NAME_new(NULL) : NULL;
    for (unsigned i = 0; names && i < sp_x509_trust_count(trust); i++) {
        struct sp_str der = sp_x509_trust_at(trust, i)->subject;
        unsigned char *p = (unsigned char *)(uintptr_t)der.ptr;
        WOLFSSL_X509_NAME *name = wolfSSL_d2i_X509_NAME(NULL, &p, (long)der.len);
        if (name && wolfSSL_sk_X509_NAME_push(names, name) <= 0)
            wolfSSL_X509_NAME_free(name);
    }
    sp_live_peek_over();
    if (names)
        wolfSSL_CTX_set_client_CA_list(w, names);
}

/* In this order: each of wolfSSL's setters changes what the ones before it set. */
static bool set_up(struct sp_tls_ctx *c, WOLFSSL_CTX *w)
{
    if (!set_versions(c, w) || wolfSSL_CTX_set_cipher_list(w, c->params.ciphers) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set1_sigalgs_list(w, c->params.signatures) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set1_groups_list(w, c->params.groups) != WOLFSSL_SUCCESS)
        return false;
    wolfSSL_CTX_SetMinRsaKey_Sz(w, MIN_RSA_BITS);
    wolfSSL_CTX_SetMinEccKey_Sz(w, MIN_ECC_BITS);
    if (c->client_order)
        wolfSSL_CTX_UseClientSuites(w);
    set_tickets(c, w);
    name_cas(c, w);
    if (!c->server && c->verify && sp_tls_verify_staples(c->verify) && wolfSSL_CTX_EnableOCSPStapling(w) != WOLFSSL_SUCCESS)
        return false;
    return sp_tls_early_set_up(c->early, w) && sp_tls_hooks_ctx(c, w);
}

int sp_tls_member_init(struct sp_tls_member *m, struct sp_tls_ctx *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                       const void *owner, const Certificate *cert)
{
    assert(m && ctx && doc && diag && owner);
    struct build b = {.m = m, .ctx = ctx, .doc = doc, .diag = diag, .cert = cert};
    m->wolf = new_wolf(ctx);
    if (m->wolf && cert && (load_chain(&b) < 0 || load_key(&b) < 0 ||
                            sp_tls_staple_load(m, ctx, doc, diag, cert, b.issuer.der.len ? &b.issuer : NULL) < 0))
        return -EINVAL;
    if (!ctx->params.ciphers) /* reported already; this far only for the sake of the certificate's errors */
        return -EINVAL;
    if (m->wolf && set_up(ctx, m->wolf))
        return 0;
    sp_doc_err(doc, diag, owner, NULL, -1, "wolfSSL does not take these parameters (are tls_params too narrow?)");
    return -EINVAL;
}

void sp_tls_member_done(struct sp_tls_member *m)
{
    assert(m);
    wolfSSL_CTX_free(m->wolf);
    m->wolf = NULL;
}
