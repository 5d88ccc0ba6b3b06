/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sender_constraint: tokens pass from who they are bound to. The examples of RFC 8705 and RFC 9449, and who is refused. */
#include "fake_chain.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "crypto/sign_key.h"
#include "ec_key.h"
#include "filters/access_token.h"
#include "filters/registry.h"
#include "rfc9449.h"
#include "sallyport/filters/http/sender_constraint/v1/sender_constraint.pb-c.h"

#define DESC &sallyport__filters__http__sender_constraint__v1__sender_constraint__descriptor
#define ROUTE_DESC &sallyport__filters__http__sender_constraint__v1__sender_constraint_per_route__descriptor
#define JWT_NS "envoy.filters.http.jwt_authn"
#define SOURCES "sources: [{key: jwt}, {metadata_namespace: ours, key: token}]"

/* RFC 8705 appendix A: its certificate, the thumbprint, and the same in hex. */
#define RFC8705_CERTIFICATE \
    "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzENMAsGA1UEAwwEbXRscz" \
    "BZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6Ix" \
    "Lm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWUVeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+S" \
    "Y="
#define X5T "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"
#define X5T_HEX "0380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd"

static struct fake_stream s;
static struct fake_config *c;
static struct sp_arena arena;

static void begin(const char *more)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "{" SOURCES "%s%s}", more[0] ? ", " : "", more);
    c = fake_config_new(&sp_sender_constraint_ops, DESC, yaml);
    fake_stream_init(&s, "/");
}

