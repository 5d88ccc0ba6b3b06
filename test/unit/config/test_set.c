/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A config in several files: what stands where in the end, and every way in which the files do not fit. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/files.h"
#include "config/set.h"
#include "config/static_secret.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Config__Listener__V3__Listener Listener;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Downstream;

#define T "\"@type\": type.googleapis.com/"
#define LISTENER T "envoy.config.listener.v3.Listener"
#define CLUSTER T "envoy.config.cluster.v3.Cluster"
#define ROUTES T "envoy.config.route.v3.RouteConfiguration"
#define HOSTS T "envoy.config.endpoint.v3.ClusterLoadAssignment"
#define SECRET T "envoy.extensions.transport_sockets.tls.v3.Secret"
#define HCM_TYPE T "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
#define ROUTER "http_filters: {name: r, typed_config: {" T "envoy.extensions.filters.http.router.v3.Router}}"
#define AT(port) "address: {socket_address: {address: 127.0.0.1, port_value: " port "}}"
#define DYNAMIC "dynamic_resources: {lds_config: {path: lds.yaml}, cds_config: {path_config_source: {path: cds.yaml}}}\n"

static char dir[] = "/tmp/sp_set_XXXXXX";

static int make_dir(void **state)
{
    return mkdtemp(dir) ? chdir(dir) : -1;
}

static int remove_dir(void **state)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return chdir("/") + system(command);
}

static void file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Loads b.yaml with this text; whatever is said must be `want`. */
static struct sp_set *load(const char *text, struct sp_files *files, const char *want)
{
    struct sp_diag d;
    sp_diag_init(&d);
    file("b.yaml", text);
    struct sp_set *s = sp_set_load("b.yaml", NULL, files, &d);
    char *said = printed(&d);
    assert_string_equal(said, want);
    assert_int_equal(s == NULL, d.n_errors > 0);
    free(said);
    sp_diag_done(&d);
    return s;
}

static void refused(const char *text, const char *want)
{
    assert_null(load(text, NULL, want));
}

static void good_files(void)
{
    file("lds.yaml", "version_info: v7\n"
                     "resources:\n"
                     "- " LISTENER "\n"
                     "  name: tls\n"
                     "  " AT("1") "\n"
                     "  filter_chains:\n"
                     "    transport_socket:\n"
                     "      name: tls\n"
                     "      typed_config:\n"
                     "        " T "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
                     "        common_tls_context:\n"
                     "          tls_certificate_sds_secret_configs: {name: door, sds_config: {path: sds.yaml}}\n"
                     "          combined_validation_context:\n"
                     "            default_validation_context: {max_verify_depth: 3, verify_certificate_hash: [" "\"01\"" "]}\n"
                     "            validation_context_sds_secret_config: {name: door, sds_config: {path: sds.yaml}}\n"
                     "    filters: {name: h, typed_config: {" HCM_TYPE ", stat_prefix: in, " ROUTER ",\n"
                     "      rds: {route_config_name: two, config_source: {path: rds.yaml}}}}\n"
                     "- " LISTENER "\n"
                     "  name: plain\n"
                     "  " AT("2") "\n"
                     "  filter_chains: {filters: {name: h, typed_config: {" HCM_TYPE ", stat_prefix: in, " ROUTER ",\n"
                     "    rds: {route_config_name: two, config_source: {path: rds.yaml}}}}}\n");
    file("cds.yaml", "resources:\n"
                     "- " CLUSTER "\n"
                     "  name: a\n"
                     "  type: EDS\n"
                     "  eds_cluster_config: {eds_config: {path: eds.json}, service_name: svc}\n"
                     "- " CLUSTER "\n"
                     "  name: b\n"
                     "  load_assignment: {cluster_name: b}\n");
    file("eds.json", "{\"resources\": [{\"@type\": \"type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment\","
                     "\"clusterName\": \"svc\", \"endpoints\": [{\"priority\": 1}]}]}");
    file("rds.yaml", "type_url: type.googleapis.com/envoy.config.route.v3.RouteConfiguration\n"
                     "resources:\n"
                     "- {" ROUTES ", name: one}\n"
                     "- {" ROUTES ", name: two, virtual_hosts: {name: v, domains: [x]}}\n");
    file("sds.yaml", "resources:\n"
                     "- " SECRET "\n"
                     "  name: door\n"
                     "  tls_certificate: {certificate_chain: {filename: c.pem}, private_key: {filename: k.pem, watched_directory: {path: w}},\n"
                     "    watched_directory: {path: w/}}\n"
                     "- " SECRET "\n"
                     "  name: door\n"
                     "  validation_context: {trusted_ca: {filename: ca.pem}, verify_certificate_hash: [" "\"02\"" "]}\n");
}

