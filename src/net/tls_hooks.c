/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_hooks.h"

#include <assert.h>
#include <stdlib.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>

#include "base/mem.h"
#include "net/client_hello.h"
#include "net/tls_choose.h"
#include "net/tls_early.h"
#include "net/tls_records.h"
#include "net/tls_sessions.h"

enum {
    HANDSHAKE_MAX = 128 * 1024, /* bytes a peer may send before its handshake is done */
    EARLY_MAX = 32 * 1024,      /* of early data that is passed over: servers offer to take 16 KiB */
    QUIET_MAX = 32,             /* records without data in a row: key updates, tickets, empty ones */
    WASTED_MAX = 256,           /* of them in all, but those that data made up for */
    RECORD_HEAD = 5,
};

enum { RECORD_CHANGE_CIPHER_SPEC = 20, RECORD_HANDSHAKE = 22, RECORD_DATA = 23 };
enum { MSG_CLIENT_HELLO = 1, MSG_CERTIFICATE = 11, MSG_CERTIFICATE_VERIFY = 15, MSG_CLIENT_KEY_EXCHANGE = 16 };
enum { RANK_VERIFY = 4 };

/* RFC 8446 section 4.1.3: the random bytes of a ServerHello that is a HelloRetryRequest. */
static const uint8_t retry_random[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                         0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                         0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};

int sp_tls_hello(struct sp_tls *t, struct sp_arena *arena, const struct sp_tls_member **ret_choice)
{
    struct sp_client_hello hello;
    /* cppcheck-suppress uninitvar; it does not look behind the choice of a function */
    int r = (t->retried ? sp_client_hello_parse_again : sp_client_hello_parse)(t->in, arena, &hello, &t->why);
    if (r <= 0)
        return r;
    struct sp_str before = sp_str_c(t->sni);
    if (t->retried && !sp_str_eq(before, hello.sni)) {
        t->why = "TLS error: the second ClientHello has another server name";
        return -1;
    }
    if (!t->retried && hello.sni.len)
        t->sni = sp_str_dup(hello.sni);
    if (ret_choice)
        *ret_choice = sp_tls_choose(t->ctx, &hello);
    t->odd_ticket = hello.odd_ticket;
    t->fell_back = hello.fallback && !hello.tls13 && t->ctx->params.tls13;
    t->early = t->retried ? t->early : hello.early_data;
    t->wants_staple = hello.wants_staple;
    t->tls12 = !hello.tls13 || !t->ctx->params.tls13;
    t->hello_due = false;
    return 1;
}

/* The order of a client's messages that TLS 1.2 sends in the clear (RFC 5246 section 7.3); 0: no such message. */
static unsigned rank_of(uint8_t type)
{
    switch (type) {
    case MSG_CLIENT_HELLO:
        return 1;
    case MSG_CERTIFICATE:
        return 2;
    case MSG_CLIENT_KEY_EXCHANGE:
        return 3;
    case MSG_CERTIFICATE_VERIFY:
        return RANK_VERIFY;
    default:
        return 0;
    }
}

/*
 * wolfSSL takes a CertificateVerify before the ClientKeyExchange (CVE-2026-2645), when there is nothing yet that it
 * could have signed.  Until the peer's ChangeCipherSpec its messages can be read here; p is the content of a record.
 */
static bool in_order(struct sp_tls *t, const uint8_t *p, size_t n)
{
    struct sp_tls_messages *m = &t->messages;
    while (n) {
        if (m->left) {
            size_t k = SP_MIN(n, (size_t)m->left);
            m->left -= (uint32_t)k;
            p += k;
            n -= k;
            continue;
        }
        m->head[m->n_head++] = *p++;
        n--;
        if (m->n_head < sizeof(m->head))
            continue;
        m->n_head = 0;
        m->left = (uint32_t)m->head[1] << 16 | (uint32_t)m->head[2] << 8 | m->head[3];
        unsigned rank = rank_of(m->head[0]);
        bool second_hello = rank == 1 && t->retried; /* read before it came here */
        if ((rank <= m->rank && !second_hello) || (rank == RANK_VERIFY && m->rank != RANK_VERIFY - 1))
            return false;
        m->rank = (uint8_t)rank;
    }
    return true;
}

static bool clear_body(struct sp_tls *t, const uint8_t *p, size_t n)
{
    uint8_t type = t->frame.head[0];
    if (type == RECORD_CHANGE_CIPHER_SPEC && !t->hello_due && !t->retried)
        t->messages.over = true;
    return type != RECORD_HANDSHAKE || t->messages.over || in_order(t, p, n);
}

