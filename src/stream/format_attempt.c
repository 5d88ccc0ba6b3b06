/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators about the way to an origin: hosts and connections that were tried, what their streams took. */
#include "stream/escape.h"
#include "stream/format_op.h"

/* What is told of each host. */
enum what { HOST, HOST_IP, NAME, NAME_ONLY, CONNECTION };

/* The last attempt is the one that info tells of; those before stand in a list. */
static struct sp_attempt last(const struct sp_stream_info *s)
{
    return (struct sp_attempt){.host = s->upstream_host, .name = s->upstream_name, .connection = s->upstream_connection};
}

/* A name without the port that may stand behind it. */
static struct sp_str without_port(struct sp_str name)
{
    ptrdiff_t colon = sp_str_chr(name, ':');
    return colon < 0 || sp_str_starts(name, SP_STR("[")) ? name : sp_str_sub(name, 0, (size_t)colon);
}

static struct sp_str text(const struct sp_attempt *a, enum what what, char buf[SP_ADDR_TEXT_MAX])
{
    if (what == CONNECTION)
        return a->connection ? sp_str_n(buf, sp_format_u64(a->connection, buf)) : SP_STR_NULL;
    if ((what == NAME || what == NAME_ONLY) && a->name.len)
        return what == NAME ? a->name : without_port(a->name);
    bool bare = what == HOST_IP || what == NAME_ONLY;
    return sp_str_n(buf, bare ? sp_addr_format_ip(&a->host, buf) : sp_addr_format(&a->host, buf));
}

static void put(struct sp_writer *w, const struct sp_attempt *a, enum what what, bool *first)
{
    char buf[SP_ADDR_TEXT_MAX];
    struct sp_str s = text(a, what, buf);
    if (!s.len)
        return;
    if (!*first)
        sp_writer_str(w, SP_STR(","));
    *first = false;
    sp_writer_escaped(w, s);
}

static void write_attempts(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_writer *w, enum sp_fmt_place place)
{
    const struct sp_attempt end = last(in->info);
    bool first = true;
    if (place == SP_FMT_ALONE)
        sp_writer_str(w, SP_STR("\""));
    for (const struct sp_attempt *a = in->info->attempted; a; a = a->next)
        put(w, a, (enum what)op->arg, &first);
    put(w, &end, (enum what)op->arg, &first);
    if (place == SP_FMT_ALONE)
        sp_writer_str(w, SP_STR("\""));
}

static void get_attempts(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    bool any = in->info->upstream_host.family != 0;
    if (op->arg == CONNECTION) {
        any = in->info->upstream_connection != 0;
        for (const struct sp_attempt *a = in->info->attempted; a && !any; a = a->next)
            any = a->connection != 0;
    }
    sp_fmt_written(v, any, write_attempts);
}

static void get_name(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_attempt a = last(in->info);
    sp_fmt_set(v, SP_FMT_STR, a.host.family ? text(&a, (enum what)op->arg, v->buf) : SP_STR_NULL);
}

static void get_connection(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = in->info->upstream_connection ? SP_FMT_NUM : SP_FMT_NONE;
    v->num = in->info->upstream_connection;
}

enum count { RX_HEAD, TX_HEAD, RX_ALL, TX_ALL };

static void get_bytes(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_stream_info *s = in->info;
    switch ((enum count)op->arg) {
    case RX_HEAD:
        return sp_fmt_number(v, s->up_rx_head_bytes);
    case TX_HEAD:
        return sp_fmt_number(v, s->up_tx_head_bytes);
    case RX_ALL:
        return sp_fmt_number(v, s->up_rx_head_bytes + s->up_rx_body_bytes);
    case TX_ALL:
        return sp_fmt_number(v, s->up_tx_head_bytes + s->up_tx_body_bytes);
    }
}

static void get_pool_time(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = in->info->up_pool_ns ? SP_FMT_NUM : SP_FMT_NONE;
    v->num = in->info->up_pool_ns / SP_NS_PER_MS;
}

#define NO SP_FMT_NO_PARAMS

const struct sp_fmt_desc sp_fmt_ops_attempt[] = {
    {"UPSTREAM_CONNECTION_ID", get_connection, 0, 0, NULL, NO, false},
    {"UPSTREAM_CONNECTION_IDS_ATTEMPTED", get_attempts, CONNECTION, 0, NULL, NO, false},
    {"UPSTREAM_CONNECTION_POOL_READY_DURATION", get_pool_time, 0, 0, NULL, NO, false},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", get_bytes, RX_HEAD, 0, NULL, NO, false},
    {"UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", get_bytes, TX_HEAD, 0, NULL, NO, false},
    {"UPSTREAM_HEADER_BYTES_RECEIVED", get_bytes, RX_HEAD, 0, NULL, NO, false},
    {"UPSTREAM_HEADER_BYTES_SENT", get_bytes, TX_HEAD, 0, NULL, NO, false},
    {"UPSTREAM_HOSTS_ATTEMPTED", get_attempts, HOST, 0, NULL, NO, false},
    {"UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", get_attempts, HOST_IP, 0, NULL, NO, false},
    {"UPSTREAM_HOST_NAME", get_name, NAME, 0, NULL, NO, false},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED", get_attempts, NAME, 0, NULL, NO, false},
    {"UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT", get_attempts, NAME_ONLY, 0, NULL, NO, false},
    {"UPSTREAM_HOST_NAME_WITHOUT_PORT", get_name, NAME_ONLY, 0, NULL, NO, false},
    {"UPSTREAM_WIRE_BYTES_RECEIVED", get_bytes, RX_ALL, 0, NULL, NO, false},
    {"UPSTREAM_WIRE_BYTES_SENT", get_bytes, TX_ALL, 0, NULL, NO, false},
    {NULL, NULL, 0, 0, NULL, NO, false},
};
