/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What makes two messages the same to a reload, and what does not. */
#include "config/doc_hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "config/descriptor.h"
#include "config/secret.h"
#include "config/types.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "config/files.h"
#include "support.h"

#define CLUSTER (&envoy__config__cluster__v3__cluster__descriptor)
#define VALIDATION (&envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__descriptor)
#define METADATA (&envoy__config__core__v3__metadata__descriptor)
#define HEADER (&envoy__config__core__v3__header_value_option__descriptor)
#define SOURCE (&envoy__config__core__v3__data_source__descriptor)

static struct sp_hash hash_of(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text, bool files)
{
    struct sp_hash h;
    struct sp_doc *doc = load_good(root, syntax, text);
    (files ? sp_doc_hash : sp_doc_hash_text)(doc, sp_doc_root(doc), NULL, &h);
    sp_doc_free(doc);
    return h;
}

static bool same(const ProtobufCMessageDescriptor *root, const char *a, const char *b)
{
    struct sp_hash x = hash_of(root, SP_SYNTAX_YAML, a, true), y = hash_of(root, SP_SYNTAX_YAML, b, true);
    return sp_hash_eq(&x, &y);
}

#define OPTIONS(inner) \
    "name: a\n" \
    "typed_extension_protocol_options:\n" \
    "  x: {\"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, " inner "}\n"

static void test_how_it_is_written_does_not_count(void **state)
{
    assert_true(same(CLUSTER, "name: a\nconnect_timeout: 1s\nlb_policy: LEAST_REQUEST\n",
                     "{lbPolicy: least_request, \"connectTimeout\": 1.0s, name: 'a', type: null, load_assignment: ~}"));
    struct sp_hash yaml = hash_of(CLUSTER, SP_SYNTAX_YAML, "name: a\nconnect_timeout: 1s\n", true);
    struct sp_hash json = hash_of(CLUSTER, SP_SYNTAX_JSON, "{\"connect_timeout\": \"1s\", \"name\": \"a\"}", true);
    assert_true(sp_hash_eq(&yaml, &json));
    assert_true(same(CLUSTER, "circuit_breakers: {thresholds: {max_requests: 3}}\n",
                     "circuit_breakers:\n  thresholds:\n  - maxRequests: 3\n"));
    assert_true(same(METADATA, "filter_metadata: {a: {x: 1, y: two}, b: {z: [1, true]}}\n",
                     "filter_metadata: {b: {z: [1, true]}, a: {y: two, x: 1}}\n"));
    assert_true(same(CLUSTER, OPTIONS("explicit_http_config: {http2_protocol_options: {}}"),
                     OPTIONS("explicitHttpConfig: {\"http2ProtocolOptions\": {}}")));
}

static void test_what_is_written_counts(void **state)
{
    static const char *const all[] = {
        "name: a\n",
        "name: b\n",
        "alt_stat_name: a\n",
        "name: a\nconnect_timeout: 1s\n",
        "name: a\nconnect_timeout: 1.000000001s\n",
        "name: a\nlb_policy: LEAST_REQUEST\n",
        "name: a\nlb_policy: ROUND_ROBIN\n", /* the default, but written */
        "name: a\nper_connection_buffer_limit_bytes: 0\n",
        "name: a\ncircuit_breakers: {}\n",
        "name: a\ncircuit_breakers: {thresholds: []}\n",
        "name: a\ncircuit_breakers: {thresholds: [{}]}\n",
        "name: a\ncircuit_breakers: {thresholds: [{max_requests: 1}, {priority: HIGH}]}\n",
        "name: a\ncircuit_breakers: {thresholds: [{priority: HIGH}, {max_requests: 1}]}\n",
        OPTIONS("explicit_http_config: {http2_protocol_options: {}}"),
        OPTIONS("explicit_http_config: {http_protocol_options: {}}"),
        OPTIONS("explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 9}}"),
    };
    struct sp_hash h[SP_ARRAY_LEN(all)];
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++) {
        h[i] = hash_of(CLUSTER, SP_SYNTAX_YAML, all[i], true);
        for (size_t k = 0; k < i; k++)
            if (sp_hash_eq(&h[i], &h[k]))
                fail_msg("equal:\n%s\n%s", all[i], all[k]);
    }
    assert_false(same(METADATA, "filter_metadata: {a: {x: 1}}\n", "filter_metadata: {a: {x: 2}}\n"));
    assert_false(same(METADATA, "filter_metadata: {a: {x: 2}}\n", "filter_metadata: {a: {x: '2'}}\n"));
    assert_false(same(METADATA, "filter_metadata: {a: {x: 2}}\n", "filter_metadata: {b: {x: 2}}\n"));
    assert_false(same(HEADER, "header: {key: a, value: b}\n", "header: {key: ab, value: ''}\n"));
}