/* Follows the records in what wolfSSL takes. False: t->why. */
static bool follow(struct sp_tls *t, const uint8_t *p, size_t n)
{
    struct sp_tls_frame *f = &t->frame;
    while (n) {
        size_t k;
        if (f->n_head < RECORD_HEAD) {
            if (f->n_head == 0 && t->opened && (++t->quiet > QUIET_MAX || t->wasted > WASTED_MAX)) {
                t->why = "TLS error: too many records without data";
                return false;
            }
            k = SP_MIN(n, (size_t)RECORD_HEAD - f->n_head);
            memcpy(f->head + f->n_head, p, k);
            f->n_head = (uint8_t)(f->n_head + k);
            if (f->n_head == RECORD_HEAD)
                f->left = (uint16_t)(f->head[3] << 8 | f->head[4]);
        } else {
            k = SP_MIN(n, (size_t)f->left);
            f->left = (uint16_t)(f->left - k);
            if (!t->opened && t->ctx->server && !clear_body(t, p, k)) {
                t->why = "TLS error: a handshake message out of order";
                return false;
            }
        }
        if (f->n_head == RECORD_HEAD && f->left == 0)
            f->n_head = 0;
        p += k;
        n -= k;
    }
    return true;
}

static bool take_early(struct sp_tls *t, size_t size)
{
    if (!t->early || size > EARLY_MAX + sp_tls_early_most(t->ctx->early) - t->early_in)
        return false;
    t->early_in += (uint32_t)size;
    return true;
}

int sp_tls_skip_early(WOLFSSL *ssl, unsigned size)
{
    return take_early(wolfSSL_GetIOReadCtx(ssl), size);
}

/* Early data before a second ClientHello: all records of data, and what stands for middleboxes before them. False: one is not whole yet. */
static bool drop_early(struct sp_tls *t)
{
    uint8_t head[RECORD_HEAD];
    size_t n;
    while (t->retried && t->early && (n = sp_buf_peek(t->in, head, RECORD_HEAD)) > 0 &&
           (head[0] == RECORD_DATA || head[0] == RECORD_CHANGE_CIPHER_SPEC)) {
        size_t whole = RECORD_HEAD + (n == RECORD_HEAD ? (size_t)head[3] << 8 | head[4] : 0);
        if (n < RECORD_HEAD || t->in->len < whole)
            return t->in->len > EARLY_MAX;
        if (!take_early(t, whole))
            return true; /* to be refused for what it is */
        sp_buf_drain(t->in, whole);
    }
    return true;
}

static int on_recv(WOLFSSL *ssl, char *out, int size, void *ctx)
{
    struct sp_tls *t = ctx;
    if (t->hello_due) {
        struct sp_arena arena;
        if (!drop_early(t))
            return WOLFSSL_CBIO_ERR_WANT_READ;
        sp_arena_init(&arena);
        int r = sp_tls_hello(t, &arena, NULL);
        sp_arena_done(&arena);
        if (r <= 0)
            return r < 0 ? WOLFSSL_CBIO_ERR_GENERAL : WOLFSSL_CBIO_ERR_WANT_READ;
    }
    size_t n = SP_MIN((size_t)size, t->in->len);
    if (n == 0)
        return WOLFSSL_CBIO_ERR_WANT_READ;
    sp_buf_peek(t->in, out, n);
    if (!t->opened && (t->handshake_in += (uint32_t)n) > HANDSHAKE_MAX) {
        t->why = "TLS error: the peer's handshake is too long";
        return WOLFSSL_CBIO_ERR_GENERAL;
    }
    if (!follow(t, (const uint8_t *)out, n))
        return WOLFSSL_CBIO_ERR_GENERAL;
    sp_buf_drain(t->in, n);
    return (int)n;
}

static bool is_retry(const char *p, size_t n)
{
    return n > 11 + sizeof(retry_random) && p[0] == 22 && p[5] == 2 &&
           memcmp(p + 11, retry_random, sizeof(retry_random)) == 0;
}

/* Takes everything, always: wolfSSL would send what was refused once more and believe that a new buffer begins with it. */
static int on_send(WOLFSSL *ssl, char *p, int size, void *ctx)
{
    struct sp_tls *t = ctx;
    if (!t->sent && t->ctx->server && is_retry(p, (size_t)size))
        t->retried = t->hello_due = true;
    t->sent = true;
    if (sp_tls_sent_in_place(p, (size_t)size))
        return size;
    if (size <= SP_SMALL_MAX)
        sp_buf_append_small(t->out, p, (size_t)size);
    else
        sp_buf_append(t->out, p, (size_t)size);
    return size;
}

