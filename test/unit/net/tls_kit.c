/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mem.h"
#include "tls_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/rules.h"
#include "crypto/cert_gen.h"

static const char *const server_dns[] = {"localhost", "*.example.com", NULL}, *const server_ip[] = {"127.0.0.1", "::1", NULL};
static const char *const server_uri[] = {"spiffe://example.com/server", NULL};
static const char *const client_uri[] = {"spiffe://example.com/client", NULL}, *const client_dns[] = {"client.test", NULL};
static const char *const other_dns[] = {"other.test", NULL};

static struct {
    const char *name, *issuer;
    struct sp_cert_request request;
} certs[] = {
    {"ca", NULL, {.common_name = "the CA", .is_ca = true}},
    {"other_ca", NULL, {.common_name = "another CA", .is_ca = true}},
    {"server", "ca", {.common_name = "server", .dns = server_dns, .ip = server_ip, .uri = server_uri, .server = true}},
    {"other", "ca", {.common_name = "other", .dns = other_dns, .server = true}},
    {"client", "ca", {.common_name = "client", .uri = client_uri, .dns = client_dns, .client = true}},
    {"stranger", "other_ca", {.common_name = "client", .uri = client_uri, .client = true}},
    {"expired", "ca", {.common_name = "client", .uri = client_uri, .client = true, .not_before = 1577836800, .not_after = 1609459200}},
    {"no_client_usage", "ca", {.common_name = "client", .uri = client_uri, .server = true}},
    {"self", NULL, {.common_name = "self", .dns = server_dns, .server = true}},
};

const struct sp_made_cert *kit_cert(const char *name)
{
    static struct sp_arena arena; /* for as long as the process lives */
    static struct sp_made_cert made[SP_ARRAY_LEN(certs)];
    for (size_t i = 0; i < SP_ARRAY_LEN(certs); i++) {
        if (strcmp(certs[i].name, name) != 0)
            continue;
        const struct sp_made_cert *issuer = certs[i].issuer ? kit_cert(certs[i].issuer) : NULL;
        if (!made[i].cert_pem.len)
            assert_int_equal(sp_cert_make(&certs[i].request, issuer, &arena, &made[i]), 0);
        return &made[i];
    }
    fail_msg("no certificate is called %s", name);
    return NULL;
}

static void put_quoted(FILE *f, struct sp_str text)
{
    fputs("{inline_string: \"", f);
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\n')
            fputs("\\n", f);
        else
            fputc(text.ptr[i], f);
    fputs("\"}", f);
}

char *kit_yaml(const char *text)
{
    char *out = NULL, name[32], what[8];
    size_t n;
    FILE *f = open_memstream(&out, &n);
    while (*text) {
        if (*text != '@' || sscanf(text, "@%31[a-z_].%7[a-z]", name, what) != 2) {
            fputc(*text++, f);
            continue;
        }
        const struct sp_made_cert *c = kit_cert(name);
        put_quoted(f, strcmp(what, "key") == 0 ? c->key_pem : c->cert_pem);
        text += 1 + strlen(name) + 1 + strlen(what);
    }
    fclose(f);
    return out;
}

static const ProtobufCMessageDescriptor *type(bool server)
{
    return server ? &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor
                  : &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor;
}

static struct sp_tls_ctx *compile(bool server, const char *whose, const char *yaml, struct t_config *c)
{
    static const char *const h2_and_h1[] = {"h2", "http/1.1", NULL};
    char *text = kit_yaml(yaml);
    t_config_load(c, type(server), text);
    free(text);
    return server ? sp_tls_ctx_server(c->doc, &c->diag, c->msg, sp_str_c(whose))
                  : sp_tls_ctx_client(c->doc, &c->diag, c->msg, h2_and_h1, sp_str_c(whose));
}

/* Nothing of the document is left. */
static struct sp_tls_ctx *good(bool server, const char *whose, const char *yaml)
{
    struct t_config c;
    struct sp_tls_ctx *ctx = compile(server, whose, yaml, &c);
    if (!ctx)
        fail_msg("%s", t_config_said(&c));
    t_config_done(&c);
    return ctx;
}

static const char *said(bool server, const char *yaml)
{
    static char text[4096];
    struct t_config c;
    struct sp_tls_ctx *ctx = compile(server, "", yaml, &c);
    snprintf(text, sizeof(text), "%s", t_config_said(&c));
    assert_int_equal(ctx == NULL, c.diag.n_errors > 0);
    sp_tls_ctx_unref(ctx);
    t_config_done(&c);
    return text;
}

