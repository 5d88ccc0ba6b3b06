/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The audit's table and how it is told: ids, docs/audit.md, docs/security.md, and findings as text, JSON and SARIF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "tools/audit.h"
#include "tools/audit_checks.h"
#include "tools/audit_print.h"

/* One critical, one high, one low of two files' worth of text. */
static const char config[] = "static_resources:\n"
                             "  listeners:\n"
                             "  - name: l\n"
                             "    address: {pipe: {path: /x}}\n"
                             "    per_connection_buffer_limit_bytes: 1048576\n"
                             "  clusters:\n"
                             "  - name: \"o\\x1b[31m\"\n"
                             "    per_connection_buffer_limit_bytes: 1\n"
                             "    transport_socket: {name: t, typed_config: {'@type': "
                             "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext}}\n"
                             "admin: {address: {socket_address: {address: 0.0.0.0, port_value: 1}}}\n";

static struct sp_doc *doc;
static struct sp_diag diag;
static struct sp_audit audit;
static const char *file_name = "some dir/t.yaml";

static int setup(void **state)
{
    (void)state;
    sp_diag_init(&diag);
    doc = sp_doc_load_text(file_name, sp_str_c(config), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    assert_non_null(doc);
    sp_audit_run(&audit, doc);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_audit_done(&audit);
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return 0;
}

static const char *printed(void (*print)(const struct sp_audit *a, FILE *to))
{
    static char said[1 << 17];
    FILE *to = fmemopen(said, sizeof(said), "w");
    assert_non_null(to);
    print(&audit, to);
    fclose(to);
    return said;
}

static void text(void **state)
{
    (void)state;
    assert_string_equal(
        printed(sp_audit_print_text),
        "some dir/t.yaml:10:18: critical: admin-exposed: admin.address: the admin page has no login and can be reached from outside "
        "(bind it to 127.0.0.1, ::1 or a unix socket)\n"
        "    guards against: The admin page\n"
        "some dir/t.yaml:9:47: high: upstream-unverified: static_resources.clusters[0].transport_socket.typed_config: whoever is on the way can "
        "be the origin, and read and change what passes (set trusted_ca or system_root_certs, and match_typed_subject_alt_names)\n"
        "    guards against: A weak or skipped TLS upstream\n"
        "some dir/t.yaml:5:40: low: buffer-limit: static_resources.listeners[0].per_connection_buffer_limit_bytes: filters that collect "
        "bodies, and retries, may hold 1048576 bytes for each stream (set per_connection_buffer_limit_bytes: 32768)\n"
        "    guards against: Memory exhaustion\n"
        "3 findings: 1 critical, 1 high, 1 low\n");
}

static void nothing(void **state)
{
    (void)state;
    audit.n = 0;
    assert_string_equal(printed(sp_audit_print_text), "0 findings\n");
}

static const char *string_at(const json_t *j, const char *name)
{
    const char *s = json_string_value(json_object_get(j, name));
    assert_non_null(s);
    return s;
}

static void json(void **state)
{
    (void)state;
    json_t *root = json_loads(printed(sp_audit_print_json), 0, NULL);
    assert_non_null(root);
    const json_t *list = json_object_get(root, "findings"), *counts = json_object_get(root, "counts"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(json_integer_value(json_object_get(counts, "critical")), 1);
    assert_int_equal(json_integer_value(json_object_get(counts, "medium")), 0);
    assert_string_equal(string_at(first, "id"), "admin-exposed");
    assert_string_equal(string_at(first, "severity"), "critical");
    assert_string_equal(string_at(first, "file"), "some dir/t.yaml");
    assert_string_equal(string_at(first, "path"), "admin.address");
    assert_string_equal(string_at(first, "control"), "The admin page");
    assert_non_null(strstr(string_at(first, "remedy"), "127.0.0.1"));
    assert_non_null(strstr(string_at(first, "reason"), "no login"));
    assert_int_equal(json_integer_value(json_object_get(first, "line")), 10);
    assert_int_equal(json_integer_value(json_object_get(first, "column")), 18);
    json_decref(root);
}

static const json_t *at(const json_t *j, const char *a, const char *b)
{
    return json_object_get(json_object_get(j, a), b);
}

/* What SARIF 2.1.0 requires, and what code scanning asks for besides. */
static void sarif(void **state)
{
    (void)state;
    json_t *root = json_loads(printed(sp_audit_print_sarif), 0, NULL);
    assert_non_null(root);
    assert_string_equal(string_at(root, "version"), "2.1.0");
    assert_non_null(strstr(string_at(root, "$schema"), "sarif-2.1.0"));
    const json_t *run = json_array_get(json_object_get(root, "runs"), 0), *driver = at(run, "tool", "driver");
    const json_t *rules = json_object_get(driver, "rules"), *results = json_object_get(run, "results"), *j;
    assert_string_equal(string_at(driver, "name"), "sallyport audit");
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)rules, i, j) {
        string_at(j, "id");
        string_at(json_object_get(j, "shortDescription"), "text");
        string_at(json_object_get(j, "help"), "text");
        assert_true(atof(string_at(json_object_get(j, "properties"), "security-severity")) > 0);
    }
    assert_int_equal(json_array_size(results), 3);
    static const char *const levels[] = {"error", "error", "note"};
    json_array_foreach((json_t *)(uintptr_t)results, i, j) {
        const json_t *rule = json_array_get(rules, (size_t)json_integer_value(json_object_get(j, "ruleIndex")));
        const json_t *where = json_object_get(json_array_get(json_object_get(j, "locations"), 0), "physicalLocation");
        assert_string_equal(string_at(j, "ruleId"), string_at(rule, "id"));
        assert_string_equal(string_at(j, "level"), levels[i]);
        string_at(json_object_get(j, "message"), "text");
        assert_string_equal(string_at(json_object_get(where, "artifactLocation"), "uri"), "some%20dir/t.yaml");
        assert_true(json_integer_value(at(where, "region", "startLine")) > 0);
        assert_true(json_integer_value(at(where, "region", "startColumn")) > 0);
    }
    json_decref(root);
}

