/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/pb_json.h"

#include <assert.h>
#include <stdlib.h>

#include "config/descriptor.h"
#include "config/place.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"

struct writer {
    const struct sp_doc *doc;
    struct sp_buf *out;
    unsigned indent;
    bool redact; /* inside a field that holds secrets */
    bool whole;  /* the field is one itself */
};

/* A DataSource's content is secret, unless the field stands here: what is forgotten is not shown. */
static const struct {
    const char *message, *field;
} open_sources[] = {
    {"envoy.config.core.v3.SubstitutionFormatString", "text_format_source"},
    {"envoy.config.route.v3.DirectResponseAction", "body"},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", "crl"},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext", "trusted_ca"},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "certificate_chain"},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate", "ocsp_staple"},
    {"sallyport.common.v1.Refusal", "body"},
    {"sallyport.filters.http.origin_shield.v1.SignedTokenKey", "key"},
};

bool sp_pb_is_secret(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *f)
{
    assert(desc && f);
    /* What goes along with every call of a service may be a token. */
    if (strcmp(f->name, "initial_metadata") == 0 && strcmp(desc->name, "envoy.config.core.v3.GrpcService") == 0)
        return true;
    if (strcmp(f->name, "key") == 0 && strcmp(desc->name, "envoy.extensions.filters.http.api_key_auth.v3.Credential") == 0)
        return true;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->descriptor != &envoy__config__core__v3__data_source__descriptor)
        return false;
    for (size_t i = 0; i < SP_ARRAY_LEN(open_sources); i++)
        if (strcmp(desc->name, open_sources[i].message) == 0 && strcmp(f->name, open_sources[i].field) == 0)
            return false;
    return true;
}

static void put(struct writer *w, const char *s)
{
    sp_buf_append(w->out, s, strlen(s));
}

static void newline(struct writer *w)
{
    static const char spaces[] = "                ";
    put(w, "\n");
    for (unsigned left = w->indent; left;) {
        unsigned n = SP_MIN(left, (unsigned)sizeof(spaces) - 1);
        sp_buf_append(w->out, spaces, n);
        left -= n;
    }
}

static void put_string(struct writer *w, const char *s)
{
    put(w, "\"");
    for (const char *from = s;; s++) {
        unsigned char c = (unsigned char)*s;
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        sp_buf_append(w->out, from, (size_t)(s - from));
        from = s + 1;
        if (!c)
            break;
        char esc[8];
        snprintf(esc, sizeof(esc), c == '"' || c == '\\' ? "\\%c" : "\\u%04x", c);
        put(w, esc);
    }
    put(w, "\"");
}

static void put_bytes(struct writer *w, const ProtobufCBinaryData *b)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    put(w, "\"");
    for (size_t i = 0; i < b->len; i += 3) {
        size_t n = SP_MIN(b->len - i, 3u);
        uint32_t v = (uint32_t)b->data[i] << 16;
        if (n > 1)
            v |= (uint32_t)b->data[i + 1] << 8;
        if (n > 2)
            v |= b->data[i + 2];
        char q[4] = {digits[v >> 18], digits[v >> 12 & 63], '=', '='};
        if (n > 1)
            q[2] = digits[v >> 6 & 63];
        if (n > 2)
            q[3] = digits[v & 63];
        sp_buf_append(w->out, q, 4);
    }
    put(w, "\"");
}

/* The shortest form that reads back as the same number. */
static void put_double(struct writer *w, double d)
{
    char text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(text, sizeof(text), "%.*g", precision, d);
        if (strtod(text, NULL) == d)
            break;
    }
    put(w, text);
}

static void put_message(struct writer *w, const ProtobufCMessage *msg);

