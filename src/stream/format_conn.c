/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators about connections: addresses and TLS, downstream and upstream. */
#include <stdio.h>

#include "net/cidr.h"
#include "stream/escape.h"
#include "stream/format_op.h"

enum whose { CLIENT, SOCKET, PEER, LOCAL, SOCKET_LOCAL, UP_HOST, UP_LOCAL };
enum form { BOTH, ADDRESS, PORT };

static const struct sp_addr *address(const struct sp_format_input *in, int whose)
{
    const struct sp_stream_info *s = in->info;
    const struct sp_conn_info *c = s->conn;
    switch ((enum whose)whose) {
    case CLIENT:
        return s->client.family || !c ? &s->client : &c->peer;
    case SOCKET:
        return c ? &c->socket : NULL;
    case PEER:
        return c ? &c->peer : NULL;
    case LOCAL:
        return c ? &c->local : NULL;
    case SOCKET_LOCAL:
        return c ? &c->socket_local : NULL;
    case UP_HOST:
        return &s->upstream_host;
    default:
        return &s->upstream_local;
    }
}

/* WITHOUT_PORT(24): the network of that many bits, as "10.1.2.0/24". */
static bool parse_mask(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    uint64_t bits;
    if (!params.len)
        return true;
    if (sp_str_u64(params, 128, &bits) < 0) {
        sp_fmt_err(p, "\"%.*s\" is no prefix length (0 to 32, for IPv6 0 to 128)", SP_STR_ARG(params));
        return false;
    }
    op->masked = true;
    op->bits = (uint8_t)bits;
    return true;
}

static size_t masked(const struct sp_addr *a, unsigned bits, char *out)
{
    unsigned most = a->family == AF_INET ? 32 : 128;
    struct sp_cidr c = {.family = a->family, .bits = (uint8_t)SP_MIN(bits, most)};
    for (unsigned i = 0; i < c.bits; i++)
        c.ip[i / 8] |= (uint8_t)(a->ip[i / 8] & 0x80 >> i % 8);
    return sp_cidr_format(&c, out);
}

static void get_address(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_addr *a = address(in, op->arg);
    size_t n = 0;
    v->kind = SP_FMT_NONE;
    if (!a || !a->family)
        return;
    if (op->arg2 == PORT) {
        if (a->family == AF_UNIX)
            return;
        v->kind = SP_FMT_NUM;
        v->num = a->port;
        return;
    }
    if (op->masked && a->family != AF_UNIX)
        n = masked(a, op->bits, v->buf);
    else
        n = op->arg2 == ADDRESS ? sp_addr_format_ip(a, v->buf) : sp_addr_format(a, v->buf);
    sp_fmt_set(v, a->family == AF_UNIX ? SP_FMT_STR : SP_FMT_SAFE, sp_str_n(v->buf, n)); /* a path may be anything */
}

enum side { DOWN, UP };
enum tls { VERSION, CIPHER, SNI, SUBJECT, ISSUER, SERIAL, SHA256, LOCAL_SUBJECT, PEER_URI, PEER_DNS, PEER_EMAIL, PEER_IP,
           LOCAL_URI, LOCAL_DNS, GROUP };

static const struct sp_tls_info *tls_of(const struct sp_format_input *in, int side)
{
    if (side == UP)
        return &in->info->upstream_tls;
    return in->info->conn ? sp_info_cert(in->info)->tls : NULL;
}

static void list(struct sp_fmt_value *v, const struct sp_str *items, unsigned n)
{
    v->kind = n ? SP_FMT_LIST : SP_FMT_NONE;
    v->list = items;
    v->n_list = n;
}

