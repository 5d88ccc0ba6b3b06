/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding an operator by name. */
#include "stream/format_op.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "config/names.h"

void sp_fmt_err(const struct sp_fmt_parse *p, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sp_doc_err(p->doc, p->diag, p->msg, p->field, p->index, "%s", text);
}

bool sp_fmt_parse_time(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params, bool local,
                       const char *otherwise)
{
    char why[SP_TIME_WHY_MAX];
    op->time = sp_time_format_new(params.len ? params : sp_str_c(otherwise), local, p->arena, why);
    if (!op->time)
        sp_fmt_err(p, "%s", why);
    return op->time != NULL;
}

/* Envoy's, about which nothing is known here. */
static const char *const not_run[] = {
    "CEL", "CLUSTER_METADATA", "COALESCE", "CUSTOM_FLAGS", "DOWNSTREAM_CX_RTT",
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "DOWNSTREAM_DETECTED_CLOSE_TYPE", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
    "DOWNSTREAM_DIRECT_LOCAL_PORT", "DOWNSTREAM_HANDSHAKE_DURATION", "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
    "DOWNSTREAM_LOCAL_CLOSE_REASON", "DOWNSTREAM_LOCAL_EMAIL_SAN", "DOWNSTREAM_LOCAL_IP_SAN",
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN", "DOWNSTREAM_PEER_CERT", "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", "DOWNSTREAM_PEER_CHAIN_SERIALS", "DOWNSTREAM_PEER_FINGERPRINT_1",
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", "DOWNSTREAM_PEER_ISSUER_SERIAL", "DOWNSTREAM_PEER_OTHERNAME_SAN",
    "DOWNSTREAM_TLS_GROUP", "DOWNSTREAM_TLS_SESSION_ID", "FILTER_CHAIN_NAME", "LISTENER_METADATA",
    "ROUNDTRIP_DURATION", "SPAN_ID", "TLS_JA3_FINGERPRINT", "TLS_JA4_FINGERPRINT", "TRACE_ID", "UNIQUE_ID",
    "UPSTREAM_CONNECTION_ID", "UPSTREAM_CONNECTION_IDS_ATTEMPTED", "UPSTREAM_CONNECTION_POOL_READY_DURATION",
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
    "UPSTREAM_DETECTED_CLOSE_TYPE", "UPSTREAM_FILTER_STATE", "UPSTREAM_HEADER_BYTES_RECEIVED",
    "UPSTREAM_HEADER_BYTES_SENT", "UPSTREAM_HOSTS_ATTEMPTED", "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME", "UPSTREAM_HOST_NAMES_ATTEMPTED", "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
    "UPSTREAM_HOST_NAME_WITHOUT_PORT", "UPSTREAM_LOCAL_CLOSE_REASON", "UPSTREAM_LOCAL_IP_SAN", "UPSTREAM_METADATA",
    "UPSTREAM_PEER_CERT", "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "UPSTREAM_SERVER_NAME", "UPSTREAM_TLS_GROUP",
    "UPSTREAM_TLS_SESSION_ID", "VIRTUAL_CLUSTER_NAME",
};

static const struct sp_fmt_desc *find(struct sp_str name, struct sp_nearest *near)
{
    const struct sp_fmt_desc *const parts[] = {sp_fmt_ops_http, sp_fmt_ops_timing, sp_fmt_ops_conn, sp_fmt_ops_secret};
    for (size_t i = 0; i < SP_ARRAY_LEN(parts); i++)
        for (const struct sp_fmt_desc *d = parts[i]; d->name; d++) {
            if (sp_str_eq(name, sp_str_c(d->name)))
                return d;
            sp_nearest_offer(near, sp_str_c(d->name));
        }
    return NULL;
}

static void unknown(const struct sp_fmt_parse *p, struct sp_str name, struct sp_str near)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(not_run); i++)
        if (sp_str_eq(name, sp_str_c(not_run[i]))) {
            sp_fmt_err(p, "%%%.*s%% is an operator of Envoy's that is not run here (take it out)", SP_STR_ARG(name));
            return;
        }
    if (near.len)
        sp_fmt_err(p, "unknown operator %%%.*s%% (did you mean %%%.*s%%?)", SP_STR_ARG(name), SP_STR_ARG(near));
    else
        sp_fmt_err(p, "unknown operator %%%.*s%% (docs/access-log.md has them all; a '%%' is written %%%%)",
                   SP_STR_ARG(name));
}

bool sp_fmt_op_parse(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str name, const struct sp_str *params,
                     uint32_t max_len)
{
    assert(op && p);
    struct sp_nearest near;
    sp_nearest_init(&near, name);
    const struct sp_fmt_desc *d = find(name, &near);
    if (!d) {
        unknown(p, name, near.best);
        return false;
    }
    if (params && d->params == SP_FMT_NO_PARAMS) {
        sp_fmt_err(p, "%%%s%% takes no parameters (take out the parentheses)", d->name);
        return false;
    }
    if ((!params || !params->len) && d->params == SP_FMT_NEEDS_PARAMS) {
        sp_fmt_err(p, "%%%s%% needs a parameter, as in %%%s(x)%%", d->name, d->name);
        return false;
    }
    if (max_len != UINT32_MAX && !d->length) {
        sp_fmt_err(p, "%%%s%% takes no length (take out the :%u)", d->name, max_len);
        return false;
    }
    *op = (struct sp_fmt_op){.get = d->get, .max_len = max_len, .arg = d->arg, .arg2 = d->arg2};
    return !d->parse || d->parse(op, p, params ? *params : SP_STR_NULL);
}
