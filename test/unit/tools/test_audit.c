/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each check: what it finds, with its place, and what it leaves alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/diag.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "tools/audit.h"

#define TYPE "'@type': type.googleapis.com/"
#define ROUTER "{name: router, typed_config: {" TYPE "envoy.extensions.filters.http.router.v3.Router}}"
#define SHIELD(more) \
    "{name: shield, typed_config: {" TYPE "sallyport.filters.http.origin_shield.v1.OriginShield, proof: {secret_header: {secrets: " \
    "[{name: s, value: {filename: /s}}]}}" more "}}, "
#define RESTRICTION(more) \
    "{name: r, typed_config: {" TYPE "sallyport.filters.http.ip_restriction.v1.IpRestriction, source: SOCKET" more "}}, "
#define GATE(more) "{name: g, typed_config: {" TYPE "sallyport.filters.listener.ip_restriction.v1.IpRestriction" more "}}, "
#define PROXY "{name: p, typed_config: {" TYPE "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}, "
#define TLS(more) \
    "      transport_socket: {name: t, typed_config: {" TYPE "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext" more "}}\n"
#define EXT(type, more) \
    "original_ip_detection_extensions: [{name: e, typed_config: {" TYPE "envoy.extensions.http.original_ip_detection." type more "}}]"
#define EDGE "use_remote_address: true"

/* One listener with one chain. */
#define CONFIG(address, listener_filters, transport, gates, manager) \
    "static_resources:\n" \
    "  listeners:\n" \
    "  - name: l\n" \
    "    address: {socket_address: {address: '" address "', port_value: 1}}\n" \
    "    listener_filters: [" listener_filters "]\n" \
    "    filter_chains:\n" \
    "    - name: c\n" transport \
    "      filters: [{name: h, typed_config: {" TYPE \
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x, " manager \
    ", http_filters: [" gates ROUTER "]}}]\n"

/* What is found, as "id id"; the whole text in `said`. */
static char said[8192];
static const char *found(const char *yaml)
{
    static char ids[512];
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML,
                                          &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    if (!doc)
        sp_diag_print(&diag, stderr);
    assert_non_null(doc);
    FILE *to = fmemopen(said, sizeof(said), "w");
    assert_non_null(to);
    unsigned n = sp_audit_run(doc, to), lines = 0;
    fclose(to);
    if (!n)
        said[0] = '\0';
    sp_doc_free(doc);
    sp_diag_done(&diag);
    ids[0] = '\0';
    for (char *line = said; *line && lines < n; lines++) {
        char id[64];
        assert_int_equal(sscanf(line, "t.yaml:%*u:%*u: %*[a-z]: %63[a-z-]:", id), 1);
        snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids), "%s%s", ids[0] ? " " : "", id);
        line = strchr(line, '\n');
        assert_non_null(line);
        assert_int_equal(line[-1], ')'); /* the remedy */
        line++;
    }
    assert_int_equal(lines, n);
    return ids;
}

#define FOUND(yaml, ids) assert_string_equal(found(yaml), ids)

static void clean(void **state)
{
    (void)state;
    FOUND("{}", "");
    FOUND(CONFIG("127.0.0.1", "", "", SHIELD(""), EDGE), "");
    FOUND(CONFIG("0.0.0.0", "", TLS(""), SHIELD(""), EDGE), "");
    FOUND(CONFIG("0.0.0.0", GATE(", allow: [10.0.0.0/8]") PROXY, TLS(""), SHIELD(""), EDGE), "");
}

static void place(void **state)
{
    (void)state;
    FOUND(CONFIG("0.0.0.0", "", "", SHIELD(""), EDGE), "plaintext");
    assert_non_null(strstr(said, "t.yaml:7:7: medium: plaintext: static_resources.listeners[0].filter_chains[0]: no TLS on "));
}

static void proxy_protocol(void **state)
{
    (void)state;
    FOUND(CONFIG("::1", PROXY, "", SHIELD(""), EDGE), "proxy-protocol-open");
    assert_non_null(strstr(said, "t.yaml:5:"));
    assert_non_null(strstr(said, ": high: proxy-protocol-open: static_resources.listeners[0].listener_filters[0]: "));
    FOUND(CONFIG("::1", PROXY GATE(", allow: [10.0.0.0/8]"), "", SHIELD(""), EDGE), "proxy-protocol-open");
    FOUND(CONFIG("::1", GATE(", deny: [10.0.0.0/8]") PROXY, "", SHIELD(""), EDGE), "proxy-protocol-open");
    FOUND(CONFIG("::1", GATE(", allow: [10.0.0.0/8], enforcement: SHADOW") PROXY, "", SHIELD(""), EDGE),
          "gate-on-trial proxy-protocol-open");
    FOUND("static_resources: {listeners: [{address: {pipe: {path: /x}}, listener_filters: [" PROXY "]}]}", "");
}