static void get_tls(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_tls_info *t = tls_of(in, op->arg);
    v->kind = SP_FMT_NONE;
    if (!t)
        return;
    switch ((enum tls)op->arg2) {
    case VERSION:
        return sp_fmt_set(v, SP_FMT_STR, t->version);
    case CIPHER:
        return sp_fmt_set(v, SP_FMT_STR, t->cipher);
    case GROUP:
        return sp_fmt_set(v, SP_FMT_STR, t->curve);
    case SNI:
        return sp_fmt_set(v, SP_FMT_STR, t->sni);
    case SUBJECT:
        return sp_fmt_set(v, SP_FMT_STR, t->peer_subject);
    case ISSUER:
        return sp_fmt_set(v, SP_FMT_STR, t->peer_issuer);
    case SERIAL:
        return sp_fmt_set(v, SP_FMT_STR, t->peer_serial);
    case SHA256:
        return sp_fmt_set(v, SP_FMT_STR, t->peer_sha256);
    case LOCAL_SUBJECT:
        return sp_fmt_set(v, SP_FMT_STR, t->local_subject);
    case PEER_URI:
        return list(v, t->peer_uri, t->n_peer_uri);
    case PEER_DNS:
        return list(v, t->peer_dns, t->n_peer_dns);
    case PEER_EMAIL:
        return list(v, t->peer_email, t->n_peer_email);
    case PEER_IP:
        return list(v, t->peer_ip, t->n_peer_ip);
    case LOCAL_URI:
        return list(v, t->local_uri, t->n_local_uri);
    case LOCAL_DNS:
        return list(v, t->local_dns, t->n_local_dns);
    }
}

enum end { V_START, V_END };

static bool parse_validity(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    return sp_fmt_parse_time(op, p, params, false, "%b %e %H:%M:%S %Y GMT");
}

static void get_validity(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_tls_info *t = tls_of(in, op->arg);
    v->kind = SP_FMT_NONE;
    if (!t || !t->peer_presented)
        return;
    int64_t s = op->arg2 == V_START ? t->peer_not_before : t->peer_not_after;
    /* Certificates may be valid to the year 9999, nanoseconds end in 2262. */
    const int64_t most = INT64_MAX / 1000000000 - 1;
    s = s > most ? most : s < -most ? -most : s;
    sp_fmt_set(v, SP_FMT_STR, sp_str_n(v->buf, sp_time_format_write(op->time, s * 1000000000, v->buf)));
}

static void get_connection_id(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = in->info->conn ? SP_FMT_NUM : SP_FMT_NONE;
    v->num = in->info->conn ? in->info->conn->id : 0;
}

enum place { LISTENER, CHAIN };

static void get_place(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_conn_info *c = in->info->conn;
    const struct sp_conn_place *place = !c ? NULL : op->arg == CHAIN ? c->filter_chain : c->listener;
    sp_fmt_set(v, SP_FMT_STR, place ? place->name : SP_STR_NULL);
}

static void get_handshake(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    bool any = in->info->conn && in->info->conn->handshake_us;
    v->kind = any ? SP_FMT_NUM : SP_FMT_NONE;
    v->num = any ? in->info->conn->handshake_us / 1000 : 0;
}

static void get_failure(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_set(v, SP_FMT_STR, in->info->conn ? in->info->conn->failure_reason : SP_STR_NULL);
}

#define MAY SP_FMT_MAY_HAVE_PARAMS
#define NO SP_FMT_NO_PARAMS
#define TLS(name, side, what) {name, get_tls, side, what, NULL, NO, false}
#define ADDRESSES(name, whose) \
    {name "_ADDRESS", get_address, whose, BOTH, NULL, NO, false}, \
    {name "_ADDRESS_WITHOUT_PORT", get_address, whose, ADDRESS, parse_mask, MAY, false}, \
    {name "_PORT", get_address, whose, PORT, NULL, NO, false}

