/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of rules against the descriptors, our .proto files against Envoy's numbers, and each kind of rule. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/descriptor.h"
#include "config/envoy_names.h"
#include "config/names.h"
#include "config/rules.h"
#include "config/types.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/config/core/v3/protocol.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"

enum { MAX_MESSAGES = 800 };
static const ProtobufCMessageDescriptor *messages[MAX_MESSAGES];
static size_t n_messages;

static void collect(const ProtobufCMessageDescriptor *desc)
{
    for (size_t i = 0; i < n_messages; i++)
        if (messages[i] == desc)
            return;
    assert_true(n_messages < MAX_MESSAGES);
    messages[n_messages++] = desc;
    for (unsigned i = 0; i < desc->n_fields; i++)
        if (desc->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            collect(desc->fields[i].descriptor);
}

/* Every message that a config can hold. */
static int collect_all(void **state)
{
    size_t n;
    const ProtobufCMessageDescriptor *const *types = sp_type_all(&n);
    for (size_t i = 0; i < n; i++)
        collect(types[i]);
    collect(&envoy__config__bootstrap__v3__bootstrap__descriptor);
    return 0;
}

static const ProtobufCMessageDescriptor *find(const char *name)
{
    for (size_t i = 0; i < n_messages; i++)
        if (strcmp(messages[i]->name, name) == 0)
            return messages[i];
    return NULL;
}

static bool fits(const struct sp_rule *r, const ProtobufCFieldDescriptor *f)
{
    enum sp_wkt wkt = f->type == PROTOBUF_C_TYPE_MESSAGE ? sp_wkt_of(f->descriptor) : SP_WKT_NONE;
    switch (r->kind) {
    case SP_RULE_REQUIRED:
        return f->type == PROTOBUF_C_TYPE_MESSAGE && f->label != PROTOBUF_C_LABEL_REPEATED;
    case SP_RULE_ONEOF:
        return sp_field_in_oneof(f);
    case SP_RULE_MIN_LEN:
    case SP_RULE_MAX_LEN:
        return (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES) && r->a > 0;
    case SP_RULE_MIN_KEY_LEN:
        return f->label == PROTOBUF_C_LABEL_REPEATED && f->type == PROTOBUF_C_TYPE_MESSAGE && r->a == 1;
    case SP_RULE_UNIQUE:
        return f->label == PROTOBUF_C_LABEL_REPEATED && f->type != PROTOBUF_C_TYPE_MESSAGE &&
               f->type != PROTOBUF_C_TYPE_BYTES;
    case SP_RULE_HEADER_NAME:
    case SP_RULE_HEADER_VALUE:
    case SP_RULE_PATH_PREFIX:
        return f->type == PROTOBUF_C_TYPE_STRING;
    case SP_RULE_MIN_ITEMS:
    case SP_RULE_MAX_ITEMS:
        return f->label == PROTOBUF_C_LABEL_REPEATED && r->a > 0;
    case SP_RULE_NOT_EMPTY:
        return f->label == PROTOBUF_C_LABEL_REPEATED;
    case SP_RULE_RANGE:
        return r->a <= r->b && (wkt == SP_WKT_WRAPPER || f->type <= PROTOBUF_C_TYPE_DOUBLE);
    case SP_RULE_POSITIVE:
    case SP_RULE_MIN_MS:
    case SP_RULE_MAX_MS:
        return wkt == SP_WKT_DURATION;
    case SP_RULE_ENUM_IN:
        return f->type == PROTOBUF_C_TYPE_ENUM && r->a > 0;
    case SP_RULE_ENUM_SET:
        return f->type == PROTOBUF_C_TYPE_ENUM;
    case SP_RULE_TRUE:
        return f->type == PROTOBUF_C_TYPE_BOOL;
    case SP_RULE_SOME:
        break;
    }
    return false;
}

static void test_table(void **state)
{
    size_t n;
    const struct sp_rule *const *r = sp_rules(&n);
    assert_true(n > 200);
    for (size_t i = 0; i < n; i++) {
        if (i && strcmp(r[i - 1]->message, r[i]->message) > 0)
            fail_msg("not sorted: %s", r[i]->message);
        const ProtobufCMessageDescriptor *desc = find(r[i]->message);
        if (!desc)
            fail_msg("no config can hold %s", r[i]->message);
        if (r[i]->kind == SP_RULE_SOME) {
            assert_null(r[i]->field);
            continue;
        }
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(desc, r[i]->field);
        if (!f)
            fail_msg("%s has no field %s", r[i]->message, r[i]->field);
        if (!fits(r[i], f))
            fail_msg("the rule of %s.%s does not fit its type", r[i]->message, r[i]->field);
    }
}

/* Envoy's own files would read our binary configs: same names, same numbers. */
static void test_numbers_are_envoys(void **state)
{
    unsigned checked = 0;
    for (size_t i = 1; i < sp_envoy_n_messages; i++)
        assert_true(strcmp(sp_envoy_messages[i - 1].name, sp_envoy_messages[i].name) < 0);
    for (size_t i = 0; i < sp_envoy_n_messages; i++) {
        const ProtobufCMessageDescriptor *desc = find(sp_envoy_messages[i].name);
        for (unsigned k = 0; desc && k < desc->n_fields; k++) {
            char want[200];
            snprintf(want, sizeof(want), "%s=%u ", desc->fields[k].name, desc->fields[k].id);
            const char *hit = strstr(sp_envoy_messages[i].fields, want);
            if (!hit || (hit > sp_envoy_messages[i].fields && hit[-1] != ' '))
                fail_msg("Envoy's %s has no %s", desc->name, want);
            checked++;
        }
    }
    assert_true(checked > 350);
}

static void test_nearest(void **state)
{
    assert_true(sp_envoy_has_field("envoy.config.listener.v3.Listener", SP_STR("bindToPort")));
    assert_true(sp_envoy_has_field("envoy.config.listener.v3.Listener", SP_STR("bind_to_port")));
    assert_false(sp_envoy_has_field("envoy.config.listener.v3.Listener", SP_STR("bind_to")));
    assert_false(sp_envoy_has_field("envoy.config.listener.v3.Nothing", SP_STR("name")));
    assert_true(sp_envoy_has_message(SP_STR("envoy.extensions.filters.http.cors.v3.Cors")) ||
                sp_envoy_has_message(SP_STR("envoy.extensions.filters.http.cors.v3.CorsPolicy")));
    struct sp_str near = sp_nearest_field(find("envoy.config.listener.v3.Listener"), SP_STR("filterChain"));
    assert_string_equal(near.ptr, "filter_chains");
    assert_int_equal(sp_nearest_field(find("envoy.config.listener.v3.Listener"), SP_STR("xyzzy")).len, 0);
}

static void bad(const ProtobufCMessageDescriptor *root, const char *text, const char *error)
{
    char want[2000];
    snprintf(want, sizeof(want), "t.yaml:%s\n", error);
    load_bad(root, SP_SYNTAX_YAML, text, want);
}

static void test_strings(void **state)
{
    const ProtobufCMessageDescriptor *header = &envoy__config__core__v3__header_value__descriptor;
    bad(header, "value: x\n", "1:1: key: required, but missing (add it)");
    bad(header, "key: ''\n", "1:6: key: must not be empty");
    bad(header, "key: a b\n", "1:6: key: not a header name (letters, digits and !#$%&'*+-.^_|~` only)");
    bad(header, "key: a\nvalue: \"b\\r\\nc: d\"\n",
        "2:8: value: a header value cannot hold line breaks (take them out)");
    const ProtobufCMessageDescriptor *tls =
        &envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__descriptor;
    bad(tls, "verify_certificate_spki: [abc]\n",
        "1:27: verify_certificate_spki[0]: too short: 3 characters (expected at least 44)");
    bad(tls, "verify_certificate_spki:\n- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n- "
             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n",
        "3:3: verify_certificate_spki[1]: too long: 45 characters (expected at most 44)");
    bad(&envoy__config__route__v3__route_match__descriptor, "path_separated_prefix: /a/\n",
        "1:24: path_separated_prefix: must not hold '?' or '#', nor end in '/'");
}

static void test_numbers(void **state)
{
    bad(&envoy__config__route__v3__direct_response_action__descriptor, "status: 700\n",
        "1:9: status: 700 is out of range (expected 200 to 599)");
    bad(&envoy__config__route__v3__direct_response_action__descriptor, "{}\n",
        "1:1: status: 0 is out of range (expected 200 to 599)");
    bad(&envoy__config__core__v3__http2_protocol_options__descriptor,
        "max_concurrent_streams: 0\ninitial_stream_window_size: 100\n",
        "1:25: max_concurrent_streams: 0 is out of range (expected 1 to 2147483647)\n"
        "t.yaml:2:29: initial_stream_window_size: 100 is out of range (expected 65535 to 2147483647)");
    bad(&envoy__config__listener__v3__filter_chain_match__descriptor, "source_ports: [1, 0, 70000]\n",
        "1:19: source_ports[1]: 0 is out of range (expected 1 to 65535)\n"
        "t.yaml:1:22: source_ports[2]: 70000 is out of range (expected 1 to 65535)");
    bad(&envoy__type__v3__percent__descriptor, "value: 100.5\n", "1:8: value: 100.5 is out of range (expected 0 to 100)");
}

static void test_durations(void **state)
{
    bad(&envoy__config__core__v3__keepalive_settings__descriptor, "interval: 0.0005s\n",
        "1:1: timeout: required, but missing (add it)\n"
        "t.yaml:1:11: interval: too short (expected at least 0.001s)");
    bad(&envoy__config__bootstrap__v3__bootstrap__descriptor, "stats_flush_interval: 301s\n",
        "1:23: stats_flush_interval: too long (expected at most 299.999s)");
}

static void test_lists_and_choices(void **state)
{
    bad(&envoy__config__route__v3__virtual_host__descriptor, "name: a\ndomains: []\n",
        "2:10: domains: has 0 items (expected at least 1)");
    const ProtobufCMessageDescriptor *metadata = &envoy__config__core__v3__metadata__descriptor;
    bad(metadata, "filter_metadata: {a: {}, '': {}}\n", "1:30: filter_metadata[\"\"]: a key must not be empty");
    char many[20000] = "name: a\ndomains: [a]\nrequest_headers_to_add: [";
    for (int i = 0; i < 1001; i++)
        strcat(many, "{header: {key: a}},");
    strcat(many, "]\n");
    bad(&envoy__config__route__v3__virtual_host__descriptor, many,
        "3:25: request_headers_to_add: has 1001 items (expected at most 1000)");
    bad(&envoy__extensions__filters__http__jwt_authn__v3__jwt_requirement__descriptor,
        "requires_any: {requirements: {provider_name: a}}\n",
        "1:30: requires_any.requirements: has 1 items (expected at least 2)");
    bad(&envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor, "disabled: false\n",
        "1:11: disabled: has to be true (or leave it out)");
    bad(&envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor, "{}\n",
        "1:1: one of these is required: disabled, requirement_name");
    /* Chosen, though not run: one error is enough. */
    bad(&envoy__config__route__v3__route_match__descriptor, "path_match_policy: {}\n",
        "1:1: path_match_policy: Envoy has this field, sallyport does not run it (remove it, or see "
        "docs/envoy-differences.md)");
    bad(&envoy__config__core__v3__socket_address__descriptor, "address: a\nport_value: 1\nprotocol: UDP\n",
        "3:11: protocol: UDP is not run by sallyport (choose one of: TCP)");
}

/* An empty list or set must never mean "everyone". */
static void test_gates_fail_closed(void **state)
{
    const ProtobufCMessageDescriptor *ip = &sallyport__filters__http__ip_restriction__v1__ip_restriction__descriptor;
    const ProtobufCMessageDescriptor *shield = &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor;
    bad(ip, "{}\n",
        "1:1: there is nothing in it (set at least one of: allow, deny, allow_lists, deny_lists, source, enforcement, refusal, "
        "enforced_percent)\n"
        "t.yaml:1:1: source: required, but missing (choose one of: SOCKET, PEER, CLIENT)");
    bad(ip, "allow: []\nsource: PEER\n", "1:8: allow: written, but empty (add items, or leave it out)");
    bad(ip, "allow: ['']\nsource: PEER\n", "1:9: allow[0]: must not be empty");
    bad(ip, "deny: [a]\nsource: PEER\nrefusal: {status: 200}\n",
        "3:19: refusal.status: 200 is out of range (expected 400 to 599)");
    bad(shield, "enforcement: SHADOW\n", "1:1: proof: required, but missing (add it)");
    bad(shield, "proof: {}\n", "1:8: proof: one of these is required: all_of, any_of, secret_header, peer_address, "
                               "client_certificate, header_value, akamai_g2o, signed_token, preset");
    bad(shield, "proof: {all_of: {}}\n", "1:17: proof.all_of.proofs: has 0 items (expected at least 1)");
    bad(shield, "proof: {any_of: {proofs: []}}\n", "1:26: proof.any_of.proofs: has 0 items (expected at least 1)");
    bad(shield, "proof: {secret_header: {secrets: [{name: a}]}}\n",
        "1:35: proof.secret_header.secrets[0].value: required, but missing (add it)");
    bad(shield, "proof: {akamai_g2o: {keys: [{nonce: a, secret: {inline_string: b}}], versions: [3, 5, 3]}}\n",
        "1:80: proof.akamai_g2o.versions: a value stands in it twice (remove one)");
    bad(shield, "proof: {peer_address: {}}\n",
        "1:23: proof.peer_address: there is nothing in it (set at least one of: cidrs, lists, via)");
    bad(shield, "proof: {client_certificate: {}}\n",
        "1:29: proof.client_certificate: there is nothing in it (set at least one of: sans, spki_sha256, sha256, issuers)");
    bad(shield, "proof: {client_certificate: {sha256: []}}\n",
        "1:38: proof.client_certificate.sha256: written, but empty (add items, or leave it out)");
    bad(shield, "proof: {header_value: {name: a, values: ['']}}\n",
        "1:42: proof.header_value.values[0]: must not be empty");
}

/* Rules reach into Any, maps and lists. */
static void test_reach(void **state)
{
    bad(&envoy__config__cluster__v3__cluster__descriptor,
        "name: a\n"
        "load_assignment: {cluster_name: a}\n"
        "typed_extension_protocol_options:\n"
        "  x:\n"
        "    '@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n"
        "    explicit_http_config: {http2_protocol_options: {max_outbound_frames: 0}}\n",
        "6:74: typed_extension_protocol_options[\"x\"].explicit_http_config.http2_protocol_options.max_outbound_frames: 0 "
        "is out of range (expected 1 to 4294967295)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),     cmocka_unit_test(test_numbers_are_envoys),
        cmocka_unit_test(test_nearest),   cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_durations),
        cmocka_unit_test(test_lists_and_choices), cmocka_unit_test(test_gates_fail_closed),
        cmocka_unit_test(test_reach),
    };
    return cmocka_run_group_tests(tests, collect_all, NULL);
}