static void request(void)
{
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

/* A token that jwt_authn has verified. */
static void verified(const char *scheme, const char *token, const char *claims)
{
    char value[256];
    struct sp_filter *f = fake_filter(&s, c);
    snprintf(value, sizeof(value), "%s %s", scheme, token);
    fake_header(&s, "authorization", value);
    sp_access_token_note(&s.info, &s.request, sp_arena_str(&s.arena, sp_str_c(token)));
    if (claims)
        sp_filter_set_metadata(f, SP_STR(JWT_NS), SP_STR("jwt"), sp_str_c(claims));
}

static void passes(void)
{
    enum sp_status status = fake_decode(&s, c);
    if (s.replied)
        fail_msg("refused: %.*s", SP_STR_ARG(s.reply.details));
    assert_int_equal(status, SP_CONTINUE);
    assert_null(fake_request_header(&s, "dpop"));
}

static void refused(unsigned code, const char *word)
{
    char details[64];
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    assert_true(s.replied);
    snprintf(details, sizeof(details), "sender_constraint_%s{%s}", code == 503 ? "error" : "denied", word);
    if (!sp_str_eq(s.reply.details, sp_str_c(details)))
        fail_msg("%.*s", SP_STR_ARG(s.reply.details));
    assert_int_equal(s.reply.status, code);
    assert_int_equal(fake_reply_header(&s, "www-authenticate") != NULL, code != 503);
}

static void challenged(const char *text)
{
    assert_string_equal(fake_reply_header(&s, "www-authenticate"), text);
}

/* --- certificates --- */

static void certificate(const char *sha256)
{
    s.tls.peer_presented = true;
    s.tls.peer_sha256 = sp_str_c(sha256);
}

static void test_certificates(void **state)
{
    begin("mtls: REQUIRED");
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    certificate(X5T_HEX);
    uint64_t bound = fake_stat("sender_constraint.mtls_bound");
    passes();
    assert_int_equal(fake_stat("sender_constraint.mtls_bound"), bound + 1);
    request();
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    certificate("1380ed2f626650c840b2f263e6d2b29fae12ab39ae5db32b25ad27efad72e6fd");
    refused(401, "certificate_mismatch");
    challenged("Bearer error=\"invalid_token\"");
    request();
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    refused(401, "certificate_missing");
    request();
    verified("Bearer", "t", "{\"sub\":\"x\"}");
    certificate(X5T_HEX);
    refused(401, "not_bound");
    request();
    refused(401, "no_token");
    finish();
}

static void test_rfc8705(void **state)
{
    struct sp_str der;
    uint8_t hash[32];
    assert_int_equal(sp_base64_decode(&arena, SP_BASE64, SP_STR(RFC8705_CERTIFICATE), &der), 0);
    sp_sha256(der, hash);
    begin("mtls: REQUIRED");
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    certificate(sp_arena_str(&arena, sp_hex(&arena, hash, sizeof(hash))).ptr);
    passes();
    finish();
}

static void test_header_certificate(void **state)
{
    struct sp_tls_info tls = {.peer_presented = true, .peer_sha256 = SP_STR(X5T_HEX)};
    struct sp_client_cert cert = {.tls = &tls};
    begin("");
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    certificate("ff");
    s.info.header_cert = &cert;
    passes();
    finish();
}

static void cnf_refused(const char *cnf, const char *word)
{
    char claims[256];
    request();
    snprintf(claims, sizeof(claims), "{\"cnf\":%s}", cnf);
    verified("Bearer", "t", claims);
    certificate(X5T_HEX);
    refused(401, word);
}

static void test_bad_cnf(void **state)
{
    begin("");
    cnf_refused("{}", "cnf_unknown");
    cnf_refused("{\"kid\":\"x\"}", "cnf_unknown");
    cnf_refused("\"" X5T "\"", "cnf_malformed");
    cnf_refused("null", "cnf_malformed");
    cnf_refused("{\"x5t#S256\":1}", "cnf_malformed");
    cnf_refused("{\"x5t#S256\":\"\"}", "cnf_malformed");
    cnf_refused("{\"x5t#S256\":\"" X5T "=\"}", "cnf_malformed");
    cnf_refused("{\"x5t#S256\":\"AAAA\"}", "cnf_malformed");
    cnf_refused("{\"jkt\":[\"" R_JKT "\"]}", "cnf_malformed");
    finish();
    begin("mtls: OFF");
    cnf_refused("{\"x5t#S256\":\"" X5T "\"}", "cnf_unknown");
    finish();
    begin("dpop: OFF");
    cnf_refused("{\"jkt\":\"" R_JKT "\"}", "cnf_unknown");
    finish();
}

static void test_unbound(void **state)
{
    begin("");
    verified("Bearer", "t", "{\"sub\":\"x\"}");
    passes();
    request();
    passes(); /* no token: the filter before it has let that pass */
    request();
    verified("Bearer", "t", NULL); /* claims are not where the config says */
    refused(503, "claims_not_found");
    request();
    sp_filter_set_metadata(fake_filter(&s, c), SP_STR(JWT_NS), SP_STR("jwt"), SP_STR("{}"));
    refused(503, "claims_not_found");
    request();
    verified("Bearer", "t", "[]");
    refused(503, "claims_not_found");
    request();
    verified("Bearer", "t", "{}");
    sp_access_token_note(&s.info, &s.request, SP_STR("another"));
    refused(400, "multiple_tokens");
    finish();
    begin("required: true");
    verified("Bearer", "t", "{\"sub\":\"x\"}");
    refused(401, "not_bound");
    request();
    refused(401, "no_token");
    request();
    verified("Bearer", "t", "{\"cnf\":{\"x5t#S256\":\"" X5T "\"}}");
    certificate(X5T_HEX);
    passes();
    finish();
}

/* --- proofs --- */

/* The request of RFC 9449 section 7.1. */
static void rfc(void)
{
    s.turn.wall_ns = R_IAT * (int64_t)SP_NS_PER_S;
    s.request.authority = SP_STR("resource.example.org");
    s.request.path = s.info.raw_path = SP_STR("/protectedresource?q=1");
    verified("DPoP", R_TOKEN, "{\"cnf\":{\"jkt\":\"" R_JKT "\"}}");
}

static void test_rfc9449(void **state)
{
    begin("dpop: REQUIRED");
    rfc();
    fake_header(&s, "dpop", R_PROOF);
    uint64_t bound = fake_stat("sender_constraint.dpop_bound");
    passes();
    assert_int_equal(fake_stat("sender_constraint.dpop_bound"), bound + 1);
    request();
    rfc();
    fake_header(&s, "dpop", R_PROOF);
    refused(401, "proof_replayed");
    challenged("DPoP error=\"invalid_dpop_proof\", algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA\"");
    request();
    rfc();
    refused(401, "proof_missing");
    request();
    rfc();
    fake_header(&s, "dpop", R_PROOF);
    fake_header(&s, "dpop", R_PROOF);
    refused(401, "proof_repeated");
    request();
    rfc();
    s.info.metadata = NULL;
    sp_filter_set_metadata(fake_filter(&s, c), SP_STR(JWT_NS), SP_STR("jwt"), SP_STR("{\"cnf\":{\"jkt\":\"" X5T "\"}}"));
    fake_header(&s, "dpop", R_PROOF);
    refused(401, "proof_key");
    finish();
}

static void test_public_origin(void **state)
{
    begin("proofs: {public_origins: ['https://resource.example.org:443/'], algs: [ES256], keep_proof: true}");
    rfc();
    s.request.authority = SP_STR("origin.internal");
    s.request.scheme = SP_STR("http");
    fake_header(&s, "dpop", R_PROOF);
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_string_equal(fake_request_header(&s, "dpop"), R_PROOF);
    finish();
    begin("proofs: {public_origins: ['https://other.example.org'], algs: [ES256]}");
    rfc();
    fake_header(&s, "dpop", R_PROOF);
    refused(401, "proof_htu");
    challenged("DPoP error=\"invalid_dpop_proof\", algs=\"ES256\"");
    finish();
}

/* Proofs of our own: RFC 9449's key is not known to us. */
static struct sp_sign_key *key;
static unsigned serial;

static const char *proof(const char *head, const char *claims)
{
    struct sp_str h = sp_arena_printf(&arena, "{%s,\"jwk\":{" KEY_JWK "}}", head);
    struct sp_str p = sp_arena_printf(&arena, "{\"jti\":\"%u\",%s}", serial++, claims);
    return sp_arena_str(&arena, sp_sign_key_compact(key, h, p, &arena)).ptr;
}

#define HEAD "\"typ\":\"dpop+jwt\",\"alg\":\"ES256\""
#define WHERE "\"htm\":\"GET\",\"htu\":\"https://door.example/\""
/* base64url(SHA-256("t")) */
#define ATH "\"ath\":\"47mKTaMaEn1L3m5DAz9muidMqw636xxw7EFAK_YnPdg\""
#define WHEN "\"iat\":1800000000"
#define GOOD WHERE "," ATH "," WHEN

static void proven(const char *p)
{
    request();
    verified("dpop", "t", "{\"cnf\":{\"jkt\":\"" KEY_JKT "\"}}");
    fake_header(&s, "dpop", p);
}

static void proof_refused(const char *head, const char *claims, const char *word)
{
    proven(proof(head, claims));
    refused(401, word);
}

static void test_proofs(void **state)
{
    begin("");
    proven(proof(HEAD, GOOD));
    passes();
    proven(proof("\"typ\":\"DPOP+JWT\",\"alg\":\"ES256\",\"kid\":\"any\"", GOOD ",\"nonce\":\"x\""));
    passes();
    proof_refused("\"typ\":\"JWT\",\"alg\":\"ES256\"", GOOD, "proof_typ");
    proof_refused("\"alg\":\"ES256\"", GOOD, "proof_typ");
    proof_refused("\"typ\":\"dpop+jwt\",\"alg\":\"none\"", GOOD, "proof_alg");
    proof_refused("\"typ\":\"dpop+jwt\",\"alg\":\"HS256\"", GOOD, "proof_alg");
    proof_refused("\"typ\":\"dpop+jwt\",\"alg\":\"ES384\"", GOOD, "proof_signature");
    proof_refused(HEAD ",\"crit\":[\"b64\"]", GOOD, "proof_malformed");
    proof_refused(HEAD, WHERE "," ATH, "proof_claims");
    proof_refused(HEAD, WHERE "," ATH ",\"iat\":\"1800000000\"", "proof_claims");
    proof_refused(HEAD, WHERE "," ATH ",\"iat\":-1", "proof_claims");
    proof_refused(HEAD, GOOD ",\"nonce\":1", "proof_claims");
    proof_refused(HEAD, WHERE "," ATH ",\"iat\":1799999939", "proof_iat");
    proof_refused(HEAD, WHERE "," ATH ",\"iat\":1800000061", "proof_iat");
    proof_refused(HEAD, "\"htm\":\"POST\",\"htu\":\"https://door.example/\"," ATH "," WHEN, "proof_htm");
    proof_refused(HEAD, "\"htm\":\"GET\",\"htu\":\"http://door.example/\"," ATH "," WHEN, "proof_htu");
    proof_refused(HEAD, "\"htm\":\"GET\",\"htu\":\"https://door.example/a\"," ATH "," WHEN, "proof_htu");
    proof_refused(HEAD, "\"htm\":\"GET\"," ATH "," WHEN, "proof_htu");
    proof_refused(HEAD, WHERE "," WHEN, "proof_ath");
    proof_refused(HEAD, WHERE ",\"ath\":\"" X5T "\"," WHEN, "proof_ath");
    /* The token's own thumbprint, another key's. */
    request();
    verified("DPoP", "t", "{\"cnf\":{\"jkt\":\"" R_JKT "\"}}");
    fake_header(&s, "dpop", proof(HEAD, GOOD));
    refused(401, "proof_key");
    challenged("DPoP error=\"invalid_token\", algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA\"");
    /* A good proof does not make a bearer token of it. */
    request();
    verified("Bearer", "t", "{\"cnf\":{\"jkt\":\"" KEY_JKT "\"}}");
    fake_header(&s, "dpop", proof(HEAD, GOOD));
    refused(401, "bearer_scheme");
    finish();
}

static void test_both(void **state)
{
    begin("mtls: REQUIRED, dpop: REQUIRED");
    for (int with = 0; with < 2; with++) {
        request();
        verified("DPoP", "t", "{\"cnf\":{\"jkt\":\"" KEY_JKT "\",\"x5t#S256\":\"" X5T "\"}}");
        /* The same token's claims from another filter: the proof is used once. */
        sp_filter_set_metadata(fake_filter(&s, c), SP_STR("ours"), SP_STR("token"),
                               SP_STR("{\"cnf\":{\"jkt\":\"" KEY_JKT "\",\"x5t#S256\":\"" X5T "\"}}"));
        fake_header(&s, "dpop", proof(HEAD, GOOD));
        if (with)
            certificate(X5T_HEX);
        if (with)
            passes();
        else
            refused(401, "certificate_missing");
    }
    finish();
}

static void test_nonces(void **state)
{
    begin("proofs: {nonces: {lifetime: 60s, secret: {inline_string: 0123456789abcdef}}}");
    proven(proof(HEAD, GOOD));
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_STOP);
    fake_replied(&s, 401, "DPoP proof needs the nonce of this answer", "sender_constraint_denied{nonce}");
    c->ops->encode_headers(f, &s.response, true);
    char nonce[64], claims[512];
    snprintf(nonce, sizeof(nonce), "%.*s", SP_STR_ARG(sp_headers_get(&s.response, SP_STR("dpop-nonce"))));
    assert_int_equal(strlen(nonce), 22);
    snprintf(claims, sizeof(claims), GOOD ",\"nonce\":\"%s\"", nonce);
    for (int later = 0; later < 180; later += 60) {
        proven(proof(HEAD, claims));
        s.turn.wall_ns += later * (int64_t)SP_NS_PER_S;
        f = fake_filter(&s, c);
        /* 60 s later the proof is still good, and the next nonce comes with the answer. */
        assert_int_equal(c->ops->decode_headers(f, &s.request, true), later <= 60 ? SP_CONTINUE : SP_STOP);
        c->ops->encode_headers(f, &s.response, true);
        assert_int_equal(sp_headers_get(&s.response, SP_STR("dpop-nonce")).len, later == 60 ? 22 : 0);
    }
    finish();
}

