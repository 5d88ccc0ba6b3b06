/* SPDX-License-Identifier: GPL-2.0-or-later */
/* credential_injector: what it puts where, what of the client's goes, that nothing shows it, what is refused. */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/load.h"
#include "config/rules.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "filters/registry.h"
#include "stream/format.h"
#include "support/config.h"

#define TYPE "\"@type\": type.googleapis.com/"
#define INJECTOR(config) \
    "bootstrap_extensions:\n" \
    "- name: f\n" \
    "  typed_config:\n" \
    "    " TYPE "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector\n" config
#define GENERIC(fields) \
    "    credential: {name: g, typed_config: {" TYPE "envoy.extensions.http.injected_credentials.generic.v3.Generic, " fields "}}\n"
#define SECRETS "static_resources: {secrets: [{name: origin, generic_secret: {secret: {inline_string: s3cret-of-ours}}}]}\n"

/* A whole config, since secrets stand at its root; the filter is its only extension. */
struct rig {
    struct t_config c;
    struct fake_config f;
};

static void *make(struct rig *r, const char *yaml)
{
    t_config_load(&r->c, &envoy__config__bootstrap__v3__bootstrap__descriptor, yaml);
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = r->c.msg;
    const ProtobufCMessage *msg = sp_doc_any(r->c.doc, b->bootstrap_extensions[0]->typed_config);
    r->f = (struct fake_config){
        .ops = &sp_credential_injector_ops,
        .build = {.doc = r->c.doc, .diag = &r->c.diag, .stat_prefix = "ingress", .filter_name = "f",
                  .scope = sp_stats_scope(sp_stats_root(), SP_STR("http"), "p", SP_STR("ingress"))},
    };
    return r->f.config = sp_credential_injector_ops.config_new(&r->f.build, msg);
}

static void done(struct rig *r)
{
    if (r->f.config)
        sp_credential_injector_ops.config_free(r->f.config);
    t_config_done(&r->c);
}

static void injects(void **state)
{
    struct rig r;
    struct fake_stream s;
    assert_non_null(make(&r, SECRETS INJECTOR(GENERIC("credential: {name: origin}, header_value_prefix: 'Bearer '"))));
    uint64_t before = fake_stat("credential_injector.injected");
    fake_stream_init(&s, "/p");
    fake_header(&s, "authorization", "Bearer of-the-client");
    fake_header(&s, "x-other", "1");
    assert_int_equal(fake_decode(&s, &r.f), SP_CONTINUE);
    assert_int_equal(sp_headers_count(&s.request, SP_STR("authorization")), 1);
    assert_string_equal(fake_request_header(&s, "authorization"), "Bearer s3cret-of-ours");
    struct sp_header *line = sp_headers_find(&s.request, SP_STR("authorization"), NULL);
    assert_true(line->never_index && line->secret);
    assert_int_equal(fake_stat("credential_injector.injected"), before + 1);
    fake_stream_done(&s);
    done(&r);
}

static void own_header_and_alike(void **state)
{
    struct rig r;
    struct fake_stream s;
    assert_non_null(make(&r, SECRETS INJECTOR(GENERIC("credential: {name: origin}, header: X-Api-Key"))));
    fake_stream_init(&s, "/p");
    fake_header(&s, "x-api-key", "a");
    fake_header(&s, "x_api_key", "b");
    fake_header(&s, "x-api-key", "c");
    assert_int_equal(fake_decode(&s, &r.f), SP_CONTINUE);
    assert_int_equal(s.request.n, 1);
    assert_string_equal(fake_request_header(&s, "x-api-key"), "s3cret-of-ours");
    fake_stream_done(&s);
    done(&r);
}

static void of_trailers(void **state)
{
    for (int own = 0; own < 2; own++) {
        struct rig r;
        struct fake_stream s;
        struct sp_headers t;
        assert_non_null(make(&r, own ? SECRETS INJECTOR("    overwrite: false\n" GENERIC("credential: {name: origin}, header: x-key"))
                                     : SECRETS INJECTOR(GENERIC("credential: {name: origin}, header: x-key"))));
        fake_stream_init(&s, "/p");
        struct sp_filter *f = fake_filter(&s, &r.f);
        assert_int_equal(r.f.ops->decode_headers(f, &s.request, false), SP_CONTINUE);
        t_headers(&t, &s.arena, "x-key: client's\nx_key: client's\nx-sum: 1");
        assert_int_equal(r.f.ops->decode_trailers(f, &t), SP_CONTINUE);
        assert_int_equal(t.n, own ? 3 : 1);
        fake_stream_done(&s);
        done(&r);
    }
}

