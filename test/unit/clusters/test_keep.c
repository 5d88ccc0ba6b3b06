/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cluster that outlives its config: the next one has the same, when nothing of it has changed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clusters/state.h"
#include "config/live.h"
#include "crypto/cert_gen.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "stats/stats.h"
#include "support.h"

#define HOST "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {hostname: h, address: {socket_address: " \
             "{address: 127.0.0.1, port_value: 1}}}}]}]}\n"
#define OPTIONS \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" \
    "    upstream_http_protocol_options: {auto_sni: true, override_auto_sni_header: X-Name}\n" \
    "    explicit_http_config: {http_protocol_options: {}}\n"
#define CHECKS \
    "health_checks:\n- timeout: 1s\n  interval: 1s\n  unhealthy_threshold: 1\n  healthy_threshold: 1\n" \
    "  http_health_check: {path: /up, host: h, request_headers_to_add: [{header: {key: x-a, value: b}}]}\n"

static struct sp_clusters fresh; /* of the last reload */

/* Takes the place of the bed's config, as a reload does; returns what its cluster is. */
static struct sp_cluster *reload(struct t_bed *b, const char *yaml, const char *bind, struct t_config *ret)
{
    struct t_config binding;
    struct sp_clusters previous = {0};
    struct sp_cluster_build build = {.n_workers = T_WORKERS, .previous = &previous, .fresh = &fresh};
    sp_map_init(&previous.by_name);
    sp_map_add(&previous.by_name, sp_cluster_name(b->cluster), b->cluster);
    t_config_load(ret, &envoy__config__cluster__v3__cluster__descriptor, yaml);
    build.doc = ret->doc;
    build.diag = &ret->diag;
    if (bind) {
        t_config_load(&binding, &envoy__config__core__v3__bind_config__descriptor, bind);
        build.bind = binding.msg;
    }
    struct sp_cluster *c = sp_cluster_new(&build, ret->msg);
    if (!c)
        fail_msg("%s", t_config_said(ret));
    if (bind)
        t_config_done(&binding);
    sp_map_done(&previous.by_name);
    return c;
}

static bool stays(struct t_bed *b, const char *yaml, const char *bind)
{
    struct t_config config;
    struct sp_cluster *c = reload(b, yaml, bind, &config);
    bool same = c == b->cluster;
    sp_cluster_unref(c);
    t_config_done(&config);
    return same;
}

static void test_what_changes_it(void **state)
{
    struct t_bed b;
    t_bed_new(&b, "name: c\n" HOST CHECKS);
    assert_true(stays(&b, "name: c\n" HOST CHECKS, NULL));
    assert_true(stays(&b, CHECKS HOST "name: 'c'\nlbPolicy: null\n", NULL));
    assert_false(stays(&b, "name: d\n" HOST CHECKS, NULL));
    assert_false(stays(&b, "name: c\nconnect_timeout: 1s\n" HOST CHECKS, NULL));
    assert_false(stays(&b, "name: c\n" HOST, NULL));
    assert_false(stays(&b, "name: c\n" HOST CHECKS, "source_address: {address: 127.0.0.1, port_value: 0}\n"));
    t_bed_free(&b);
}

#define HOSTS(list) "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [" list "]}]}\n"
#define AT(port) "{endpoint: {hostname: h, address: {socket_address: {address: 127.0.0.1, port_value: " #port "}}}}"

/* Other hosts alone: the same cluster, and they come when the config is published. */
static void test_hosts_change(void **state)
{
    struct t_bed b;
    struct t_config next;
    t_bed_new(&b, "name: c\n" HOST);
    struct sp_host *h = t_host(&b, 0);
    struct sp_cluster *c = reload(&b, "name: c\n" HOSTS(AT(1) "," AT(2)), NULL, &next);
    assert_ptr_equal(c, b.cluster);
    assert_non_null(fresh.changes);
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 1);
    sp_clusters_commit(&fresh);
    assert_null(fresh.changes);
    sp_cluster_unref(c);
    t_config_done(&next); /* nothing of it is needed any more */
    t_step(&b, 0);
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 2);
    assert_ptr_equal(t_host(&b, 0), h);
    /* The same again is no change; one that is given up has no effect. */
    assert_true(stays(&b, "name: c\n" HOSTS(AT(1) "," AT(2)), NULL));
    assert_null(fresh.changes);
    assert_true(stays(&b, "name: c\n" HOSTS(AT(3)), NULL));
    assert_non_null(fresh.changes);
    sp_clusters_drop_changes(&fresh);
    t_step(&b, 0);
    assert_int_equal(t_stat("membership_total"), 2);
    assert_true(stays(&b, "name: c\n" HOSTS(AT(3)), NULL));
    assert_non_null(fresh.changes);
    sp_clusters_drop_changes(&fresh);
    /* A name is another kind of cluster. */
    assert_false(stays(&b, "name: c\ntype: STRICT_DNS\n" HOSTS(AT(1)), NULL));
    t_bed_free(&b);
}

