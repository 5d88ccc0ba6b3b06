/* SPDX-License-Identifier: GPL-2.0-or-later */
/* %SECRET(name)%: in headers of requests only, over what clients send, and never shown. */
#include "format_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "stream/header_ops.h"

/* Secrets stand at the root of a whole config; the mutations are an extension of it. */
#define CONFIG \
    "static_resources: {secrets: [{name: a, generic_secret: {secret: {inline_string: alpha-secret}}}, " \
    "{name: b, generic_secret: {secret: {inline_string: beta-secret}}}]}\n" \
    "bootstrap_extensions:\n" \
    "- name: f\n" \
    "  typed_config:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation\n" \
    "    mutations: "

static struct sp_mutations *compile(struct t_config *c, const char *yaml)
{
    char *text = NULL;
    assert_true(asprintf(&text, CONFIG "%s\n", yaml) > 0);
    t_config_load(c, &envoy__config__bootstrap__v3__bootstrap__descriptor, text);
    free(text);
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = c->msg;
    const Envoy__Extensions__Filters__Http__HeaderMutation__V3__HeaderMutation *h =
        (const void *)sp_doc_any(c->doc, b->bootstrap_extensions[0]->typed_config);
    const Envoy__Extensions__Filters__Http__HeaderMutation__V3__Mutations *m = h->mutations;
    return m->n_request_mutations ? sp_mutations_new(c->doc, &c->diag, m, "request_mutations", m->request_mutations, m->n_request_mutations)
                                  : sp_mutations_new(c->doc, &c->diag, m, "response_mutations", m->response_mutations, m->n_response_mutations);
}

static void check(const char *yaml, const char *before, const char *after, const char *warning)
{
    struct t_config c;
    struct t_stream s;
    struct sp_mutations *m = compile(&c, yaml);
    assert_non_null(m);
    if (!strstr(t_config_said(&c), warning) || (!*warning && *t_config_said(&c)))
        fail_msg("expected \"%s\" in: %s", warning, t_config_said(&c));
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, before);
    sp_mutations_apply(m, &s.request, &s.in);
    assert_string_equal(t_headers_text(&s.request, &s.arena), after);
    for (unsigned i = 0; i < s.request.n; i++)
        assert_int_equal(s.request.v[i].secret, strstr(t_c(&s.arena, s.request.v[i].value), "-secret") != NULL);
    sp_mutations_free(m);
    t_stream_done(&s);
    t_config_done(&c);
}

static void put_over_what_clients_send(void **state)
{
    check("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(a)%'}}}]}", "x-key: forged\nx_key: forged\nx-b: 1",
          "x-b: 1\nx-key: alpha-secret\n", "");
    check("{request_mutations: [{append: {header: {key: x-key, value: 'id=%REQ(x-b)% %SECRET(a)%.%SECRET(b)%'}}}]}", "x-b: 1",
          "x-b: 1\nx-key: id=1 alpha-secret.beta-secret\n", "");
    check("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(a)%'}, append_action: APPEND_IF_EXISTS_OR_ADD}}]}",
          "x-key: client", "x-key: client\nx-key: alpha-secret\n", "stands beside the secret");
    check("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(a)%'}, append_action: OVERWRITE_IF_EXISTS}}]}",
          "x-b: 1", "x-b: 1\n", "");
}

/* A copy of it into another header carries what logs would show. */
static void is_not_copied(void **state)
{
    check("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(a)%'}}}, "
          "{append: {header: {key: x-copy, value: '%REQ(x-key)%'}}}]}", "", "x-key: alpha-secret\nx-copy: [secret]\n", "");
}

static void refused(const char *yaml, const char *words)
{
    struct t_config c;
    assert_null(compile(&c, yaml));
    if (!strstr(t_config_said(&c), words))
        fail_msg("expected \"%s\" in: %s", words, t_config_said(&c));
    t_config_done(&c);
}

static void only_towards_the_origin(void **state)
{
    struct t_stream s;
    refused("{response_mutations: [{append: {header: {key: x-key, value: '%SECRET(a)%'}}}]}",
            "%SECRET% may stand in headers towards the origin only");
    refused("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(c)%'}}}]}", "there is no generic secret \"c\"");
    refused("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET%'}}}]}", "%SECRET% needs a parameter");
    refused("{request_mutations: [{append: {header: {key: x-key, value: '%SECRET(a):3%'}}}]}", "%SECRET% takes no length");
    t_stream_init(&s);
    assert_non_null(strstr(t_text(&s, "%SECRET(a)%"), "may stand in headers towards the origin only")); /* access logs */
    t_stream_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(put_over_what_clients_send), cmocka_unit_test(is_not_copied),
                                       cmocka_unit_test(only_towards_the_origin)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
