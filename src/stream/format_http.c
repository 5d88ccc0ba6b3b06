/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operators about a request and its response. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/ct.h"
#include "envoy/data/accesslog/v3/accesslog.pb-c.h"
#include "stream/config_meta.h"
#include "stream/escape.h"
#include "stream/format_metadata.h"
#include "stream/format_op.h"
#include "stream/local_reply.h"

enum message { REQUEST, RESPONSE, TRAILERS };
enum pseudo { LINE, METHOD, SCHEME, AUTHORITY, PATH, PROTO, STATUS };

static bool parse_header(struct sp_fmt_header *h, const struct sp_fmt_parse *p, struct sp_str name)
{
    static const struct {
        struct sp_str name;
        enum pseudo pseudo;
    } pseudos[] = {
        {SP_STR_INIT(":method"), METHOD}, {SP_STR_INIT(":scheme"), SCHEME}, {SP_STR_INIT(":authority"), AUTHORITY},
        {SP_STR_INIT("host"), AUTHORITY}, {SP_STR_INIT(":path"), PATH}, {SP_STR_INIT(":protocol"), PROTO},
        {SP_STR_INIT(":status"), STATUS},
    };
    char *low = sp_arena_alloc(p->arena, name.len + 1);
    for (size_t i = 0; i < name.len; i++)
        low[i] = sp_ascii_lower(name.ptr[i]);
    h->name = sp_str_n(low, name.len);
    for (size_t i = 0; i < SP_ARRAY_LEN(pseudos); i++)
        if (sp_str_eq(h->name, pseudos[i].name))
            h->pseudo = (uint8_t)pseudos[i].pseudo;
    if (!h->pseudo && !sp_header_name_valid(h->name)) {
        sp_fmt_err(p, "\"%.*s\" is no header name", SP_STR_ARG(name));
        return false;
    }
    h->id = (uint8_t)sp_header_id(h->name);
    return true;
}

/* X or X?Y. */
static bool parse_headers(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    ptrdiff_t mark = sp_str_chr(params, '?');
    if (!parse_header(&op->header[0], p, sp_str_sub(params, 0, mark < 0 ? params.len : (size_t)mark)))
        return false;
    return mark < 0 || parse_header(&op->header[1], p, sp_str_sub(params, (size_t)mark + 1, params.len));
}

static const struct sp_headers *message(const struct sp_format_input *in, int which)
{
    return which == REQUEST ? in->request : which == RESPONSE ? in->response : in->trailers;
}

/* A secret that was put into a request is for the origin, for no log and no other header. */
static struct sp_str line(const struct sp_header *h)
{
    return !h ? SP_STR_NULL : h->secret ? SP_STR("[secret]") : h->value;
}

/* The first line's value, a NULL slice when it is not there. */
static struct sp_str header(const struct sp_headers *h, const struct sp_fmt_header *what, char *buf)
{
    struct sp_str s = SP_STR_NULL;
    switch ((enum pseudo)what->pseudo) {
    case METHOD:
        s = h->method;
        break;
    case SCHEME:
        s = h->scheme;
        break;
    case AUTHORITY:
        s = h->authority;
        break;
    case PATH:
        s = h->path;
        break;
    case PROTO:
        s = h->protocol;
        break;
    case STATUS:
        if (h->status)
            s = sp_str_n(buf, sp_format_u64(h->status, buf));
        break;
    case LINE:
        return line(what->id ? sp_headers_find_id(h, what->id, NULL) : sp_headers_find(h, what->name, NULL));
    }
    return s.len ? s : SP_STR_NULL;
}

static struct sp_str either(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_headers *h = message(in, op->arg);
    if (!h)
        return SP_STR_NULL;
    struct sp_str s = header(h, &op->header[0], v->buf);
    if (!s.ptr && op->header[1].name.len)
        s = header(h, &op->header[1], v->buf);
    return s;
}

static void get_header(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->str = either(op, in, v);
    v->kind = v->str.ptr ? SP_FMT_STR : SP_FMT_NONE;
}

static struct sp_str without_query(struct sp_str s)
{
    ptrdiff_t mark = sp_str_chr(s, '?');
    return mark < 0 ? s : sp_str_n(s.ptr, (size_t)mark);
}

static void get_header_without_query(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->str = without_query(either(op, in, v));
    v->kind = v->str.ptr ? SP_FMT_STR : SP_FMT_NONE;
}