/* The document that it was made of is gone, and pools, counters and names are in use: for the address sanitizer. */
static void test_it_lives_on(void **state)
{
    struct t_bed b;
    char *yaml = NULL;
    size_t n;
    FILE *f = open_memstream(&yaml, &n);
    fprintf(f, "name: c\nalt_stat_name: c\n" HOST OPTIONS CHECKS "%s", t_tls());
    fclose(f);
    t_bed_new(&b, yaml);
    struct sp_cluster *first = b.cluster;
    struct t_call call = {0};
    t_call_get(&call, &b);
    t_call_done(&call);
    for (int i = 0; i < 3; i++) {
        struct t_config next;
        struct sp_cluster *c = reload(&b, yaml, NULL, &next);
        assert_ptr_equal(c, first);
        sp_cluster_unref(b.cluster);
        t_config_done(&b.config);
        b.cluster = c;
        b.config = next;
        call = (struct t_call){0};
        t_call_get(&call, &b);
        t_step(&b, 1000);
        struct sp_buf out;
        sp_buf_init(&out);
        sp_cluster_text(c, false, &out);
        sp_cluster_json(c, false, &out);
        assert_true(out.len > 0);
        sp_buf_clear(&out);
        t_call_done(&call);
    }
    t_bed_free(&b);
    free(yaml);
}

static char path[64];

static void write_file(struct sp_str s)
{
    FILE *f = fopen(path, "w");
    fwrite(s.ptr, 1, s.len, f);
    fclose(f);
}

static void count_path(void *arg, const struct sp_live_info *info)
{
    if (info->n_paths == 1 && strcmp(info->paths[0], path) == 0)
        *(unsigned *)arg += 1;
}

/* A CA is watched, whichever config has the cluster; so its content does not change what the cluster is. */
static void test_a_ca_is_watched_by_each_document(void **state)
{
    struct t_bed b;
    struct t_config next;
    char yaml[2048];
    unsigned seen = 0;
    struct sp_cert_request request = {.common_name = "ca", .is_ca = true};
    struct sp_made_cert one, two;
    struct sp_arena arena;
    sp_arena_init(&arena);
    sp_cert_make(&request, NULL, &arena, &one);
    sp_cert_make(&request, NULL, &arena, &two);
    sp_tls_global_init();
    snprintf(path, sizeof(path), "/tmp/sp_cluster_keep_%d", getpid());
    write_file(one.cert_pem);
    snprintf(yaml, sizeof(yaml),
             "name: c\n" HOST "transport_socket: {name: tls, typed_config: {\"@type\": type.googleapis.com/"
             "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {validation_context: {trusted_ca: "
             "{filename: %s}, match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: h}}]}}}}\n", path);
    t_bed_new(&b, yaml);
    write_file(two.cert_pem);
    struct sp_cluster *c = reload(&b, yaml, NULL, &next);
    assert_ptr_equal(c, b.cluster);
    sp_live_set_each(sp_doc_live(next.doc), count_path, &seen);
    assert_int_equal(seen, 1);
    sp_cluster_unref(c);
    t_config_done(&next);
    t_bed_free(&b);
    sp_arena_done_wipe(&arena);
    unlink(path);
}

/* %SECRET% in a health check: its file is watched for the config that follows, and the text of the first one is gone. */
static struct sp_cluster *compile_bootstrap(const char *file, struct sp_cluster *before, struct t_config *ret)
{
    char yaml[2048];
    struct sp_clusters previous = {0};
    snprintf(yaml, sizeof(yaml),
             "static_resources:\n"
             "  secrets: [{name: s, generic_secret: {secret: {filename: %s}}}]\n"
             "  clusters:\n"
             "  - name: c\n"
             "    load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, "
             "port_value: 1}}}}]}]}\n"
             "    health_checks: [{timeout: 1s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /, "
             "request_headers_to_add: [{header: {key: x-secret, value: '%%SECRET(s)%%'}}]}}]\n", file);
    t_config_load(ret, &envoy__config__bootstrap__v3__bootstrap__descriptor, yaml);
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = ret->msg;
    struct sp_cluster_build build = {.doc = ret->doc, .diag = &ret->diag, .n_workers = T_WORKERS, .previous = &previous};
    sp_map_init(&previous.by_name);
    if (before)
        sp_map_add(&previous.by_name, sp_cluster_name(before), before);
    struct sp_cluster *c = sp_cluster_new(&build, b->static_resources->clusters[0]);
    if (!c)
        fail_msg("%s", t_config_said(ret));
    sp_map_done(&previous.by_name);
    return c;
}

static void test_a_secret_of_its_checks(void **state)
{
    struct t_config one, two, three;
    char other[96];
    unsigned seen = 0;
    sp_stats_init(T_WORKERS + 2);
    snprintf(path, sizeof(path), "/tmp/sp_cluster_keep_%d", getpid());
    snprintf(other, sizeof(other), "%s.other", path);
    write_file(SP_STR("0123456789abcdef"));
    struct sp_cluster *a = compile_bootstrap(path, NULL, &one), *b = compile_bootstrap(path, a, &two);
    assert_ptr_equal(a, b);
    sp_cluster_unref(a);
    t_config_done(&one);
    sp_live_set_each(sp_doc_live(two.doc), count_path, &seen);
    assert_int_equal(seen, 1);
    assert_int_equal(rename(path, other), 0);
    struct sp_cluster *c = compile_bootstrap(other, b, &three);
    assert_ptr_not_equal(b, c);
    sp_cluster_unref(b); /* while the document still has what is watched */
    t_config_done(&two);
    t_config_done(&three);
    sp_cluster_unref(c);
    unlink(other);
    sp_stats_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_changes_it),
        cmocka_unit_test(test_hosts_change),
        cmocka_unit_test(test_it_lives_on),
        cmocka_unit_test(test_a_ca_is_watched_by_each_document),
        cmocka_unit_test(test_a_secret_of_its_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