/* The rules want whole hashes; these tests do not. */
static void good_hashes(void)
{
    static const char one[] = "0101010101010101010101010101010101010101010101010101010101010101";
    char command[300];
    for (unsigned i = 1; i <= 2; i++) {
        snprintf(command, sizeof(command), "sed -i 's/\"0%u\"/\"%.62s0%u\"/' lds.yaml sds.yaml", i, one, i);
        assert_int_equal(system(command), 0);
    }
}

static const Hcm *hcm_of(const struct sp_set *s, const Listener *l)
{
    return sp_doc_any_as(s->doc, l->filter_chains[0]->filters[0]->typed_config,
                         &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor);
}

static const Common *tls_of(const struct sp_set *s, const Listener *l)
{
    const Downstream *d = sp_doc_any_as(s->doc, l->filter_chains[0]->transport_socket->typed_config,
                                        &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor);
    return d->common_tls_context;
}

static void test_all_kinds(void **state)
{
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC "static_resources: {clusters: {name: st, load_assignment: {cluster_name: st}}}\n", NULL, "");
    const Bootstrap *b = sp_doc_root(s->doc);
    assert_int_equal(b->static_resources->n_listeners, 2);
    assert_int_equal(b->static_resources->n_clusters, 3);
    assert_string_equal(b->static_resources->clusters[0]->name, "st");
    assert_string_equal(b->static_resources->clusters[1]->name, "a");
    assert_int_equal(b->static_resources->clusters[1]->load_assignment->endpoints[0]->priority, 1);
    const Listener *tls = b->static_resources->listeners[0], *plain = b->static_resources->listeners[1];
    const Hcm *h = hcm_of(s, tls);
    assert_string_equal(h->route_config->virtual_hosts[0]->domains[0], "x");
    assert_ptr_equal(h->route_config, hcm_of(s, plain)->route_config);
    const Common *c = tls_of(s, tls);
    assert_int_equal(c->n_tls_certificates, 1);
    assert_string_equal(c->tls_certificates[0]->certificate_chain->filename, "c.pem");
    assert_int_equal(c->validation_context->max_verify_depth->value, 3);
    assert_string_equal(c->validation_context->trusted_ca->filename, "ca.pem");
    assert_int_equal(c->validation_context->n_verify_certificate_hash, 2);
    /* What was combined is as it was. */
    assert_null(c->combined_validation_context->default_validation_context->trusted_ca);
    assert_int_equal(c->combined_validation_context->default_validation_context->n_verify_certificate_hash, 1);
    sp_set_free(s);
}

static void test_without_static_resources(void **state)
{
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC, NULL, "");
    const Bootstrap *b = sp_doc_root(s->doc);
    assert_int_equal(b->static_resources->n_listeners, 2);
    assert_int_equal(b->static_resources->n_clusters, 2);
    sp_set_free(s);
}

static void test_sources(void **state)
{
    static const struct {
        enum sp_set_kind kind;
        const char *owner, *name, *path;
    } want[] = {{SP_SET_CDS, "", "", "cds.yaml"},      {SP_SET_LDS, "", "", "lds.yaml"},    {SP_SET_EDS, "", "a", "eds.json"},
                {SP_SET_SDS, "", "door", "sds.yaml"},  {SP_SET_RDS, "in", "two", "rds.yaml"}};
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC, NULL, "");
    assert_int_equal(s->n_sources, SP_ARRAY_LEN(want));
    for (size_t i = 0; i < SP_ARRAY_LEN(want); i++) {
        size_t k = 0;
        while (k < s->n_sources && s->sources[k].kind != want[i].kind)
            k++;
        assert_true(k < s->n_sources);
        assert_string_equal(s->sources[k].owner, want[i].owner);
        assert_string_equal(s->sources[k].name, want[i].name);
        assert_string_equal(s->sources[k].path, want[i].path);
        assert_true(s->sources[k].read_ms > 0);
    }
    const Bootstrap *b = sp_doc_root(s->doc);
    assert_string_equal(sp_set_source_of(s, b->static_resources->listeners[0])->file->version_info, "v7");
    assert_null(sp_set_source_of(s, b));
    sp_set_free(s);
}

