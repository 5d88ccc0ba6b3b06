/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/error-ssl.h>

#include "base/mem.h"
#include "net/tls_early.h"
#include "net/tls_error.h"
#include "net/tls_hooks.h"
#include "net/tls_records.h"
#include "net/tls_sessions.h"
#include "net/tls_staple.h"
#include "net/tls_stapled.h"

enum { ALERT_RECORD = 7 };

enum { ALERT_DECODE_ERROR = 50, ALERT_INTERNAL_ERROR = 80, ALERT_INAPPROPRIATE_FALLBACK = 86, ALERT_UNRECOGNIZED_NAME = 112 };

static struct sp_tls *tls_new(struct sp_tls_ctx *ctx)
{
    struct sp_tls *t = sp_xcalloc(1, sizeof(*t));
    t->ctx = sp_tls_ctx_ref(ctx);
    t->state = SP_TLS_HANDSHAKE;
    return t;
}

struct sp_tls *sp_tls_accept(struct sp_tls_ctx *ctx)
{
    assert(ctx && ctx->server);
    struct sp_tls *t = tls_new(ctx);
    t->hello_due = true;
    return t;
}

static char *dup_or_null(struct sp_str s)
{
    return s.len ? sp_str_dup(s) : NULL;
}

struct sp_tls *sp_tls_connect(struct sp_tls_ctx *ctx, struct sp_str sni, struct sp_str verify_name)
{
    assert(ctx && !ctx->server);
    struct sp_tls *t = tls_new(ctx);
    t->sni = dup_or_null(sni.len ? sni : ctx->sni);
    t->host = dup_or_null(verify_name);
    t->member = &ctx->members[0];
    t->offer = ctx->alpn_wire;
    return t;
}

void sp_tls_offer(struct sp_tls *t, struct sp_str wire)
{
    assert(t && !t->ctx->server && !t->ssl);
    if (wire.len)
        t->offer = wire;
}

void sp_tls_offer_own(struct sp_tls *t)
{
    assert(t && !t->ctx->server && !t->ssl);
    if (!t->ctx->alpn_own)
        t->offer = SP_STR_NULL;
}

void sp_tls_free(struct sp_tls *t)
{
    if (!t)
        return;
    sp_tls_stapled_done(t);
    wolfSSL_free(t->ssl);
    sp_tls_peer_unref(t->peer);
    sp_tls_ctx_unref(t->ctx);
    free(t->text);
    free(t->sni);
    free(t->host);
    free(t->info);
    free(t);
}

static enum sp_tls_fail kind_of(const struct sp_tls *t, int wolf_error)
{
    if (t->why)
        return SP_TLS_FAIL_OTHER;
    switch ((enum sp_tls_verdict)t->verdict) {
    case SP_TLS_BAD_CHAIN:
        return SP_TLS_FAIL_VERIFY_CA;
    case SP_TLS_BAD_NAME:
        return SP_TLS_FAIL_VERIFY_SAN;
    case SP_TLS_BAD_PIN:
        return SP_TLS_FAIL_VERIFY_PIN;
    default:
        return wolf_error == NO_PEER_CERT ? SP_TLS_FAIL_NO_CERT : SP_TLS_FAIL_OTHER;
    }
}

static void fail(struct sp_tls *t, int wolf_error)
{
    t->state = SP_TLS_FAILED;
    t->failure = (uint8_t)kind_of(t, wolf_error);
    t->text = sp_tls_explain(t, wolf_error);
}

/* Before wolfSSL has a part in it, or where it sent none: an alert in the clear. */
static void fail_plainly(struct sp_tls *t, const char *why, uint8_t alert)
{
    t->why = why;
    sp_buf_append(t->out, (uint8_t[ALERT_RECORD]){21, 3, 3, 0, 2, 2, alert}, ALERT_RECORD);
    fail(t, 0);
}

static bool set_client_names(struct sp_tls *t)
{
    struct sp_str sni = sp_str_c(t->sni), alpn = t->offer;
    if (sni.len && wolfSSL_UseSNI(t->ssl, WOLFSSL_SNI_HOST_NAME, sni.ptr, (unsigned short)sni.len) != WOLFSSL_SUCCESS)
        return false;
    return !alpn.len || wolfSSL_set_alpn_protos(t->ssl, (const unsigned char *)alpn.ptr, (unsigned)alpn.len) == 0;
}

