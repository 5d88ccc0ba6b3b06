/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_ctx.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/rng.h"
#include "net/tls_early.h"
#include "net/tls_member.h"
#include "net/tls_peer.h"
#include "net/tls_sessions.h"
#include "net/tls_ticket_keys.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Downstream;
typedef Envoy__Extensions__TransportSockets__Tls__V3__UpstreamTlsContext Upstream;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;

enum { DEFAULT_TICKET_S = 3600 };

struct build {
    struct sp_tls_ctx *ctx;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const void *owner; /* the Downstream- or UpstreamTlsContext */
    const Common *common;
};

int sp_tls_global_init(void)
{
    return wolfSSL_Init() == WOLFSSL_SUCCESS && sp_thread_rng() ? 0 : -EIO; /* wolfSSL finds it by name, if it is linked in */
}

void sp_tls_global_done(void)
{
    wolfSSL_Cleanup();
}

static void ctx_free(struct sp_kept *k)
{
    struct sp_tls_ctx *c = SP_CONTAINER_OF(k, struct sp_tls_ctx, kept);
    for (unsigned i = 0; i < c->n_members; i++)
        sp_tls_member_done(&c->members[i]);
    free(c->members);
    sp_tls_verify_free(c->verify);
    sp_tls_tickets_free(c->tickets);
    sp_tls_early_free(c->early);
    sp_tls_sessions_free(c->sessions);
    sp_arena_done(&c->arena);
    free(c);
}

static const struct sp_kept_kind kept_kind = {"TLS context", ctx_free};

static struct sp_tls_ctx *ctx_new(bool server)
{
    struct sp_tls_ctx *c = sp_xcalloc(1, sizeof(*c));
    sp_kept_init(&c->kept, &kept_kind);
    c->server = server;
    sp_arena_init(&c->arena);
    return c;
}

struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c)
{
    assert(c);
    sp_kept_ref(&c->kept);
    return c;
}

void sp_tls_ctx_unref(struct sp_tls_ctx *c)
{
    if (c)
        sp_kept_unref(&c->kept);
}

void sp_tls_ctx_use(const struct sp_tls_ctx *c, const struct sp_doc *doc)
{
    assert(c && doc);
    const struct sp_tls_trust *trust = c->verify ? sp_tls_verify_trust(c->verify) : NULL;
    if (trust)
        sp_tls_trust_use(trust, doc);
    struct sp_tls_ticket_keys *keys = c->tickets ? sp_tls_tickets_keys(c->tickets) : NULL;
    if (keys)
        sp_tls_ticket_keys_use(keys, doc);
}

/* Certificates and keys count by what they are, CAs, lists and ticket keys by the names of their files: these are watched. */
static void key_of(const struct sp_doc *doc, const void *msg, struct sp_str whose, const char *const *alpn, struct sp_hash *ret)
{
    sp_doc_hash(doc, msg, NULL, ret);
    sp_hash_mix(ret, whose);
    for (; alpn && *alpn; alpn++)
        sp_hash_mix(ret, sp_str_c(*alpn));
}

static struct sp_tls_ctx *find(const struct sp_doc *doc, const struct sp_hash *key, struct sp_str whose)
{
    struct sp_kept *k = whose.len ? sp_keep_find(&kept_kind, key) : NULL;
    if (!k)
        return NULL;
    struct sp_tls_ctx *c = SP_CONTAINER_OF(k, struct sp_tls_ctx, kept);
    sp_tls_ctx_use(c, doc);
    return c;
}

/* As Envoy names what is no secret: by the bytes that stand in the config, of which a file has none. */
static struct sp_str stat_name(struct build *b, const char *secret, const char *what, const Envoy__Config__Core__V3__DataSource *source)
{
    uint8_t digest[32];
    bool here = source && source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
    if (secret)
        return sp_arena_str(&b->ctx->arena, sp_str_c(secret));
    sp_sha256(here ? sp_str_n((const char *)source->inline_bytes.data, source->inline_bytes.len) : SP_STR(""), digest);
    struct sp_str hex = sp_hex(&b->ctx->arena, digest, 4);
    return sp_arena_printf(&b->ctx->arena, "unnamed_%s_%.*s", what, SP_STR_ARG(hex));
}

static struct sp_str name_of_ca(struct build *b, const Validation *v)
{
    const Common *c = b->common;
    const Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig *sds =
        c->combined_validation_context ? c->combined_validation_context->validation_context_sds_secret_config
                                       : c->validation_context_sds_secret_config;
    return stat_name(b, sds ? sds->name : NULL, "ca_cert", v->trusted_ca);
}

static const Validation *validation_of(const Common *common)
{
    return common ? common->validation_context : NULL;
}