struct sp_tls_ctx *kit_server(const char *yaml)
{
    return good(true, "", yaml);
}

struct sp_tls_ctx *kit_server_of(const char *whose, const char *yaml)
{
    return good(true, whose, yaml);
}

struct sp_tls_ctx *kit_client_of(const char *whose, const char *yaml)
{
    return good(false, whose, yaml);
}

struct sp_tls_ctx *kit_client(const char *yaml)
{
    return good(false, "", yaml);
}

const char *kit_server_said(const char *yaml)
{
    return said(true, yaml);
}

const char *kit_client_said(const char *yaml)
{
    return said(false, yaml);
}

void kit_side_init(struct kit_side *s, struct sp_tls *tls)
{
    *s = (struct kit_side){.tls = tls};
    sp_buf_init(&s->net_in);
    sp_buf_init(&s->app_in);
    sp_buf_init(&s->app_out);
    sp_buf_init(&s->net_out);
}

void kit_pair_init(struct kit_pair *p, struct sp_tls_ctx *client, struct sp_tls_ctx *server, const char *sni,
                   const char *verify_name)
{
    *p = (struct kit_pair){.high_water = 64 * 1024};
    kit_side_init(&p->client, sp_tls_connect(client, sp_str_c(sni), sp_str_c(verify_name)));
    kit_side_init(&p->server, sp_tls_accept(server));
}

static bool carry(struct kit_pair *p, struct sp_buf *from, struct sp_buf *to)
{
    size_t n = p->chunk == SIZE_MAX ? 1 + (size_t)random() % 3000 : p->chunk ? p->chunk : from->len;
    if (p->cut || from->len == 0)
        return false;
    sp_buf_move_n(to, from, SP_MIN(n, from->len));
    return true;
}

static void pump(struct kit_side *s, size_t high_water)
{
    s->state = sp_tls_pump(s->tls, &s->net_in, &s->app_in, &s->app_out, &s->net_out, high_water);
}

void kit_run(struct kit_pair *p)
{
    bool moved = true;
    pump(&p->client, p->high_water);
    while (moved) {
        size_t out = p->client.app_out.len + p->server.app_out.len;
        moved = carry(p, &p->client.net_out, &p->server.net_in);
        pump(&p->server, p->high_water);
        moved |= carry(p, &p->server.net_out, &p->client.net_in);
        pump(&p->client, p->high_water);
        moved |= out != p->client.app_out.len + p->server.app_out.len;
    }
}

void kit_side_done(struct kit_side *s)
{
    sp_tls_free(s->tls);
    sp_buf_clear(&s->net_in);
    sp_buf_clear(&s->app_in);
    sp_buf_clear(&s->app_out);
    sp_buf_clear(&s->net_out);
}

void kit_pair_done(struct kit_pair *p)
{
    kit_side_done(&p->client);
    kit_side_done(&p->server);
}

const char *kit_error(const struct kit_side *s)
{
    static char text[512];
    struct sp_str e = sp_tls_error(s->tls);
    snprintf(text, sizeof(text), "%.*s", SP_STR_ARG(e));
    return text;
}

const char *kit_take(struct kit_side *s)
{
    static char text[4096];
    text[sp_buf_peek(&s->app_in, text, sizeof(text) - 1)] = 0;
    sp_buf_clear(&s->app_in);
    return text;
}

void kit_say(struct kit_side *s, const char *text)
{
    sp_buf_append(&s->app_out, text, strlen(text));
}

void kit_meet(struct kit_pair *p, const char *client_yaml, const char *server_yaml, const char *sni, const char *verify_name)
{
    struct sp_tls_ctx *server = kit_server(server_yaml), *client = kit_client(client_yaml);
    kit_pair_init(p, client, server, sni, verify_name);
    sp_tls_ctx_unref(server);
    sp_tls_ctx_unref(client);
    kit_say(&p->client, "hello");
    kit_say(&p->server, "good day");
    kit_run(p);
}

void kit_both_well(struct kit_pair *p)
{
    assert_string_equal(kit_error(&p->client), "");
    assert_string_equal(kit_error(&p->server), "");
    assert_string_equal(kit_take(&p->server), "hello");
    assert_string_equal(kit_take(&p->client), "good day");
}