const struct sp_fmt_desc sp_fmt_ops_conn[] = {
    {"CONNECTION_ID", get_connection_id, 0, 0, NULL, NO, false},
    ADDRESSES("DOWNSTREAM_DIRECT_LOCAL", SOCKET_LOCAL),
    ADDRESSES("DOWNSTREAM_DIRECT_REMOTE", SOCKET),
    ADDRESSES("DOWNSTREAM_LOCAL", LOCAL),
    ADDRESSES("DOWNSTREAM_PEER", PEER),
    ADDRESSES("DOWNSTREAM_REMOTE", CLIENT),
    ADDRESSES("UPSTREAM_LOCAL", UP_LOCAL),
    ADDRESSES("UPSTREAM_REMOTE", UP_HOST),
    {"UPSTREAM_HOST", get_address, UP_HOST, BOTH, NULL, NO, false},
    TLS("DOWNSTREAM_LOCAL_DNS_SAN", DOWN, LOCAL_DNS),
    TLS("DOWNSTREAM_LOCAL_SUBJECT", DOWN, LOCAL_SUBJECT),
    TLS("DOWNSTREAM_LOCAL_URI_SAN", DOWN, LOCAL_URI),
    {"DOWNSTREAM_PEER_CERT_V_END", get_validity, DOWN, V_END, parse_validity, MAY, false},
    {"DOWNSTREAM_PEER_CERT_V_START", get_validity, DOWN, V_START, parse_validity, MAY, false},
    TLS("DOWNSTREAM_PEER_DNS_SAN", DOWN, PEER_DNS),
    TLS("DOWNSTREAM_PEER_EMAIL_SAN", DOWN, PEER_EMAIL),
    TLS("DOWNSTREAM_PEER_FINGERPRINT_256", DOWN, SHA256),
    TLS("DOWNSTREAM_PEER_IP_SAN", DOWN, PEER_IP),
    TLS("DOWNSTREAM_PEER_ISSUER", DOWN, ISSUER),
    TLS("DOWNSTREAM_PEER_SERIAL", DOWN, SERIAL),
    TLS("DOWNSTREAM_PEER_SUBJECT", DOWN, SUBJECT),
    TLS("DOWNSTREAM_PEER_URI_SAN", DOWN, PEER_URI),
    TLS("DOWNSTREAM_TLS_CIPHER", DOWN, CIPHER),
    TLS("DOWNSTREAM_TLS_GROUP", DOWN, GROUP),
    TLS("DOWNSTREAM_TLS_VERSION", DOWN, VERSION),
    {"DOWNSTREAM_TRANSPORT_FAILURE_REASON", get_failure, 0, 0, NULL, NO, false},
    {"DOWNSTREAM_HANDSHAKE_DURATION", get_handshake, 0, 0, NULL, NO, false},
    {"FILTER_CHAIN_NAME", get_place, CHAIN, 0, NULL, NO, false},
    {"LISTENER_NAME", get_place, LISTENER, 0, NULL, NO, false},
    TLS("REQUESTED_SERVER_NAME", DOWN, SNI),
    TLS("UPSTREAM_LOCAL_DNS_SAN", UP, LOCAL_DNS),
    TLS("UPSTREAM_LOCAL_SUBJECT", UP, LOCAL_SUBJECT),
    TLS("UPSTREAM_LOCAL_URI_SAN", UP, LOCAL_URI),
    {"UPSTREAM_PEER_CERT_V_END", get_validity, UP, V_END, parse_validity, MAY, false},
    {"UPSTREAM_PEER_CERT_V_START", get_validity, UP, V_START, parse_validity, MAY, false},
    TLS("UPSTREAM_PEER_DNS_SAN", UP, PEER_DNS),
    TLS("UPSTREAM_PEER_EMAIL_SAN", UP, PEER_EMAIL),
    TLS("UPSTREAM_PEER_IP_SAN", UP, PEER_IP),
    TLS("UPSTREAM_PEER_ISSUER", UP, ISSUER),
    TLS("UPSTREAM_PEER_SUBJECT", UP, SUBJECT),
    TLS("UPSTREAM_PEER_URI_SAN", UP, PEER_URI),
    TLS("UPSTREAM_SERVER_NAME", UP, SNI),
    TLS("UPSTREAM_TLS_CIPHER", UP, CIPHER),
    TLS("UPSTREAM_TLS_GROUP", UP, GROUP),
    TLS("UPSTREAM_TLS_VERSION", UP, VERSION),
    {NULL, NULL, 0, 0, NULL, NO, false},
};