/* Each file once, whole: as it is written. */
static void test_dumps_show_what_is_written(void **state)
{
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC "static_resources: {clusters: {name: st, load_assignment: {cluster_name: st}}}\n", NULL, "");
    const Bootstrap *b = sp_doc_root(s->doc);
    char *text = dumped(s->doc, b);
    assert_null(strstr(text, "\"a\""));
    assert_non_null(strstr(text, "\"st\""));
    free(text);
    text = dumped(s->doc, b->static_resources->listeners[0]);
    assert_non_null(strstr(text, "\"rds\""));
    assert_null(strstr(text, "virtual_hosts"));
    assert_null(strstr(text, "c.pem"));
    assert_null(strstr(text, "\"validation_context\""));
    assert_non_null(strstr(text, "tls_certificate_sds_secret_configs"));
    free(text);
    sp_set_free(s);
}

static void count(void *arg, const ProtobufCMessage *msg)
{
    unsigned *n = arg;
    n[0] += msg->descriptor == &envoy__config__route__v3__route_configuration__descriptor;
    n[1] += msg->descriptor == &envoy__extensions__transport_sockets__tls__v3__tls_certificate__descriptor;
}

static void test_each_message_once(void **state)
{
    unsigned n[2] = {0};
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC, NULL, "");
    sp_doc_each(s->doc, count, n);
    assert_int_equal(n[0], 2);
    assert_int_equal(n[1], 1);
    sp_set_free(s);
}

static void list(void *arg, const char *path, const struct sp_file_facts *facts)
{
    char *text = arg;
    snprintf(text + strlen(text), 300 - strlen(text), "%s%s ", path, facts->ino ? "" : "(none)");
}

static void test_files(void **state)
{
    struct sp_files *files = sp_files_new();
    char text[300] = "";
    good_files();
    good_hashes();
    struct sp_set *s = load(DYNAMIC, files, "");
    sp_doc_each_file(s->doc, list, text);
    assert_string_equal(text, "b.yaml cds.yaml lds.yaml eds.json rds.yaml sds.yaml w/(none) ");
    sp_set_free(s);
    struct sp_file_facts facts;
    assert_true(sp_files_find(files, "rds.yaml", &facts));
    assert_true(facts.size > 0);
    assert_false(sp_files_find(files, "other", &facts));
    sp_files_unref(files);
}

/* So that whoever was refused knows what to wait for. */
static void test_files_of_a_load_that_fails(void **state)
{
    struct sp_files *files = sp_files_new();
    char text[300] = "";
    file("lds.yaml", "x");
    unlink("none.yaml");
    assert_null(load("dynamic_resources: {lds_config: {path: lds.yaml}, cds_config: {path: none.yaml}}\n", files,
                     "lds.yaml:1:1: expected a mapping with the fields of envoy.service.discovery.v3.DiscoveryResponse, found a string\n"
                     "none.yaml: cannot read it: No such file or directory (check the path and its permissions)\n"));
    sp_files_each(files, true, list, text);
    assert_string_equal(text, "b.yaml none.yaml(none) lds.yaml ");
    sp_files_unref(files);
}

static void *load_nothing(void *ctx, const void *old, struct sp_diag *diag)
{
    return NULL;
}

static const struct sp_live_kind live_kind = {.name = "t", .load = load_nothing, .free = free};

/* What a live value watches counts for a config that is refused alone. */
static void test_files_of_live_values(void **state)
{
    struct sp_files *files = sp_files_new();
    char text[300] = "";
    file("lds.yaml", "resources: []\n");
    file("cds.yaml", "resources: []\n");
    struct sp_set *s = load(DYNAMIC, files, "");
    struct sp_live *l = sp_live_new(sp_doc_live(s->doc), &live_kind, SP_STR("l"), NULL, NULL);
    sp_live_watch(l, "live.pem");
    sp_live_watch(l, "both.pem");
    sp_doc_reads(s->doc, "both.pem");
    sp_doc_each_file(s->doc, list, text);
    assert_string_equal(text, "b.yaml cds.yaml lds.yaml both.pem(none) ");
    text[0] = 0;
    sp_files_each(files, true, list, text);
    assert_string_equal(text, "b.yaml cds.yaml lds.yaml live.pem(none) both.pem(none) ");
    sp_set_free(s);
    sp_files_unref(files);
}

