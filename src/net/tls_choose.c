/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_choose.h"

#include <assert.h>

/* RFC 8446 section 4.2.3. */
enum { ECDSA_P256 = 0x0403, ECDSA_P384 = 0x0503, ECDSA_P521 = 0x0603, ED25519 = 0x0807 };

static const uint16_t rsa_signatures[] = {0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601};
static const uint16_t ecdsa_ciphers[] = {0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a, 0xc023, 0xc024};
static const uint16_t rsa_ciphers[] = {0xc02f, 0xc030, 0xcca8, 0xc013, 0xc014, 0xc027, 0xc028};

static bool has(struct sp_str numbers, unsigned v)
{
    for (size_t i = 0; i + 1 < numbers.len; i += 2)
        if (((unsigned)(uint8_t)numbers.ptr[i] << 8 | (uint8_t)numbers.ptr[i + 1]) == v)
            return true;
    return false;
}

static bool has_any(struct sp_str numbers, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (has(numbers, list[i]))
            return true;
    return false;
}

static unsigned group_of(enum sp_key_kind kind)
{
    return kind == SP_KEY_P256 ? 23 : kind == SP_KEY_P384 ? 24 : 25;
}

static bool takes_ecdsa(const struct sp_client_hello *h, enum sp_key_kind kind, bool tls13)
{
    unsigned own = kind == SP_KEY_P256 ? ECDSA_P256 : kind == SP_KEY_P384 ? ECDSA_P384 : ECDSA_P521;
    if (tls13) /* there the algorithm names the curve */
        return has(h->signatures, own);
    return has_any(h->ciphers, ecdsa_ciphers, SP_ARRAY_LEN(ecdsa_ciphers)) && has(h->groups, group_of(kind)) &&
           (has(h->signatures, ECDSA_P256) || has(h->signatures, ECDSA_P384) || has(h->signatures, ECDSA_P521));
}

static bool takes(const struct sp_tls_ctx *ctx, const struct sp_client_hello *h, enum sp_key_kind kind)
{
    bool tls13 = h->tls13 && ctx->params.tls13;
    switch (kind) {
    case SP_KEY_P256:
    case SP_KEY_P384:
    case SP_KEY_P521:
        return takes_ecdsa(h, kind, tls13);
    case SP_KEY_RSA:
        /* Clients of TLS 1.2 that name no algorithms take RSA. */
        return (tls13 ? has_any(h->signatures, rsa_signatures, 3)
                      : has_any(h->ciphers, rsa_ciphers, SP_ARRAY_LEN(rsa_ciphers)) &&
                            (!h->signatures.len || has_any(h->signatures, rsa_signatures, SP_ARRAY_LEN(rsa_signatures))));
    case SP_KEY_ED25519:
        return has(h->signatures, ED25519) && (tls13 || has_any(h->ciphers, ecdsa_ciphers, SP_ARRAY_LEN(ecdsa_ciphers)));
    default:
        return false;
    }
}

const struct sp_tls_member *sp_tls_choose(const struct sp_tls_ctx *ctx, const struct sp_client_hello *hello)
{
    const struct sp_tls_member *best = &ctx->members[0];
    int best_rank = -1;
    assert(ctx->n_members > 0);
    if (ctx->n_members == 1)
        return best;
    for (unsigned i = 0; i < ctx->n_members; i++) {
        const struct sp_tls_member *m = &ctx->members[i];
        if (!takes(ctx, hello, m->leaf.key.kind))
            continue;
        int rank = (hello->sni.len && sp_tls_cert_is_for(&m->leaf, hello->sni) ? 2 : 0) + (m->leaf.key.kind != SP_KEY_RSA);
        if (rank > best_rank) {
            best = m;
            best_rank = rank;
        }
    }
    return best;
}
