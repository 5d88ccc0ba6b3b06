/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nobody forges a line: random bytes in everything that a client says, through every operator, as text, as JSON and as a header
 * value.  A line has no raw control byte, is UTF-8 and one line, its quotes are closed; JSON parses into what the config wrote.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format_support.h"
#include "stream/caller.h"
#include "stream/decision.h"

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint64_t any(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

/* Mostly what hurts: quotes, line ends, escapes, half characters, bidi, C1. */
static struct sp_str evil(struct sp_arena *a)
{
    static const char *const pieces[] = {"\"", "\\", "\n", "\r", "\x1b[2J", "\x7f", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae", "\xe2",
                                         "\xf0\x9f", "\xff", "\xed\xa0\x80", "\xc0\xaf", "{\"a\":1}", ",", "%", "%REQ(x)%", ";", "=", " ", "a",
                                         "\xf0\x9f\x98\x80", "\t", "\x01", "\\u000a", "</script>", "\xe2\x81\xa6"};
    char text[256];
    size_t n = 0, pieces_left = any() % 12;
    while (pieces_left--) {
        const char *p = pieces[any() % SP_ARRAY_LEN(pieces)];
        size_t len = strlen(p);
        memcpy(text + n, p, len);
        n += len;
        if (any() % 4 == 0)
            text[n++] = (char)any();
    }
    return sp_arena_str(a, sp_str_n(text, n));
}

static void line(struct sp_headers *h, struct sp_arena *a, const char *name)
{
    sp_headers_add(h, sp_str_c(name), evil(a));
}

/* Everything that a peer may have chosen. */
static void fill(struct t_stream *s, struct sp_str *names, struct sp_decision *d)
{
    struct sp_arena *a = &s->arena;
    struct sp_str *of_peer[] = {&s->request.method, &s->request.scheme, &s->request.authority, &s->request.path, &s->request.protocol,
                                &s->tls.sni, &s->tls.peer_subject, &s->tls.peer_issuer, &s->tls.peer_serial, &s->tls.peer_sha256,
                                &s->tls.local_subject, &s->info.details, &s->info.termination_details, &s->info.upstream_failure_reason,
                                &s->info.request_id, &s->info.upstream_name, &s->conn.failure_reason, &s->info.upstream_tls.sni,
                                &s->info.upstream_tls.peer_subject, &s->info.upstream_tls.peer_issuer, &s->conn.cert.der};
    for (size_t i = 0; i < SP_ARRAY_LEN(of_peer); i++)
        *of_peer[i] = evil(a);
    static const char *const lines[] = {"x-a", "user-agent", "x-request-id", "x-forwarded-for", "x-envoy-original-path", "grpc-status"};
    for (size_t i = 0; i < SP_ARRAY_LEN(lines); i++) {
        line(&s->request, a, lines[i]);
        line(&s->response, a, lines[i]);
        line(&s->trailers, a, lines[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        names[i] = evil(a);
    s->tls.peer_dns = s->tls.peer_uri = s->tls.peer_email = s->tls.peer_ip = s->tls.local_dns = s->tls.local_uri = names;
    s->tls.n_peer_dns = s->tls.n_peer_uri = s->tls.n_peer_email = s->tls.n_peer_ip = s->tls.n_local_dns = s->tls.n_local_uri = 3;
    s->info.upstream_tls.peer_dns = s->info.upstream_tls.peer_uri = names;
    s->info.upstream_tls.n_peer_dns = s->info.upstream_tls.n_peer_uri = 3;
    s->info.shadow = names;
    s->info.n_shadow = 3;
    s->tls.peer_presented = true;
    *d = (struct sp_decision){.by = evil(a), .reason = evil(a), .verdict = any() % 4};
    sp_caller_say(&d->caller, SP_STR("subject"), evil(a));
    sp_caller_say(&d->caller, SP_STR("issuer"), evil(a));
    s->info.decided = d;
}

static const char *const operators[] = {
    "%REQ(X-A)%", "%REQ(:METHOD)%", "%REQ(:PATH)%", "%REQ(:AUTHORITY)%", "%REQ(:SCHEME)%", "%REQ(X-NONE?X-A):5%", "%REQ_WITHOUT_QUERY(:PATH)%",
    "%RESP(X-A)%", "%TRAILER(X-A)%", "%PATH(WQ)%", "%PATH(NQ:PATH):7%", "%QUERY_PARAM(a)%", "%QUERY_PARAMS%", "%PROTOCOL%", "%RESPONSE_CODE_DETAILS%",
    "%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "%CONNECTION_TERMINATION_DETAILS%", "%GRPC_STATUS%", "%STREAM_ID%", "%SALLYPORT_SHADOW%",
    "%SALLYPORT_DECISION%", "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "%REQUESTED_SERVER_NAME%",
    "%DOWNSTREAM_PEER_SUBJECT%", "%DOWNSTREAM_PEER_ISSUER%", "%DOWNSTREAM_PEER_SERIAL%", "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    "%DOWNSTREAM_PEER_URI_SAN%", "%DOWNSTREAM_PEER_DNS_SAN%", "%DOWNSTREAM_PEER_EMAIL_SAN%", "%DOWNSTREAM_PEER_IP_SAN%", "%DOWNSTREAM_LOCAL_DNS_SAN%",
    "%DOWNSTREAM_LOCAL_SUBJECT%", "%DOWNSTREAM_PEER_CERT%", "%DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256%", "%UPSTREAM_PEER_SUBJECT%",
    "%UPSTREAM_PEER_DNS_SAN%", "%UPSTREAM_PEER_URI_SAN%", "%UPSTREAM_SERVER_NAME%", "%UPSTREAM_HOST_NAME%", "%UPSTREAM_HOST_NAMES_ATTEMPTED%",
    "%DYNAMIC_METADATA(ns)%", "%DYNAMIC_METADATA(ns:k)%", "%DYNAMIC_METADATA(ns:k):9%", "%DYNAMIC_METADATA(ns:t):9%",
};

/* Neither control bytes nor line ends, in UTF-8. */
static void is_one_line(const char *text)
{
    struct sp_str s = sp_str_c(text);
    while (s.len) {
        size_t n = sp_utf8_char(s);
        if (!n || !sp_utf8_shown(sp_str_sub(s, 0, n)))
            fail_msg("byte %02x of %s", (unsigned char)s.ptr[0], text);
        s = sp_str_sub(s, n, s.len);
    }
}

/* What stands between two '"' that no '\' stands before is the field; there are just those two. */
static void is_one_field(const char *text)
{
    size_t n = strlen(text);
    assert_true(n >= 2 && text[0] == '"' && text[n - 1] == '"');
    for (size_t i = 1; i < n - 1; i++) {
        assert_int_not_equal(text[i], '"');
        i += text[i] == '\\';
        assert_true(i < n - 1);
    }
}

static void check(struct t_stream *s, const char *op)
{
    char format[512];
    snprintf(format, sizeof(format), "\"%s\"", op);
    const char *text = t_text(s, format);
    is_one_line(text);
    if (!strstr(op, "DYNAMIC_METADATA(ns)") && !strstr(op, "ns:t")) /* JSON, with quotes of its own */
        is_one_field(text);
    snprintf(format, sizeof(format), "json_format: {alone: '%s', within: '<%s>', nested: {list: ['%s']}}", op, op, op);
    text = t_format(s, format, "");
    json_error_t error;
    json_t *j = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!j)
        fail_msg("%s: %s: %s", op, error.text, text);
    assert_int_equal(json_object_size(j), 3);
    const json_t *member = json_object_get(j, "within");
    const char *within = json_string_value(member);
    assert_true(within && within[0] == '<' && within[json_string_length(member) - 1] == '>');
    assert_int_equal(json_array_size(json_object_get(json_object_get(j, "nested"), "list")), 1);
    json_decref(j);
    assert_string_equal(strchr(text, '\n'), "\n");
    for (const char *p = t_value(s, op); *p; p++)
        assert_true((unsigned char)*p >= ' ' || *p == '\t');
}

static void nobody_forges_a_line(void **unused)
{
    for (unsigned round = 0; round < 60; round++) {
        struct t_stream s;
        struct sp_str names[3];
        struct sp_decision d;
        t_stream_init(&s);
        fill(&s, names, &d);
        /* Filters make the JSON of what peers said. */
        json_t *said = json_stringn("a\"\\\n\x01", 5), *tree = json_pack("{s:[s,s]}", "x\"y", "\n", "\\");
        char *k = json_dumps(said, JSON_ENCODE_ANY), *t = json_dumps(tree, 0);
        t_stream_metadata(&s, "ns", "k", k);
        t_stream_metadata(&s, "ns", "t", t);
        json_decref(said);
        json_decref(tree);
        for (size_t i = 0; i < SP_ARRAY_LEN(operators); i++)
            check(&s, operators[i]);
        t_stream_done(&s);
        free(k);
        free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_forges_a_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
