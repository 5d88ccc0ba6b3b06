/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_fields.h"

#include <assert.h>

#include "http/chars.h"

enum {
    /* A block of this many times the limits is no clumsy client's any more. */
    FIELDS_FACTOR = 10, BYTES_FACTOR = 4, BYTES_FREE = 65536
};

void sp_h2_fields_begin(struct sp_h2_fields *f, const struct sp_codec_config *config, enum sp_h2_block kind,
                        struct sp_headers *h)
{
    assert(f && config);
    *f = (struct sp_h2_fields){.config = config, .h = h, .kind = kind, .content_length = -1};
}

static void refuse(struct sp_h2_fields *f, enum sp_h2_verdict verdict, const char *detail)
{
    if (f->verdict != SP_H2_GOOD)
        return;
    f->verdict = verdict;
    f->detail = detail;
}

static inline struct sp_str keep(const struct sp_h2_fields *f, struct sp_str s, bool is_static)
{
    if (s.len == 0)
        return SP_STR("");
    if (is_static)
        return s;
    char *p = sp_arena_alloc(f->h->arena, s.len);
    memcpy(p, s.ptr, s.len);
    return sp_str_n(p, s.len);
}

static void take_path(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    if (field->value.len > f->config->max_url_bytes)
        refuse(f, SP_H2_URL_TOO_LONG, "http2.url_too_long");
    else if (sp_scan_target(field->value.ptr, field->value.ptr + field->value.len) !=
             field->value.ptr + field->value.len)
        refuse(f, SP_H2_MALFORMED, "http2.invalid_path");
    else
        f->h->path = keep(f, field->value, field->value_static);
}

static void take_method(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    if (!sp_method_valid(field->value) || sp_method_forged(field->value))
        refuse(f, SP_H2_MALFORMED, "http2.invalid_method");
    else
        f->h->method = keep(f, field->value, field->value_static);
}

static void take_scheme(struct sp_h2_fields *f, struct sp_str value)
{
    if (sp_str_eq(value, SP_STR("https")) || sp_str_ieq(value, SP_STR("https")))
        f->h->scheme = SP_STR("https");
    else if (sp_str_ieq(value, SP_STR("http")))
        f->h->scheme = SP_STR("http");
    else
        refuse(f, SP_H2_MALFORMED, "http2.invalid_scheme");
}

static void take_authority(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    if (!sp_authority_valid(field->value))
        refuse(f, SP_H2_MALFORMED, "http2.invalid_authority");
    else
        f->h->authority = keep(f, field->value, field->value_static);
}

/* RFC 8441 section 4, if it was offered. */
static void take_protocol(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    if (!f->config->h2_extended_connect || f->h->protocol.ptr || !sp_method_valid(field->value))
        refuse(f, SP_H2_MALFORMED, "http2.extended_connect");
    else
        f->h->protocol = keep(f, field->value, field->value_static);
}

static void request_pseudo(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    struct sp_headers *h = f->h;
    struct sp_str name = field->name;
    char first = name.len > 1 ? name.ptr[1] : 0;
    if (first == 'p' && sp_str_eq(name, SP_STR(":path")) && !h->path.ptr)
        take_path(f, field);
    else if (first == 'm' && sp_str_eq(name, SP_STR(":method")) && !h->method.ptr)
        take_method(f, field);
    else if (first == 's' && sp_str_eq(name, SP_STR(":scheme")) && !h->scheme.ptr)
        take_scheme(f, field->value);
    else if (first == 'a' && sp_str_eq(name, SP_STR(":authority")) && !h->authority.ptr)
        take_authority(f, field);
    else if (sp_str_eq(name, SP_STR(":protocol")))
        take_protocol(f, field);
    else
        refuse(f, SP_H2_MALFORMED, "http2.invalid_pseudo_header");
}

static void response_pseudo(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    uint64_t status;
    if (!sp_str_eq(field->name, SP_STR(":status")) || f->h->status)
        refuse(f, SP_H2_MALFORMED, "http2.invalid_pseudo_header");
    else if (field->value.len != 3 || sp_str_u64(field->value, 599, &status) != 0 || status < 100 || status == 101)
        refuse(f, SP_H2_MALFORMED, "http2.invalid_status");
    else
        f->h->status = (unsigned)status;
}

