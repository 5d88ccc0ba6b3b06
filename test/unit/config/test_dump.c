/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a config dump shows of DataSources: names of files always, contents only where they are no secret. */
#include "support.h"

#include <stdlib.h>

#include "envoy/config/core/v3/grpc_service.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "sallyport/filters/http/sender_constraint/v1/sender_constraint.pb-c.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"

static void shows(const ProtobufCMessageDescriptor *desc, const char *yaml, bool shown)
{
    struct sp_doc *doc = load_good(desc, SP_SYNTAX_YAML, yaml);
    char *text = dumped(doc, sp_doc_root(doc));
    if ((strstr(text, "the-content") != NULL) != shown || (strstr(text, "[redacted]") != NULL) == shown)
        fail_msg("%s", text);
    free(text);
    sp_doc_free(doc);
}

static void test_sources(void **state)
{
#define TLS(name) &envoy__extensions__transport_sockets__tls__v3__##name##__descriptor
#define TOKEN(name) &sallyport__filters__http__token_introspection__v1__##name##__descriptor
    shows(TOKEN(client_secret), "{client_id: x, client_secret: {inline_string: the-content}}", false);
    shows(TOKEN(bearer_token), "{token: {inline_string: the-content}}", false);
    shows(TOKEN(private_key_jwt), "{client_id: x, private_key: {inline_string: the-content}}", false);
    shows(&sallyport__filters__http__sender_constraint__v1__nonces__descriptor, "{secret: {inline_string: the-content}}", false);
    shows(&sallyport__common__v1__secret__descriptor, "{name: x, value: {inline_bytes: dGhlLWNvbnRlbnQ=}}", false);
    shows(TLS(generic_secret), "{secret: {inline_string: the-content}}", false);
    shows(&envoy__config__core__v3__grpc_service__descriptor,
          "{envoy_grpc: {cluster_name: c}, initial_metadata: [{key: authorization, value: the-content}]}", false);
    shows(TLS(tls_certificate), "{private_key: {inline_string: the-content}}", false);
    shows(TLS(tls_certificate), "{certificate_chain: {inline_string: the-content}}", true);
    shows(TLS(certificate_validation_context), "{trusted_ca: {inline_string: the-content}}", true);
    shows(TLS(certificate_validation_context), "{crl: {inline_string: the-content}}", true);
    shows(&sallyport__common__v1__refusal__descriptor, "{body: {inline_string: the-content}}", true);
    shows(&sallyport__filters__http__origin_shield__v1__signed_token_key__descriptor, "{kid: x, key: {inline_string: the-content}}", true);
    shows(&envoy__config__route__v3__direct_response_action__descriptor, "{status: 200, body: {inline_string: the-content}}", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
