/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/listener_stats.h"

#include <assert.h>

#include "base/arena.h"

static const char *const versions[SP_TLS_VERSIONS] = {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"};

/* What we are likely to see, made beforehand: making a counter takes a lock. Others are made when they are first seen. */
static const char *const ciphers[] = {
    "TLS_AES_128_GCM_SHA256",        "TLS_AES_256_GCM_SHA384",        "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",   "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",   "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
};
_Static_assert(SP_ARRAY_LEN(ciphers) <= SP_TLS_CIPHERS, "ciphers");

static struct sp_counter named(struct sp_stats_scope *scope, const char *kind, struct sp_str name)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_counter c = sp_stats_counter(scope, sp_arena_printf(&arena, "%s.%.*s", kind, SP_STR_ARG(name)));
    sp_arena_done(&arena);
    return c;
}

static void init_ssl(struct sp_listener_stats *s)
{
    s->ssl_scope = sp_stats_scope(s->scope, SP_STR("ssl"), NULL, SP_STR_NULL);
    s->handshake = sp_stats_counter(s->ssl_scope, SP_STR("handshake"));
    s->connection_error = sp_stats_counter(s->ssl_scope, SP_STR("connection_error"));
    s->no_cert = sp_stats_counter(s->ssl_scope, SP_STR("fail_verify_no_cert"));
    s->verify_error = sp_stats_counter(s->ssl_scope, SP_STR("fail_verify_error"));
    s->verify_san = sp_stats_counter(s->ssl_scope, SP_STR("fail_verify_san"));
    s->verify_hash = sp_stats_counter(s->ssl_scope, SP_STR("fail_verify_cert_hash"));
    s->no_certificate = sp_stats_counter(s->ssl_scope, SP_STR("no_certificate"));
    s->session_reused = sp_stats_counter(s->ssl_scope, SP_STR("session_reused"));
    for (unsigned i = 0; i < SP_TLS_VERSIONS; i++)
        s->versions[i] = named(s->ssl_scope, "versions", sp_str_c(versions[i]));
    for (unsigned i = 0; i < SP_ARRAY_LEN(ciphers); i++)
        s->ciphers[i] = named(s->ssl_scope, "ciphers", sp_str_c(ciphers[i]));
}

void sp_listener_stats_init(struct sp_listener_stats *s, struct sp_stats_scope *scope)
{
    assert(s && scope);
    s->scope = scope;
    s->cx_total = sp_stats_counter(scope, SP_STR("downstream_cx_total"));
    s->cx_destroy = sp_stats_counter(scope, SP_STR("downstream_cx_destroy"));
    s->cx_overflow = sp_stats_counter(scope, SP_STR("downstream_cx_overflow"));
    s->cx_overload_reject = sp_stats_counter(scope, SP_STR("downstream_cx_overload_reject"));
    s->global_cx_overflow = sp_stats_counter(scope, SP_STR("downstream_global_cx_overflow"));
    s->connect_timeout = sp_stats_counter(scope, SP_STR("downstream_cx_transport_socket_connect_timeout"));
    s->pre_cx_timeout = sp_stats_counter(scope, SP_STR("downstream_pre_cx_timeout"));
    s->no_filter_chain_match = sp_stats_counter(scope, SP_STR("no_filter_chain_match"));
    s->cx_active = sp_stats_gauge(scope, SP_STR("downstream_cx_active"));
    s->pre_cx_active = sp_stats_gauge(scope, SP_STR("downstream_pre_cx_active"));
    s->cx_length_ms = sp_stats_histogram(scope, SP_STR("downstream_cx_length_ms"));
    init_ssl(s);
}

static void count_name(const struct sp_listener_stats *s, const char *kind, const char *const *names,
                       const struct sp_counter *counters, unsigned n, struct sp_str name)
{
    for (unsigned i = 0; i < n; i++) {
        if (sp_str_eq(name, sp_str_c(names[i]))) {
            sp_counter_inc(counters[i]);
            return;
        }
    }
    if (name.len)
        sp_counter_inc(named(s->ssl_scope, kind, name));
}

void sp_listener_stats_tls(const struct sp_listener_stats *s, const struct sp_tls_info *info, bool resumed)
{
    assert(s && info);
    if (!s->scope)
        return;
    sp_counter_inc(s->handshake);
    if (!info->peer_presented)
        sp_counter_inc(s->no_certificate);
    if (resumed)
        sp_counter_inc(s->session_reused);
    count_name(s, "versions", versions, s->versions, SP_TLS_VERSIONS, info->version);
    count_name(s, "ciphers", ciphers, s->ciphers, SP_ARRAY_LEN(ciphers), info->cipher);
}

void sp_listener_stats_tls_failed(const struct sp_listener_stats *s, enum sp_tls_fail why)
{
    assert(s);
    switch (why) {
    case SP_TLS_FAIL_NO_CERT:
        sp_counter_inc(s->no_cert);
        return;
    case SP_TLS_FAIL_VERIFY_CA:
        sp_counter_inc(s->verify_error);
        return;
    case SP_TLS_FAIL_VERIFY_SAN:
        sp_counter_inc(s->verify_san);
        return;
    case SP_TLS_FAIL_VERIFY_PIN:
        sp_counter_inc(s->verify_hash);
        return;
    default:
        sp_counter_inc(s->connection_error);
    }
}