/*
 * Behind the hybrid group's share goes one of the next group, so that servers that lack the first do not cost a round trip. A session
 * brings the group along that it was agreed upon with.
 */
static bool set_shares(struct sp_tls *t, int session)
{
    const struct sp_tls_params *p = &t->ctx->params;
    if (t->ctx->server || session || !p->tls13 || p->n_groups < 2 || p->group[0] != SP_TLS_X25519MLKEM768)
        return true;
    return wolfSSL_UseKeyShare(t->ssl, SP_TLS_X25519MLKEM768) == WOLFSSL_SUCCESS &&
           wolfSSL_UseKeyShare(t->ssl, p->group[1]) == WOLFSSL_SUCCESS;
}

static bool start(struct sp_tls *t)
{
    t->ssl = wolfSSL_new(t->member->wolf);
    if (t->ssl) {
        int session = 0;
        sp_tls_hooks_conn(t);
        if (t->ctx->sessions)
            session = sp_tls_sessions_take(t->ctx->sessions, t->ssl, t->sni, t->host, &t->peer, &t->session_until);
        t->offered12 = session == TLS1_2_VERSION;
        if (SP_UNLIKELY(t->ctx->early != NULL))
            sp_tls_early_expect(t);
        if (set_shares(t, session) && (t->ctx->server ? sp_tls_staple_start(t) : set_client_names(t) && sp_tls_stapled_ask(t)))
            return true;
    }
    fail_plainly(t, "TLS error: out of memory", ALERT_INTERNAL_ERROR);
    return false;
}

/* The ClientHello decides whether and with which certificate wolfSSL begins. */
static bool start_server(struct sp_tls *t)
{
    struct sp_arena arena;
    if (!t->in->len)
        return false;
    sp_arena_init(&arena);
    int r = sp_tls_hello(t, &arena, &t->member);
    sp_arena_done(&arena);
    if (r < 0)
        fail_plainly(t, t->why, ALERT_DECODE_ERROR);
    if (r <= 0)
        return false;
    if (t->fell_back) { /* wolfSSL would know of it, but not say why */
        fail_plainly(t, "TLS error: the client fell back to an older version than both have", ALERT_INAPPROPRIATE_FALLBACK);
        return false;
    }
    if (t->ctx->require_sni && !t->sni) {
        fail_plainly(t, "TLS error: the client names no server", ALERT_UNRECOGNIZED_NAME);
        return false;
    }
    if (!sp_tls_staple_decide(t)) {
        fail_plainly(t, "TLS error: there is no current OCSP response to staple", ALERT_INTERNAL_ERROR);
        t->failure = SP_TLS_FAIL_STAPLE;
        return false;
    }
    return start(t);
}

/* A client's: in a copy, since sessions, and through them other connections of other threads, may have this one too. */
static bool judge_copy(struct sp_tls *t)
{
    const struct sp_tls_peer *old = t->peer;
    struct sp_str ders[SP_X509_MAX_CHAIN] = {old->cert.der};
    const char *why;
    unsigned n = 1;
    for (; n < SP_X509_MAX_CHAIN && n <= old->n_others; n++)
        ders[n] = old->others[n - 1];
    struct sp_tls_peer *copy = sp_tls_peer_new(ders, n, &why);
    assert(copy); /* it could be read before */
    copy->staple_until = old->staple_until;
    copy->curve = old->curve;
    copy->sigalg = old->sigalg;
    sp_tls_peer_unref(t->peer);
    t->peer = copy;
    bool good = sp_tls_judge(t);
    if (t->info)
        sp_tls_peer_tell(copy, t->info);
    return good;
}

/* The certificate that a session brings along was good when the session began; with other CAs or lists, or late, it is judged anew. */
static bool resumed_well(struct sp_tls *t)
{
    if (!t->ctx->verify)
        return true;
    return t->peer && (sp_tls_verify_holds(t->ctx->verify, t->peer->version, t->peer->until) || judge_copy(t));
}

/*
 * Once more, apart from what wolfSSL makes of its options: nobody is let in whose certificate was to be looked at and
 * was not.
 */
