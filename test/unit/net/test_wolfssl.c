/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What scripts/deps changes in wolfSSL for speed and size: X25519 keys from Ed25519's tables, tables for public keys of P-256
 * that come again, one random generator a thread, no copy of the peer's certificate, no hash of a handshake that nobody needs, wiping
 * by memset. Records in borrowed memory: test_tls_data.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/curve25519.h>
#include <wolfssl/wolfcrypt/ecc.h>

#include "crypto/cert_gen.h"
#include "crypto/ct.h"
#include "crypto/rng.h"
#include "crypto/thread_tables.h"
#include "tls_kit.h"

enum { KEY = CURVE25519_KEYSIZE };

static void public_of(const uint8_t secret[KEY], uint8_t out[KEY])
{
    uint8_t s[KEY];
    memcpy(s, secret, KEY);
    s[0] &= 248;
    s[KEY - 1] = (uint8_t)((s[KEY - 1] & 127) | 64);
    assert_int_equal(wc_curve25519_make_pub(KEY, out, KEY, s), 0);
}

/* RFC 7748 section 6.1. */
static void x25519_vectors(void **state)
{
    static const uint8_t alice[KEY] = {0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45,
                                       0xdf, 0x4c, 0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a};
    static const uint8_t alice_public[KEY] = {0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d,
                                              0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf, 0x3a, 0x0d, 0x26, 0x38,
                                              0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a};
    uint8_t out[KEY];
    public_of(alice, out);
    assert_memory_equal(out, alice_public, KEY);
}

/* The other way to the same: the ladder, which the tables stand in for. */
static void x25519_as_the_ladder(void **state)
{
    static const uint8_t base[KEY] = {9};
    uint8_t s[KEY], fast[KEY], slow[KEY];
    for (unsigned i = 0; i < 500; i++) {
        memset(s, i & 1 ? 0xff : 0, KEY); /* the ends first */
        if (i > 1)
            sp_random_bytes(s, KEY);
        public_of(s, fast);
        s[0] &= 248;
        s[KEY - 1] = (uint8_t)((s[KEY - 1] & 127) | 64);
        assert_int_equal(wc_curve25519_generic(KEY, slow, KEY, s, KEY, base), 0);
        assert_memory_equal(fast, slow, KEY);
    }
}