static void test_fields_that_are_left_out(void **state)
{
    static const char *const skip[] = {"load_assignment", "name", NULL};
    struct sp_hash a, b, none;
    struct sp_doc *one = load_good(CLUSTER, SP_SYNTAX_YAML, "name: a\nconnect_timeout: 1s\nload_assignment: {cluster_name: a}\n");
    struct sp_doc *two = load_good(CLUSTER, SP_SYNTAX_YAML, "name: b\nconnect_timeout: 1s\n");
    sp_doc_hash(one, sp_doc_root(one), skip, &a);
    sp_doc_hash(two, sp_doc_root(two), skip, &b);
    assert_true(sp_hash_eq(&a, &b));
    sp_hash_mix(&b, SP_STR("x"));
    assert_false(sp_hash_eq(&a, &b));
    sp_hash_mix(&a, SP_STR("x"));
    assert_true(sp_hash_eq(&a, &b));
    sp_doc_hash(two, NULL, NULL, &none);
    assert_false(sp_hash_eq(&none, &b));
    sp_doc_free(one);
    sp_doc_free(two);
}

/* The same order gives the same hashes in the next document. */
static void test_equal_ones_are_counted(void **state)
{
    struct sp_hash of[2][3];
    for (int d = 0; d < 2; d++) {
        struct sp_doc *doc = load_good(CLUSTER, SP_SYNTAX_YAML, "name: a\n");
        for (int i = 0; i < 3; i++) {
            sp_doc_hash(doc, sp_doc_root(doc), NULL, &of[d][i]);
            sp_hash_count(doc, &of[d][i]);
        }
        sp_doc_free(doc);
    }
    for (int i = 0; i < 3; i++) {
        assert_true(sp_hash_eq(&of[0][i], &of[1][i]));
        assert_false(sp_hash_eq(&of[0][i], &of[0][(i + 1) % 3]));
    }
}

static char path[64];

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_files(void **state)
{
    char yaml[256], ca[256];
    snprintf(path, sizeof(path), "/tmp/sp_doc_hash_%d", getpid());
    snprintf(yaml, sizeof(yaml), "filename: %s\n", path);
    snprintf(ca, sizeof(ca), "trusted_ca: {filename: %s}\n", path);
    struct sp_hash absent = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    write_file("");
    struct sp_hash empty = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    struct sp_hash ca1 = hash_of(VALIDATION, SP_SYNTAX_YAML, ca, true);
    write_file("a");
    struct sp_hash a = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true), a_name = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, false);
    struct sp_hash again = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    write_file("b");
    struct sp_hash b = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true), b_name = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, false);
    struct sp_hash ca2 = hash_of(VALIDATION, SP_SYNTAX_YAML, ca, true);
    unlink(path);
    assert_true(sp_hash_eq(&a, &again));
    assert_false(sp_hash_eq(&a, &b));
    assert_false(sp_hash_eq(&empty, &a));
    assert_false(sp_hash_eq(&empty, &absent));
    assert_true(sp_hash_eq(&a_name, &b_name));
    assert_false(sp_hash_eq(&a, &a_name));
    assert_true(sp_hash_eq(&ca1, &ca2)); /* it is watched where it is used */
}

static void count_file(void *arg, const char *file, const struct sp_file_facts *facts)
{
    (void)facts;
    if (strcmp(file, path) == 0)
        ++*(unsigned *)arg;
}

/* Whether a change of the file asks for a reload; `refused`: if the document is refused. */
static bool asks(const struct sp_doc *doc, bool refused)
{
    unsigned n = 0;
    sp_files_each(sp_doc_files(doc), refused, count_file, &n);
    return n > 0;
}

/* Looking at what changed asks for no reload of the files that were looked at; a hash that something is compiled by does. */
static void test_looking_leaves_no_trace(void **state)
{
    char yaml[256];
    struct sp_hash looked, first, changed;
    snprintf(path, sizeof(path), "/tmp/sp_doc_hash_%d", getpid());
    snprintf(yaml, sizeof(yaml), "filename: %s\n", path);
    write_file("a");
    struct sp_doc *doc = load_good(SOURCE, SP_SYNTAX_YAML, yaml);
    sp_doc_hash_look(doc, sp_doc_root(doc), NULL, &looked);
    assert_false(asks(doc, false));
    assert_true(asks(doc, true));
    sp_doc_hash(doc, sp_doc_root(doc), NULL, &first);
    assert_true(asks(doc, false));
    assert_true(sp_hash_eq(&looked, &first));
    sp_doc_free(doc);
    write_file("b");
    doc = load_good(SOURCE, SP_SYNTAX_YAML, yaml);
    sp_doc_hash_look(doc, sp_doc_root(doc), NULL, &changed);
    assert_false(sp_hash_eq(&looked, &changed)); /* what is in it counts */
    sp_doc_free(doc);
    unlink(path);
}