static void test_all_errors_of_all_files(void **state)
{
    file("lds.yaml", "resources:\n- {" LISTENER ", name: l, " AT("70000") ", nam: x}\n");
    file("cds.yaml", "resources:\n- {" CLUSTER ", name: c}\n- {" CLUSTER ", name: d, connect_timeout: 0s,\n"
                     "   type: EDS, eds_cluster_config: {eds_config: {path: eds.yaml}}}\n");
    file("eds.yaml", "resources: 5\nversion: x\n");
    refused("node: {id: 5}\n" DYNAMIC,
            "b.yaml:1:12: node.id: expected a string, found the number 5 (put it in quotes)\n"
            "cds.yaml:2:3: resources[0].load_assignment: required, but missing (add it)\n"
            "cds.yaml:3:92: resources[1].connect_timeout: has to be more than 0s\n"
            "eds.yaml:1:12: resources: expected a list, found a number\n"
            "eds.yaml:2:1: version: envoy.service.discovery.v3.DiscoveryResponse has no such field (it knows: version_info, "
            "resources, type_url, nonce)\n"
            "lds.yaml:2:136: resources[0].address.socket_address.port_value: 70000 is out of range (expected 0 to 65535)\n"
            "lds.yaml:2:145: resources[0].nam: envoy.config.listener.v3.Listener has no such field (the nearest it knows is \"name\")\n");
}

static void test_wrong_types(void **state)
{
    file("lds.yaml", "resources:\n- {" CLUSTER ", name: c, load_assignment: {cluster_name: c}}\n- {" T "envoy.extensions.filters.http.router.v3.Router}\n");
    file("cds.yaml", "type_url: x\nresources: []\n");
    refused(DYNAMIC,
            "cds.yaml:1:11: warning: type_url: this file is read by cds_config at b.yaml:1:63 (expected type.googleapis.com/envoy.config.cluster.v3.Cluster)\n"
            "lds.yaml:2:3: resources[0]: is of type envoy.config.cluster.v3.Cluster, but this file is read for envoy.config.listener.v3.Listener by "
            "lds_config at b.yaml:1:33 (put it into a file that a config source names in cds_config)\n"
            "lds.yaml:3:3: resources[1]: is of type envoy.extensions.filters.http.router.v3.Router, but this file is read for "
            "envoy.config.listener.v3.Listener by lds_config at b.yaml:1:33 (take it out)\n");
}

static void test_names_twice(void **state)
{
    file("lds.yaml", "resources: []\n");
    file("cds.yaml", "resources:\n- {" CLUSTER ", name: c, load_assignment: {cluster_name: c}}\n"
                     "- {" CLUSTER ", name: c, load_assignment: {cluster_name: c}}\n");
    refused(DYNAMIC, "cds.yaml:3:72: resources[1].name: \"c\" is in this file already, in line 2 (names are unique)\n");
    file("cds.yaml", "resources:\n- {" CLUSTER ", name: c, load_assignment: {cluster_name: c}}\n");
    refused(DYNAMIC "static_resources: {clusters: {name: c, load_assignment: {cluster_name: c}}}\n",
            "cds.yaml:2:72: resources[0].name: \"c\" is static, at b.yaml:2:30, and cannot be overridden (take one of the two out, or rename it)\n");
}

static void test_missing_names(void **state)
{
    file("rds.yaml", "resources:\n- {" ROUTES ", name: main}\n");
    file("eds.yaml", "resources: []\n");
    file("sds.yaml", "resources:\n- {" SECRET ", name: ca, validation_context: {}}\n- {" SECRET ", name: other, generic_secret: {secret: {inline_string: x}}}\n");
    refused("static_resources:\n"
            "  listeners:\n"
            "  - " AT("1") "\n"
            "    filter_chains:\n"
            "    - filters: {name: h, typed_config: {" HCM_TYPE ", stat_prefix: s, " ROUTER ",\n"
            "        rds: {route_config_name: mian, config_source: {path: rds.yaml}}}}\n"
            "      transport_socket:\n"
            "        name: t\n"
            "        typed_config:\n"
            "          " T "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext\n"
            "          common_tls_context:\n"
            "            tls_certificate_sds_secret_configs:\n"
            "            - {name: ca, sds_config: {path: sds.yaml}}\n"
            "            - {name: door, sds_config: {path: sds.yaml}}\n"
            "            - {name: door}\n"
            "  clusters:\n"
            "  - name: c\n"
            "    type: EDS\n"
            "    eds_cluster_config: {eds_config: {path: eds.yaml}}\n",
            "b.yaml:6:34: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.rds.route_config_name: there is no "
            "RouteConfiguration \"mian\" in rds.yaml (did you mean \"main\"?)\n"
            "b.yaml:13:22: static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context."
            "tls_certificate_sds_secret_configs[0].name: \"ca\" in sds.yaml is a validation_context (a tls_certificate is needed here)\n"
            "b.yaml:14:22: static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context."
            "tls_certificate_sds_secret_configs[1].name: there is no secret \"door\" with a tls_certificate in sds.yaml (the file has \"ca\", \"other\")\n"
            "b.yaml:15:22: static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context."
            "tls_certificate_sds_secret_configs[2].name: there is no secret \"door\" with a tls_certificate in static_resources.secrets (add it, or "
            "name a file with it in sds_config)\n"
            "b.yaml:19:25: static_resources.clusters[0].eds_cluster_config: there is no ClusterLoadAssignment \"c\" in eds.yaml (the file has no resources)\n");
}

