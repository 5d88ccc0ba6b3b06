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

/* Envoy's, that are not run here, and what to write instead. */
static const struct {
    const char *name, *instead;
} not_run[] = {
    {"CEL", "write what it says with other operators, or the condition as a filter of the log"},
    {"COALESCE", "%REQ(X?Y)% takes the second where there is no first"},
    {"CUSTOM_FLAGS", "RESPONSE_FLAGS has all there are"},
    {"DOWNSTREAM_CX_RTT", "DOWNSTREAM_HANDSHAKE_DURATION is near to it"},
    {"DOWNSTREAM_DETECTED_CLOSE_TYPE", "RESPONSE_FLAGS has DC or DR where the client left"},
    {"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID", "there are no internal addresses: DOWNSTREAM_DIRECT_LOCAL_ADDRESS"},
    {"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", "there are no internal addresses: DOWNSTREAM_LOCAL_ADDRESS"},
    {"DOWNSTREAM_LOCAL_CLOSE_REASON", "RESPONSE_CODE_DETAILS says why"},
    {"DOWNSTREAM_LOCAL_EMAIL_SAN", "DOWNSTREAM_LOCAL_DNS_SAN and DOWNSTREAM_LOCAL_URI_SAN are there"},
    {"DOWNSTREAM_LOCAL_IP_SAN", "DOWNSTREAM_LOCAL_DNS_SAN and DOWNSTREAM_LOCAL_URI_SAN are there"},
    {"DOWNSTREAM_LOCAL_OTHERNAME_SAN", "DOWNSTREAM_LOCAL_DNS_SAN and DOWNSTREAM_LOCAL_URI_SAN are there"},
    {"DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256", "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256 has those of the whole chain"},
    {"DOWNSTREAM_PEER_ISSUER_SERIAL", "DOWNSTREAM_PEER_CHAIN_SERIALS has those of the whole chain"},
    {"DOWNSTREAM_PEER_OTHERNAME_SAN", "the other kinds of names are there: DOWNSTREAM_PEER_URI_SAN and so on"},
    {"DOWNSTREAM_TLS_SESSION_ID", "CONNECTION_ID tells connections apart"},
    {"ROUNDTRIP_DURATION", "it is of QUIC, which is not served"},
    {"TLS_JA3_FINGERPRINT", "ClientHellos are not fingerprinted: take it out"},
    {"TLS_JA4_FINGERPRINT", "ClientHellos are not fingerprinted: take it out"},
    {"UPSTREAM_DETECTED_CLOSE_TYPE", "RESPONSE_FLAGS has UC or UR where the origin left"},
    {"UPSTREAM_FILTER_STATE", "there are no filters towards an origin: take it out"},
    {"UPSTREAM_LOCAL_CLOSE_REASON", "RESPONSE_CODE_DETAILS says why"},
    {"UPSTREAM_LOCAL_IP_SAN", "UPSTREAM_LOCAL_DNS_SAN and UPSTREAM_LOCAL_URI_SAN are there"},
    {"UPSTREAM_PEER_CERT", "UPSTREAM_PEER_SUBJECT and the names of the certificate are there"},
    {"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID", "there are no internal addresses: UPSTREAM_REMOTE_ADDRESS"},
    {"UPSTREAM_TLS_SESSION_ID", "UPSTREAM_CONNECTION_ID tells connections apart"},
};

static const struct sp_fmt_desc *find(struct sp_str name, struct sp_nearest *near)
{
    const struct sp_fmt_desc *const parts[] = {sp_fmt_ops_http, sp_fmt_ops_timing,  sp_fmt_ops_conn,
                                              sp_fmt_ops_attempt, sp_fmt_ops_cert, sp_fmt_ops_decision, sp_fmt_ops_secret, sp_fmt_ops_trace};
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
        if (sp_str_eq(name, sp_str_c(not_run[i].name))) {
            sp_fmt_err(p, "%%%.*s%% is an operator of Envoy's that is not run here (%s)", SP_STR_ARG(name), not_run[i].instead);
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