/* PATH(WQ|NQ:ORIG|PATH|ORIG_OR_PATH): arg 1 leaves the query out; the headers say where from. */
static bool parse_path(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    static const struct sp_fmt_header path = {SP_STR_INIT(":path"), 0, PATH};
    static const struct sp_fmt_header original = {SP_STR_INIT("x-envoy-original-path"), SP_H_X_ENVOY_ORIGINAL_PATH, LINE};
    struct sp_str query = SP_STR_NULL, from = SP_STR_NULL, rest = params;
    if (sp_str_split(&rest, ':', &query))
        from = rest;
    op->arg2 = sp_str_eq(query, SP_STR("NQ"));
    if (query.len && !op->arg2 && !sp_str_eq(query, SP_STR("WQ"))) {
        sp_fmt_err(p, "%%PATH%%: \"%.*s\" is neither WQ (with query) nor NQ (without)", SP_STR_ARG(query));
        return false;
    }
    op->header[0] = original;
    op->header[1] = path;
    if (sp_str_eq(from, SP_STR("PATH")))
        op->header[0] = path;
    else if (sp_str_eq(from, SP_STR("ORIG")))
        op->header[1] = (struct sp_fmt_header){SP_STR_NULL, 0, 0};
    else if (from.len && !sp_str_eq(from, SP_STR("ORIG_OR_PATH"))) {
        sp_fmt_err(p, "%%PATH%%: \"%.*s\" is none of ORIG, PATH, ORIG_OR_PATH", SP_STR_ARG(from));
        return false;
    }
    return true;
}

static void get_path(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    if (op->arg2)
        get_header_without_query(op, in, v);
    else
        get_header(op, in, v);
}

static bool parse_text(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    op->text = sp_arena_str(p->arena, params);
    return true;
}

static struct sp_str query_of(const struct sp_format_input *in)
{
    struct sp_str path = in->request ? in->request->path : SP_STR_NULL;
    ptrdiff_t mark = sp_str_chr(path, '?');
    return mark < 0 ? SP_STR_NULL : sp_str_n(path.ptr + mark + 1, path.len - (size_t)mark - 1);
}

static void get_query(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_set(v, SP_FMT_STR, query_of(in));
}