static void take_validation(struct build *b)
{
    const Validation *msg = validation_of(b->common);
    if (!msg)
        return;
    struct sp_tls_verify *v = sp_tls_verify_new(b->doc, b->diag, msg, !b->ctx->server);
    if (v && b->ctx->any_rsa_usage)
        sp_tls_verify_any_rsa_usage(v);
    if (v)
        b->ctx->ca_name = name_of_ca(b, msg);
    if (v && sp_tls_verify_decides(v))
        b->ctx->verify = v;
    else
        sp_tls_verify_free(v);
}

/* Those of secrets stand behind the others. */
static struct sp_str name_of_cert(struct build *b, size_t i, const Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate *cert)
{
    size_t n_sds = b->common->n_tls_certificate_sds_secret_configs, first = b->common->n_tls_certificates - n_sds;
    bool secret = n_sds <= b->common->n_tls_certificates && i >= first;
    return stat_name(b, secret ? b->common->tls_certificate_sds_secret_configs[i - first]->name : NULL, "cert", cert->certificate_chain);
}

static void add_member(struct build *b, const Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate *cert)
{
    struct sp_tls_ctx *c = b->ctx;
    struct sp_tls_member *m = &c->members[c->n_members++];
    sp_tls_member_init(m, c, b->doc, b->diag, b->owner, cert);
    if (cert)
        m->name = name_of_cert(b, c->n_members - 1, cert);
}

static void take_certificates(struct build *b)
{
    size_t n = b->common ? b->common->n_tls_certificates : 0;
    if (n > SP_TLS_MAX_CERTS) {
        sp_doc_err(b->doc, b->diag, b->common, "tls_certificates", SP_TLS_MAX_CERTS, "is one too many (at most %d)",
                   SP_TLS_MAX_CERTS);
        return;
    }
    b->ctx->members = sp_xcalloc(n + 1, sizeof(*b->ctx->members));
    for (size_t i = 0; i < n; i++)
        add_member(b, b->common->tls_certificates[i]);
    if (n == 0 && !b->ctx->server)
        add_member(b, NULL);
}

static struct sp_tls_ctx *finish(struct build *b, unsigned errors, const struct sp_hash *key, struct sp_str whose)
{
    if (b->diag->n_errors != errors) {
        sp_tls_ctx_unref(b->ctx);
        return NULL;
    }
    if (whose.len)
        sp_keep_add(&b->ctx->kept, &kept_kind, key);
    return b->ctx;
}

/* Whole seconds; 0 turns resumption off. */
static unsigned ticket_lifetime(const Downstream *msg)
{
    int64_t s = msg->session_timeout ? msg->session_timeout->seconds : DEFAULT_TICKET_S;
    return (unsigned)SP_MIN(SP_MAX(s, 0), msg->session_ticket_keys ? SP_TICKET_SHARED_MAX_S : SP_TICKET_ROTATE_S);
}

static void mix_names(struct sp_hash *h, const struct sp_str *names, unsigned n)
{
    sp_hash_mix(h, sp_str_n((const char *)&n, sizeof(n)));
    for (unsigned i = 0; i < n; i++)
        sp_hash_mix(h, names[i]);
}

/*
 * What a ticket is good for, the same in every process: the chain, what would be agreed upon, and who we say that we are, by the
 * names in our certificates, as Envoy has it: a certificate that is renewed leaves tickets good.  And the library, whose inside a
 * ticket holds.
 */
static void bind_tickets(struct sp_tls_ctx *c, struct sp_str whose)
{
    if (!c->tickets || !sp_tls_tickets_keys(c->tickets))
        return;
    struct sp_hash h = {{0}};
    bool flags[] = {c->params.tls12, c->params.tls13, c->require_sni, c->client_order, sp_tls_early_can()};
    const char *texts[] = {"sallyport ticket 2", wolfSSL_lib_version(), c->params.ciphers, c->params.groups, c->params.signatures};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++)
        sp_hash_mix(&h, sp_str_c(texts[i]));
    sp_hash_mix(&h, whose);
    sp_hash_mix(&h, sp_str_n((const char *)flags, sizeof(flags)));
    mix_names(&h, c->params.alpn, c->params.n_alpn);
    for (unsigned i = 0; i < c->n_members; i++) {
        const struct sp_x509 *leaf = &c->members[i].leaf;
        sp_hash_mix(&h, leaf->subject);
        sp_hash_mix(&h, leaf->issuer);
        mix_names(&h, leaf->dns, leaf->n_dns);
        mix_names(&h, leaf->ip, leaf->n_ip);
        mix_names(&h, leaf->uri, leaf->n_uri);
    }
    sp_tls_tickets_bind(c->tickets, h.bytes);
}

