/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_stats.h"

#include <assert.h>
#include <stdio.h>

static const char *const versions[] = {"TLSv1.3", "TLSv1.2"};
/* All that tls_params can name. */
static const char *const ciphers[] = {
    "TLS_AES_128_GCM_SHA256",        "TLS_AES_256_GCM_SHA384",        "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",   "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",        "ECDHE-ECDSA-AES256-SHA",        "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA384",     "ECDHE-RSA-AES128-SHA",          "ECDHE-RSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA256",       "ECDHE-RSA-AES256-SHA384",
};
static const char *const curves[] = {"X25519", "P-256", "P-384", "P-521", "X25519MLKEM768"};
static const char *const sigalgs[] = {
    "ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512", "rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384",
    "rsa_pss_rsae_sha512",    "rsa_pkcs1_sha256",       "rsa_pkcs1_sha384",       "rsa_pkcs1_sha512",    "ed25519",
};
_Static_assert(SP_ARRAY_LEN(versions) == SP_TLS_VERSIONS && SP_ARRAY_LEN(ciphers) == SP_TLS_CIPHERS &&
               SP_ARRAY_LEN(curves) == SP_TLS_CURVES && SP_ARRAY_LEN(sigalgs) == SP_TLS_SIGALGS, "cells");

const char *sp_tls_stats_version(int i)
{
    assert(i >= 0 && i < SP_TLS_VERSIONS);
    return versions[i];
}

void sp_tls_stats_init(struct sp_tls_stats *s, struct sp_stats_scope *owner, bool server)
{
    assert(s && owner);
    s->scope = sp_stats_scope(owner, SP_STR("ssl"), NULL, SP_STR_NULL);
#define X(name) s->name = sp_stats_counter(s->scope, SP_STR(#name));
    SP_TLS_COUNTERS(X)
#undef X
    if (!server)
        return;
#define X(name) s->name = sp_stats_counter(s->scope, SP_STR(#name));
    SP_TLS_SERVER_COUNTERS(X)
#undef X
}

static void count_one(const struct sp_tls_stats *s, const char *kind, const char *const *names, const _Atomic uint32_t *cells, unsigned i)
{
    struct sp_counter c = {atomic_load_explicit(&cells[i], memory_order_relaxed)};
    if (SP_UNLIKELY(!c.cell)) {
        char text[64];
        int len = snprintf(text, sizeof(text), "%s.%s", kind, names[i]);
        c = sp_stats_counter(s->scope, sp_str_n(text, (size_t)len));
        atomic_store_explicit((_Atomic uint32_t *)(uintptr_t)&cells[i], c.cell, memory_order_relaxed);
    }
    sp_counter_inc(c);
}

/* A name that is in no table cannot have been agreed upon. */
static void count_name(const struct sp_tls_stats *s, const char *kind, const char *const *names, const _Atomic uint32_t *cells, unsigned n,
                       struct sp_str name)
{
    unsigned i = 0;
    while (i < n && !sp_str_eq(name, sp_str_c(names[i])))
        i++;
    if (i < n)
        count_one(s, kind, names, cells, i);
}

void sp_tls_stats_stapled(const struct sp_tls_stats *s, enum sp_tls_staple what)
{
    static const char *const names[] = {"", "stapled_good", "stapled_revoked", "stapled_unknown", "stapled_missing", "stapled_bad"};
    _Static_assert(SP_ARRAY_LEN(names) == SP_STAPLES, "names");
    assert(s && what < SP_STAPLES);
    if (s->scope && what != SP_STAPLE_NOT_ASKED)
        count_one(s, "ocsp", names, s->stapled, what);
}

void sp_tls_stats_opened(const struct sp_tls_stats *s, const struct sp_tls_info *info, bool resumed)
{
    assert(s && info);
    if (!s->scope)
        return;
    sp_counter_inc(s->handshake);
    if (resumed)
        sp_counter_inc(s->session_reused);
    if (!info->peer_presented)
        sp_counter_inc(s->no_certificate);
    if (info->staple_asked) {
        sp_counter_inc(s->ocsp_staple_requests);
        sp_counter_inc(info->stapled ? s->ocsp_staple_responses : s->ocsp_staple_omitted);
    }
    count_name(s, "versions", versions, s->versions, SP_TLS_VERSIONS, info->version);
    count_name(s, "ciphers", ciphers, s->ciphers, SP_TLS_CIPHERS, info->cipher);
    count_name(s, "curves", curves, s->curves, SP_TLS_CURVES, info->curve);
    count_name(s, "sigalgs", sigalgs, s->sigalgs, SP_TLS_SIGALGS, info->peer_sigalg);
}

void sp_tls_stats_failed(const struct sp_tls_stats *s, enum sp_tls_fail why)
{
    assert(s);
    if (!s->scope)
        return;
    switch (why) {
    case SP_TLS_FAIL_NO_CERT:
        sp_counter_inc(s->fail_verify_no_cert);
        return;
    case SP_TLS_FAIL_VERIFY_CA:
        sp_counter_inc(s->fail_verify_error);
        return;
    case SP_TLS_FAIL_VERIFY_SAN:
        sp_counter_inc(s->fail_verify_san);
        return;
    case SP_TLS_FAIL_VERIFY_PIN:
        sp_counter_inc(s->fail_verify_cert_hash);
        return;
    case SP_TLS_FAIL_STAPLE:
        sp_counter_inc(s->ocsp_staple_requests);
        sp_counter_inc(s->ocsp_staple_failed);
        sp_counter_inc(s->connection_error);
        return;
    default:
        sp_counter_inc(s->connection_error);
    }
}

void sp_tls_stats_early(const struct sp_tls_stats *s, enum sp_tls_early_fate fate)
{
    assert(s);
    if (SP_LIKELY(fate == SP_TLS_EARLY_NONE) || !s->scope)
        return;
    sp_counter_inc(fate == SP_TLS_EARLY_ACCEPTED   ? s->early_data_accepted
                   : fate == SP_TLS_EARLY_REPLAYED ? s->early_data_replayed
                                                   : s->early_data_rejected);
}

static void add_expiry(void *arg, struct sp_str name, int64_t not_after)
{
    struct sp_tls_expiries *e = arg;
    unsigned i = 0;
    while (i < e->n && !sp_str_eq(e->v[i].name, name))
        i++;
    if (i == SP_ARRAY_LEN(e->v) || (i < e->n && e->v[i].not_after <= not_after))
        return;
    e->n = SP_MAX(e->n, i + 1);
    e->v[i].name = name;
    e->v[i].not_after = not_after;
}

void sp_tls_expiries_add(struct sp_tls_expiries *e, const struct sp_tls_ctx *ctx)
{
    assert(e);
    if (ctx)
        sp_tls_ctx_expiries(ctx, add_expiry, e);
}

void sp_tls_expiries_show(const struct sp_tls_expiries *e, const struct sp_tls_stats *s)
{
    assert(e && s);
    for (unsigned i = 0; s->scope && i < e->n; i++) {
        struct sp_stats_scope *scope = sp_stats_scope(s->scope, SP_STR("certificate"), "envoy_tls_certificate", e->v[i].name);
        sp_gauge_set(sp_stats_gauge(scope, SP_STR("expiration_unix_time_seconds")), (uint64_t)SP_MAX(e->v[i].not_after, 0));
    }
}