static void no_gate(void **state)
{
    (void)state;
    FOUND(CONFIG("127.0.0.1", "", "", "", EDGE), "no-gate");
    FOUND(CONFIG("127.0.0.1", "", "", RESTRICTION(", deny: [10.0.0.1]"), EDGE), "");
    FOUND(CONFIG("127.0.0.1", GATE(", deny: [10.0.0.1]"), "", "", EDGE), "");
    FOUND(CONFIG("127.0.0.1", "", TLS(", require_client_certificate: true"), "", EDGE), "");
    FOUND(CONFIG("127.0.0.1", "", TLS(", require_client_certificate: false"), "", EDGE), "no-gate");
    FOUND(CONFIG("127.0.0.1", "", "", SHIELD(", enforcement: SHADOW"), EDGE), "no-gate gate-on-trial");
    FOUND(CONFIG("127.0.0.1", "", "", SHIELD(", enforced_percent: 99"), EDGE), "no-gate gate-on-trial");
    FOUND(CONFIG("127.0.0.1", "", "", SHIELD(", enforced_percent: 100"), EDGE), "");
}

static void filters_on_trial(void **state)
{
    (void)state;
#define STAGED(more) \
    "{name: s, typed_config: {" TYPE "sallyport.filters.http.staged.v1.Staged, " more "filter: {" TYPE \
    "envoy.extensions.filters.http.rbac.v3.RBAC}}}, "
#define GATED(more) CONFIG("127.0.0.1", "", "", SHIELD("") STAGED(more), EDGE)
    FOUND(GATED("enforcement: SHADOW, "), "filter-on-trial");
    FOUND(GATED("enforced_percent: 10, "), "filter-on-trial");
    FOUND(GATED("enforced_percent: 100, "), "");
    FOUND(GATED(""), "");
}

static void secrets(void **state)
{
    (void)state;
    static const char one[] = "static_resources: {secrets: [{name: a, tls_certificate: {private_key: {inline_string: x}}}, "
                              "{name: b, tls_certificate: {private_key: {filename: x}, certificate_chain: {inline_string: z}}}]}";
    FOUND(one, "inline-secret");
    assert_non_null(strstr(said, "static_resources.secrets[0].tls_certificate.private_key: "));
    assert_null(strstr(said, "secrets[1]"));
    FOUND(CONFIG("::1", "", "",
                 "{name: s, typed_config: {" TYPE "sallyport.filters.http.origin_shield.v1.OriginShield, proof: {secret_header: "
                 "{secrets: [{name: s, value: {inline_string: do-not-show-me}}, {name: e, value: {environment_variable: E}}]}}}}, ",
                 EDGE), "inline-secret");
    assert_null(strstr(said, "do-not-show-me"));
#define JWT(jwks) \
    CONFIG("::1", "", "", SHIELD("") "{name: j, typed_config: {" TYPE "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication, " \
           "providers: {a: {local_jwks: {inline_string: '" jwks "'}}}}}, ", EDGE)
    FOUND(JWT("{\"keys\": [{\"kty\": \"RSA\"}]}"), ""); /* public */
    FOUND(JWT("{\"keys\": [{\"kty\": \"oct\"}]}"), "inline-secret");
}

static void client_trust(void **state)
{
    (void)state;
    FOUND(CONFIG("::1", "", "", RESTRICTION(", deny: [10.0.0.1]"), "use_remote_address: true, xff_num_trusted_hops: 1"), "client-trust");
    assert_non_null(strstr(said, ".xff_num_trusted_hops: "));
    FOUND(CONFIG("::1", "", "", RESTRICTION(", deny: [10.0.0.1]"), "xff_num_trusted_hops: 0"), "client-trust");
    FOUND(CONFIG("::1", "", "", SHIELD(""), "use_remote_address: true, xff_num_trusted_hops: 1"), "");
    FOUND(CONFIG("::1", GATE(", allow: [10.0.0.0/8]"), "", "", "xff_num_trusted_hops: 1"), "");
    FOUND(CONFIG("::1", GATE(", deny: [10.0.0.0/8]"), "", "", EXT("xff.v3.XffConfig", ", xff_num_trusted_hops: 1")), "client-trust");
    FOUND(CONFIG("::1", GATE(", deny: [10.0.0.0/8]"), "", "", EXT("xff.v3.XffConfig", ", xff_trusted_cidrs: {cidrs: "
                 "[{address_prefix: 10.0.0.0, prefix_len: 8}]}")), "");
    FOUND(CONFIG("::1", GATE(", deny: [10.0.0.0/8]"), "", "", EXT("custom_header.v3.CustomHeaderConfig", ", header_name: x")), "client-trust");
}

static void admin(void **state)
{
    (void)state;
    FOUND("admin: {address: {socket_address: {address: 0.0.0.0, port_value: 1}}}", "admin-exposed");
    FOUND("admin: {address: {socket_address: {address: '::', port_value: 1}}}", "admin-exposed");
    FOUND("admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}", "");
    FOUND("admin: {address: {socket_address: {address: '::1', port_value: 1}}}", "");
    FOUND("admin: {address: {pipe: {path: /x}}}", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(clean),   cmocka_unit_test(place),        cmocka_unit_test(proxy_protocol),
                                       cmocka_unit_test(no_gate), cmocka_unit_test(secrets),      cmocka_unit_test(client_trust),
                                       cmocka_unit_test(admin),   cmocka_unit_test(filters_on_trial)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