/* A ticket would stand for a certificate that it does not prove. */
static void take_tickets(struct build *b, const Downstream *msg)
{
    struct sp_tls_ctx *c = b->ctx;
    unsigned lifetime = ticket_lifetime(msg);
    bool with_keys = msg->session_ticket_keys || msg->session_ticket_keys_sds_secret_config;
    /* What a secret of that name says has been put here. */
    struct sp_tls_ticket_keys *keys =
        msg->session_ticket_keys ? sp_tls_ticket_keys_new(b->doc, b->diag, msg->session_ticket_keys) : NULL;
    if (keys && c->ask_cert)
        sp_doc_warn(b->doc, b->diag, msg->session_ticket_keys, NULL, -1,
                    "they are of no use: where clients are asked for a certificate no session is resumed (take them out)");
    if (c->ask_cert || msg->disable_stateless_session_resumption || !lifetime || (with_keys && !keys)) {
        sp_tls_ticket_keys_free(keys);
        return;
    }
    c->tickets = keys ? sp_tls_tickets_new_shared(lifetime, keys) : sp_tls_tickets_new(lifetime);
}

static void take_server(struct build *b, const Downstream *msg)
{
    struct sp_tls_ctx *c = b->ctx;
    c->need_cert = msg->require_client_certificate && msg->require_client_certificate->value;
    c->ask_cert = c->need_cert || c->verify;
    c->require_sni = msg->require_sni && msg->require_sni->value;
    c->client_order = msg->prefer_client_ciphers;
    c->staple_policy = (uint8_t)msg->ocsp_staple_policy; /* of equal numbers */
    if (!b->common || b->common->n_tls_certificates == 0)
        sp_doc_err(b->doc, b->diag, b->common ? (const void *)b->common : msg, b->common ? "tls_certificates" : NULL, -1,
                   "a listener needs a certificate (set certificate_chain and private_key in common_tls_context)");
    if (c->need_cert && !c->verify && b->diag->n_errors == 0)
        sp_doc_err(b->doc, b->diag, msg, "require_client_certificate", -1,
                   "no certificate would be good enough (say which are in validation_context: trusted_ca, for instance)");
}

struct sp_tls_ctx *sp_tls_ctx_server(const struct sp_doc *doc, struct sp_diag *diag, const Downstream *msg, struct sp_str whose)
{
    assert(doc && diag && msg);
    struct sp_hash key;
    key_of(doc, msg, whose, NULL, &key);
    struct sp_tls_ctx *found = find(doc, &key, whose);
    if (found)
        return found;
    struct build b = {ctx_new(true), doc, diag, msg, msg->common_tls_context};
    unsigned errors = diag->n_errors;
    sp_tls_params_read(doc, diag, b.common, &b.ctx->arena, &b.ctx->params);
    take_validation(&b);
    take_server(&b, msg);
    take_tickets(&b, msg);
    b.ctx->early = sp_tls_early_new(doc, diag, b.ctx, msg);
    take_certificates(&b);
    bind_tickets(b.ctx, whose);
    return finish(&b, errors, &key, whose);
}

static void offer_alpn(struct sp_tls_ctx *c, const char *const *fallback)
{
    struct sp_tls_params *p = &c->params;
    for (; p->n_alpn < SP_TLS_MAX_ALPN && fallback && *fallback; fallback++)
        p->alpn[p->n_alpn++] = sp_arena_str(&c->arena, sp_str_c(*fallback));
    size_t n = 0;
    char *out = sp_arena_alloc(&c->arena, SP_TLS_MAX_ALPN * 256);
    for (unsigned i = 0; i < p->n_alpn; i++) {
        out[n++] = (char)p->alpn[i].len;
        memcpy(out + n, p->alpn[i].ptr, p->alpn[i].len);
        n += p->alpn[i].len;
    }
    c->alpn_wire = sp_str_n(out, n);
}

static void check_client(struct build *b, const Upstream *msg)
{
    if (msg->allow_renegotiation)
        sp_doc_err(b->doc, b->diag, msg, "allow_renegotiation", -1,
                   "is not supported: a peer that begins a second handshake is cut off (take it out; TLS 1.3 has none)");
    if (b->common && b->common->n_tls_certificates > 1)
        sp_doc_err(b->doc, b->diag, b->common, "tls_certificates", 1, "a client shows one certificate (take the others out)");
    const Validation *v = validation_of(b->common);
    if (!b->ctx->verify && b->diag->n_errors == 0)
        sp_doc_warn(b->doc, b->diag, v ? (const void *)v : msg, NULL, -1,
                    "the origin's certificate is not verified: anyone in between can read and change what passes (set "
                    "validation_context.trusted_ca, /etc/ssl/certs/ca-certificates.crt for instance, and "
                    "match_typed_subject_alt_names)");
}

