/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/cert_gen.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include "base/mem.h"

enum { DER_MAX = 4096, PEM_MAX = 6144, DAY = 86400, NAME_MAX_LEN = 63 };
enum { GENERAL_NAME_DNS = 0x82, GENERAL_NAME_URI = 0x86, GENERAL_NAME_IP = 0x87 }; /* RFC 5280 section 4.2.1.6 */

/* Appends one name of the SubjectAltName sequence; false when it does not fit (short form lengths are enough). */
static bool put_name(Cert *c, uint8_t tag, const void *value, size_t n)
{
    if (n > 127 || (size_t)c->altNamesSz + n + 2 > sizeof(c->altNames))
        return false;
    c->altNames[c->altNamesSz++] = tag;
    c->altNames[c->altNamesSz++] = (byte)n;
    memcpy(c->altNames + c->altNamesSz, value, n);
    c->altNamesSz += (int)n;
    return true;
}

static bool put_names(Cert *c, uint8_t tag, const char *const *list)
{
    for (; list && *list; list++) {
        uint8_t ip[16];
        size_t n = strlen(*list);
        const void *value = *list;
        if (tag == GENERAL_NAME_IP) {
            n = inet_pton(AF_INET, *list, ip) == 1 ? 4 : inet_pton(AF_INET6, *list, ip) == 1 ? 16 : 0;
            value = ip;
        }
        if (n == 0 || !put_name(c, tag, value, n))
            return false;
    }
    return true;
}

/* The sequence's head comes before its content, whose length is known last: move the content up. */
static bool put_alt_names(Cert *c, const struct sp_cert_request *req)
{
    if (!put_names(c, GENERAL_NAME_DNS, req->dns) || !put_names(c, GENERAL_NAME_URI, req->uri) ||
        !put_names(c, GENERAL_NAME_IP, req->ip))
        return false;
    int n = c->altNamesSz, head = n < 128 ? 2 : n < 256 ? 3 : 4;
    if (n == 0)
        return true;
    if ((size_t)n + (size_t)head > sizeof(c->altNames))
        return false;
    memmove(c->altNames + head, c->altNames, (size_t)n);
    c->altNames[0] = 0x30;
    if (head == 2) {
        c->altNames[1] = (byte)n;
    } else {
        c->altNames[1] = (byte)(0x80 + head - 2);
        c->altNames[head - 1] = (byte)n;
        if (head == 4)
            c->altNames[2] = (byte)(n >> 8);
    }
    c->altNamesSz += head;
    return true;
}

/* wolfSSL takes a whole ASN.1 time: GeneralizedTime, "20261124184444Z". */
static void put_date(byte *out, int *ret_size, int64_t when)
{
    struct tm tm;
    time_t t = (time_t)when;
    char text[20];
    gmtime_r(&t, &tm);
    out[0] = 0x18;
    out[1] = 15;
    size_t n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
    assert(n == 15);
    memcpy(out + 2, text, n);
    *ret_size = 17;
}

static int fill(Cert *c, const struct sp_cert_request *req, const struct sp_made_cert *issuer, ecc_key *key)
{
    int64_t now = time(NULL);
    if (!req->common_name || !req->common_name[0] || strlen(req->common_name) > NAME_MAX_LEN)
        return -EINVAL;
    snprintf(c->subject.commonName, sizeof(c->subject.commonName), "%s", req->common_name);
    c->sigType = CTC_SHA256wECDSA;
    c->isCA = req->is_ca;
    c->selfSigned = !issuer;
    put_date(c->beforeDate, &c->beforeDateSz, req->not_before ? req->not_before : now - DAY);
    put_date(c->afterDate, &c->afterDateSz, req->not_after ? req->not_after : now + 30 * DAY);
    if (!put_alt_names(c, req))
        return -EINVAL;
    const char *usage = req->server && req->client ? "serverAuth,clientAuth" : req->server ? "serverAuth" : "clientAuth";
    int r = wc_SetKeyUsage(c, req->is_ca ? "keyCertSign,cRLSign" : "digitalSignature");
    r |= req->server || req->client ? wc_SetExtKeyUsage(c, usage) : 0;
    r |= wc_SetSubjectKeyIdFromPublicKey_ex(c, ECC_TYPE, key);
    if (issuer) {
        r |= wc_SetIssuerBuffer(c, (const byte *)issuer->cert_der.ptr, (int)issuer->cert_der.len);
        r |= wc_SetAuthKeyIdFromCert(c, (const byte *)issuer->cert_der.ptr, (int)issuer->cert_der.len);
    }
    return r == 0 ? 0 : -EIO;
}

