/* SPDX-License-Identifier: GPL-2.0-or-later */
/* basic_auth and api_key_auth, beyond what a real Envoy is compared with (test_envoy_filters). */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/live.h"
#include "crypto/hash.h"
#include "envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.pb-c.h"
#include "envoy/extensions/filters/http/basic_auth/v3/basic_auth.pb-c.h"
#include "filters/htpasswd.h"
#include "filters/registry.h"

#define BASIC &envoy__extensions__filters__http__basic_auth__v3__basic_auth__descriptor
#define KEYS &envoy__extensions__filters__http__api_key_auth__v3__api_key_auth__descriptor
#define KEYS_ROUTE &envoy__extensions__filters__http__api_key_auth__v3__api_key_auth_per_route__descriptor
#define ALICE "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=" /* password */

static struct fake_stream s;

static void basic(const struct fake_config *c, const char *credential, const char *details)
{
    fake_stream_init(&s, "/a?b\"c");
    struct sp_str text = sp_base64_encode(&s.arena, SP_BASE64, sp_str_c(credential));
    sp_headers_add_id(&s.request, SP_H_AUTHORIZATION, sp_arena_cat(&s.arena, SP_STR("Basic "), text));
    fake_header(&s, "x_user", "mallory");
    assert_int_equal(fake_decode(&s, c), details ? SP_STOP : SP_CONTINUE);
    if (details) {
        assert_int_equal(s.reply.status, 401);
        assert_true(sp_str_eq(s.reply.details, sp_str_c(details)));
        assert_string_equal(fake_reply_header(&s, "www-authenticate"), "Basic realm=\"https://door.example/a?b\"");
    } else {
        assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    }
    assert_null(fake_request_header(&s, "x_user"));
    fake_stream_done(&s);
}

static void test_basic(void **state)
{
    struct fake_config *c = fake_config_new(&sp_basic_auth_ops, BASIC, "{users: {inline_string: \"# team\\n\\n" ALICE "\\r\\n\"}, "
                                                                       "forward_username_header: x-user}");
    basic(c, "alice:password", NULL);
    basic(c, "alice:passwore", "invalid_credential_for_basic_auth");
    basic(c, "alice:", "invalid_credential_for_basic_auth");
    basic(c, "Alice:password", "invalid_credential_for_basic_auth");
    basic(c, "bob:password", "invalid_credential_for_basic_auth");
    basic(c, "alice", "invalid_format_for_basic_auth");
    fake_stream_init(&s, "/");
    fake_header(&s, "authorization", "Basic YWxpY2U6cGFzc3dvcmQ="); /* the same twice is still two */
    fake_header(&s, "authorization", "Basic YWxpY2U6cGFzc3dvcmQ=");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
    fake_header(&s, "authorization", "basic YWxpY2U6cGFzc3dvcmQ"); /* neither case nor padding counts */
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_users_files(void **state)
{
    char path[] = "/tmp/sp-users-XXXXXX", yaml[100];
    int fd = mkstemp(path);
    assert_true(write(fd, ALICE "\n", strlen(ALICE) + 1) > 0);
    close(fd);
    snprintf(yaml, sizeof(yaml), "{users: {filename: %s}, forward_username_header: x-user}", path);
    struct fake_config *c = fake_config_new(&sp_basic_auth_ops, BASIC, yaml);
    basic(c, "alice:password", NULL);
    unlink(path);
    fake_config_free(c);
    fake_config_refused(&sp_basic_auth_ops, BASIC, yaml, "No such file");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "users: {inline_string: 'alice:$apr1$x$y'}", "line 1 has another hash than {SHA}");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "users: {inline_string: 'alice'}", "line 1 is not name:{SHA}hash (lines are those of htpasswd -s)");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "users: {inline_string: \"" ALICE "\\n" ALICE "\"}", "line 2 names a user that stands above");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "users: {inline_string: 'alice:{SHA}abc='}", "line 1 has no SHA-1");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "{}", "users");
    fake_config_refused(&sp_basic_auth_ops, BASIC, "{users: {inline_string: '" ALICE "'}, forward_username_header: ':path'}", "forward_username_header");
}

static void key(const struct fake_config *c, const struct fake_config *route, const char *path, const char *header, const char *value,
                const char *client, const char *details)
{
    fake_stream_init(&s, path);
    s.route_config = route ? route->config : NULL;
    if (header)
        fake_header(&s, header, value);
    fake_header(&s, "x-client", "mallory");
    assert_int_equal(fake_decode(&s, c), details ? SP_STOP : SP_CONTINUE);
    if (details)
        assert_true(sp_str_eq(s.reply.details, sp_str_c(details)));
    const char *got = fake_request_header(&s, "x-client");
    assert_string_equal(got ? got : "none", client ? client : "none");
    fake_stream_done(&s);
}

static void test_keys(void **state)
{
    const char *yaml = "{credentials: [{key: k1, client: one}, {key: k2, client: two}], key_sources: [{header: x-key}, {query: key}], "
                       "forwarding: {header: x-client, hide_credentials: true}}";
    struct fake_config *c = fake_config_new(&sp_api_key_auth_ops, KEYS, yaml);
    fake_filter_config = c->config;
    struct fake_config *route = fake_route_config_new(&sp_api_key_auth_ops, KEYS_ROUTE, "allowed_clients: [two]");
    key(c, NULL, "/", "x-key", "k1", "one", NULL);
    key(c, NULL, "/?key=k2", NULL, NULL, "two", NULL);
    key(c, NULL, "/?key=k1", "x-key", "k1", "one", NULL);
    key(c, NULL, "/?key=k2", "x-key", "k1", NULL, "unknown_api_key"); /* whose is it? */
    key(c, NULL, "/", "x-key", "K1", NULL, "unknown_api_key");
    key(c, NULL, "/", NULL, NULL, NULL, "missing_api_key");
    key(c, route, "/", "x-key", "k2", "two", NULL); /* the filter's forwarding holds */
    key(c, route, "/", "x-key", "k1", NULL, "client_not_allowed");
    fake_stream_init(&s, "/p?a=b&key=k1");
    fake_decode(&s, c);
    assert_true(sp_str_eq(s.request.path, SP_STR("/p?a=b")));
    fake_stream_done(&s);
    fake_config_free(route);
    fake_config_free(c);
    fake_config_refused(&sp_api_key_auth_ops, KEYS, "credentials: [{key: a, client: b}, {key: a, client: c}]", "a credential above has this key already (each key is one client's)");
    fake_config_refused(&sp_api_key_auth_ops, KEYS, "key_sources: [{header: a, query: b}]", "exactly one of header, query and cookie (one key_sources entry a place)");
    fake_config_refused(&sp_api_key_auth_ops, KEYS, "key_sources: [{}]", "exactly one of header, query and cookie (one key_sources entry a place)");
    fake_config_refused(&sp_api_key_auth_ops, KEYS, "credentials: [{key: '', client: ''}]", "key|client");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_users_files),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