/* The URI of a file that is there, seen from `here`. */
static void uri_is(const char *here, const char *file, const char *expected)
{
    char before[512];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(here), 0);
    for (unsigned i = 0; i < audit.n; i++)
        audit.findings[i].mark.file = file;
    json_t *root = json_loads(printed(sp_audit_print_sarif), 0, NULL);
    assert_int_equal(chdir(before), 0);
    const json_t *result = json_array_get(json_object_get(json_array_get(json_object_get(root, "runs"), 0), "results"), 0);
    const json_t *where = json_object_get(json_array_get(json_object_get(result, "locations"), 0), "physicalLocation");
    assert_string_equal(string_at(json_object_get(where, "artifactLocation"), "uri"), expected);
    json_decref(root);
}

static void uris(void **state)
{
    (void)state;
    char dir[] = "/tmp/sp-sarif-XXXXXX", path[64], expected[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/a b.yaml", dir);
    fclose(fopen(path, "w"));
    uri_is(dir, path, "a%20b.yaml");
    uri_is(dir, "a b.yaml", "a%20b.yaml");
    snprintf(expected, sizeof(expected), "file://%s/a%%20b.yaml", dir);
    uri_is("/etc", path, expected);
    uri_is("/", path, expected);
    uri_is("/etc", "<stdin>", "stdin");
    uri_is("/etc", "not/there.yaml", "not/there.yaml");
    unlink(path);
    rmdir(dir);
}

/* ---- the table ---- */

static char *page(const char *name)
{
    char path[512], *t = sp_xcalloc(1, 1 << 18);
    snprintf(path, sizeof(path), "%s/docs/%s", getenv("SALLYPORT_SOURCE_DIR"), name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(t, 1, (1 << 18) - 1, f) > 0);
    fclose(f);
    return t;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = strstr(text, what); p; p = strstr(p + 1, what))
        n++;
    return n;
}

static void documented(void **state)
{
    (void)state;
    char *audit_page = page("audit.md"), *security = page("security.md");
    size_t n, all = 0;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    for (size_t i = 0; i < n; i++) {
        char head[512];
        snprintf(head, sizeof(head), "\n## %s\n", areas[i]->name);
        if (!strstr(audit_page, head))
            fail_msg("docs/audit.md has no part%s", head);
        for (size_t k = 0; k < areas[i]->n; k++, all++) {
            const struct sp_audit_check *c = &areas[i]->checks[k];
            char row[1024];
            snprintf(row, sizeof(row), "\n| `%s` | %s | %s | %s |\n", c->id, sp_audit_severity_names[c->severity], c->title, c->remedy);
            if (!strstr(audit_page, row))
                fail_msg("docs/audit.md lacks this row:%s", row);
            snprintf(row, sizeof(row), "\n| %s | ", c->control);
            if (!strstr(security, row))
                fail_msg("docs/security.md has no row%s", row);
        }
    }
    assert_int_equal(count(audit_page, "\n| `") - count(audit_page, "\n| `--"), all);
    free(audit_page);
    free(security);
}

static void ids(void **state)
{
    (void)state;
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    char seen[8192] = " ";
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < areas[i]->n; k++) {
            const struct sp_audit_check *c = &areas[i]->checks[k];
            char word[80];
            for (const char *p = c->id; *p; p++)
                assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-');
            snprintf(word, sizeof(word), " %s ", c->id);
            assert_null(strstr(seen, word));
            strcat(seen, word + 1);
            assert_int_equal(!!c->whole + !!c->chain + !!c->listener + !!c->cluster + !!c->vhost + !!c->route + !!c->message, 1);
        }
}

int main(void)
{
#define ALONE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {ALONE(text), ALONE(nothing), ALONE(json), ALONE(sarif), ALONE(uris), cmocka_unit_test(documented),
                                       cmocka_unit_test(ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