static bool admitted(struct sp_tls *t)
{
    if (t->ctx->server)
        return !t->ctx->need_cert || t->judged;
    return (!t->ctx->verify && !t->host) || t->judged || (t->resumed && resumed_well(t));
}

/* Asked once the handshake is done: wolfSSL forgets it later. What is kept is the config's string of the same text. */
static struct sp_str alpn_of(const struct sp_tls *t)
{
    char *name = NULL;
    unsigned short n = 0;
    if (wolfSSL_ALPN_GetProtocol(t->ssl, &name, &n) != WOLFSSL_SUCCESS)
        return SP_STR_NULL;
    for (unsigned i = 0; t->ctx->server && i < t->ctx->params.n_alpn; i++)
        if (sp_str_eq(t->ctx->params.alpn[i], sp_str_n(name, n)))
            return t->ctx->params.alpn[i];
    for (size_t i = 0, len; i < t->offer.len; i += 1 + len) {
        len = (uint8_t)t->offer.ptr[i];
        if (sp_str_eq(sp_str_n(t->offer.ptr + i + 1, len), sp_str_n(name, n)))
            return sp_str_n(t->offer.ptr + i + 1, len);
    }
    return SP_STR_NULL;
}

static const char *curve_name(WOLFSSL *ssl)
{
    static const char *const names[][2] = {
        {"X25519", "X25519"}, {"SECP256R1", "P-256"}, {"SECP384R1", "P-384"}, {"SECP521R1", "P-521"}, {"X25519MLKEM768", "X25519MLKEM768"},
    };
    const char *name = wolfSSL_get_curve_name(ssl);
    for (size_t i = 0; name && i < SP_ARRAY_LEN(names); i++)
        if (strcmp(name, names[i][0]) == 0)
            return names[i][1];
    return "";
}

/* What the peer signed the handshake with. */
static const char *sigalg_name(const struct sp_tls *t)
{
    static const struct {
        int type, hash;
        const char *name;
    } names[] = {
        {NID_X9_62_id_ecPublicKey, NID_sha256, "ecdsa_secp256r1_sha256"}, {NID_X9_62_id_ecPublicKey, NID_sha384, "ecdsa_secp384r1_sha384"},
        {NID_X9_62_id_ecPublicKey, NID_sha512, "ecdsa_secp521r1_sha512"}, {NID_rsassaPss, NID_sha256, "rsa_pss_rsae_sha256"},
        {NID_rsassaPss, NID_sha384, "rsa_pss_rsae_sha384"},               {NID_rsassaPss, NID_sha512, "rsa_pss_rsae_sha512"},
        {NID_rsaEncryption, NID_sha256, "rsa_pkcs1_sha256"},              {NID_rsaEncryption, NID_sha384, "rsa_pkcs1_sha384"},
        {NID_rsaEncryption, NID_sha512, "rsa_pkcs1_sha512"},
    };
    int type = 0, hash = 0;
    if (!t->peer || wolfSSL_get_peer_signature_type_nid(t->ssl, &type) != WOLFSSL_SUCCESS)
        return "";
    if (type == NID_ED25519)
        return "ed25519";
    if (wolfSSL_get_peer_signature_nid(t->ssl, &hash) != WOLFSSL_SUCCESS)
        return "";
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        if (names[i].type == type && names[i].hash == hash)
            return names[i].name;
    return "";
}

/* What a session brings along with the certificate: Envoy counts these with each of its connections. */
static void note_algorithms(struct sp_tls *t)
{
    if (t->resumed || !t->peer)
        return;
    t->peer->curve = curve_name(t->ssl);
    t->peer->sigalg = sigalg_name(t);
}

/* wolfSSL stops when its Finished is sent. Who resumes shows no certificate, so that there is nothing more to be judged. */
static bool begins_early(struct sp_tls *t)
{
    if (SP_LIKELY(!t->early_taken) || t->state == SP_TLS_EARLY)
        return false;
    t->resumed = true;
    t->alpn = alpn_of(t);
    sp_tls_records_begin(t);
    t->lends = false; /* not before it is open */
    t->state = SP_TLS_EARLY;
    return true;
}