static int sign(Cert *c, const struct sp_made_cert *issuer, ecc_key *key, WC_RNG *rng, byte *der)
{
    ecc_key signer;
    word32 at = 0;
    int n = wc_MakeCert_ex(c, der, DER_MAX, ECC_TYPE, key, rng);
    if (n < 0)
        return -EIO;
    if (!issuer)
        return wc_SignCert_ex(c->bodySz, c->sigType, der, DER_MAX, ECC_TYPE, key, rng);
    if (wc_ecc_init(&signer) != 0)
        return -EIO;
    n = wc_EccPrivateKeyDecode((const byte *)issuer->key_der.ptr, &at, &signer, (word32)issuer->key_der.len);
    if (n == 0)
        n = wc_SignCert_ex(c->bodySz, c->sigType, der, DER_MAX, ECC_TYPE, &signer, rng);
    wc_ecc_free(&signer);
    return n;
}

static bool to_pem(struct sp_arena *a, const byte *der, int n, int type, struct sp_str *ret)
{
    byte *pem = sp_arena_alloc(a, PEM_MAX);
    int len = wc_DerToPem(der, (word32)n, pem, PEM_MAX - 1, type);
    if (len <= 0)
        return false;
    pem[len] = 0;
    *ret = sp_str_n((char *)pem, (size_t)len);
    return true;
}

static int make(const struct sp_cert_request *req, const struct sp_made_cert *issuer, struct sp_arena *a, Cert *c,
                ecc_key *key, WC_RNG *rng, struct sp_made_cert *ret)
{
    struct sp_made_cert m;
    byte *der = sp_arena_alloc(a, DER_MAX), *key_der = sp_arena_alloc(a, DER_MAX);
    if (wc_ecc_make_key_ex(rng, 32, key, ECC_SECP256R1) != 0)
        return -EIO;
    int r = fill(c, req, issuer, key);
    if (r < 0)
        return r;
    int n = sign(c, issuer, key, rng, der), key_n = wc_EccKeyToDer(key, key_der, DER_MAX);
    if (n <= 0 || key_n <= 0 || !to_pem(a, der, n, CERT_TYPE, &m.cert_pem) ||
        !to_pem(a, key_der, key_n, ECC_PRIVATEKEY_TYPE, &m.key_pem))
        return -EIO;
    m.cert_der = sp_str_n((char *)der, (size_t)n);
    m.key_der = sp_str_n((char *)key_der, (size_t)key_n);
    *ret = m;
    return 0;
}

int sp_cert_make(const struct sp_cert_request *req, const struct sp_made_cert *issuer, struct sp_arena *arena,
                 struct sp_made_cert *ret)
{
    assert(req && arena && ret);
    Cert *c = sp_xcalloc(1, sizeof(*c));
    ecc_key key;
    WC_RNG rng;
    int r = -EIO;
    if (wc_InitCert(c) == 0 && wc_InitRng(&rng) == 0) {
        if (wc_ecc_init(&key) == 0) {
            r = make(req, issuer, arena, c, &key, &rng, ret);
            wc_ecc_free(&key);
        }
        wc_FreeRng(&rng);
    }
    free(c);
    return r;
}