static void get_query_parameter(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    struct sp_str all = query_of(in), item;
    v->kind = SP_FMT_NONE;
    while (sp_str_split(&all, '&', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        if (!sp_str_eq(eq < 0 ? item : sp_str_n(item.ptr, (size_t)eq), op->text))
            continue;
        v->kind = SP_FMT_STR;
        v->str = eq < 0 ? SP_STR("") : sp_str_n(item.ptr + eq + 1, item.len - (size_t)eq - 1);
        return;
    }
}

enum count {
    RESPONSE_CODE, RX_BODY, TX_BODY, RX_HEAD, TX_HEAD, TX_TRAILERS, RX_ALL, TX_ALL, ATTEMPTS,
};

static void get_count(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_stream_info *s = in->info;
    switch ((enum count)op->arg) {
    case RESPONSE_CODE:
        return sp_fmt_number(v, s->response_code);
    case RX_BODY:
        return sp_fmt_number(v, s->rx_body_bytes);
    case TX_BODY:
        return sp_fmt_number(v, s->tx_body_bytes);
    case RX_HEAD:
        return sp_fmt_number(v, s->rx_head_bytes);
    case TX_HEAD:
        return sp_fmt_number(v, s->tx_head_bytes);
    case TX_TRAILERS:
        return sp_fmt_number(v, in->trailers ? in->trailers->bytes : 0);
    case RX_ALL:
        return sp_fmt_number(v, s->rx_head_bytes + s->rx_body_bytes);
    case TX_ALL:
        return sp_fmt_number(v, s->tx_head_bytes + s->tx_body_bytes);
    case ATTEMPTS:
        return sp_fmt_number(v, s->upstream_attempts);
    }
}

enum string { TERMINATION, ROUTE, VHOST, VCLUSTER, CLUSTER, UP_FAILURE, REQUEST_ID };

static void get_string(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const struct sp_stream_info *s = in->info;
    switch ((enum string)op->arg) {
    case TERMINATION:
        return sp_fmt_set(v, SP_FMT_STR, s->termination_details);
    case ROUTE:
        return sp_fmt_set(v, SP_FMT_STR, s->route_name);
    case VHOST:
        return sp_fmt_set(v, SP_FMT_STR, s->vhost_name);
    case VCLUSTER:
        return sp_fmt_set(v, SP_FMT_STR, s->virtual_cluster);
    case CLUSTER:
        return sp_fmt_set(v, SP_FMT_STR, s->upstream_cluster);
    case UP_FAILURE:
        return sp_fmt_set(v, SP_FMT_STR, s->upstream_failure_reason);
    case REQUEST_ID:
        return sp_fmt_set(v, SP_FMT_STR, s->request_id);
    }
}

static bool parse_details(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    op->arg = sp_str_eq(params, SP_STR("ALLOW_WHITESPACES"));
    if (op->arg || !params.len)
        return true;
    sp_fmt_err(p, "%%RESPONSE_CODE_DETAILS%%: \"%.*s\" is not ALLOW_WHITESPACES", SP_STR_ARG(params));
    return false;
}

/* One word, so that a line can be split at spaces. */
static void get_details(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    struct sp_str s = in->info->details;
    sp_fmt_set(v, SP_FMT_STR, s);
    if (op->arg || sp_str_chr(s, ' ') < 0)
        return;
    v->str = sp_str_n(v->buf, SP_MIN(s.len, sizeof(v->buf)));
    for (size_t i = 0; i < v->str.len; i++)
        v->buf[i] = s.ptr[i] == ' ' ? '_' : s.ptr[i];
}

static struct sp_str protocol_name(enum sp_protocol p)
{
    return p == SP_HTTP_2 ? SP_STR("HTTP/2") : p == SP_HTTP_11 ? SP_STR("HTTP/1.1") : SP_STR("HTTP/1.0");
}

static void get_protocol(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_set(v, SP_FMT_SAFE, protocol_name(in->info->protocol));
}

static void get_upstream_protocol(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_set(v, SP_FMT_SAFE, in->info->upstream_host.family ? protocol_name(in->info->upstream_protocol) : SP_STR_NULL);
}

/* Without any it is "-", in JSON too, as in Envoy. All of them at once would be cut, but no stream has even ten. */
static void get_flags(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    static const struct {
        struct sp_str name, long_name;
    } flags[] = {
#define X(id, s, l) {SP_STR_INIT(s), SP_STR_INIT(l)},
        SP_FLAG_TABLE(X)
#undef X
    };
    size_t n = 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(flags) && in->info->flags >> i; i++) {
        struct sp_str s = op->arg ? flags[i].long_name : flags[i].name;
        if (!(in->info->flags >> i & 1) || n + s.len + 1 > sizeof(v->buf))
            continue;
        if (n)
            v->buf[n++] = ',';
        memcpy(v->buf + n, s.ptr, s.len);
        n += s.len;
    }
    sp_fmt_set(v, SP_FMT_SAFE, n ? sp_str_n(v->buf, n) : SP_STR("-"));
}

enum grpc { CAMEL, SNAKE, NUMBER };
static const struct {
    const char *camel, *snake;
} grpc_names[] = {
    {"OK", "OK"}, {"Canceled", "CANCELLED"}, {"Unknown", "UNKNOWN"}, {"InvalidArgument", "INVALID_ARGUMENT"},
    {"DeadlineExceeded", "DEADLINE_EXCEEDED"}, {"NotFound", "NOT_FOUND"}, {"AlreadyExists", "ALREADY_EXISTS"},
    {"PermissionDenied", "PERMISSION_DENIED"}, {"ResourceExhausted", "RESOURCE_EXHAUSTED"},
    {"FailedPrecondition", "FAILED_PRECONDITION"}, {"Aborted", "ABORTED"}, {"OutOfRange", "OUT_OF_RANGE"},
    {"Unimplemented", "UNIMPLEMENTED"}, {"Internal", "INTERNAL"}, {"Unavailable", "UNAVAILABLE"},
    {"DataLoss", "DATA_LOSS"}, {"Unauthenticated", "UNAUTHENTICATED"},
};

static bool parse_grpc(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    static const char *const forms[] = {"CAMEL_STRING", "SNAKE_STRING", "NUMBER"};
    for (int i = 0; i < 3; i++)
        if (sp_str_eq(params, sp_str_c(forms[i]))) {
            op->arg = i;
            return true;
        }
    if (!params.len)
        return true;
    sp_fmt_err(p, "%%GRPC_STATUS%%: \"%.*s\" is none of CAMEL_STRING, SNAKE_STRING, NUMBER", SP_STR_ARG(params));
    return false;
}