static void keeps_when_told(void **state)
{
    struct rig r;
    struct fake_stream s;
    assert_non_null(make(&r, SECRETS INJECTOR("    overwrite: false\n" GENERIC("credential: {name: origin}"))));
    assert_non_null(strstr(t_config_said(&r.c), "a client that sends authorization keeps its own"));
    fake_stream_init(&s, "/p");
    fake_header(&s, "authorization", "client's");
    assert_int_equal(fake_decode(&s, &r.f), SP_CONTINUE);
    assert_string_equal(fake_request_header(&s, "authorization"), "client's");
    assert_int_equal(fake_stat("credential_injector.already_exists"), 1);
    fake_stream_done(&s);
    done(&r);
    assert_non_null(make(&r, SECRETS INJECTOR("    overwrite: true\n" GENERIC("credential: {name: origin}"))));
    assert_string_equal(t_config_said(&r.c), "");
    done(&r);
}

/* What was put in comes out in no log line and in no other header. */
static void is_not_shown(void **state)
{
    struct rig r;
    struct fake_stream s;
    assert_non_null(make(&r, SECRETS INJECTOR(GENERIC("credential: {name: origin}, header: x-api-key"))));
    fake_stream_init(&s, "/p");
    assert_int_equal(fake_decode(&s, &r.f), SP_CONTINUE);
    struct sp_format *f = sp_format_new(r.c.doc, &r.c.diag, r.c.msg, NULL, -1, SP_STR("%REQ(x-api-key)%|%REQ(x-none?x-api-key):3%"));
    struct sp_format_input in = {.info = &s.info, .request = &s.request};
    struct sp_buf b;
    char text[100] = "";
    sp_buf_init(&b);
    sp_format_write(f, &in, &b);
    sp_buf_peek(&b, text, sizeof(text) - 1);
    assert_string_equal(text, "[secret]|[se");
    assert_string_equal(t_c(&s.arena, sp_format_value(f, &in, &s.arena)), "[secret]|[se");
    sp_buf_clear(&b);
    sp_format_free(f);
    fake_stream_done(&s);
    done(&r);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void bad_configs(void **state)
{
    static const struct {
        const char *yaml, *words;
    } bad[] = {
        {SECRETS INJECTOR(GENERIC("credential: {name: orign}")), "there is no generic secret \"orign\" in static_resources.secrets (did you mean \"origin\"?)"},
        {INJECTOR(GENERIC("credential: {name: x}")), "(add it, with generic_secret)"},
        {SECRETS INJECTOR(GENERIC("credential: {name: origin}, header: host")), "'host' is not the name of an ordinary header"},
        {SECRETS INJECTOR("    credential: {name: g, typed_config: {" TYPE "envoy.extensions.filters.http.router.v3.Router}}\n"),
         "is no credential that is run here"},
        {"static_resources: {secrets: [{name: a, generic_secret: {secret: {inline_string: ''}}}]}\n" INJECTOR(GENERIC("credential: {name: a}")),
         "it is empty"},
        {"static_resources: {secrets: [{name: a, generic_secret: {secret: {inline_string: \"hidden\\nword\"}}}]}\n"
         INJECTOR(GENERIC("credential: {name: a}")), "no header can carry it"},
        {"static_resources: {secrets: [{name: a, generic_secret: {secret: {inline_string: \" hidden\"}}}]}\n"
         INJECTOR(GENERIC("credential: {name: a}")), "no header can carry it"},
        {"static_resources: {secrets: [{name: a, generic_secret: {secret: {filename: /nowhere/at/all}}}]}\n"
         INJECTOR(GENERIC("credential: {name: a}")), "cannot read /nowhere/at/all"},
        {"static_resources: {secrets: [{name: a, generic_secret: {secret: {environment_variable: SP_NOT_SET}}}]}\n"
         INJECTOR(GENERIC("credential: {name: a}")), "the environment variable SP_NOT_SET is not set"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct rig r;
        assert_null(make(&r, bad[i].yaml));
        const char *said = t_config_said(&r.c);
        if (!strstr(said, bad[i].words) || strstr(said, "hidden"))
            fail_msg("expected \"%s\" in: %s", bad[i].words, said);
        done(&r);
    }
}

static void from_file_and_environment(void **state)
{
    struct rig r;
    struct fake_stream s;
    char path[] = "/tmp/sp-credential-XXXXXX", yaml[1024];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file(path, "from the file\n");
    setenv("SP_TEST_SECRET", "from the environment", 1);
    for (int i = 0; i < 2; i++) {
        snprintf(yaml, sizeof(yaml), "static_resources: {secrets: [{name: a, generic_secret: {secret: {%s: %s}}}]}\n"
                                     INJECTOR(GENERIC("credential: {name: a}, header: x-a")),
                 i ? "environment_variable" : "filename", i ? "SP_TEST_SECRET" : path);
        assert_non_null(make(&r, yaml));
        fake_stream_init(&s, "/p");
        assert_int_equal(fake_decode(&s, &r.f), SP_CONTINUE);
        assert_string_equal(fake_request_header(&s, "x-a"), i ? "from the environment" : "from the file");
        fake_stream_done(&s);
        done(&r);
    }
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(injects),      cmocka_unit_test(own_header_and_alike), cmocka_unit_test(of_trailers),
        cmocka_unit_test(keeps_when_told),
        cmocka_unit_test(is_not_shown), cmocka_unit_test(bad_configs),          cmocka_unit_test(from_file_and_environment),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
