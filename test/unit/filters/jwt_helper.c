/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "jwt_helper.h"

#include <stdio.h>

#include "crypto/jws_sign.h"

struct fake_stream s;
struct fake_config *c;
struct sp_arena jwt_arena;

static struct sp_signer *signers[2];

int jwt_setup(void **state)
{
    sp_arena_init(&jwt_arena);
    signers[0] = sp_signer_new(SP_STR("a"));
    signers[1] = sp_signer_new(SP_STR("b"));
    return signers[0] && signers[1] ? fake_setup(state) : -1;
}

int jwt_teardown(void **state)
{
    sp_signer_free(signers[0]);
    sp_signer_free(signers[1]);
    sp_arena_done(&jwt_arena);
    return fake_teardown(state);
}

const char *text(const char *fmt, ...)
{
    char out[4096];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(out, sizeof(out), fmt, ap);
    va_end(ap);
    assert_true(n >= 0 && n < (int)sizeof(out));
    return sp_arena_str(&jwt_arena, sp_str_c(out)).ptr;
}

static struct sp_signer *signer(const char *kid)
{
    return signers[kid[0] == 'b'];
}

const char *token(const char *kid, const char *claims)
{
    struct sp_str payload = sp_arena_printf(&jwt_arena, "{%s}", claims);
    struct sp_str t = sp_signer_sign(signer(kid), payload, &jwt_arena);
    assert_non_null(t.ptr);
    return sp_arena_str(&jwt_arena, t).ptr;
}

const char *local_jwks(const char *kid)
{
    struct sp_str set = sp_signer_jwks(signer(kid), &jwt_arena);
    return text("local_jwks: {inline_string: '%.*s'}", SP_STR_ARG(set));
}

void begin(const char *yaml)
{
    c = fake_config_new(JWT_OPS, &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor,
                        yaml);
    fake_stream_init(&s, "/");
}

void begin_provider(const char *fields)
{
    begin(text("providers: {p: {%s%s%s}}\nrules: [{match: {prefix: /}, requires: {provider_name: p}}]", local_jwks("a"),
               fields[0] ? ", " : "", fields));
}

void request(const char *path)
{
    fake_stream_done(&s);
    fake_stream_init(&s, path);
}

void bearer(const char *t)
{
    fake_header(&s, "authorization", text("Bearer %s", t));
}

void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

void passes(void)
{
    uint64_t allowed = fake_stat("jwt_authn.allowed");
    enum sp_status status = fake_decode(&s, c);
    if (s.replied)
        fail_msg("refused: %.*s", SP_STR_ARG(s.reply.details));
    assert_int_equal(status, SP_CONTINUE);
    assert_int_equal(fake_stat("jwt_authn.allowed"), allowed + 1);
}

void refused(const char *body)
{
    uint64_t denied = fake_stat("jwt_authn.denied");
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    char details[200];
    snprintf(details, sizeof(details), "jwt_authn_access_denied{%s}", body);
    for (char *p = details; *p; p++)
        if (*p == ' ')
            *p = '_';
    fake_replied(&s, strcmp(body, "Audiences in Jwt are not allowed") == 0 ? 403 : 401, body, details);
    assert_int_equal(fake_stat("jwt_authn.denied"), denied + 1);
    bool missing = strcmp(body, "Jwt is missing") == 0;
    const char *challenge = fake_reply_header(&s, "www-authenticate");
    assert_non_null(challenge);
    assert_int_equal(strstr(challenge, ", error=\"invalid_token\"") != NULL, !missing);
    assert_int_equal(strncmp(challenge, "Bearer realm=\"https://door.example/", 35), 0);
}