static void add_pseudo(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    f->pseudo = true;
    if (f->regular || f->kind == SP_H2_TRAILERS || field->value.len == 0)
        refuse(f, SP_H2_MALFORMED, "http2.invalid_pseudo_header");
    else if (f->kind == SP_H2_REQUEST)
        request_pseudo(f, field);
    else
        response_pseudo(f, field);
}

static void take_host(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    if (f->kind != SP_H2_REQUEST)
        return;
    if (f->host.ptr || !sp_authority_valid(field->value))
        refuse(f, SP_H2_MALFORMED, "http2.invalid_host");
    else
        f->host = keep(f, field->value, field->value_static);
}

/* Returns whether the line is to be kept. */
static bool check_known(struct sp_h2_fields *f, enum sp_header_id id, const struct sp_h2_field *field)
{
    uint64_t length;
    switch (id) {
    case SP_H_CONNECTION:
    case SP_H_KEEP_ALIVE:
    case SP_H_PROXY_CONNECTION:
    case SP_H_TRANSFER_ENCODING:
    case SP_H_UPGRADE:
        refuse(f, SP_H2_MALFORMED, "http2.connection_header");
        return false;
    case SP_H_HOST:
        take_host(f, field);
        return false;
    case SP_H_HTTP2_SETTINGS:
        return false;
    case SP_H_COOKIE:
        f->n_crumbs += f->kind == SP_H2_REQUEST;
        break;
    case SP_H_TE:
        if (f->kind == SP_H2_RESPONSE || !sp_str_ieq(field->value, SP_STR("trailers")))
            refuse(f, SP_H2_MALFORMED, "http2.invalid_te");
        break;
    case SP_H_CONTENT_LENGTH:
        if (f->kind == SP_H2_TRAILERS)
            return false;
        if (f->content_length >= 0 || sp_str_u64(field->value, INT64_MAX, &length) != 0) {
            refuse(f, SP_H2_MALFORMED, "http2.invalid_content_length");
            return false;
        }
        f->content_length = (int64_t)length;
        break;
    default:
        break;
    }
    return f->kind != SP_H2_TRAILERS || sp_header_may_trail(id);
}

/* True when the line is dropped or refused for its name. */
static bool underscore(struct sp_h2_fields *f, struct sp_str name)
{
    if (!f->config->server || f->config->underscores == 0 || sp_str_chr(name, '_') < 0)
        return false;
    if (f->config->underscores == 1)
        refuse(f, SP_H2_UNDERSCORE, "http2.underscore");
    else
        f->n_underscores++;
    return true;
}

static void add_regular(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    f->regular = true;
    enum sp_header_id id = sp_header_id(field->name);
    if (id == SP_H_OTHER && !sp_header_name_valid(field->name)) {
        refuse(f, SP_H2_MALFORMED, "http2.invalid_header_name");
        return;
    }
    if (!sp_header_value_valid(field->value)) {
        refuse(f, SP_H2_MALFORMED, "http2.invalid_header_value");
        return;
    }
    if (id == SP_H_OTHER ? underscore(f, field->name) : !check_known(f, id, field))
        return;
    struct sp_headers *h = f->h;
    if (h->n == h->cap)
        sp_headers_reserve(h, 1);
    h->v[h->n++] = (struct sp_header){
        .name = id == SP_H_OTHER ? keep(f, field->name, field->name_static) : sp_header_name(id),
        .value = keep(f, field->value, field->value_static),
        .id = (uint8_t)id,
        .never_index = field->never_index,
    };
}

static bool count_lines(struct sp_h2_fields *f)
{
    /* A browser's cookies may come one a field: they are one header, but not without end. */
    unsigned max = f->config->max_headers;
    if (f->n_regular - (f->n_crumbs ? f->n_crumbs - 1 : 0) <= max && f->n_crumbs / FIELDS_FACTOR <= max)
        return true;
    refuse(f, SP_H2_TOO_MANY, "http2.too_many_headers");
    return f->n_fields / FIELDS_FACTOR <= max;
}