static bool wants_issuer(const struct sp_tls_verify *v)
{
    return v && (sp_tls_verify_asks(v) || sp_tls_verify_staples(v));
}

/* The other certificates are only candidates for the path: one that cannot be read is none. */
bool sp_tls_judge(struct sp_tls *t)
{
    struct sp_tls_peer *p = t->peer;
    struct sp_x509 chain[SP_X509_MAX_CHAIN] = {p->cert};
    struct sp_str host = sp_str_c(t->host);
    struct sp_tls_finding f = {.until = INT64_MAX};
    struct sp_arena arena;
    const char *why = NULL;
    unsigned n = 1;
    sp_arena_init(&arena);
    for (unsigned i = 0; i < p->n_others && n < SP_X509_MAX_CHAIN; i++)
        if (sp_x509_parse(p->others[i], &arena, &chain[n], &why) == 0)
            n++;
    if (t->ctx->verify)
        t->verdict = (uint8_t)sp_tls_verify_peer(t->ctx->verify, chain, n, host, &f);
    else
        t->verdict = host.len && !sp_tls_cert_is_for(chain, host) ? SP_TLS_BAD_NAME : SP_TLS_GOOD;
    t->problem = f.problem;
    p->version = f.version;
    p->until = f.until;
    t->judged = t->verdict == SP_TLS_GOOD;
    p->verified = t->judged && f.trusted;
    if (f.issuer && wants_issuer(t->ctx->verify) && !sp_str_eq(p->issuer_der, f.issuer->der))
        p->issuer_der = sp_arena_str(&p->arena, f.issuer->der);
    sp_arena_done(&arena);
    return t->judged;
}

/* enforce_rsa_key_usage, with or without a trusted_ca: all our ciphers have the server sign. */
static bool cannot_sign(const struct sp_tls *t, const struct sp_x509 *leaf)
{
    return !t->ctx->server && !t->ctx->any_rsa_usage && leaf->key.kind == SP_KEY_RSA && leaf->has_key_usage &&
           !(leaf->key_usage & SP_KU_DIGITAL_SIGNATURE);
}

static bool look_at(struct sp_tls *t, const WOLFSSL_BUFFER_INFO *certs, int n_certs)
{
    struct sp_str ders[SP_X509_MAX_CHAIN];
    const char *why = NULL;
    unsigned n = 0;
    for (int i = 0; i < n_certs && n < SP_X509_MAX_CHAIN; i++)
        ders[n++] = sp_str_n((const char *)certs[i].buffer, certs[i].length);
    sp_tls_peer_unref(t->peer);
    t->peer = sp_tls_peer_new(ders, n, &why);
    if (!t->peer && !t->ctx->verify && !t->host)
        return true; /* nobody asked who it is */
    if (t->peer && cannot_sign(t, &t->peer->cert)) {
        t->why = "TLS error: the keyUsage of the origin's certificate says that its key may not sign";
        return false;
    }
    if (!t->peer) {
        t->verdict = SP_TLS_BAD_CHAIN;
        t->problem = (struct sp_x509_problem){why, 0};
        return false;
    }
    return sp_tls_judge(t);
}

/* What wolfSSL may find wrong because the path and the purpose are ours to judge. */
static bool ours_to_judge(int error)
{
    return error == ASN_NO_SIGNER_E || error == ASN_SELF_SIGNED_E || error == EXTKEYUSE_AUTH_E ||
           error == KEYUSE_SIGNATURE_E;
}

/*
 * wolfSSL keeps the leaf for as long as the connection lives, and in it the key a second time, ready for use: 12 KB of
 * which nobody makes use.
 */
static void drop_spare_key(WOLFSSL_X509 *cert)
{
    WOLFSSL_X509_PUBKEY *k = cert ? wolfSSL_X509_get_X509_PUBKEY(cert) : NULL;
    if (!k)
        return;
    wolfSSL_EVP_PKEY_free(k->pkey);
    k->pkey = NULL;
}

/*
 * wolfSSL's own set of CAs stays empty, so that it finds no signer for anything and keeps nothing that a peer sent: the
 * path is judged here, with the leaf. Anything else that it found wrong stands.
 */
static int on_verify(int ok, WOLFSSL_X509_STORE_CTX *store)
{
    struct sp_tls *t = store->userCtx;
    if (!ok && !ours_to_judge(store->error))
        return 0;
    if (store->error_depth != 0 || store->totalCerts == 0) /* no certificate: whether that will do is decided elsewhere */
        return 1;
    drop_spare_key(store->current_cert);
    return look_at(t, store->certs, store->totalCerts);
}

