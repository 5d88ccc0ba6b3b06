/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of the audit that look at certificates, at files, and at messages known by their fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit_kit.h"
#include "crypto/cert_gen.h"
#include "tools/audit.h"
#include "tools/audit_checks.h"
#include "weak_certs.h"

static const char *const of_dates[] = {"certificate-expired", "certificate-expires-7d", "certificate-expires-30d", "certificate-not-yet-valid"};

/* In double quotes. */
static const char *quoted(const char *pem)
{
    static char out[16384];
    size_t n = 0;
    for (; *pem && n + 3 < sizeof(out); pem++) {
        if (*pem == '\n')
            out[n++] = '\\';
        out[n++] = *pem == '\n' ? 'n' : *pem;
    }
    out[n] = '\0';
    return out;
}

static const char *shown(const char *pem)
{
    static char yaml[20000];
    snprintf(yaml, sizeof(yaml), "static_resources: {secrets: [{name: a, tls_certificate: {certificate_chain: {inline_string: \"%s\"}}}]}", quoted(pem));
    return yaml;
}

static const char *trusted(const char *pem)
{
    static char yaml[20000];
    snprintf(yaml, sizeof(yaml), "static_resources: {secrets: [{name: a, validation_context: {trusted_ca: {inline_string: \"%s\"}}}]}", quoted(pem));
    return yaml;
}

enum { DAY = 86400 };

static const char *lives(struct sp_arena *arena, int from_days, int to_days)
{
    struct sp_made_cert made;
    const struct sp_cert_request req = {.common_name = "a", .is_ca = true, .not_before = time(NULL) + from_days * DAY,
                                        .not_after = time(NULL) + to_days * DAY + 60};
    assert_int_equal(sp_cert_make(&req, NULL, arena, &made), 0);
    return made.cert_pem.ptr;
}

static void dates(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        const char *id;
    } all[] = {{-9, -1, "certificate-expired"},     {-9, 0, "certificate-expires-7d"},   {-9, 6, "certificate-expires-7d"},
               {-9, 7, "certificate-expires-30d"},  {-9, 29, "certificate-expires-30d"}, {-9, 31, NULL},
               {2, 40, "certificate-not-yet-valid"}};
    struct sp_arena arena;
    sp_arena_init(&arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++) {
        const char *pem = lives(&arena, all[i].from, all[i].to);
        for (size_t k = 0; k < 4; k++) {
            bool meant = all[i].id && strcmp(all[i].id, of_dates[k]) == 0;
            if (finds(shown(pem), of_dates[k]) != meant)
                fail_msg("from day %d to %d: %s", all[i].from, all[i].to, of_dates[k]);
        }
        assert_int_equal(finds(trusted(pem), "ca-expires"), all[i].to < 30);
    }
    /* One that still lives is enough; an issuer in the chain counts as the leaf does. */
    struct sp_str both = sp_arena_printf(&arena, "%s%s", lives(&arena, -9, 99), lives(&arena, -9, -1));
    assert_false(finds(trusted(both.ptr), "ca-expires"));
    assert_true(finds(shown(both.ptr), "certificate-expired"));
    sp_arena_done_wipe(&arena);
}

static void weakness(void **state)
{
    (void)state;
    struct sp_arena arena;
    sp_arena_init(&arena);
    assert_true(finds(shown(short_key_pem), "certificate-weak"));
    assert_true(finds(shown(sha1_pem), "certificate-weak"));
    assert_false(finds(shown(lives(&arena, -1, 99)), "certificate-weak"));
    assert_false(finds(shown("no certificate at all"), "certificate-weak"));
    sp_arena_done_wipe(&arena);
}

static void readable(void **state)
{
    (void)state;
    char path[] = "/tmp/sp-audit-XXXXXX", yaml[512];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    snprintf(yaml, sizeof(yaml), "static_resources: {secrets: [{name: a, tls_certificate: {private_key: {filename: %s}, certificate_chain: "
                                 "{filename: /etc/passwd}}}]}", path);
    static const struct {
        mode_t mode;
        bool found;
    } all[] = {{0600, false}, {0640, false}, {0604, true}, {0602, true}, {0644, true}};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++) {
        assert_int_equal(fchmod(fd, all[i].mode), 0);
        assert_int_equal(finds(yaml, "secret-readable"), all[i].found);
    }
    close(fd);
    unlink(path);
    assert_false(finds(yaml, "secret-readable"));
}

/* ---- by their fields ---- */

/* Filters whose messages may not be here are known by their fields: a message made of these alone. */
struct by_fields {
    ProtobufCMessage base;
    size_t n_origins;
    Envoy__Type__Matcher__V3__StringMatcher **origins;
    Google__Protobuf__BoolValue *credentials;
    protobuf_c_boolean allow;
};

static const ProtobufCFieldDescriptor fields[] = {
    {.name = "allow_credentials", .id = 1, .type = PROTOBUF_C_TYPE_MESSAGE, .offset = offsetof(struct by_fields, credentials),
     .descriptor = &google__protobuf__bool_value__descriptor},
    {.name = "allow_origin_string_match", .id = 2, .label = PROTOBUF_C_LABEL_REPEATED, .type = PROTOBUF_C_TYPE_MESSAGE,
     .quantifier_offset = offsetof(struct by_fields, n_origins), .offset = offsetof(struct by_fields, origins)},
    {.name = "failure_mode_allow", .id = 3, .label = PROTOBUF_C_LABEL_NONE, .type = PROTOBUF_C_TYPE_BOOL, .offset = offsetof(struct by_fields, allow)},
};
static const unsigned by_name[] = {0, 1, 2};
static const ProtobufCMessageDescriptor by_fields_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC, .name = "t.T", .short_name = "T", .package_name = "t",
    .sizeof_message = sizeof(struct by_fields), .n_fields = 3, .fields = fields, .fields_sorted_by_name = by_name};

static bool finds_in(const char *id, const struct by_fields *m)
{
    struct sp_diag diag;
    struct sp_audit a;
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", SP_STR("{}"), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    sp_audit_init(&a, doc);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < areas[i]->n; k++)
            if (strcmp(areas[i]->checks[k].id, id) == 0) {
                a.check = &areas[i]->checks[k];
                a.check->message(&a, &m->base);
            }
    bool found = a.n > 0;
    sp_audit_done(&a);
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return found;
}

static void known_by_their_fields(void **state)
{
    (void)state;
    Google__Protobuf__BoolValue yes = GOOGLE__PROTOBUF__BOOL_VALUE__INIT;
    Envoy__Type__Matcher__V3__StringMatcher any = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__INIT, *list[] = {&any};
    struct by_fields m = {.base = {.descriptor = &by_fields_descriptor}, .n_origins = 1, .origins = list};
    yes.value = true;
    any.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT;
    any.exact = (char *)(uintptr_t)"*";
    assert_false(finds_in("fails-open", &m));
    assert_false(finds_in("cors-any-origin", &m)); /* without cookies */
    m.allow = true;
    m.credentials = &yes;
    assert_true(finds_in("fails-open", &m));
    assert_true(finds_in("cors-any-origin", &m));
    any.exact = (char *)(uintptr_t)"https://a.example";
    assert_false(finds_in("cors-any-origin", &m));
    any.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX;
    any.prefix = (char *)(uintptr_t)"https://";
    assert_true(finds_in("cors-any-origin", &m));
    any.prefix = (char *)(uintptr_t)"https://a.example/";
    assert_false(finds_in("cors-any-origin", &m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(dates), cmocka_unit_test(weakness), cmocka_unit_test(readable),
                                       cmocka_unit_test(known_by_their_fields)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
