/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TLS contexts that outlive the config they were made by: found again when nothing has changed, with tickets and sessions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/keep.h"
#include "config/live.h"
#include "crypto/cert_gen.h"
#include "tls_kit.h"

#define MTLS(ca) \
    "require_client_certificate: true\n" \
    "common_tls_context: {tls_certificates: [" KIT_CERT "], alpn_protocols: [\"h2,http/1.1\"], validation_context: {trusted_ca: " ca "}}\n"
#define WITH_CERT "common_tls_context: {validation_context: {" KIT_CA "}, tls_certificates: [{certificate_chain: @client.cert, " \
                  "private_key: @client.key}]}\n"

static bool resumed(struct sp_tls_ctx *client, struct sp_tls_ctx *server)
{
    struct kit_pair p;
    kit_pair_init(&p, client, server, "www.example.com", "");
    kit_say(&p.client, "hello");
    kit_say(&p.server, "good day");
    kit_run(&p);
    kit_both_well(&p);
    bool again = sp_tls_resumed(p.server.tls);
    kit_pair_done(&p);
    return again;
}

static void equal_ones_are_one(void **state)
{
    struct sp_tls_ctx *a = kit_server_of("l/a", KIT_SERVER), *b = kit_server_of("l/a", KIT_SERVER);
    assert_ptr_equal(a, b);
    struct sp_tls_ctx *others[] = {
        kit_server_of("l/b", KIT_SERVER), /* another chain: no ticket may cross */
        kit_server(KIT_SERVER), /* nobody's */
        kit_server_of("l/a", "require_sni: true\n" KIT_SERVER),
        kit_server_of("l/a", "common_tls_context: {tls_certificates: [{certificate_chain: @other.cert, private_key: @other.key}]}\n"),
        kit_client_of("l/a", KIT_CLIENT),
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++) {
        assert_ptr_not_equal(others[i], a);
        sp_tls_ctx_unref(others[i]);
    }
    sp_tls_ctx_unref(a);
    sp_tls_ctx_unref(b);
    assert_int_equal(sp_keep_count(NULL), 0);
}

static void tickets_are_taken_after_a_reload(void **state)
{
    struct sp_tls_ctx *client = kit_client_of("c", KIT_CLIENT), *server = kit_server_of("l", KIT_SERVER);
    assert_false(resumed(client, server));
    for (int i = 0; i < 3; i++) {
        struct sp_tls_ctx *next_client = kit_client_of("c", KIT_CLIENT), *next_server = kit_server_of("l", KIT_SERVER);
        sp_tls_ctx_unref(client);
        sp_tls_ctx_unref(server);
        client = next_client;
        server = next_server;
        assert_true(resumed(client, server));
    }
    /* Another listener's keys, another policy: none of them takes it. */
    struct sp_tls_ctx *other = kit_server_of("m", KIT_SERVER), *strict = kit_server_of("l", MTLS("@ca.cert"));
    assert_false(resumed(client, other));
    struct sp_tls_ctx *shows = kit_client_of("c", WITH_CERT);
    assert_false(resumed(shows, strict));
    assert_false(resumed(shows, strict)); /* where a certificate is asked for there are no tickets, kept or not */
    struct sp_tls_ctx *all[] = {client, server, other, strict, shows};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        sp_tls_ctx_unref(all[i]);
    assert_int_equal(sp_keep_count(NULL), 0);
}

static char path[64];

static void write_file(struct sp_str pem)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fwrite(pem.ptr, 1, pem.len, f);
    fclose(f);
}

static void note_path(void *arg, const struct sp_live_info *info)
{
    if (info->n_paths == 1 && strcmp(info->paths[0], path) == 0)
        *(unsigned *)arg += 1;
}

/* How often the file is watched for this document. */
static unsigned watched(const struct t_config *c)
{
    unsigned n = 0;
    sp_live_set_each(sp_doc_live(c->doc), note_path, &n);
    return n;
}

/* The CA file is watched for every document that uses the context: its content is not part of what the context is. */
static void files_are_watched_for_each_document(void **state)
{
    char yaml[256], *mtls;
    struct t_config docs[3];
    struct sp_tls_ctx *ctx[3];
    snprintf(path, sizeof(path), "/tmp/sp_tls_keep_%d", getpid());
    snprintf(yaml, sizeof(yaml), "{filename: %s}", path);
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    fprintf(f, "require_client_certificate: true\ncommon_tls_context: {tls_certificates: [" KIT_CERT
               "], alpn_protocols: [\"h2,http/1.1\"], validation_context: {trusted_ca: %s}}\n", yaml);
    fclose(f);
    mtls = kit_yaml(text);
    for (unsigned i = 0; i < 3; i++) {
        write_file(kit_cert(i == 2 ? "other_ca" : "ca")->cert_pem);
        t_config_load(&docs[i], &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor, mtls);
        ctx[i] = sp_tls_ctx_server(docs[i].doc, &docs[i].diag, docs[i].msg, i == 1 ? SP_STR("another") : SP_STR("l"));
        assert_non_null(ctx[i]);
        assert_int_equal(watched(&docs[i]), 1);
    }
    assert_ptr_equal(ctx[0], ctx[2]);
    assert_ptr_not_equal(ctx[0], ctx[1]);
    t_config_done(&docs[0]);
    t_config_done(&docs[1]);
    /* With the documents gone the CAs are still there. */
    struct sp_tls_ctx *shows = kit_client(WITH_CERT);
    assert_false(resumed(shows, ctx[0]));
    sp_tls_ctx_unref(ctx[0]);
    sp_tls_ctx_unref(ctx[1]);
    assert_false(resumed(shows, ctx[2]));
    t_config_done(&docs[2]);
    assert_false(resumed(shows, ctx[2]));
    sp_tls_ctx_unref(ctx[2]);
    sp_tls_ctx_unref(shows);
    assert_int_equal(sp_keep_count(NULL), 0);
    unlink(path);
    free(text);
    free(mtls);
}

/* Origins' CAs too: clusters used to read them once. */
static void a_client_watches_its_cas(void **state)
{
    char yaml[256];
    struct t_config c;
    snprintf(path, sizeof(path), "/tmp/sp_tls_keep_%d", getpid());
    write_file(kit_cert("ca")->cert_pem);
    snprintf(yaml, sizeof(yaml), "common_tls_context: {validation_context: {trusted_ca: {filename: %s}}}\n", path);
    t_config_load(&c, &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor, yaml);
    struct sp_tls_ctx *a = sp_tls_ctx_client(c.doc, &c.diag, c.msg, NULL, SP_STR("a"));
    struct sp_tls_ctx *b = sp_tls_ctx_client(c.doc, &c.diag, c.msg, NULL, SP_STR("b"));
    assert_ptr_not_equal(a, b);
    assert_int_equal(watched(&c), 1); /* one CA set for both */
    sp_tls_ctx_unref(a);
    sp_tls_ctx_unref(b);
    t_config_done(&c);
    assert_int_equal(sp_keep_count(NULL), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_are_one),
        cmocka_unit_test(tickets_are_taken_after_a_reload),
        cmocka_unit_test(files_are_watched_for_each_document),
        cmocka_unit_test(a_client_watches_its_cas),
    };
    sp_tls_global_init();
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_tls_global_done();
    return r;
}