static void get_grpc(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    struct sp_str s = in->trailers ? sp_headers_get_id(in->trailers, SP_H_GRPC_STATUS) : SP_STR_NULL;
    uint64_t n = sp_grpc_status(in->info->response_code);
    if (!s.len && in->response)
        s = sp_headers_get_id(in->response, SP_H_GRPC_STATUS);
    v->kind = SP_FMT_NONE;
    if (!in->request || !sp_is_grpc(in->request) || (s.len && sp_str_u64(s, UINT32_MAX, &n) < 0))
        return;
    if (op->arg == NUMBER)
        sp_fmt_number(v, n);
    else if (n < SP_ARRAY_LEN(grpc_names))
        sp_fmt_set(v, SP_FMT_SAFE, sp_str_c(op->arg == SNAKE ? grpc_names[n].snake : grpc_names[n].camel));
    else
        sp_fmt_set(v, SP_FMT_STR, s);
}

static void get_constant(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    sp_fmt_set(v, SP_FMT_STR, op->text);
}

static bool parse_hostname(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    char name[256];
    if (gethostname(name, sizeof(name)) == 0) {
        name[sizeof(name) - 1] = 0;
        op->text = sp_arena_str(p->arena, sp_str_c(name));
    }
    return true;
}

static bool parse_environment(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    const char *value = getenv(sp_arena_str(p->arena, params).ptr);
    if (value)
        op->text = sp_arena_str(p->arena, sp_str_c(value));
    return true;
}

unsigned sp_format_log_type(const struct sp_format_input *in)
{
    return in->of_connection ? ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__NotSet
           : in->log_type    ? in->log_type
                             : ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__DownstreamEnd;
}

static void get_log_type(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    const ProtobufCEnumDescriptor *types = &envoy__data__accesslog__v3__access_log_type__descriptor;
    sp_fmt_set(v, SP_FMT_SAFE, sp_str_c(protobuf_c_enum_descriptor_get_value(types, (int)sp_format_log_type(in))->name));
}

static bool parse_filter_state(struct sp_fmt_op *op, const struct sp_fmt_parse *p, struct sp_str params)
{
    sp_doc_warn(p->doc, p->diag, p->msg, p->field, p->index,
                "%%FILTER_STATE%% never has a value: nothing here sets filter state");
    return true;
}

static void get_nothing(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = SP_FMT_NONE;
}

static void get_shadow(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = in->info->n_shadow ? SP_FMT_LIST : SP_FMT_NONE;
    v->list = in->info->shadow;
    v->n_list = in->info->n_shadow;
}

static void get_early(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    static const struct sp_str texts[] = {SP_STR_INIT(""), SP_STR_INIT("early"), SP_STR_INIT("too_early")};
    (void)op;
    sp_fmt_set(v, SP_FMT_SAFE, texts[in->info->early]);
}

