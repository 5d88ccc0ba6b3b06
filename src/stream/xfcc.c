/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/xfcc.h"

#include <assert.h>

#include "crypto/pem.h"

/* An element under construction. */
struct out {
    struct sp_arena *arena;
    struct sp_buf b;
};

static void put(struct out *o, struct sp_str s)
{
    sp_buf_append_str(&o->b, s);
}

static void key(struct out *o, struct sp_str name)
{
    if (o->b.len)
        put(o, SP_STR(";"));
    put(o, name);
    put(o, SP_STR("="));
}

/* There are no control bytes in it: it came through the TLS layer as text, and the codec looks again. */
static void quoted(struct out *o, struct sp_str s)
{
    put(o, SP_STR("\""));
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            put(o, SP_STR("\\"));
        put(o, sp_str_n(s.ptr + i, 1));
    }
    put(o, SP_STR("\""));
}

/* A subject's text quotes by itself (RFC 2253 section 2.4) and is written as it is, as Envoy does; what would end the quoted
 * string is quoted all the same. */
static void subject(struct out *o, struct sp_str s)
{
    put(o, SP_STR("\""));
    for (size_t i = 0; i < s.len; i++) {
        bool pair = s.ptr[i] == '\\' && i + 1 < s.len;
        if (!pair && (s.ptr[i] == '"' || s.ptr[i] == '\\'))
            put(o, SP_STR("\\"));
        put(o, sp_str_n(s.ptr + i, pair ? 2 : 1));
        i += pair;
    }
    put(o, SP_STR("\""));
}

static void value(struct out *o, struct sp_str s)
{
    bool plain = true;
    for (size_t i = 0; i < s.len; i++)
        plain = plain && !memchr(",;=\"\\ ", s.ptr[i], 6);
    if (plain)
        put(o, s);
    else
        quoted(o, s);
}

static void pem(struct out *o, struct sp_str der)
{
    put(o, sp_pem_url(o->arena, der));
}

static void certificates(struct out *o, struct sp_str name, const struct sp_client_cert *cert, bool all)
{
    if (!cert->der.len)
        return;
    key(o, name);
    put(o, SP_STR("\""));
    pem(o, cert->der);
    for (unsigned i = 0; all && i < cert->n_others; i++)
        pem(o, cert->others[i]);
    put(o, SP_STR("\""));
}

static struct sp_str element(const struct sp_xfcc_rules *rules, const struct sp_client_cert *cert, struct sp_arena *arena)
{
    const struct sp_tls_info *tls = cert->tls;
    struct out o = {.arena = arena};
    sp_buf_init(&o.b);
    for (unsigned i = 0; i < tls->n_local_uri; i++) {
        key(&o, SP_STR("By"));
        value(&o, tls->local_uri[i]);
    }
    if (tls->peer_sha256.len) {
        key(&o, SP_STR("Hash"));
        put(&o, tls->peer_sha256);
    }
    if (rules->cert)
        certificates(&o, SP_STR("Cert"), cert, false);
    if (rules->chain)
        certificates(&o, SP_STR("Chain"), cert, true);
    if (rules->subject) {
        key(&o, SP_STR("Subject"));
        subject(&o, tls->peer_subject);
    }
    for (unsigned i = 0; rules->uri && i < SP_MAX(tls->n_peer_uri, 1u); i++) {
        key(&o, SP_STR("URI"));
        value(&o, i < tls->n_peer_uri ? tls->peer_uri[i] : SP_STR_NULL);
    }
    for (unsigned i = 0; rules->dns && i < tls->n_peer_dns; i++) {
        key(&o, SP_STR("DNS"));
        value(&o, tls->peer_dns[i]);
    }
    char *text = sp_arena_alloc(arena, o.b.len + 1);
    size_t n = sp_buf_peek(&o.b, text, o.b.len);
    sp_buf_clear(&o.b);
    return sp_str_n(text, n);
}

bool sp_xfcc_drops(const struct sp_xfcc_rules *rules, const struct sp_stream_info *info)
{
    assert(rules && info);
    if (rules->mode == SP_XFCC_ALWAYS_FORWARD_ONLY)
        return false;
    const struct sp_tls_info *tls = sp_info_cert(info)->tls;
    return rules->mode == SP_XFCC_SANITIZE || !tls->peer_presented || !tls->peer_verified;
}

void sp_xfcc_write(const struct sp_xfcc_rules *rules, const struct sp_stream_info *info, struct sp_headers *h)
{
    assert(rules && info && h && !sp_xfcc_drops(rules, info));
    if (rules->mode != SP_XFCC_APPEND && rules->mode != SP_XFCC_SET)
        return;
    struct sp_str own = element(rules, sp_info_cert(info), h->arena);
    struct sp_str there = rules->mode == SP_XFCC_APPEND ? sp_headers_joined(h, SP_STR("x-forwarded-client-cert"))
                                                         : SP_STR_NULL;
    if (there.len)
        own = sp_arena_cat(h->arena, sp_arena_cat(h->arena, there, SP_STR(",")), own);
    sp_headers_set_id(h, SP_H_X_FORWARDED_CLIENT_CERT, own);
}