static void handshake(struct sp_tls *t)
{
    if (!t->ssl && !(t->ctx->server ? start_server(t) : start(t)))
        return;
    int r = t->ctx->server ? wolfSSL_accept(t->ssl) : wolfSSL_connect(t->ssl);
    if (r == WOLFSSL_SUCCESS) {
        if (begins_early(t))
            return;
        t->resumed = wolfSSL_session_reused(t->ssl) != 0;
        if (!admitted(t)) {
            fail(t, NO_PEER_CERT);
            return;
        }
        t->alpn = alpn_of(t);
        note_algorithms(t);
        if (!sp_tls_stapled_settle(t)) {
            fail(t, 0);
            t->failure = SP_TLS_FAIL_VERIFY_CA;
            return;
        }
        sp_tls_keep12(t);
        sp_tls_records_begin(t);
        t->opened = true;
        t->state = SP_TLS_OPEN;
        return;
    }
    int err = wolfSSL_get_error(t->ssl, r);
    if (t->why || (err != WOLFSSL_ERROR_WANT_READ && err != WOLFSSL_ERROR_WANT_WRITE))
        fail(t, err);
}

static void read_early(struct sp_tls *t, struct sp_buf *app_in, size_t high_water)
{
    int r = sp_tls_early_read(t, app_in, high_water);
    if (r > 0)
        handshake(t); /* its end: tickets */
    else if (r < 0)
        fail(t, r);
}

static void read_data(struct sp_tls *t, struct sp_buf *app_in, size_t high_water)
{
    int err = sp_tls_read_data(t, app_in, high_water);
    if (err == WOLFSSL_ERROR_ZERO_RETURN)
        t->state = SP_TLS_CLOSED;
    else if (err)
        fail(t, err);
}

static void write_data(struct sp_tls *t, struct sp_buf *app_out, size_t high_water)
{
    int err = sp_tls_write_data(t, app_out, high_water);
    if (err)
        fail(t, err);
}

enum sp_tls_state sp_tls_pump(struct sp_tls *t, struct sp_buf *net_in, struct sp_buf *app_in, struct sp_buf *app_out,
                              struct sp_buf *net_out, size_t high_water)
{
    assert(t && net_in && app_in && app_out && net_out && high_water > 0);
    t->in = net_in;
    t->out = net_out;
    if (t->state == SP_TLS_HANDSHAKE)
        handshake(t);
    if (SP_UNLIKELY(t->state == SP_TLS_EARLY))
        read_early(t, app_in, high_water);
    if (t->state == SP_TLS_OPEN)
        read_data(t, app_in, high_water);
    if ((t->state == SP_TLS_OPEN || t->state == SP_TLS_CLOSED || t->state == SP_TLS_EARLY) && !t->shut)
        write_data(t, app_out, high_water);
    if (t->state == SP_TLS_CLOSED || t->state == SP_TLS_FAILED)
        sp_buf_clear(net_in); /* nothing behind it can mean anything */
    t->in = t->out = NULL;
    return t->state;
}

void sp_tls_shutdown(struct sp_tls *t, struct sp_buf *net_out)
{
    assert(t && net_out);
    if (t->shut || !t->opened || t->state == SP_TLS_FAILED)
        return;
    struct sp_buf none;
    sp_buf_init(&none);
    t->in = &none;
    t->out = net_out;
    wolfSSL_shutdown(t->ssl);
    t->shut = true;
    t->in = t->out = NULL;
}

enum sp_tls_state sp_tls_eof(struct sp_tls *t)
{
    assert(t);
    if (t->state == SP_TLS_HANDSHAKE || t->state == SP_TLS_EARLY || t->state == SP_TLS_OPEN) {
        t->why = t->state == SP_TLS_OPEN ? "TLS error: the peer closed the connection without close_notify"
                                         : "TLS error: the peer closed the connection during the handshake";
        fail(t, 0);
        t->failure = SP_TLS_FAIL_EOF;
    }
    return t->state;
}

struct sp_str sp_tls_error(const struct sp_tls *t)
{
    assert(t);
    return sp_str_c(t->text);
}

enum sp_tls_fail sp_tls_failure(const struct sp_tls *t)
{
    assert(t);
    return t->failure;
}

bool sp_tls_resumed(const struct sp_tls *t)
{
    assert(t);
    return t->resumed;
}

struct sp_str sp_tls_peer_der(struct sp_tls *t)
{
    assert(t);
    return t->peer ? t->peer->cert.der : SP_STR_NULL;
}