static void test_exclusive(void **state)
{
    file("rds.yaml", "resources:\n- {" ROUTES ", name: main}\n");
    refused("static_resources:\n"
            "  listeners:\n"
            "  - " AT("1") "\n"
            "    filter_chains:\n"
            "    - filters:\n"
            "      - {name: h, typed_config: {" HCM_TYPE ", stat_prefix: s, " ROUTER ",\n"
            "         route_config: {}, rds: {route_config_name: main, config_source: {path: rds.yaml}}}}\n"
            "      - {name: h, typed_config: {" HCM_TYPE ", stat_prefix: s, " ROUTER "}}\n"
            "  clusters:\n"
            "  - {name: a, load_assignment: {cluster_name: a}, eds_cluster_config: {eds_config: {path: e}}}\n"
            "  - {name: b, type: EDS, load_assignment: {cluster_name: a}, eds_cluster_config: {eds_config: {path: e}}}\n"
            "  - {name: c, type: EDS}\n",
            "b.yaml:7:33: static_resources.listeners[0].filter_chains[0].filters[0].typed_config.rds: \"rds\" and \"route_config\" exclude each "
            "other (keep one of them)\n"
            "b.yaml:8:33: static_resources.listeners[0].filter_chains[0].filters[1].typed_config: one of these is required: rds, route_config\n"
            "b.yaml:10:71: static_resources.clusters[0].eds_cluster_config: this cluster is not of type EDS (set type: EDS, or take it out)\n"
            "b.yaml:11:43: static_resources.clusters[1].load_assignment: an EDS cluster has its hosts in the file that eds_cluster_config names "
            "(take it out, or use type: STATIC)\n"
            "b.yaml:12:5: static_resources.clusters[2].eds_cluster_config: required for type: EDS, but missing (add it)\n");
}

static void test_not_from_servers(void **state)
{
    refused("dynamic_resources:\n"
            "  lds_config: {api_config_source: {api_type: GRPC}}\n"
            "  cds_config: {ads: {}}\n"
            "  ads_config: {}\n",
            "b.yaml:2:16: dynamic_resources.lds_config.api_config_source: Envoy has this field, sallyport does not run it (resources come from "
            "files here: write them to one, and name it in path_config_source)\n"
            "b.yaml:3:16: dynamic_resources.cds_config.ads: Envoy has this field, sallyport does not run it (resources come from files here: "
            "write them to one, and name it in path_config_source)\n"
            "b.yaml:4:3: dynamic_resources.ads_config: Envoy has this field, sallyport does not run it (resources come from files here: take it "
            "out, and name files in lds_config and cds_config)\n");
}

static void test_generic_secret(void **state)
{
    struct sp_diag d;
    struct sp_arena arena;
    sp_diag_init(&d);
    sp_arena_init(&arena);
    file("lds.yaml", "resources: []\n");
    file("cds.yaml", "resources: []\n");
    file("sds.yaml", "resources: {" SECRET ", name: token, generic_secret: {secret: {inline_string: open}}}\n");
    struct sp_set *s = load(DYNAMIC "bootstrap_extensions: {name: x, typed_config: {" T
                            "envoy.extensions.http.injected_credentials.generic.v3.Generic,\n"
                            "  credential: {name: token, sds_config: {path: sds.yaml}}}}\n", NULL, "");
    const Bootstrap *b = sp_doc_root(s->doc);
    const ProtobufCMessage *generic = sp_doc_any(s->doc, b->bootstrap_extensions[0]->typed_config);
    Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig *const *sds = (const void *)(generic + 1);
    struct sp_live *l = sp_sds_secret_new(s->doc, &d, &arena, *sds);
    assert_non_null(l);
    assert_string_equal(sp_live_secret_get(l).ptr, "open");
    sp_set_free(s);
    sp_arena_done(&arena);
    sp_diag_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_kinds),
        cmocka_unit_test(test_without_static_resources),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_dumps_show_what_is_written),
        cmocka_unit_test(test_each_message_once),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_files_of_a_load_that_fails),
        cmocka_unit_test(test_files_of_live_values),
        cmocka_unit_test(test_all_errors_of_all_files),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_names_twice),
        cmocka_unit_test(test_missing_names),
        cmocka_unit_test(test_exclusive),
        cmocka_unit_test(test_not_from_servers),
        cmocka_unit_test(test_generic_secret),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