static void put_scalar(struct writer *w, const ProtobufCFieldDescriptor *f, const void *p)
{
    char text[40];
    const ProtobufCEnumValue *value;
    switch (f->type) {
    case PROTOBUF_C_TYPE_BOOL:
        put(w, *(const protobuf_c_boolean *)p ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        value = protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p);
        put_string(w, value ? value->name : "");
        return;
    case PROTOBUF_C_TYPE_STRING:
        put_string(w, *(const char *const *)p);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        put_bytes(w, p);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        put_double(w, (double)*(const float *)p);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_double(w, *(const double *)p);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        snprintf(text, sizeof(text), "%u", *(const uint32_t *)p);
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        snprintf(text, sizeof(text), "%d", *(const int32_t *)p);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        snprintf(text, sizeof(text), "\"%llu\"", (unsigned long long)*(const uint64_t *)p);
        break;
    default:
        snprintf(text, sizeof(text), "\"%lld\"", (long long)*(const int64_t *)p);
    }
    put(w, text);
}

static void put_value(struct writer *w, const ProtobufCFieldDescriptor *f, const void *p)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        put_message(w, *(ProtobufCMessage *const *)p);
    else if (w->whole)
        put(w, "\"[redacted]\"");
    else if (w->redact && (f->type == PROTOBUF_C_TYPE_BYTES || strncmp(f->name, "inline_", 7) == 0 || strcmp(f->name, "value") == 0))
        put(w, "\"[redacted]\"");
    else
        put_scalar(w, f, p);
}

/* A comma if something stands before, a new line, and the name. */
static void put_name(struct writer *w, unsigned *count, const char *name)
{
    if ((*count)++)
        put(w, ",");
    newline(w);
    if (name) {
        put_string(w, name);
        put(w, ": ");
    }
}

static void open_bracket(struct writer *w, const char *bracket)
{
    put(w, bracket);
    w->indent++;
}

static void close_bracket(struct writer *w, unsigned count, const char *bracket)
{
    w->indent--;
    if (count)
        newline(w);
    put(w, bracket);
}

/* What a file of its own says is not written here. */
static bool is_graft(const struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, const void *p)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE && sp_doc_grafted(w->doc, msg, *(ProtobufCMessage *const *)p);
}

static bool all_grafts(const struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    const char *p = f->label == PROTOBUF_C_LABEL_REPEATED ? *(char **)sp_field_ptr(msg, f) : sp_field_ptr(msg, f);
    size_t n = f->label == PROTOBUF_C_LABEL_REPEATED ? *sp_field_count(msg, f) : 1;
    for (size_t i = 0; i < n; i++, p += sp_field_size(f))
        if (!is_graft(w, msg, f, p))
            return false;
    return true;
}

static void put_list(struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    const char *p = *(char **)sp_field_ptr(msg, f);
    unsigned count = 0;
    open_bracket(w, "[");
    for (size_t i = 0; i < *sp_field_count(msg, f); i++, p += sp_field_size(f)) {
        if (is_graft(w, msg, f, p))
            continue;
        put_name(w, &count, NULL);
        put_value(w, f, p);
    }
    close_bracket(w, count, "]");
}

static void put_map(struct writer *w, const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    ProtobufCMessage *const *entries = *(ProtobufCMessage ***)sp_field_ptr(msg, f);
    unsigned count = 0;
    open_bracket(w, "{");
    for (size_t i = 0; i < *sp_field_count(msg, f); i++) {
        const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
        const struct sp_place *place = sp_place_find(w->doc, entries[i]);
        put_name(w, &count, place ? place->key : "");
        put_value(w, &fields[1], sp_field_ptr(entries[i], &fields[1]));
    }
    close_bracket(w, count, "}");
}

static bool worth_writing(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    static const char zero[sizeof(ProtobufCBinaryData)];
    const void *p = sp_field_ptr(msg, f);
    if (sp_field_in_oneof(f))
        return *sp_field_case(msg, f) == f->id;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *sp_field_count(msg, f) > 0;
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return **(char *const *)p != 0;
    return memcmp(p, zero, sp_field_size(f)) != 0;
}