struct sp_tls_ctx *sp_tls_ctx_client(const struct sp_doc *doc, struct sp_diag *diag, const Upstream *msg,
                                     const char *const *default_alpn, struct sp_str whose)
{
    assert(doc && diag && msg);
    struct sp_hash key;
    key_of(doc, msg, whose, default_alpn, &key);
    struct sp_tls_ctx *found = find(doc, &key, whose);
    if (found)
        return found;
    struct build b = {ctx_new(false), doc, diag, msg, msg->common_tls_context};
    unsigned errors = diag->n_errors;
    sp_tls_params_read(doc, diag, b.common, &b.ctx->arena, &b.ctx->params);
    b.ctx->sni = sp_arena_str(&b.ctx->arena, sp_str_c(msg->sni));
    b.ctx->any_rsa_usage = msg->enforce_rsa_key_usage && !msg->enforce_rsa_key_usage->value;
    take_validation(&b);
    check_client(&b, msg);
    sp_tls_early_refuse(doc, diag, b.common);
    b.ctx->alpn_own = b.ctx->params.n_alpn > 0;
    offer_alpn(b.ctx, b.ctx->alpn_own ? NULL : default_alpn);
    unsigned keys = msg->max_session_keys ? msg->max_session_keys->value : 1;
    if (keys)
        b.ctx->sessions = sp_tls_sessions_new(SP_MIN(keys, (unsigned)SP_TLS_MAX_SESSIONS));
    take_certificates(&b);
    return finish(&b, errors, &key, whose);
}

bool sp_tls_ctx_own_alpn(const struct sp_tls_ctx *c)
{
    assert(c && !c->server);
    return c->alpn_own;
}

bool sp_tls_ctx_verifies(const struct sp_tls_ctx *c)
{
    assert(c);
    return c->verify && sp_tls_verify_chain(c->verify);
}

const Sallyport__Tls__V1__Ocsp *sp_tls_ctx_ocsp(const struct sp_doc *doc, const Common *common)
{
    assert(doc);
    const Validation *v = validation_of(common);
    return v ? sp_tls_revocation_ocsp(doc, v) : NULL;
}

void sp_tls_ctx_expiries(const struct sp_tls_ctx *c, void (*each)(void *arg, struct sp_str name, int64_t not_after), void *arg)
{
    assert(c && each);
    for (unsigned i = 0; i < c->n_members; i++)
        if (c->members[i].has_cert)
            each(arg, c->members[i].name, c->members[i].leaf.not_after);
    const struct sp_tls_trust *cas = c->verify ? sp_tls_verify_trust(c->verify) : NULL;
    const struct sp_x509_trust *trust = cas ? sp_tls_trust_now(cas) : NULL;
    if (trust && sp_x509_trust_count(trust))
        each(arg, c->ca_name, sp_x509_trust_at(trust, 0)->not_after);
}

/* `m`: whose certificate it is; NULL: of a CA. */
static void tell(const struct sp_tls_ctx *c, const struct sp_tls_member *m, const struct sp_x509 *cert, struct sp_str path,
                 void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_tls_cert_info info = {
        .context = c,
        .is_ca = !m,
        .path = path,
        .subject = sp_x509_name_text(&arena, cert->subject),
        .issuer = sp_x509_name_text(&arena, cert->issuer),
        .serial = sp_tls_serial_text(&arena, cert->serial),
        .dns = cert->dns,
        .uri = cert->uri,
        .ip = cert->ip,
        .n_dns = cert->n_dns,
        .n_uri = cert->n_uri,
        .n_ip = cert->n_ip,
        .not_before = cert->not_before,
        .not_after = cert->not_after,
        .ocsp_from = m && m->staple.len ? m->staple_from : 0,
        .ocsp_until = m && m->staple.len ? m->staple_until : 0,
    };
    each(arg, &info);
    sp_arena_done(&arena);
}

void sp_tls_ctx_certs(const struct sp_tls_ctx *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg)
{
    assert(c && each);
    for (unsigned i = 0; i < c->n_members; i++)
        if (c->members[i].has_cert)
            tell(c, &c->members[i], &c->members[i].leaf, c->members[i].path, each, arg);
    const struct sp_tls_trust *cas = c->verify ? sp_tls_verify_trust(c->verify) : NULL;
    const struct sp_x509_trust *trust = cas ? sp_tls_trust_now(cas) : NULL;
    for (unsigned i = 0; trust && i < sp_x509_trust_count(trust); i++)
        tell(c, NULL, sp_x509_trust_at(trust, i), sp_tls_trust_path(cas), each, arg);
}
