// SPDX-License-Identifier: GPL-2.0-or-later
// verify RSA-KEY.der: what one signature check costs wolfSSL on this machine, in CPU microseconds: "P-256, RSA 2048 (PKCS#1 v1.5)", as JSON.
// The floor of what a verified JWT costs; bench/lib/signatures.py builds it with the wolfSSL that sallyport is built with.
#include <stdio.h>
#include <time.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#define WARM 200
#define TIMES 4000
#define DIGEST_INFO 51  // what PKCS#1 v1.5 signs for SHA-256

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double ecdsa(WC_RNG *rng)
{
    ecc_key key;
    byte digest[32] = {7}, signature[80];
    word32 len = sizeof(signature);
    double start = 0;
    if (wc_ecc_init(&key) || wc_ecc_make_key_ex(rng, 32, &key, ECC_SECP256R1) ||
        wc_ecc_sign_hash(digest, sizeof(digest), signature, &len, rng, &key)) {
        return -1;
    }
    for (int i = 0; i < WARM + TIMES; i++) {
        int good = 0;
        if (i == WARM) {
            start = cpu_us();
        }
        if (wc_ecc_verify_hash(signature, len, digest, sizeof(digest), &good, &key) || !good) {
            return -1;
        }
    }
    return (cpu_us() - start) / TIMES;
}

static double rsa(WC_RNG *rng, const char *path)
{
    RsaKey key;
    byte der[4096];
    word32 at = 0;
    FILE *f = fopen(path, "rb");
    size_t der_len = f ? fread(der, 1, sizeof(der), f) : 0;
    byte info[DIGEST_INFO] = {7}, signature[256], out[256];
    double start = 0;
    if (f) {
        fclose(f);
    }
    if (wc_InitRsaKey(&key, NULL) || wc_RsaPrivateKeyDecode(der, &at, &key, (word32)der_len) || wc_RsaSetRNG(&key, rng) ||
        wc_RsaSSL_Sign(info, sizeof(info), signature, sizeof(signature), &key, rng) != sizeof(signature)) {
        return -1;
    }
    for (int i = 0; i < WARM + TIMES; i++) {
        if (i == WARM) {
            start = cpu_us();
        }
        if (wc_RsaSSL_Verify(signature, sizeof(signature), out, sizeof(out), &key) != sizeof(info)) {
            return -1;
        }
    }
    return (cpu_us() - start) / TIMES;
}

int main(int argc, char **argv)
{
    WC_RNG rng;
    double p256 = -1, rsa2048 = -1;
    if (argc == 2 && wc_InitRng(&rng) == 0) {
        p256 = ecdsa(&rng);
        rsa2048 = rsa(&rng, argv[1]);
    }
    if (p256 <= 0 || rsa2048 <= 0) {
        fprintf(stderr, "verify: wolfSSL refuses its own signatures\n");
        return 1;
    }
    printf("{\"ES256\":%.2f,\"RS256\":%.2f}\n", p256, rsa2048);
    return 0;
}
