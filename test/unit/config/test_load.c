/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files, merging, secrets, and the time a large config takes. */
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/load.h"
#include "config/secret.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Config__Core__V3__DataSource Source;
#define BOOTSTRAP (&envoy__config__bootstrap__v3__bootstrap__descriptor)

static char dir[] = "/tmp/sp_config_XXXXXX";

static int make_dir(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* Writes a file into the directory and gives its path, valid until the next call. */
static const char *file(const char *name, const char *text, size_t len)
{
    static char path[200];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
    return path;
}

/* Loads; the printed diagnostics with the directory cut out. */
static char *load_errors(const char *path, const char *yaml, struct sp_doc **ret_doc)
{
    struct sp_diag d;
    sp_diag_init(&d);
    *ret_doc = sp_config_load(path, yaml, &d);
    assert_int_equal(*ret_doc == NULL, d.n_errors > 0);
    char *text = printed(&d), *hit;
    while ((hit = strstr(text, dir)))
        memmove(hit, hit + strlen(dir) + 1, strlen(hit + strlen(dir) + 1) + 1);
    sp_diag_done(&d);
    return text;
}

static void bad_file(const char *path, const char *want)
{
    struct sp_doc *doc;
    char *text = load_errors(path, NULL, &doc);
    assert_string_equal(text, want);
    free(text);
}

static void test_endings(void **state)
{
    struct sp_doc *doc;
    const char *json = "{\"node\": {\"id\": \"a\"}}", *yaml = "node: {id: a}\n";
    static const char *const names[] = {"a.json", "a.conf", "a.yaml", "a.YML"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        const char *text = i < 2 ? json : yaml;
        free(load_errors(file(names[i], text, strlen(text)), NULL, &doc));
        assert_non_null(doc);
        assert_string_equal(((const Bootstrap *)sp_doc_root(doc))->node->id, "a");
        sp_doc_free(doc);
    }
    bad_file(file("a.conf", yaml, strlen(yaml)), "a.conf: it was read as JSON (name it .yaml if it is YAML)\n"
                                                 "a.conf:1:1: this is not JSON: a value was expected here\n");
    bad_file(file("a.json", yaml, strlen(yaml)), "a.json:1:1: this is not JSON: a value was expected here\n");
    bad_file(file("a.pb", "", 0), "a.pb: there is nothing in it (expected a config)\n");
    bad_file(file("a.pb_text", "# soon\n", 7), "a.pb_text: there is nothing in it (expected a config)\n");
    bad_file(file("e.yaml", "", 0), "e.yaml: there is nothing in it (expected a config)\n");
}

static void test_unreadable(void **state)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/none.yaml", dir);
    bad_file(path, "none.yaml: cannot read it: No such file or directory (check the path and its permissions)\n");
    snprintf(path, sizeof(path), "%s/dir.yaml", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    bad_file(path, "dir.yaml: this is not a regular file (a config is read from a file)\n");
    snprintf(path, sizeof(path), "%s/fifo.yaml", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    bad_file(path, "fifo.yaml: this is not a regular file (a config is read from a file)\n");
    const char *big = file("big.yaml", "", 0);
    assert_int_equal(truncate(big, SP_CONFIG_MAX_BYTES + 1L), 0);
    bad_file(big, "big.yaml: larger than 64 MiB (put long lists into files of their own)\n");
}

/* A config cut short anywhere is refused, or is a shorter config; it never crashes. */
static void test_truncated(void **state)
{
    FILE *f = fopen(data_path("edge.yaml"), "r");
    assert_non_null(f);
    static char text[64 << 10];
    size_t len = fread(text, 1, sizeof(text), f);
    fclose(f);
    assert_true(len > 8000 && len < sizeof(text));
    unsigned refused = 0;
    for (size_t n = 0; n < len; n += 37) {
        struct sp_diag d;
        sp_diag_init(&d);
        struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_n(text, n), SP_SYNTAX_YAML, BOOTSTRAP, &d);
        refused += !doc;
        sp_doc_free(doc);
        sp_diag_done(&d);
    }
    assert_true(refused > 50);
}

static void merged(const char *base, const char *over, const char *want)
{
    struct sp_doc *doc;
    char *errors = load_errors(file("m.yaml", base, strlen(base)), over, &doc);
    assert_string_equal(errors, "");
    char *got = dumped(doc, sp_doc_root(doc));
    assert_string_equal(got, want);
    free(got);
    free(errors);
    sp_doc_free(doc);
}

static void test_merge(void **state)
{
    merged("node: {id: a, cluster: c, locality: {zone: z}}\n", "node: {id: b, locality: {region: r}}",
           "{\"node\": {\"id\": \"b\",\"cluster\": \"c\",\"locality\": {\"region\": \"r\",\"zone\": \"z\"}}}");
    merged("node: {id: a}\n", "stats_flush_interval: 7s", "{\"node\": {\"id\": \"a\"},\"stats_flush_interval\": \"7s\"}");
    /* A duration is one value, though protobuf would add the halves of these. */
    merged("stats_flush_interval: 0.5s\n", "stats_flush_interval: 10s", "{\"stats_flush_interval\": \"10s\"}");
    merged("static_resources: {secrets: [{name: a, validation_context: {}}]}\n",
           "static_resources: {secrets: [{name: b, validation_context: {max_verify_depth: 0}}]}",
           "{\"static_resources\": {\"secrets\": [{\"name\": \"a\",\"validation_context\": {}},{\"name\": "
           "\"b\",\"validation_context\": {\"max_verify_depth\": 0}}]}}");
    merged("admin: {address: {pipe: {path: /a}}}\n",
           "admin: {address: {socket_address: {address: 127.0.0.1, port_value: 0}}}",
           "{\"admin\": {\"address\": {\"socket_address\": {\"address\": \"127.0.0.1\",\"port_value\": 0}}}}");
    merged("node: {metadata: {a: 1, b: {x: 1}}}\n", "node: {metadata: {b: {y: 2}, c: 3}}",
           "{\"node\": {\"metadata\": {\"a\": 1,\"b\": {\"y\": 2},\"c\": 3}}}");
}

static void test_merge_any(void **state)
{
#define LOG(type, body) "{name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.access_loggers." type body "}}"
    const char *base = "admin: {address: {pipe: {path: /a}}, access_log: [" LOG("file.v3.FileAccessLog", ", path: /x") "]}\n";
    merged(base, "admin: {access_log: " LOG("stream.v3.StdoutAccessLog", "") "}",
           "{\"admin\": {\"address\": {\"pipe\": {\"path\": \"/a\"}},\"access_log\": [{\"name\": "
           "\"l\",\"typed_config\": {\"@type\": "
           "\"type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog\",\"path\": \"/x\"}},{\"name\": "
           "\"l\",\"typed_config\": {\"@type\": "
           "\"type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog\"}}]}}");
}

/* Errors in a merged config name the text each field came from; rules see the whole. */
static void test_merge_places(void **state)
{
    struct sp_doc *doc;
    const char *base = "static_resources:\n  clusters:\n  - name: a\n    connect_timeout: 0s\n    load_assignment: {cluster_name: a}\n"
                       "admin: {}\n";
    char *errors = load_errors(file("m.yaml", base, strlen(base)),
                               "static_resources: {clusters: [{load_assignment: {cluster_name: b}}]}\nadmin: {address: "
                               "{pipe: {path: /x, mode: 513}}}\nnode: {ix: 1}",
                               &doc);
    assert_string_equal(errors,
                        "--config-yaml:1:31: static_resources.clusters[1].name: required, but missing (add it)\n"
                        "--config-yaml:2:42: admin.address.pipe.mode: 513 is out of range (expected 0 to 511)\n"
                        "--config-yaml:3:8: node.ix: envoy.config.core.v3.Node has no such field (the nearest it knows "
                        "is \"id\")\n"
                        "m.yaml:4:22: static_resources.clusters[0].connect_timeout: has to be more than 0s\n");
    free(errors);
}

static void test_merged_list_places(void **state)
{
    struct sp_diag d;
    sp_diag_init(&d);
    const ProtobufCMessageDescriptor *desc = &envoy__config__listener__v3__filter_chain_match__descriptor;
    struct sp_doc *doc = sp_doc_load_text("a", SP_STR("server_names: [x,\n z]\n"), SP_SYNTAX_YAML, desc, &d);
    struct sp_doc *over = sp_doc_load_text("b", SP_STR("\n\nserver_names: [w]\n"), SP_SYNTAX_YAML, desc, &d);
    sp_doc_merge(doc, over);
    const Envoy__Config__Listener__V3__FilterChainMatch *m = sp_doc_root(doc);
    assert_int_equal(m->n_server_names, 3);
    assert_string_equal(m->server_names[2], "w");
    sp_doc_err(doc, &d, m, "server_names", 1, "one");
    sp_doc_err(doc, &d, m, "server_names", 2, "two");
    sp_doc_warn(doc, &d, m, "transport_protocol", -1, "three");
    char *text = printed(&d);
    assert_string_equal(text, "a:2:2: server_names[1]: one\nb:3:1: warning: transport_protocol: three\n"
                              "b:3:16: server_names[2]: two\n");
    free(text);
    sp_doc_free(doc);
    sp_diag_done(&d);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 100,000 lines and more; generous, since sanitizers and a shared machine slow it down. */
static void test_large(void **state)
{
    enum { N = 12000 };
    char *text = sp_xmalloc(N * 400 + 100), *p = text + sprintf(text, "static_resources:\n  clusters:\n");
    for (int i = 0; i < N; i++)
        p += sprintf(p,
                     "  - name: c%d\n    connect_timeout: 1s\n    load_assignment:\n      cluster_name: c%d\n      "
                     "endpoints:\n      - lb_endpoints:\n        - endpoint:\n            address: {socket_address: "
                     "{address: 10.0.0.1,\n              port_value: 80}}\n",
                     i, i);
    double from = seconds();
    struct sp_doc *doc;
    char *errors = load_errors(file("large.yaml", text, (size_t)(p - text)), NULL, &doc);
    double took = seconds() - from;
    assert_string_equal(errors, "");
    const Bootstrap *b = sp_doc_root(doc);
    assert_int_equal(b->static_resources->n_clusters, N);
    print_message("%d lines in %.2f s\n", N * 9 + 2, took);
    assert_true(took < 20);
    free(errors);
    free(text);
    sp_doc_free(doc);
}

/* Many errors: all are counted, the first SP_DIAG_MAX shown. */
static void test_many_errors(void **state)
{
    char *text = sp_xmalloc(200000), *p = text + sprintf(text, "{");
    for (int i = 0; i < 5000; i++)
        p += sprintf(p, "f%d: 1,\n", i);
    sprintf(p, "}\n");
    struct sp_diag d;
    sp_diag_init(&d);
    assert_null(sp_doc_load_text("t", sp_str_c(text), SP_SYNTAX_YAML, BOOTSTRAP, &d));
    assert_int_equal(d.n_errors, 5000);
    assert_int_equal(d.n_items, SP_DIAG_MAX);
    sp_diag_done(&d);
    free(text);
}

struct read {
    int err;
    char *errors;
    struct sp_secret secret;
};

static struct read read_source(const char *yaml, unsigned flags)
{
    struct read r = {0};
    struct sp_diag d;
    sp_diag_init(&d);
    struct sp_doc *doc = load_good(&envoy__config__core__v3__data_source__descriptor, SP_SYNTAX_YAML, yaml);
    r.err = sp_secret_read(doc, &d, sp_doc_root(doc), flags, &r.secret);
    r.errors = printed(&d);
    assert_int_equal(r.err < 0, d.n_errors > 0);
    sp_diag_done(&d);
    sp_doc_free(doc);
    return r;
}

static void secret_is(const char *yaml, unsigned flags, const char *want, size_t len)
{
    struct read r = read_source(yaml, flags);
    assert_string_equal(r.errors, "");
    assert_int_equal(r.secret.len, len);
    assert_memory_equal(r.secret.ptr, want, len + 1);
    sp_secret_done(&r.secret);
    assert_null(r.secret.ptr);
    free(r.errors);
}

static void secret_fails(const char *yaml, unsigned flags, int err, const char *want)
{
    struct read r = read_source(yaml, flags);
    assert_int_equal(r.err, err);
    assert_string_equal(r.errors, want);
    assert_null(r.secret.ptr);
    free(r.errors);
}

static void test_secrets(void **state)
{
    char yaml[300];
    secret_is("inline_string: abc\n", 0, "abc", 3);
    secret_is("inline_string: \"abc\\n\"\n", SP_SECRET_CHOMP, "abc\n", 4);
    secret_is("inline_bytes: AAEC\n", 0, "\0\1\2", 3);
    secret_is("inline_string: ''\n", 0, "", 0);
    setenv("SP_TEST_SECRET", "from env", 1);
    secret_is("environment_variable: SP_TEST_SECRET\n", SP_SECRET_CHOMP, "from env", 8);
    static const struct {
        const char *text, *chomped;
    } files[] = {{"x\n", "x"}, {"x\r\n", "x"}, {"x\n\n", "x\n"}, {"x", "x"}, {"x\r", "x\r"}, {"\n", ""}, {"", ""}};
    for (size_t i = 0; i < SP_ARRAY_LEN(files); i++) {
        snprintf(yaml, sizeof(yaml), "filename: %s\n", file("s", files[i].text, strlen(files[i].text)));
        secret_is(yaml, 0, files[i].text, strlen(files[i].text));
        secret_is(yaml, SP_SECRET_CHOMP, files[i].chomped, strlen(files[i].chomped));
    }
}

static void test_bad_secrets(void **state)
{
    char yaml[300], want[400];
    secret_fails("inline_string: ''\n", SP_SECRET_NOT_EMPTY, -EINVAL,
                 "t.yaml:1:1: it is empty (an empty secret would let anyone in)\n");
    unsetenv("SP_TEST_NONE");
    secret_fails("environment_variable: SP_TEST_NONE\n", 0, -ENOENT,
                 "t.yaml:1:23: environment_variable: the environment variable SP_TEST_NONE is not set (set it before the "
                 "start)\n");
    secret_fails("filename: /nonexistent/x\n", 0, -ENOENT,
                 "t.yaml:1:11: filename: cannot read /nonexistent/x: No such file or directory (check the path and its "
                 "permissions)\n");
    secret_fails("filename: /tmp\n", 0, -EINVAL, "t.yaml:1:11: filename: /tmp is not a regular file\n");
    secret_fails("filename: /dev/zero\n", 0, -EINVAL, "t.yaml:1:11: filename: /dev/zero is not a regular file\n");
    const char *big = file("big", "", 0);
    assert_int_equal(truncate(big, SP_SECRET_MAX_BYTES + 1L), 0);
    snprintf(yaml, sizeof(yaml), "filename: %s\n", big);
    snprintf(want, sizeof(want), "t.yaml:1:11: filename: larger than 1 MiB (is it the right file?)\n");
    secret_fails(yaml, 0, -EFBIG, want);
    assert_int_equal(truncate(big, SP_SECRET_MAX_BYTES), 0);
    struct read r = read_source(yaml, 0);
    assert_int_equal(r.secret.len, SP_SECRET_MAX_BYTES);
    sp_secret_done(&r.secret);
    free(r.errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endings),      cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_truncated),    cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_any),    cmocka_unit_test(test_merge_places),
        cmocka_unit_test(test_merged_list_places), cmocka_unit_test(test_large),
        cmocka_unit_test(test_many_errors),  cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_bad_secrets),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
