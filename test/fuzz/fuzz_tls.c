/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as what a client sends to a TLS server, or a server to a client: hellos, and in TLS 1.2 in the clear
 * certificates and more.  The first byte chooses the role and how the bytes are cut.  No crash, no data for the
 * application, never an open connection without a key exchange, and no output without end.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/doc.h"
#include "crypto/cert_gen.h"
#include "net/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum role { SERVER, SERVER_ASKING, CLIENT, CLIENT_AGAIN };

static struct sp_tls_ctx *ctxs[CLIENT_AGAIN];

static void put(FILE *f, const char *key, struct sp_str pem)
{
    fprintf(f, "%s: {inline_string: \"", key);
    for (size_t i = 0; i < pem.len; i++)
        if (pem.ptr[i] == '\n')
            fputs("\\n", f);
        else
            fputc(pem.ptr[i], f);
    fputs("\"}", f);
}

static struct sp_tls_ctx *compile(struct sp_str text, bool client)
{
    struct sp_diag diag;
    sp_diag_init(&diag);
    const ProtobufCMessageDescriptor *type =
        client ? &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor
               : &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor;
    struct sp_doc *doc = sp_doc_load_text("fuzz", text, SP_SYNTAX_YAML, type, &diag);
    struct sp_tls_ctx *ctx = NULL;
    if (doc && client)
        ctx = sp_tls_ctx_client(doc, &diag, sp_doc_root(doc), NULL, SP_STR_NULL);
    else if (doc)
        ctx = sp_tls_ctx_server(doc, &diag, sp_doc_root(doc), SP_STR_NULL);
    if (!ctx)
        abort();
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return ctx;
}

static struct sp_tls_ctx *context(const struct sp_made_cert *cert, enum role role)
{
    char *text;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    fputs("common_tls_context: {alpn_protocols: [h2, http/1.1], tls_certificates: [{", f);
    put(f, "certificate_chain", cert->cert_pem);
    fputs(", ", f);
    put(f, "private_key", cert->key_pem);
    fputs("}]", f);
    if (role != SERVER) {
        fputs(", validation_context: {", f);
        put(f, "trusted_ca", cert->cert_pem);
        fputs("}", f);
    }
    fputs("}\n", f);
    fclose(f);
    struct sp_tls_ctx *ctx = compile(sp_str_n(text, n), role == CLIENT);
    free(text);
    return ctx;
}

static void done(void)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(ctxs); i++)
        sp_tls_ctx_unref(ctxs[i]);
    sp_tls_global_done();
}

static void init(void)
{
    static const char *const dns[] = {"localhost", NULL};
    struct sp_arena arena;
    struct sp_made_cert cert;
    struct sp_cert_request r = {.common_name = "fuzz", .dns = dns, .is_ca = true};
    sp_arena_init(&arena);
    if (sp_tls_global_init() < 0 || sp_cert_make(&r, NULL, &arena, &cert) < 0)
        abort();
    for (enum role i = SERVER; i <= CLIENT; i++)
        ctxs[i] = context(&cert, i);
    sp_arena_done(&arena);
    atexit(done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_buf in, app_in, app_out, out;
    size_t sent = 0;
    if (!ctxs[0])
        init();
    if (size < 2)
        return 0;
    size_t cut = data[0] >> 2 ? (size_t)(data[0] >> 2) * 16 : size;
    enum role role = data[0] & 3;
    struct sp_tls *t = role < CLIENT ? sp_tls_accept(ctxs[role]) : sp_tls_connect(ctxs[CLIENT], SP_STR("localhost"), SP_STR_NULL);
    sp_buf_init(&in);
    sp_buf_init(&app_in);
    sp_buf_init(&app_out);
    sp_buf_init(&out);
    enum sp_tls_state state = sp_tls_pump(t, &in, &app_in, &app_out, &out, 65536); /* a client begins */
    for (size_t at = 1; at < size && state == SP_TLS_HANDSHAKE; at += cut) {
        sp_buf_append(&in, data + at, SP_MIN(cut, size - at));
        state = sp_tls_pump(t, &in, &app_in, &app_out, &out, 65536);
        sent += out.len;
        sp_buf_clear(&out);
    }
    assert(state == SP_TLS_HANDSHAKE || (state == SP_TLS_FAILED && sp_tls_error(t).len));
    assert(app_in.len == 0 && sent < 65536);
    sp_tls_free(t);
    sp_buf_clear(&in);
    return 0;
}
