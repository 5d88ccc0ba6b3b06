/* SPDX-License-Identifier: GPL-2.0-or-later */
/* secure_defaults: what is filled in, what is left alone, what has to be said; and that its page tells the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/descriptor.h"
#include "config/fill.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "server/secure_defaults.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Tls;

#define TYPE "'@type': type.googleapis.com/"
#define EDGE(on) "bootstrap_extensions: [{name: e, typed_config: {" TYPE "sallyport.bootstrap.v1.Edge, secure_defaults: " on "}}]\n"
#define DOOR(listener, chain, manager) \
    "static_resources:\n  listeners:\n  - {name: l, " listener "filter_chains: [{name: c, " chain "filters: [{name: h, typed_config: {" TYPE \
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x" manager "}}]}]}\n"
#define WITH_TLS "transport_socket: {name: t, typed_config: {" TYPE "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext}}, "

static struct sp_doc *doc;
static struct sp_diag diag;

static int setup(void **state)
{
    (void)state;
    sp_diag_init(&diag);
    doc = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return 0;
}

static const Bootstrap *run(const char *yaml)
{
    sp_doc_free(doc);
    doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    if (!doc)
        sp_diag_print(&diag, stderr);
    assert_non_null(doc);
    sp_secure_defaults(doc, &diag, sp_doc_root(doc));
    return sp_doc_root(doc);
}

static const Envoy__Config__Listener__V3__Listener *listener_of(const Bootstrap *b)
{
    return b->static_resources->listeners[0];
}

static const Hcm *manager_of(const Bootstrap *b)
{
    return (const Hcm *)sp_doc_any(doc, listener_of(b)->filter_chains[0]->filters[0]->typed_config);
}

static void count(void *arg, const struct sp_filled *filled)
{
    assert_true(sp_doc_filled(doc, filled->msg, filled->field));
    assert_non_null(strstr(filled->path, filled->field));
    ++*(unsigned *)arg;
}

static unsigned filled(void)
{
    unsigned n = 0;
    sp_doc_each_filled(doc, count, &n);
    return n;
}

static void off(void **state)
{
    (void)state;
    const Hcm *m = manager_of(run(DOOR("", WITH_TLS, "")));
    assert_null(m->use_remote_address);
    assert_int_equal(filled(), 0);
    run(EDGE("false") DOOR("", WITH_TLS, ""));
    assert_int_equal(filled(), 0);
    assert_false(sp_secure_defaults_on(doc, sp_doc_root(doc)));
}

static void on(void **state)
{
    (void)state;
    const Bootstrap *b = run(EDGE("true") DOOR("", WITH_TLS, "") "  clusters: [{name: o}]\n");
    const Hcm *m = manager_of(b);
    assert_true(sp_secure_defaults_on(doc, b));
    assert_true(m->use_remote_address->value && m->normalize_path->value && m->merge_slashes);
    assert_int_equal(m->path_with_escaped_slashes_action, 3);
    assert_int_equal(m->common_http_protocol_options->headers_with_underscores_action, 1);
    assert_int_equal(m->common_http_protocol_options->idle_timeout->seconds, 3600);
    assert_int_equal(m->request_headers_timeout->seconds, 10);
    assert_int_equal(m->request_timeout->seconds, 300);
    assert_int_equal(m->http2_protocol_options->initial_connection_window_size->value, 1 << 20);
    assert_int_equal(listener_of(b)->per_connection_buffer_limit_bytes->value, 32768);
    assert_int_equal(listener_of(b)->filter_chains[0]->transport_socket_connect_timeout->seconds, 10);
    assert_int_equal(b->static_resources->clusters[0]->per_connection_buffer_limit_bytes->value, 32768);
    const Tls *tls = (const Tls *)sp_doc_any(doc, listener_of(b)->filter_chains[0]->transport_socket->typed_config);
    assert_int_equal(tls->common_tls_context->tls_params->tls_minimum_protocol_version, 3);
    /* Places and paths, for errors and for what validate shows; nothing of the text is taken for theirs. */
    struct sp_arena arena;
    sp_arena_init(&arena);
    assert_string_equal(sp_doc_path(doc, m->common_http_protocol_options, "idle_timeout", -1, &arena).ptr,
                        "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.common_http_protocol_options.idle_timeout");
    assert_int_equal(sp_doc_mark(doc, m->common_http_protocol_options, "idle_timeout", -1).line,
                     sp_doc_mark(doc, m, NULL, -1).line);
    assert_false(sp_doc_written(doc, m->common_http_protocol_options, "idle_timeout"));
    assert_true(sp_doc_filled(doc, m->common_http_protocol_options, "idle_timeout"));
    assert_false(sp_doc_filled(doc, m, "stat_prefix"));
    sp_arena_done(&arena);
    assert_int_equal(diag.n_errors, 0);
    unsigned n = filled();
    sp_secure_defaults(doc, &diag, b); /* a second time: nothing is unset */
    assert_int_equal(filled(), n);
}