/* In our order. Where nothing is common Envoy goes on without ALPN, and so do we. */
static int on_alpn(WOLFSSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned int in_len, void *arg)
{
    struct sp_tls_ctx *ctx = arg;
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    for (unsigned i = 0; i < ctx->params.n_alpn; i++) {
        struct sp_str own = ctx->params.alpn[i];
        for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += 1u + in[at])
            if (sp_str_eq(own, sp_str_n((const char *)in + at + 1, in[at]))) {
                *out = (const unsigned char *)own.ptr;
                *out_len = (unsigned char)own.len;
                t->alpn_at = (uint8_t)(i + 1);
                return SSL_TLSEXT_ERR_OK;
            }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static int on_ticket(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int seal, unsigned char *p,
                     int size, int *ret_size, void *arg)
{
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    struct sp_tls_tickets *tickets = t->ctx->tickets;
    struct sp_str binding = sp_str_c(t->sni);
    if (!tickets || size <= 0 || (!seal && t->odd_ticket))
        return WOLFSSL_TICKET_RET_REJECT;
    /* To seal, *ret_size is the room there is. */
    struct sp_ticket_parts parts = {name, iv, mac, p, (size_t)size, (size_t)SP_MAX(size, seal ? *ret_size : 0), (uint8_t)(t->ctx->early ? t->alpn_at : 0)};
    size_t n = 0;
    uint64_t now_s = sp_tls_tickets_now(tickets);
    bool good = seal ? sp_tls_ticket_seal(tickets, now_s, binding, &parts, &n)
                     : sp_tls_ticket_open(tickets, now_s, binding, &parts, &n);
    if (!good)
        return seal ? WOLFSSL_TICKET_RET_FATAL : WOLFSSL_TICKET_RET_REJECT;
    *ret_size = (int)n;
    return WOLFSSL_TICKET_RET_OK;
}

/* A ticket came, after the handshake: whoever is on the other side has been judged. */
static int on_session(WOLFSSL *ssl, WOLFSSL_SESSION *session)
{
    struct sp_tls *t = wolfSSL_GetIOReadCtx(ssl);
    if (t->opened && t->ctx->sessions && wolfSSL_version(ssl) == TLS1_3_VERSION)
        sp_tls_sessions_put(t->ctx->sessions, session, false, t->sni, t->host, t->peer, 0);
    return 0; /* what was given here stays wolfSSL's */
}

void sp_tls_keep12(struct sp_tls *t)
{
    assert(t && !t->opened);
    if (!t->ctx->sessions || wolfSSL_version(t->ssl) != TLS1_2_VERSION)
        return;
    bool in_vain = t->offered12 && !t->resumed;
    WOLFSSL_SESSION *session = in_vain ? NULL : wolfSSL_get1_session(t->ssl);
    if (in_vain) /* its ticket may still stand in there, and it kept us from offering TLS 1.3 */
        sp_tls_sessions_drop12(t->ctx->sessions, t->sni, t->host);
    if (session)
        sp_tls_sessions_put(t->ctx->sessions, session, true, t->sni, t->host, t->peer, t->resumed ? t->session_until : 0);
    wolfSSL_SESSION_free(session);
}

bool sp_tls_hooks_ctx(struct sp_tls_ctx *ctx, WOLFSSL_CTX *wolf)
{
    assert(ctx && wolf);
    wolfSSL_CTX_SetIORecv(wolf, on_recv);
    wolfSSL_CTX_SetIOSend(wolf, on_send);
    if (ctx->sessions)
        wolfSSL_CTX_sess_set_new_cb(wolf, on_session);
    if (!ctx->server)
        return true;
    if (ctx->params.n_alpn)
        wolfSSL_CTX_set_alpn_select_cb(wolf, on_alpn, ctx);
    return wolfSSL_CTX_set_TicketEncCb(wolf, on_ticket) == WOLFSSL_SUCCESS;
}

void sp_tls_hooks_conn(struct sp_tls *t)
{
    assert(t && t->ssl);
    int mode = WOLFSSL_VERIFY_NONE;
    if (!t->ctx->server || t->ctx->ask_cert)
        mode = WOLFSSL_VERIFY_PEER;
    if (t->ctx->need_cert)
        mode |= WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    wolfSSL_SetIOReadCtx(t->ssl, t);
    wolfSSL_SetIOWriteCtx(t->ssl, t);
    wolfSSL_SetCertCbCtx(t->ssl, t);
    wolfSSL_set_verify(t->ssl, mode, mode == WOLFSSL_VERIFY_NONE ? NULL : on_verify);
}
