/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A format and the bytes it writes.  Up to the first NUL the input is the format's text, the rest is what peers sent: it
 * stands in every value there is.  What comes out as JSON must be valid and one line; in texts no control character comes
 * out that the format has not itself; a header value must be one.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "envoy/config/core/v3/substitution_format_string.pb-c.h"
#include "stream/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sp_doc *load(struct sp_diag *diag, struct sp_str text)
{
    return sp_doc_load_text("fuzz", text, SP_SYNTAX_YAML, &envoy__config__core__v3__substitution_format_string__descriptor,
                            diag);
}

static void fill(struct sp_stream_info *info, struct sp_conn_info *conn, struct sp_tls_info *tls, struct sp_headers *h,
                 struct sp_metadata *m, const struct sp_str *any)
{
    conn->tls = conn->cert.tls = tls;
    info->conn = conn;
    info->details = info->route_name = info->vhost_name = info->upstream_cluster = info->request_id = *any;
    info->termination_details = info->upstream_failure_reason = conn->failure_reason = *any;
    static struct sp_conn_place place;
    place = (struct sp_conn_place){.name = *any, .metadata = *any};
    conn->listener = conn->filter_chain = &place;
    tls->peer_subject = tls->sni = *any;
    tls->peer_dns = any;
    tls->n_peer_dns = 1;
    h->path = h->authority = h->method = *any;
    sp_headers_add(h, SP_STR("a"), *any);
    *m = (struct sp_metadata){NULL, SP_STR("n"), SP_STR("k"), *any};
    info->metadata = m;
}

static char *written(const struct sp_format *f, const struct sp_format_input *in, size_t *ret_len)
{
    struct sp_buf out;
    sp_buf_init(&out);
    sp_format_write(f, in, &out);
    *ret_len = out.len;
    char *text = malloc(out.len + 1);
    sp_buf_peek(&out, text, out.len);
    text[out.len] = 0;
    sp_buf_clear(&out);
    return text;
}

static void check_text(const struct sp_format *f, const struct sp_format_input *in, struct sp_str format)
{
    size_t n;
    char *text = written(f, in, &n);
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' || text[i] == 0x7f) && sp_str_chr(format, text[i]) < 0)
            abort();
    free(text);
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_str value = sp_format_value(f, in, &arena);
    for (size_t i = 0; i < value.len; i++)
        if ((value.ptr[i] == '\n' || value.ptr[i] == '\r' || value.ptr[i] == 0) && sp_str_chr(format, value.ptr[i]) < 0)
            abort();
    sp_arena_done(&arena);
}

/* As JSON the values of operators are checked; metadata is the filters' JSON, not a peer's bytes. */
static void check_json(struct sp_format_input *in, struct sp_stream_info *info)
{
    struct sp_diag diag;
    size_t n;
    sp_diag_init(&diag);
    struct sp_doc *doc = load(&diag, SP_STR("json_format: {p: '%REQ(:path)%', t: 'x%REQ(a):5%%QUERY_PARAM(b)%', l: "
                                            "['%DOWNSTREAM_PEER_DNS_SAN%', '%RESPONSE_CODE_DETAILS%'], s: '%DURATION%'}"));
    struct sp_format *f = sp_format_new_msg(doc, &diag, sp_doc_root(doc));
    info->metadata = NULL;
    char *text = written(f, in, &n);
    json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!j || memchr(text, '\n', n) != text + n - 1)
        abort();
    json_decref(j);
    free(text);
    sp_format_free(f);
    sp_doc_free(doc);
    sp_diag_done(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_str any = sp_str_n((const char *)data, size), format = SP_STR("");
    if (!size || !sp_str_split(&any, '\0', &format))
        return 0;
    if (!any.ptr)
        any = SP_STR("");
    struct sp_diag diag;
    struct sp_arena arena;
    struct sp_headers h;
    struct sp_metadata m;
    struct sp_conn_info conn = {0};
    struct sp_tls_info tls = {0};
    struct sp_stream_info info = {.start_wall_ns = 1700000000123456789, .start_ns = 1};
    sp_diag_init(&diag);
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    fill(&info, &conn, &tls, &h, &m, &any);
    struct sp_format_input in = {.info = &info, .request = &h, .response = &h, .trailers = &h, .now_ns = 5000000};
    struct sp_doc *doc = load(&diag, SP_STR("text_format: x"));
    struct sp_format *f = sp_format_new(doc, &diag, sp_doc_root(doc), "text_format", -1, format);
    if (f)
        check_text(f, &in, format);
    check_json(&in, &info);
    sp_format_free(f);
    sp_arena_done(&arena);
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return 0;
}