static void test_environment(void **state)
{
    const char *yaml = "environment_variable: SP_TEST_DOC_HASH\n";
    unsetenv("SP_TEST_DOC_HASH");
    struct sp_hash unset = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    setenv("SP_TEST_DOC_HASH", "", 1);
    struct sp_hash empty = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    setenv("SP_TEST_DOC_HASH", "x", 1);
    struct sp_hash x = hash_of(SOURCE, SP_SYNTAX_YAML, yaml, true);
    assert_false(sp_hash_eq(&unset, &empty));
    assert_false(sp_hash_eq(&empty, &x));
}

/* A message with a file in it that doc_hash.c does not know: its changes would go unnoticed. */
static void test_all_that_names_files_is_known(void **state)
{
    static const char *const known[] = {"envoy.config.core.v3.DataSource", "sallyport.filters.http.origin_shield.v1.KeySet",
                                        /* read again and again while it serves */
                                        "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig"};
    size_t n;
    const ProtobufCMessageDescriptor *const *all = sp_type_all(&n);
    for (size_t i = 0; i < n; i++)
        for (unsigned k = 0; k < all[i]->n_fields; k++) {
            const ProtobufCFieldDescriptor *f = &all[i]->fields[k];
            const ProtobufCMessageDescriptor *in = f->type == PROTOBUF_C_TYPE_MESSAGE ? f->descriptor : all[i];
            if (sp_field_find(in, SP_STR("filename")) && strcmp(in->name, known[0]) != 0 && strcmp(in->name, known[1]) != 0 &&
                strcmp(in->name, known[2]) != 0)
                fail_msg("%s has a filename", in->name);
        }
}

static void test_long_texts(void **state)
{
    char *a = malloc(5000), *b = malloc(5000);
    memset(a, 'x', 5000);
    memcpy(a, "name: ", 6);
    a[4999] = 0;
    memcpy(b, a, 5000);
    assert_true(same(CLUSTER, a, b));
    b[4998] = 'y';
    assert_false(same(CLUSTER, a, b));
    free(a);
    free(b);
}

static double hash_all(const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap *msg)
{
    struct timespec from, upto;
    struct sp_hash h;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (size_t i = 0; i < msg->static_resources->n_clusters; i++)
        sp_doc_hash(doc, msg->static_resources->clusters[i], NULL, &h);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &upto);
    return (double)(upto.tv_sec - from.tv_sec) + (double)(upto.tv_nsec - from.tv_nsec) / 1e9;
}

/* A thousand clusters that name one large file: it is read once. */
static void test_fast(void **state)
{
    char *text = NULL;
    size_t len;
    snprintf(path, sizeof(path), "/tmp/sp_doc_hash_%d", getpid());
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 20000; i++)
        fprintf(f, "line %d\n", i);
    fclose(f);
    f = open_memstream(&text, &len);
    fputs("static_resources:\n  clusters:\n", f);
    for (int i = 0; i < 1000; i++)
        fprintf(f,
                "  - name: c%d\n    connect_timeout: 1s\n    load_assignment: {cluster_name: c%d, endpoints: {lb_endpoints: "
                "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}}}}\n"
                "    transport_socket: {name: tls, typed_config: {\"@type\": type.googleapis.com/"
                "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, sni: x, common_tls_context: "
                "{tls_certificates: {certificate_chain: {filename: %s}}}}}\n",
                i, i, path);
    fclose(f);
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_n(text, len), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    assert_non_null(doc);
    double took = hash_all(doc, sp_doc_root(doc));
    print_message("1000 clusters: %.1f ms\n", took * 1e3);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(took < 0.1);
#endif
    sp_doc_free(doc);
    sp_diag_done(&diag);
    free(text);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_how_it_is_written_does_not_count),
        cmocka_unit_test(test_what_is_written_counts),
        cmocka_unit_test(test_fields_that_are_left_out),
        cmocka_unit_test(test_equal_ones_are_counted),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_looking_leaves_no_trace),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_all_that_names_files_is_known),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
