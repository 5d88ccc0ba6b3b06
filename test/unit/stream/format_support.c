/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "format_support.h"

#include <stdio.h>
#include <stdlib.h>

static char text[65536];

void t_stream_init(struct t_stream *s)
{
    *s = (struct t_stream){0};
    sp_arena_init(&s->arena);
    s->conn.id = 77;
    sp_addr_parse(SP_STR("192.0.2.1:5000"), &s->conn.socket);
    sp_addr_parse(SP_STR("198.51.100.7:6000"), &s->conn.peer);
    sp_addr_parse(SP_STR("10.0.0.1:8443"), &s->conn.local);
    s->info.conn = &s->conn;
    s->conn.tls = s->conn.cert.tls = &s->tls;
    s->info.start_ns = 1000000000;
    s->info.start_wall_ns = 1700000000123456789;
    s->info.rx_end_ns = 1010000000;
    s->info.up_first_tx_ns = 1012000000;
    s->info.up_last_tx_ns = 1015000000;
    s->info.up_first_rx_ns = 1200000000;
    s->info.up_last_rx_ns = 1330000000;
    s->info.tx_first_ns = 1205000000;
    s->info.tx_end_ns = 1345678901;
    s->info.protocol = SP_HTTP_2;
    sp_addr_parse(SP_STR("203.0.113.9:0"), &s->info.client);
    s->info.response_code = 200;
    s->info.details = SP_STR("via_upstream");
    s->info.route_name = SP_STR("main");
    s->info.vhost_name = SP_STR("site");
    s->info.upstream_cluster = SP_STR("origin");
    sp_addr_parse(SP_STR("[2001:db8::5]:443"), &s->info.upstream_host);
    sp_addr_parse(SP_STR("[2001:db8::1]:40000"), &s->info.upstream_local);
    s->info.upstream_protocol = SP_HTTP_11;
    s->info.upstream_attempts = 2;
    s->info.rx_head_bytes = 100;
    s->info.rx_body_bytes = 11;
    s->info.tx_head_bytes = 200;
    s->info.tx_body_bytes = 5678;
    s->info.up_rx_body_bytes = 5678;
    s->info.up_tx_body_bytes = 11;
    s->info.request_id = SP_STR("cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2");
    t_headers(&s->request, &s->arena, "");
    t_headers(&s->response, &s->arena, "");
    t_headers(&s->trailers, &s->arena, "");
    s->in = (struct sp_format_input){.info = &s->info,
                                     .request = &s->request,
                                     .response = &s->response,
                                     .trailers = &s->trailers,
                                     .now_ns = 1400000000};
}

void t_stream_done(struct t_stream *s)
{
    sp_arena_done(&s->arena);
}

void t_stream_metadata(struct t_stream *s, const char *ns, const char *key, const char *json)
{
    struct sp_metadata *m = sp_arena_zalloc(&s->arena, sizeof(*m)), **at = &s->info.metadata;
    *m = (struct sp_metadata){NULL, sp_str_c(ns), sp_str_c(key), sp_str_c(json)};
    while (*at)
        at = &(*at)->next;
    *at = m;
}

static const char *written(const struct sp_format *f, const struct t_stream *s)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_format_write(f, &s->in, &b);
    assert_true(b.len < sizeof(text));
    size_t n = b.len;
    sp_buf_peek(&b, text, n);
    text[n] = 0;
    sp_buf_clear(&b);
    return text;
}

static const char *compiled(struct t_stream *s, const char *format, bool as_value)
{
    struct t_config c;
    t_config_load(&c, &envoy__config__core__v3__substitution_format_string__descriptor, "text_format: x");
    struct sp_format *f = sp_format_new(c.doc, &c.diag, c.msg, "text_format", -1, sp_str_c(format));
    if (!f) {
        const char *prefix = "t.yaml:1:14: text_format: ", *said = t_config_said(&c);
        assert_int_equal(strncmp(said, prefix, strlen(prefix)), 0);
        snprintf(text, sizeof(text), "%s", said + strlen(prefix));
        text[strlen(text) - 1] = 0;
    } else if (as_value) {
        snprintf(text, sizeof(text), "%s", t_c(&s->arena, sp_format_value(f, &s->in, &s->arena)));
    } else {
        written(f, s);
    }
    sp_format_free(f);
    t_config_done(&c);
    return text;
}

const char *t_text(struct t_stream *s, const char *format)
{
    return compiled(s, format, false);
}

const char *t_value(struct t_stream *s, const char *format)
{
    return compiled(s, format, true);
}

const char *t_format(struct t_stream *s, const char *yaml, const char *said)
{
    struct t_config c;
    t_config_load(&c, &envoy__config__core__v3__substitution_format_string__descriptor, yaml);
    struct sp_format *f = sp_format_new_msg(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), said);
    assert_true(!f == (c.diag.n_errors > 0));
    text[0] = 0;
    if (f)
        written(f, s);
    sp_format_free(f);
    t_config_done(&c);
    return text;
}