static void test_routes(void **state)
{
    struct fake_config *off = fake_route_config_new(&sp_sender_constraint_ops, ROUTE_DESC, "disabled: true");
    begin("required: true, bypass_cors_preflight: true");
    s.route_config = off->config;
    fake_header(&s, "dpop", "x");
    passes();
    request();
    refused(401, "no_token");
    request();
    s.request.method = SP_STR("OPTIONS");
    fake_header(&s, "access-control-request-method", "GET");
    fake_header(&s, "origin", "https://app.example");
    passes();
    finish();
    fake_config_free(off);
}

static void test_config(void **state)
{
#define NO(yaml, words) fake_config_refused(&sp_sender_constraint_ops, DESC, "{" yaml "}", words)
    NO("", "sources");
    NO("sources: [{metadata_namespace: x}]", "key");
    NO(SOURCES ", mtls: OFF, dpop: OFF", "both mtls and dpop are OFF");
    NO(SOURCES ", dpop: OFF, proofs: {}", "dpop is OFF");
    NO(SOURCES ", proofs: {algs: [HS256, none]}", "'HS256' is none of|'none' is none of");
    NO(SOURCES ", proofs: {algs: []}", "algs");
    NO(SOURCES ", proofs: {window: 601s}", "window");
    NO(SOURCES ", proofs: {public_origins: ['https://a/b', 'a.example', 'http://a/?']}", "'https://a/b' is no|'a.example' is no|'http://a/?'");
    NO(SOURCES ", proofs: {nonces: {lifetime: 0.5s}}", "lifetime");
    NO(SOURCES ", proofs: {nonces: {secret: {inline_string: short}}}", "under 16 bytes");
    NO(SOURCES ", proofs: {replay_capacity: 10}", "replay_capacity");
}