/* A header that is added with a credential in it; a value that is all a command (%REQ(x)%) is none. */
static bool is_secret_header(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    static const struct sp_str words[] = {SP_STR_INIT("authorization"), SP_STR_INIT("cookie"), SP_STR_INIT("secret"), SP_STR_INIT("token"),
                                          SP_STR_INIT("password"), SP_STR_INIT("api-key"), SP_STR_INIT("apikey")};
    if (msg->descriptor != &envoy__config__core__v3__header_value__descriptor || strcmp(f->name, "key") == 0)
        return false;
    const Envoy__Config__Core__V3__HeaderValue *h = (const void *)msg;
    size_t n = strlen(h->value);
    if (n > 2 && h->value[0] == '%' && strchr(h->value + 1, '%') == h->value + n - 1)
        return false;
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++)
        if (strcasestr(h->key, words[i].ptr))
            return true;
    return false;
}

static void put_fields(struct writer *w, const ProtobufCMessage *msg, unsigned *count)
{
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
        bool redact = w->redact;
        if (!worth_writing(msg, f) || all_grafts(w, msg, f))
            continue;
        bool secret = sp_pb_is_secret(msg->descriptor, f) || is_secret_header(msg, f);
        w->redact = redact || secret;
        w->whole = secret && f->type == PROTOBUF_C_TYPE_STRING;
        put_name(w, count, f->name);
        if (sp_field_is_map(msg->descriptor, f))
            put_map(w, msg, f);
        else if (f->label == PROTOBUF_C_LABEL_REPEATED)
            put_list(w, msg, f);
        else
            put_value(w, f, sp_field_ptr(msg, f));
        w->redact = redact;
        w->whole = false;
    }
}

static void put_any(struct writer *w, const Google__Protobuf__Any *any)
{
    const ProtobufCMessage *content = sp_doc_any(w->doc, any);
    unsigned count = 0;
    open_bracket(w, "{");
    put_name(w, &count, "@type");
    put_string(w, any->type_url);
    if (content)
        put_fields(w, content, &count);
    close_bracket(w, count, "}");
}

static void put_duration(struct writer *w, const Google__Protobuf__Duration *d)
{
    char text[48], *end;
    int n = d->nanos ? snprintf(text, sizeof(text), "\"%lld.%09d", (long long)d->seconds, d->nanos)
                     : snprintf(text, sizeof(text), "\"%lld", (long long)d->seconds);
    for (end = text + n; d->nanos && end[-1] == '0';)
        end--;
    memcpy(end, "s\"", 3);
    put(w, text);
}

static void put_struct_value(struct writer *w, const Google__Protobuf__Value *v)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(v->base.descriptor, v->kind_case);
    if (!f || v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE)
        put(w, "null");
    else
        put_value(w, f, sp_field_ptr(&v->base, f));
}

static void put_message(struct writer *w, const ProtobufCMessage *msg)
{
    const ProtobufCMessageDescriptor *desc = msg->descriptor;
    unsigned count = 0;
    switch (sp_wkt_of(desc)) {
    case SP_WKT_ANY:
        put_any(w, (const void *)msg);
        break;
    case SP_WKT_DURATION:
        put_duration(w, (const void *)msg);
        break;
    case SP_WKT_WRAPPER:
        put_value(w, &desc->fields[0], sp_field_ptr(msg, &desc->fields[0]));
        break;
    case SP_WKT_STRUCT:
        put_map(w, msg, &desc->fields[0]);
        break;
    case SP_WKT_LIST_VALUE:
        put_list(w, msg, &desc->fields[0]);
        break;
    case SP_WKT_VALUE:
        put_struct_value(w, (const void *)msg);
        break;
    case SP_WKT_NONE:
        open_bracket(w, "{");
        put_fields(w, msg, &count);
        close_bracket(w, count, "}");
        break;
    }
}

void sp_pb_json(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out)
{
    assert(doc && msg && out);
    struct writer w = {.doc = doc, .out = out, .indent = indent};
    put_message(&w, msg);
}

void sp_pb_json_typed(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out)
{
    assert(doc && msg && out);
    struct writer w = {doc, out, indent, false, false};
    unsigned count = 0;
    open_bracket(&w, "{");
    put_name(&w, &count, "@type");
    put(&w, "\"type.googleapis.com/");
    put(&w, ((const ProtobufCMessage *)msg)->descriptor->name);
    put(&w, "\"");
    put_fields(&w, msg, &count);
    close_bracket(&w, count, "}");
}