/* More keys than there are tables, most of them again and again; every answer is the right one before, while and after. */
static void p256_keys_that_come_again(void **state)
{
    enum { KEYS = 24, ROUNDS = 12, DIGEST = 32 };
    static ecc_key keys[KEYS];
    static uint8_t sigs[KEYS][ECC_MAX_SIG_SIZE], digests[KEYS][DIGEST];
    word32 lens[KEYS];
    for (unsigned i = 0; i < KEYS; i++) {
        assert_int_equal(wc_ecc_init(&keys[i]), 0);
        assert_int_equal(wc_ecc_make_key_ex(sp_thread_rng(), 32, &keys[i], ECC_SECP256R1), 0);
        sp_random_bytes(digests[i], DIGEST);
        lens[i] = ECC_MAX_SIG_SIZE;
        assert_int_equal(wc_ecc_sign_hash(digests[i], DIGEST, sigs[i], &lens[i], sp_thread_rng(), &keys[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < KEYS; i++)
            for (unsigned again = 0; again < 1 + i % 3; again++) {
                int good = 0;
                assert_int_equal(wc_ecc_verify_hash(sigs[i], lens[i], digests[i], DIGEST, &good, &keys[i]), 0);
                assert_int_equal(good, 1);
                assert_int_equal(wc_ecc_verify_hash(sigs[i], lens[i], digests[(i + 1) % KEYS], DIGEST, &good, &keys[i]), 0);
                assert_int_equal(good, 0);
                if (wc_ecc_verify_hash(sigs[i], lens[i], digests[i], DIGEST, &good, &keys[(i + 1) % KEYS]) == 0)
                    assert_int_equal(good, 0);
            }
    for (unsigned i = 0; i < KEYS; i++)
        wc_ecc_free(&keys[i]);
}

static void *verify_once(void *arg)
{
    enum { DIGEST = 32 };
    size_t *held = arg;
    ecc_key key;
    uint8_t sig[ECC_MAX_SIG_SIZE], digest[DIGEST] = {1};
    word32 len = sizeof(sig);
    int good = 0;
    held[0] = sp_thread_tables_held();
    if (wc_ecc_init(&key) != 0 || wc_ecc_make_key_ex(sp_thread_rng(), 32, &key, ECC_SECP256R1) != 0 ||
        wc_ecc_sign_hash(digest, DIGEST, sig, &len, sp_thread_rng(), &key) != 0)
        return NULL;
    for (unsigned i = 0; i < 4; i++)
        if (wc_ecc_verify_hash(sig, len, digest, DIGEST, &good, &key) != 0 || !good)
            return NULL;
    held[1] = sp_thread_tables_held();
    wc_ecc_free(&key);
    return arg;
}

/* A thread has no tables before it verifies, and gives them back at its end, which the address sanitizer sees to. */
static void tables_when_they_are_needed(void **state)
{
    size_t held[2] = {1, 0};
    pthread_t t;
    void *well;
    assert_int_equal(pthread_create(&t, NULL, verify_once, held), 0);
    pthread_join(t, &well);
    assert_ptr_equal(well, held);
    assert_int_equal(held[0], 0);
#if defined(__x86_64__) && !defined(KEEP_PEER_CERT)
    assert_true(held[1] > 0);
#endif
}

struct drawn {
    WC_RNG *rng;
    uint8_t bytes[32];
};

static void *draw(void *arg)
{
    struct drawn *d = arg;
    d->rng = sp_thread_rng();
    if (wc_RNG_GenerateBlock(sp_thread_rng(), d->bytes, sizeof(d->bytes)) != 0)
        d->rng = NULL;
    return NULL;
}

static void one_generator_a_thread(void **state)
{
    struct drawn here = {0}, there = {0};
    pthread_t t;
    draw(&here);
    assert_int_equal(pthread_create(&t, NULL, draw, &there), 0);
    pthread_join(t, NULL);
    assert_non_null(here.rng);
    assert_non_null(there.rng);
    assert_ptr_equal(here.rng, sp_thread_rng());
    assert_memory_not_equal(here.bytes, there.bytes, sizeof(here.bytes));
}

static void connections_borrow_it(void **state)
{
#ifdef KEEP_PEER_CERT
    skip(); /* a wolfSSL that scripts/deps did not build */
#else
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    WOLFSSL *one = wolfSSL_new(ctx), *two = wolfSSL_new(ctx);
    assert_non_null(one);
    assert_ptr_equal(wolfSSL_GetRNG(one), sp_thread_rng());
    assert_ptr_equal(wolfSSL_GetRNG(two), sp_thread_rng());
    wolfSSL_free(one);
    wolfSSL_free(two);
    uint8_t byte;
    assert_int_equal(wc_RNG_GenerateBlock(sp_thread_rng(), &byte, 1), 0);
    wolfSSL_CTX_free(ctx);
#endif
}

/* ---- handshakes by each hash: a server of TLS 1.3 keeps no other, one of TLS 1.2 all that a client may sign by ---- */

struct pipe {
    uint8_t bytes[65536];
    size_t n, at;
};

struct meeting {
    WOLFSSL *client, *server;
    struct pipe up, down;
};

static int pipe_read(WOLFSSL *ssl, char *out, int size, void *ctx)
{
    struct pipe *p = ctx;
    size_t n = p->n - p->at < (size_t)size ? p->n - p->at : (size_t)size;
    memcpy(out, p->bytes + p->at, n);
    p->at += n;
    return n ? (int)n : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int pipe_write(WOLFSSL *ssl, char *in, int size, void *ctx)
{
    struct pipe *p = ctx;
    assert_true(p->n + (size_t)size <= sizeof(p->bytes));
    memcpy(p->bytes + p->n, in, (size_t)size);
    p->n += (size_t)size;
    return size;
}

static void side(WOLFSSL *ssl, struct pipe *in, struct pipe *out)
{
    assert_non_null(ssl);
    wolfSSL_SSLSetIORecv(ssl, pipe_read);
    wolfSSL_SSLSetIOSend(ssl, pipe_write);
    wolfSSL_SetIOReadCtx(ssl, in);
    wolfSSL_SetIOWriteCtx(ssl, out);
}

/* True: both are content with the handshake, and a byte went each way, and so did the server's ticket. */
static bool meet(struct meeting *m)
{
    int c = 0, s = 0;
    char byte = 0;
    for (unsigned i = 0; i < 10 && (c != WOLFSSL_SUCCESS || s != WOLFSSL_SUCCESS); i++) {
        c = wolfSSL_connect(m->client);
        s = wolfSSL_accept(m->server);
    }
    return c == WOLFSSL_SUCCESS && s == WOLFSSL_SUCCESS && wolfSSL_write(m->server, "s", 1) == 1 && wolfSSL_read(m->client, &byte, 1) == 1 &&
           byte == 's' && wolfSSL_write(m->client, "c", 1) == 1 && wolfSSL_read(m->server, &byte, 1) == 1 && byte == 'c';
}

static WOLFSSL_CTX *context(WOLFSSL_METHOD *method, const char *cert, bool ask)
{
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
    const struct sp_made_cert *own = kit_cert(cert), *ca = kit_cert("ca");
    assert_non_null(ctx);
    assert_int_equal(wolfSSL_CTX_use_certificate_buffer(ctx, (const uint8_t *)own->cert_pem.ptr, (long)own->cert_pem.len, WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const uint8_t *)own->key_pem.ptr, (long)own->key_pem.len, WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    assert_int_equal(wolfSSL_CTX_load_verify_buffer(ctx, (const uint8_t *)ca->cert_pem.ptr, (long)ca->cert_pem.len, WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    wolfSSL_CTX_set_verify(ctx, ask ? WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT : WOLFSSL_VERIFY_NONE, NULL);
    return ctx;
}

static int turn_bits(WOLFSSL *ssl, unsigned char *name, unsigned char *iv, unsigned char *mac, int seal, unsigned char *p, int size,
                        int *ret_size, void *arg)
{
    if (seal) { /* wolfSSL refuses zeros */
        memset(name, 1, WOLFSSL_TICKET_NAME_SZ);
        memset(iv, 1, WOLFSSL_TICKET_IV_SZ);
        memset(mac, 1, WOLFSSL_TICKET_MAC_SZ);
    }
    for (int i = 0; i < size; i++)
        p[i] ^= 0xff;
    *ret_size = size;
    return WOLFSSL_TICKET_RET_OK;
}

/* `retry`: the client's first key is for a group that the server does not take. */
static void by_suite(const char *suite, bool retry)
{
    WOLFSSL_CTX *sc = context(wolfTLSv1_3_server_method(), "server", false), *cc = context(wolfTLSv1_3_client_method(), "client", true);
    WOLFSSL_SESSION *session = NULL;
    int x25519 = WOLFSSL_ECC_X25519;
    assert_int_equal(wolfSSL_CTX_set_cipher_list(cc, suite), WOLFSSL_SUCCESS);
    wolfSSL_CTX_set_TicketEncCb(sc, turn_bits);
    if (retry)
        assert_int_equal(wolfSSL_CTX_set_groups(sc, &x25519, 1), WOLFSSL_SUCCESS);
    for (unsigned round = 0; round < 3; round++) {
        static struct meeting m;
        m = (struct meeting){wolfSSL_new(cc), wolfSSL_new(sc), {.n = 0}, {.n = 0}};
        side(m.client, &m.down, &m.up);
        side(m.server, &m.up, &m.down);
        assert_int_equal(wolfSSL_UseKeyShare(m.client, retry ? WOLFSSL_ECC_SECP256R1 : WOLFSSL_ECC_X25519), WOLFSSL_SUCCESS);
        if (session)
            assert_int_equal(wolfSSL_set_session(m.client, session), WOLFSSL_SUCCESS);
        if (!meet(&m))
            fail_msg("%s, round %u: %d, %d", suite, round, wolfSSL_get_error(m.client, 0), wolfSSL_get_error(m.server, 0));
        assert_int_equal(wolfSSL_session_reused(m.server) != 0, round > 0);
        wolfSSL_SESSION_free(session);
        session = wolfSSL_get1_session(m.client);
        wolfSSL_free(m.client);
        wolfSSL_free(m.server);
    }
    wolfSSL_SESSION_free(session);
    wolfSSL_CTX_free(cc);
    wolfSSL_CTX_free(sc);
}

static void tls13_by_each_hash(void **state)
{
    static const char *const suites[] = {"TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384", "TLS13-CHACHA20-POLY1305-SHA256"};
    for (size_t i = 0; i < SP_ARRAY_LEN(suites); i++) {
        by_suite(suites[i], false);
        by_suite(suites[i], true);
    }
}

/* A server that could speak TLS 1.3 talks TLS 1.2 with a client that shows a certificate, and signs by the hash asked for. */
static void tls12_client_signs_by_each_hash(void **state)
{
    static const char *const algorithms[] = {"ECDSA+SHA256", "ECDSA+SHA384", "ECDSA+SHA512"};
    static const int hashes[] = {NID_sha256, NID_sha384, NID_sha512};
    for (size_t i = 0; i < SP_ARRAY_LEN(algorithms); i++) {
        static struct meeting m;
        int hash = 0;
        WOLFSSL_CTX *sc = context(wolfSSLv23_server_method(), "server", true), *cc = context(wolfTLSv1_2_client_method(), "client", true);
        assert_int_equal(wolfSSL_CTX_set1_sigalgs_list(sc, algorithms[i]), WOLFSSL_SUCCESS);
        m = (struct meeting){wolfSSL_new(cc), wolfSSL_new(sc), {.n = 0}, {.n = 0}};
        side(m.client, &m.down, &m.up);
        side(m.server, &m.up, &m.down);
        if (!meet(&m))
            fail_msg("%s: %d, %d", algorithms[i], wolfSSL_get_error(m.client, 0), wolfSSL_get_error(m.server, 0));
        assert_int_equal(wolfSSL_get_peer_signature_nid(m.server, &hash), WOLFSSL_SUCCESS);
        assert_int_equal(hash, hashes[i]);
        wolfSSL_free(m.client);
        wolfSSL_free(m.server);
        wolfSSL_CTX_free(cc);
        wolfSSL_CTX_free(sc);
    }
}

/* By memset, and yet never left out because nobody seems to look again. */
static void keys_are_wiped(void **state)
{
    static const uint8_t zeros[KEY];
    curve25519_key k;
    assert_int_equal(wc_curve25519_init(&k), 0);
    assert_int_equal(wc_curve25519_make_key(sp_thread_rng(), KEY, &k), 0);
    assert_memory_not_equal(k.k, zeros, KEY);
    wc_curve25519_free(&k);
    assert_memory_equal(k.k, zeros, KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x25519_vectors),         cmocka_unit_test(x25519_as_the_ladder), cmocka_unit_test(p256_keys_that_come_again),
        cmocka_unit_test(tables_when_they_are_needed), cmocka_unit_test(keys_are_wiped),
        cmocka_unit_test(one_generator_a_thread), cmocka_unit_test(connections_borrow_it),
        cmocka_unit_test(tls13_by_each_hash),     cmocka_unit_test(tls12_client_signs_by_each_hash),
    };
    wolfSSL_Init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    wolfSSL_Cleanup();
    return r;
}