static void the_texts_word_holds(void **state)
{
    (void)state;
    const Hcm *m = manager_of(run(EDGE("true") DOOR(
        "per_connection_buffer_limit_bytes: 7, ", "", ", normalize_path: false, merge_slashes: false, request_timeout: 0s, "
        "path_with_escaped_slashes_action: KEEP_UNCHANGED, common_http_protocol_options: {headers_with_underscores_action: ALLOW, "
        "max_headers_count: 7}, http2_protocol_options: {}")));
    assert_false(m->normalize_path->value || m->merge_slashes);
    assert_int_equal(m->request_timeout->seconds, 0);
    assert_int_equal(m->path_with_escaped_slashes_action, 1);
    assert_int_equal(m->common_http_protocol_options->headers_with_underscores_action, 0);
    assert_int_equal(m->common_http_protocol_options->max_headers_count->value, 7);
    assert_int_equal(m->common_http_protocol_options->idle_timeout->seconds, 3600); /* in the same message */
    assert_int_equal(m->http2_protocol_options->max_concurrent_streams->value, 100);
    assert_int_equal(listener_of(sp_doc_root(doc))->per_connection_buffer_limit_bytes->value, 7);
    assert_null(listener_of(sp_doc_root(doc))->filter_chains[0]->transport_socket_connect_timeout); /* without TLS */
    m = manager_of(run(EDGE("true") DOOR("", "", ", original_ip_detection_extensions: [{name: x, typed_config: {" TYPE
                                        "envoy.extensions.http.original_ip_detection.xff.v3.XffConfig}}]")));
    assert_null(m->use_remote_address);
}

#define ORIGIN(context) \
    "static_resources: {clusters: [{name: o, transport_socket: {name: t, typed_config: {" TYPE \
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {" context "}}}}]}\n"

static void origin(const char *yaml, const char *why)
{
    unsigned before = diag.n_items;
    run(yaml);
    if (!why) {
        assert_int_equal(diag.n_items, before);
        return;
    }
    assert_int_equal(diag.n_items, before + 1);
    assert_non_null(strstr(diag.items[before].text, why));
    assert_int_equal(diag.items[before].mark.line, 2);
}

static void origins_are_verified(void **state)
{
    (void)state;
#define NAME ", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]"
    origin(EDGE("true") ORIGIN(""), "has to be verified");
    origin(EDGE("true") ORIGIN("validation_context: {}"), "has to be verified");
    origin(EDGE("true") ORIGIN("validation_context: {trusted_ca: {filename: /a}, trust_chain_verification: ACCEPT_UNTRUSTED" NAME "}"),
           "has to be verified");
    origin(EDGE("true") ORIGIN("validation_context: {trusted_ca: {filename: /a}}"), "a name that is meant");
    origin(EDGE("true") ORIGIN("validation_context: {system_root_certs: {}}"), "a name that is meant");
    origin(EDGE("true") ORIGIN("validation_context: {trusted_ca: {filename: /a}" NAME "}"), NULL);
    origin(EDGE("true") ORIGIN("validation_context: {system_root_certs: {}" NAME "}"), NULL);
    origin(EDGE("true") ORIGIN("validation_context: {verify_certificate_spki: [x]}"), NULL);
    origin(EDGE("false") ORIGIN(""), NULL);
    origin(EDGE("true") "static_resources: {clusters: [{name: o, transport_socket: {name: t, typed_config: {" TYPE
           "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, common_tls_context: {validation_context: {trusted_ca: "
           "{filename: /a}}}}}, typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {" TYPE
           "envoy.extensions.upstreams.http.v3.HttpProtocolOptions, upstream_http_protocol_options: {auto_san_validation: true}, "
           "explicit_http_config: {}}}}]}\n", NULL);
}

/* ---- docs/secure-defaults.md ---- */

static const ProtobufCFieldDescriptor *last_field(const struct sp_secure_default *d)
{
    const ProtobufCMessageDescriptor *m = d->message;
    struct sp_str rest = sp_str_c(d->field), name;
    const ProtobufCFieldDescriptor *f = NULL;
    while (sp_str_split(&rest, '.', &name)) {
        f = sp_field_find(m, name);
        assert_non_null(f);
        m = f->descriptor;
    }
    return f;
}

static const char *value_text(const struct sp_secure_default *d)
{
    static char text[64];
    const ProtobufCFieldDescriptor *f = last_field(d);
    if (f->type == PROTOBUF_C_TYPE_ENUM)
        return protobuf_c_enum_descriptor_get_value(f->descriptor, (int)d->value)->name;
    bool is_bool = f->type == PROTOBUF_C_TYPE_BOOL ||
                   strcmp(((const ProtobufCMessageDescriptor *)f->descriptor)->short_name, "BoolValue") == 0;
    if (is_bool)
        return "true";
    bool duration = sp_wkt_of(f->descriptor) == SP_WKT_DURATION;
    snprintf(text, sizeof(text), "%lld%s", (long long)(duration ? d->value / 1000 : d->value), duration ? "s" : "");
    return text;
}

static void the_page(void **state)
{
    (void)state;
    char path[512], *text = sp_xcalloc(1, 1 << 16);
    snprintf(path, sizeof(path), "%s/docs/secure-defaults.md", getenv("SALLYPORT_SOURCE_DIR"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
    fclose(f);
    size_t n;
    const struct sp_secure_default *t = sp_secure_defaults_table(&n);
    for (size_t i = 0; i < n; i++) {
        char head[256], value[128];
        snprintf(head, sizeof(head), "\n| `%s` | `%s` | ", t[i].message->short_name, t[i].field);
        char *row = strstr(text, head);
        if (!row)
            fail_msg("docs/secure-defaults.md has no row %s", head);
        snprintf(value, sizeof(value), " | `%s` | ", value_text(&t[i]));
        char *end = strchr(row + 1, '\n'), *found = strstr(row, value);
        if (!found || found > end)
            fail_msg("docs/secure-defaults.md: the row of %s does not say %s", t[i].field, value);
    }
    size_t rows = 0;
    for (const char *p = strstr(text, "\n| `"); p; p = strstr(p + 1, "\n| `"))
        rows++;
    assert_int_equal(rows, n);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(off, setup, teardown),
        cmocka_unit_test_setup_teardown(on, setup, teardown),
        cmocka_unit_test_setup_teardown(the_texts_word_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(origins_are_verified, setup, teardown),
        cmocka_unit_test(the_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