const struct sp_str *sp_tls_peer_others(struct sp_tls *t, unsigned *ret_n)
{
    assert(t && ret_n);
    *ret_n = t->peer ? t->peer->n_others : 0;
    return t->peer ? t->peer->others : NULL;
}

struct sp_str sp_tls_peer_issuer_der(struct sp_tls *t)
{
    assert(t);
    return t->peer ? t->peer->issuer_der : SP_STR_NULL;
}

enum sp_tls_staple sp_tls_stapled(const struct sp_tls *t)
{
    assert(t);
    return (enum sp_tls_staple)t->staple;
}

int64_t sp_tls_stapled_until(const struct sp_tls *t)
{
    assert(t);
    return t->peer ? t->peer->staple_until : 0;
}

bool sp_tls_staple_ran_out(const struct sp_tls *t, int64_t now)
{
    assert(t);
    return t->ctx->verify && sp_tls_verify_staples(t->ctx->verify) == SP_TLS_STRICT_STAPLES && now > sp_tls_stapled_until(t);
}

enum sp_tls_state sp_tls_state(const struct sp_tls *t)
{
    assert(t);
    return (enum sp_tls_state)t->state;
}

void sp_tls_distrust(struct sp_tls *t, const char *why)
{
    assert(t && t->opened && why);
    char text[256];
    snprintf(text, sizeof(text), "TLS error: certificate verification failed: %s", why);
    free(t->text);
    t->text = sp_xstrdup(text);
    t->state = SP_TLS_FAILED;
    t->failure = SP_TLS_FAIL_VERIFY_CA;
}

bool sp_tls_still_good(struct sp_tls *t)
{
    assert(t && (t->opened || t->state == SP_TLS_EARLY));
    if (!t->peer || !t->ctx->verify || sp_tls_verify_holds(t->ctx->verify, t->peer->version, t->peer->until))
        return true;
    bool good = t->ctx->server ? sp_tls_judge(t) : judge_copy(t);
    if (t->info)
        t->info->peer_verified = t->peer->verified;
    if (!good) {
        free(t->text);
        t->failure = (uint8_t)kind_of(t, 0);
        t->text = sp_tls_explain(t, 0);
    }
    return good;
}

static const char *cipher_name(WOLFSSL *ssl, bool tls13)
{
    WOLFSSL_CIPHER *c = wolfSSL_get_current_cipher(ssl);
    const char *name = tls13 ? wolfSSL_get_cipher_name_iana_from_suite(
                                   (unsigned char)(wolfSSL_CIPHER_get_id(c) >> 8), (unsigned char)wolfSSL_CIPHER_get_id(c))
                             : wolfSSL_get_cipher_name(ssl);
    return name ? name : "";
}

const struct sp_tls_info *sp_tls_get_info(struct sp_tls *t)
{
    static const struct sp_tls_info nothing;
    assert(t);
    if (!t->opened && t->state != SP_TLS_EARLY)
        return &nothing;
    if (t->info)
        return t->info;
    struct sp_tls_info *info = sp_xcalloc(1, sizeof(*info));
    info->version = sp_str_c(wolfSSL_get_version(t->ssl));
    info->cipher = sp_str_c(cipher_name(t->ssl, sp_str_eq(info->version, SP_STR("TLSv1.3"))));
    bool tls12 = wolfSSL_version(t->ssl) == TLS1_2_VERSION;
    info->curve = sp_str_c(t->resumed && tls12 ? (t->peer ? t->peer->curve : NULL) : curve_name(t->ssl));
    info->peer_sigalg = sp_str_c(t->peer ? t->peer->sigalg : NULL);
    info->staple_asked = t->ctx->server && t->wants_staple && !t->resumed;
    info->stapled = t->stapled && !t->resumed;
    info->sni = sp_str_c(t->sni);
    info->alpn = t->alpn;
    sp_tls_peer_tell(t->peer, info);
    if (t->member->has_cert) {
        info->local_subject = t->member->subject;
        info->local_uri = t->member->leaf.uri, info->n_local_uri = t->member->leaf.n_uri;
        info->local_dns = t->member->leaf.dns, info->n_local_dns = t->member->leaf.n_dns;
    }
    t->info = info;
    return info;
}