bool sp_h2_fields_add(struct sp_h2_fields *f, const struct sp_h2_field *field)
{
    assert(f && f->config && field);
    const struct sp_codec_config *config = f->config;
    f->n_fields++;
    f->n_bytes += field->name.len + field->value.len;
    if (f->n_bytes > config->max_header_bytes) {
        refuse(f, SP_H2_TOO_LARGE, "http2.headers_too_large");
        if (f->n_bytes > BYTES_FACTOR * config->max_header_bytes + BYTES_FREE)
            return false;
    }
    bool pseudo = field->name.len && field->name.ptr[0] == ':';
    f->n_regular += !pseudo;
    if (f->h && f->verdict == SP_H2_GOOD) {
        if (pseudo)
            add_pseudo(f, field);
        else
            add_regular(f, field);
    }
    return count_lines(f);
}

/* RFC 9113 section 8.2.3: before it goes on, one line, joined by "; ". */
static void join_crumbs(struct sp_headers *h)
{
    size_t len = 0;
    struct sp_header *first = NULL;
    for (struct sp_header *line = NULL; (line = sp_headers_find_id(h, SP_H_COOKIE, line)) != NULL;) {
        len += line->value.len + 2;
        first = first ? first : line;
    }
    assert(first);
    char *to = sp_arena_alloc(h->arena, len), *p = to;
    unsigned kept = 0;
    for (unsigned i = 0; i < h->n; i++) {
        struct sp_header *line = &h->v[i];
        if (line->id == SP_H_COOKIE) {
            if (line != first)
                p = mempcpy(p, "; ", 2);
            p = mempcpy(p, line->value.ptr, line->value.len);
            first->never_index |= line->never_index;
            if (line != first)
                continue;
        }
        h->v[kept++] = *line;
    }
    h->n = kept;
    first->value = sp_str_n(to, (size_t)(p - to));
}

static void end_request(struct sp_h2_fields *f)
{
    struct sp_headers *h = f->h;
    bool connect = sp_str_eq(h->method, SP_STR("CONNECT")), extended = h->protocol.ptr;
    if ((extended && !connect) || (connect && f->content_length > 0))
        refuse(f, SP_H2_MALFORMED, "http2.extended_connect");
    connect = connect && !extended;
    if (f->host.ptr && h->authority.ptr && !sp_str_ieq(f->host, h->authority)) {
        refuse(f, SP_H2_MALFORMED, "http2.host_is_not_authority");
    } else if (!h->method.ptr || (connect ? h->path.ptr || h->scheme.ptr || !h->authority.ptr
                                          : !h->path.ptr || !h->scheme.ptr)) {
        refuse(f, SP_H2_MALFORMED, "http2.missing_pseudo_header");
    } else if (!connect && h->path.ptr[0] != '/' &&
               !(sp_str_eq(h->path, SP_STR("*")) && sp_str_eq(h->method, SP_STR("OPTIONS")))) {
        refuse(f, SP_H2_MALFORMED, "http2.invalid_path");
    }
    if (!h->authority.ptr)
        h->authority = f->host;
    if (!extended && !connect)
        return;
    if (connect)
        h->protocol = SP_CONNECT;
    else
        h->method = SP_STR("GET"); /* as HTTP/1 has it: whoever looks at requests sees one kind of tunnel */
    sp_headers_remove_id(h, SP_H_CONTENT_LENGTH);
    f->content_length = -1;
}

static void end_response(struct sp_h2_fields *f)
{
    struct sp_headers *h = f->h;
    if (!h->status) {
        refuse(f, SP_H2_MALFORMED, "http2.missing_pseudo_header");
    } else if (h->status < 200 || h->status == 204) {
        /* There is none (RFC 9110 section 8.6), but servers say "0" in a 204. */
        if (f->content_length > 0)
            refuse(f, SP_H2_MALFORMED, "http2.invalid_content_length");
        if (f->content_length >= 0)
            sp_headers_remove_id(h, SP_H_CONTENT_LENGTH);
        f->content_length = -1;
    }
}

enum sp_h2_verdict sp_h2_fields_end(struct sp_h2_fields *f)
{
    assert(f && f->config);
    if (!f->h)
        return f->verdict;
    f->h->bytes = f->n_bytes;
    f->h->version = SP_HTTP_2;
    if (f->verdict != SP_H2_GOOD)
        return f->verdict;
    if (f->n_crumbs > 1)
        join_crumbs(f->h);
    if (f->kind == SP_H2_REQUEST)
        end_request(f);
    else if (f->kind == SP_H2_RESPONSE)
        end_response(f);
    return f->verdict;
}
