/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as YAML, messages derived from others, and the walk over all of them. */
#include "config/pb_yaml.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/load.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "support.h"

#define SHIELD &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor

static void shown(const ProtobufCMessageDescriptor *desc, const char *in, const char *want)
{
    struct sp_doc *doc = load_good(desc, SP_SYNTAX_YAML, in);
    struct sp_buf out;
    char text[2000];
    sp_buf_init(&out);
    sp_pb_yaml(doc, sp_doc_root(doc), 0, &out);
    text[sp_buf_peek(&out, text, sizeof(text) - 1)] = 0;
    sp_buf_clear(&out);
    assert_string_equal(text, want);
    /* It reads back as the same. */
    if (!strstr(text, "[redacted]")) {
        struct sp_doc *again = load_good(desc, SP_SYNTAX_YAML, text);
        char *a = dumped(doc, sp_doc_root(doc)), *b = dumped(again, sp_doc_root(again));
        assert_string_equal(a, b);
        free(a);
        free(b);
        sp_doc_free(again);
    }
    sp_doc_free(doc);
}

static void test_yaml(void **state)
{
    shown(SHIELD, "{}", "{}\n");
    shown(SHIELD, "{enforced_percent: 30, client_address: {peer: true}, enforcement: SHADOW}",
          "enforcement: SHADOW\nclient_address:\n  peer: true\nenforced_percent: 30\n");
    shown(SHIELD, "{proof: {any_of: {proofs: [{header_value: {name: x, values: [a, 'yes', '1', 'a: b', \"q\\\"\", '', '*', '-']}}]}}}",
          "proof:\n  any_of:\n    proofs:\n    - header_value:\n        name: x\n        values:\n        - a\n        - \"yes\"\n"
          "        - \"1\"\n        - \"a: b\"\n        - \"q\\\"\"\n        - \"\"\n        - \"*\"\n        - \"-\"\n");
    shown(SHIELD, "{proof: {akamai_g2o: {window: 1.5s, keys: [{nonce: k, secret: {inline_string: never-shown-0123}}]}}}",
          "proof:\n  akamai_g2o:\n    keys:\n    - nonce: k\n      secret:\n        inline_string: \"[redacted]\"\n    window: \"1.5s\"\n");
    shown(&envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor, "{requirement_map: {'a b': {provider_name: p}, c: {}}}",
          "requirement_map:\n  \"a b\":\n    provider_name: p\n  c: {}\n");
}

static void test_derived(void **state)
{
    struct sp_doc *doc = load_good(SHIELD, SP_SYNTAX_YAML, "proof:\n  header_value:\n    name: x\n    values: [a]\n");
    const Sallyport__Filters__Http__OriginShield__V1__OriginShield *msg = sp_doc_root(doc);
    const Sallyport__Filters__Http__OriginShield__V1__HeaderValue *value = msg->proof->header_value;
    const Sallyport__Filters__Http__OriginShield__V1__HeaderValue *copy = sp_doc_derive(doc, value, value->base.descriptor);
    assert_ptr_not_equal(copy, value);
    assert_string_equal(copy->name, "x");
    assert_int_equal(copy->n_values, 1);
    Envoy__Config__Core__V3__DataSource *other = sp_doc_derive(doc, value, &envoy__config__core__v3__data_source__descriptor);
    assert_int_equal(other->specifier_case, 0);
    struct sp_diag diag;
    sp_diag_init(&diag);
    sp_doc_err(doc, &diag, copy, "name", -1, "one");
    sp_doc_err(doc, &diag, other, NULL, -1, "two");
    char *text = printed(&diag);
    assert_string_equal(text, "t.yaml:3:5: proof.header_value: two\nt.yaml:3:11: proof.header_value.name: one\n");
    free(text);
    sp_diag_done(&diag);
    sp_doc_free(doc);
}

static void add_name(void *arg, const ProtobufCMessage *msg)
{
    strcat(arg, msg->descriptor->short_name);
    strcat(arg, " ");
}

static void test_each(void **state)
{
    struct sp_doc *doc = load_good(SHIELD, SP_SYNTAX_YAML, "{proof: {any_of: {proofs: [{header_value: {name: x}}, {all_of: {}}]}}, enforced_percent: 3}");
    char names[200] = "";
    sp_doc_each(doc, add_name, names);
    assert_string_equal(names, "OriginShield Proof ProofSet Proof HeaderValue Proof ProofSet UInt32Value ");
    sp_doc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_yaml), cmocka_unit_test(test_derived), cmocka_unit_test(test_each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