/* Another one each time (RFC 9562 section 5.4). */
static void get_unique(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    uint64_t a = sp_random_u64(), b = sp_random_u64();
    int n = snprintf(v->buf, sizeof(v->buf), "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                     (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffff));
    sp_fmt_set(v, SP_FMT_SAFE, sp_str_n(v->buf, (size_t)n));
}

static void get_body(const struct sp_fmt_op *op, const struct sp_format_input *in, struct sp_fmt_value *v)
{
    v->kind = SP_FMT_BODY; /* an empty one is a body too */
    v->str = in->local_reply_body;
}

#define MAY SP_FMT_MAY_HAVE_PARAMS
#define NEEDS SP_FMT_NEEDS_PARAMS
#define NO SP_FMT_NO_PARAMS

const struct sp_fmt_desc sp_fmt_ops_http[] = {
    {"ACCESS_LOG_TYPE", get_log_type, 0, 0, NULL, NO, false},
    {"BYTES_RECEIVED", get_count, RX_BODY, 0, NULL, NO, false},
    {"BYTES_SENT", get_count, TX_BODY, 0, NULL, NO, false},
    {"CLUSTER_METADATA", sp_fmt_get_config_metadata, SP_META_CLUSTER, 0, sp_fmt_parse_metadata, NEEDS, true},
    {"CONNECTION_TERMINATION_DETAILS", get_string, TERMINATION, 0, NULL, NO, false},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", get_count, RX_HEAD, 0, NULL, NO, false},
    {"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", get_count, TX_HEAD, 0, NULL, NO, false},
    {"DOWNSTREAM_HEADER_BYTES_RECEIVED", get_count, RX_HEAD, 0, NULL, NO, false},
    {"DOWNSTREAM_HEADER_BYTES_SENT", get_count, TX_HEAD, 0, NULL, NO, false},
    {"DOWNSTREAM_WIRE_BYTES_RECEIVED", get_count, RX_ALL, 0, NULL, NO, false},
    {"DOWNSTREAM_WIRE_BYTES_SENT", get_count, TX_ALL, 0, NULL, NO, false},
    {"DYNAMIC_METADATA", sp_fmt_get_metadata, 0, 0, sp_fmt_parse_metadata, NEEDS, true},
    {"ENVIRONMENT", get_constant, 0, 0, parse_environment, NEEDS, true},
    {"FILTER_STATE", get_nothing, 0, 0, parse_filter_state, NEEDS, true},
    {"GRPC_STATUS", get_grpc, CAMEL, 0, parse_grpc, MAY, false},
    {"GRPC_STATUS_NUMBER", get_grpc, NUMBER, 0, NULL, NO, false},
    {"HOSTNAME", get_constant, 0, 0, parse_hostname, NO, false},
    {"LISTENER_METADATA", sp_fmt_get_config_metadata, SP_META_LISTENER, 0, sp_fmt_parse_metadata, NEEDS, true},
    {"LOCAL_REPLY_BODY", get_body, 0, 0, NULL, NO, false},
    {"METADATA", sp_fmt_get_metadata, 0, 0, sp_fmt_parse_typed_metadata, NEEDS, true},
    {"PATH", get_path, REQUEST, 0, parse_path, MAY, true},
    {"PROTOCOL", get_protocol, 0, 0, NULL, NO, false},
    {"QUERY_PARAM", get_query_parameter, 0, 0, parse_text, NEEDS, true},
    {"QUERY_PARAMS", get_query, 0, 0, NULL, NO, true},
    {"REQ", get_header, REQUEST, 0, parse_headers, NEEDS, true},
    {"REQUEST_HEADER", get_header, REQUEST, 0, parse_headers, NEEDS, true},
    {"REQUEST_HEADERS_BYTES", get_count, RX_HEAD, 0, NULL, NO, false},
    {"REQ_WITHOUT_QUERY", get_header_without_query, REQUEST, 0, parse_headers, NEEDS, true},
    {"RESP", get_header, RESPONSE, 0, parse_headers, NEEDS, true},
    {"RESPONSE_CODE", get_count, RESPONSE_CODE, 0, NULL, NO, false},
    {"RESPONSE_CODE_DETAILS", get_details, 0, 0, parse_details, MAY, false},
    {"RESPONSE_FLAGS", get_flags, false, 0, NULL, NO, false},
    {"RESPONSE_FLAGS_LONG", get_flags, true, 0, NULL, NO, false},
    {"RESPONSE_HEADER", get_header, RESPONSE, 0, parse_headers, NEEDS, true},
    {"RESPONSE_HEADERS_BYTES", get_count, TX_HEAD, 0, NULL, NO, false},
    {"RESPONSE_TRAILER", get_header, TRAILERS, 0, parse_headers, NEEDS, true},
    {"RESPONSE_TRAILERS_BYTES", get_count, TX_TRAILERS, 0, NULL, NO, false},
    {"ROUTE_NAME", get_string, ROUTE, 0, NULL, NO, false},
    {"SALLYPORT_EARLY_DATA", get_early, 0, 0, NULL, NO, false},
    {"SALLYPORT_SHADOW", get_shadow, 0, 0, NULL, NO, false},
    {"STREAM_ID", get_string, REQUEST_ID, 0, NULL, NO, false},
    {"TRAILER", get_header, TRAILERS, 0, parse_headers, NEEDS, true},
    {"UNIQUE_ID", get_unique, 0, 0, NULL, NO, false},
    {"UPSTREAM_CLUSTER", get_string, CLUSTER, 0, NULL, NO, false},
    {"UPSTREAM_CLUSTER_RAW", get_string, CLUSTER, 0, NULL, NO, false},
    {"UPSTREAM_METADATA", sp_fmt_get_config_metadata, SP_META_HOST, 0, sp_fmt_parse_metadata, NEEDS, true},
    {"UPSTREAM_PROTOCOL", get_upstream_protocol, 0, 0, NULL, NO, false},
    {"UPSTREAM_REQUEST_ATTEMPT_COUNT", get_count, ATTEMPTS, 0, NULL, NO, false},
    {"UPSTREAM_TRANSPORT_FAILURE_REASON", get_string, UP_FAILURE, 0, NULL, NO, false},
    {"VIRTUAL_CLUSTER_NAME", get_string, VCLUSTER, 0, NULL, NO, false},
    {"VIRTUAL_HOST_NAME", get_string, VHOST, 0, NULL, NO, false},
    {NULL, NULL, 0, 0, NULL, NO, false},
};