static int setup(void **state)
{
    const char *why;
    sp_arena_init(&arena);
    key = sp_sign_key_new(SP_STR(KEY_PEM), SP_STR(""), &why);
    return key ? fake_setup(state) : -1;
}

static int teardown(void **state)
{
    sp_sign_key_free(key);
    sp_arena_done(&arena);
    return fake_teardown(state);
}

/* Without public_origins the client says itself what htu has to be. */
static void test_host_of_the_client_is_warned_about(void **state)
{
    static const struct {
        const char *more;
        unsigned warnings;
    } cases[] = {
        {"", 1}, {"dpop: REQUIRED", 1}, {"proofs: {window: 30s}", 1}, {"mtls: REQUIRED, dpop: REQUIRED", 1},
        {"proofs: {public_origins: ['https://a.example']}", 0}, {"dpop: OFF", 0}, {"mtls: REQUIRED", 0},
    };
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        begin(cases[i].more);
        assert_int_equal(c->diag.n_warnings, cases[i].warnings);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_of_the_client_is_warned_about),
        cmocka_unit_test(test_certificates), cmocka_unit_test(test_rfc8705), cmocka_unit_test(test_header_certificate), cmocka_unit_test(test_bad_cnf),
        cmocka_unit_test(test_unbound),      cmocka_unit_test(test_rfc9449),            cmocka_unit_test(test_public_origin),
        cmocka_unit_test(test_proofs),       cmocka_unit_test(test_both),               cmocka_unit_test(test_nonces),
        cmocka_unit_test(test_routes),       cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
