/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/claims_rule.h"

#include <assert.h>

#include "config/doc.h"
#include "filters/jwt_claims.h"

typedef Sallyport__Filters__Http__ClaimsAuthz__V1__Requirement Requirement;
typedef Sallyport__Filters__Http__ClaimsAuthz__V1__RequirementSet RequirementSet;
typedef Sallyport__Filters__Http__ClaimsAuthz__V1__ValueSet ValueSet;
typedef Sallyport__Filters__Http__ClaimsAuthz__V1__Claim Claim;
#define KIND(name) SALLYPORT__FILTERS__HTTP__CLAIMS_AUTHZ__V1__REQUIREMENT__REQUIREMENT_##name
#define MATCH(name) SALLYPORT__FILTERS__HTTP__CLAIMS_AUTHZ__V1__CLAIM__MATCH_##name

enum kind { ALL, ANY, AUTHENTICATED, VALUES, BOOLEAN, INTEGER, PART };

struct sp_claims_rule {
    enum kind kind;
    struct sp_claims_rule **children; /* ALL, ANY: n of them */
    unsigned n;
    const struct sp_str *claims; /* n_claims names of claims; VALUES looks at all of them, the others at the first */
    unsigned n_claims;
    struct sp_str *values; /* VALUES: n_values of them, any or all */
    unsigned n_values;
    bool any, words, scopes;
    bool boolean;
    int64_t integer;
    struct sp_request_part part;
    struct sp_str *what; /* for the log: one a value of VALUES, else one */
};

struct maker {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    const struct sp_claims_names *names;
};

/* --- compiling --- */

static struct sp_claims_rule *rule_new(const struct maker *m, enum kind kind)
{
    struct sp_claims_rule *r = sp_arena_zalloc(m->arena, sizeof(*r));
    r->kind = kind;
    return r;
}

static struct sp_claims_rule *set_new(const struct maker *m, enum kind kind, const RequirementSet *msg)
{
    struct sp_claims_rule *r = rule_new(m, kind);
    bool good = true;
    r->children = sp_arena_zalloc(m->arena, msg->n_requirements * sizeof(struct sp_claims_rule *));
    for (size_t i = 0; i < msg->n_requirements; i++) {
        struct sp_claims_rule *c = sp_claims_rule_new(m->build, m->arena, m->names, msg->requirements[i]);
        r->children[r->n++] = c;
        good &= c != NULL;
    }
    return good ? r : NULL;
}

/* RFC 6749 section 3.3: what may stand in a scope, and so within the quotes of WWW-Authenticate. */
static bool scope_valid(struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '"' || s.ptr[i] == '\\')
            return false;
    return true;
}

static bool values_ok(const struct maker *m, const struct sp_claims_rule *r, const ValueSet *msg, const char *field,
                      char *const *list, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        struct sp_str value = sp_str_c(list[i]);
        if (r->scopes && !scope_valid(value)) {
            sp_doc_err(m->build->doc, m->build->diag, msg, field, (int)i,
                       "no scope: printable ASCII without spaces, quotes and backslashes (one scope each)");
            good = false;
        } else if (r->words && sp_str_chr(value, ' ') >= 0) {
            sp_doc_err(m->build->doc, m->build->diag, msg, field, (int)i,
                       "claims are split at spaces here: no part of one has a space (one word each)");
            good = false;
        }
    }
    return good;
}

static struct sp_claims_rule *values_new(const struct maker *m, struct sp_claims_rule *r, const ValueSet *msg,
                                         const char *label)
{
    char *const *list = msg->n_all_of ? msg->all_of : msg->any_of;
    size_t n = msg->n_all_of ? msg->n_all_of : msg->n_any_of;
    if (!n || (msg->n_all_of && msg->n_any_of)) {
        sp_doc_err(m->build->doc, m->build->diag, msg, NULL, -1, "needs either all_of or any_of, with values");
        return NULL;
    }
    r->any = !msg->n_all_of;
    r->values = sp_arena_zalloc(m->arena, n * sizeof(*r->values));
    r->what = sp_arena_zalloc(m->arena, n * sizeof(*r->what));
    for (size_t i = 0; i < n; i++) {
        r->values[r->n_values++] = sp_arena_str(m->arena, sp_str_c(list[i]));
        r->what[i] = sp_arena_printf(m->arena, "%s:%s", label, list[i]);
    }
    return values_ok(m, r, msg, r->any ? "any_of" : "all_of", list, n) ? r : NULL;
}

static struct sp_claims_rule *named_values(const struct maker *m, const struct sp_str *claims, unsigned n_claims, bool words,
                                           const ValueSet *msg, const char *label)
{
    struct sp_claims_rule *r = rule_new(m, VALUES);
    r->claims = claims;
    r->n_claims = n_claims;
    r->words = words;
    r->scopes = claims == m->names->scopes;
    return values_new(m, r, msg, label);
}

static void one_claim(const struct maker *m, struct sp_claims_rule *r, struct sp_str name, struct sp_str what)
{
    struct sp_str *names = sp_arena_alloc(m->arena, 2 * sizeof(*names));
    names[0] = sp_arena_str(m->arena, name);
    names[1] = what;
    r->claims = names;
    r->n_claims = 1;
    r->what = &names[1];
}

static struct sp_claims_rule *part_new(const struct maker *m, struct sp_claims_rule *r,
                                       const Sallyport__Filters__Http__ClaimsAuthz__V1__RequestPart *msg)
{
    r->kind = PART;
    return sp_request_part_init(&r->part, m->build, m->arena, msg) ? r : NULL;
}

static struct sp_claims_rule *claim_new(const struct maker *m, const Claim *msg)
{
    struct sp_claims_rule *r = rule_new(m, VALUES);
    struct sp_str label = sp_arena_printf(m->arena, "claim:%s", msg->name);
    one_claim(m, r, sp_str_c(msg->name), label);
    switch (msg->match_case) {
    case MATCH(WORDS):
        r->words = true;
        return values_new(m, r, msg->words, label.ptr);
    case MATCH(BOOLEAN):
        r->kind = BOOLEAN;
        r->boolean = msg->boolean;
        return r;
    case MATCH(INTEGER):
        r->kind = INTEGER;
        r->integer = msg->integer;
        return r;
    case MATCH(EQUALS):
        return part_new(m, r, msg->equals);
    default: /* the field rules saw to it that one is set */
        return values_new(m, r, msg->values, label.ptr);
    }
}

struct sp_claims_rule *sp_claims_rule_new(const struct sp_filter_build *build, struct sp_arena *arena,
                                          const struct sp_claims_names *names, const Requirement *msg)
{
    assert(build && arena && names && msg);
    const struct maker m = {build, arena, names};
    struct sp_claims_rule *r;
    switch (msg->requirement_case) {
    case KIND(ALL_OF):
        return set_new(&m, ALL, msg->all_of);
    case KIND(ANY_OF):
        return set_new(&m, ANY, msg->any_of);
    case KIND(SCOPES):
        return named_values(&m, names->scopes, names->n_scopes, true, msg->scopes, "scope");
    case KIND(ROLES):
        return named_values(&m, names->roles, names->n_roles, true, msg->roles, "role");
    case KIND(GROUPS):
        return named_values(&m, names->groups, names->n_groups, false, msg->groups, "group");
    case KIND(TENANT):
        r = rule_new(&m, PART);
        one_claim(&m, r, names->tenant, SP_STR("tenant"));
        return part_new(&m, r, msg->tenant);
    case KIND(CLAIM):
        return claim_new(&m, msg->claim);
    default:
        return rule_new(&m, AUTHENTICATED);
    }
}

/* --- deciding --- */

static struct sp_str text_of(const json_t *v)
{
    return sp_str_n(json_string_value(v), json_string_length(v));
}

static bool has_word(struct sp_str text, struct sp_str word)
{
    struct sp_str part;
    while (sp_str_split(&text, ' ', &part))
        if (sp_str_eq(part, word))
            return true;
    return false;
}

/* Whether a string is `value`, or one of its words; or a list has it among its strings. */
static bool holds(const json_t *claim, struct sp_str value, bool words)
{
    size_t i;
    json_t *v;
    if (json_is_string(claim))
        return words ? has_word(text_of(claim), value) : sp_str_eq(text_of(claim), value);
    if (json_is_array(claim))
        json_array_foreach(claim, i, v)
            if (json_is_string(v) && sp_str_eq(text_of(v), value))
                return true;
    return false;
}

static bool has_value(const struct sp_claims_rule *r, const json_t *claims, struct sp_str value)
{
    for (unsigned i = 0; i < r->n_claims; i++)
        if (holds(sp_jwt_claim(claims, r->claims[i]), value, r->words))
            return true;
    return false;
}

static void miss(struct sp_claims_missing *m, struct sp_str what, struct sp_str scope)
{
    if (m->n_what < SP_CLAIMS_MAX_MISSING)
        m->what[m->n_what++] = what;
    if (!scope.len)
        m->other = true;
    else if (m->n_scopes < SP_CLAIMS_MAX_MISSING)
        m->scopes[m->n_scopes++] = scope;
}

static void miss_all(struct sp_claims_missing *m, const struct sp_claims_missing *more)
{
    for (unsigned i = 0; i < more->n_what && m->n_what < SP_CLAIMS_MAX_MISSING; i++)
        m->what[m->n_what++] = more->what[i];
    for (unsigned i = 0; i < more->n_scopes && m->n_scopes < SP_CLAIMS_MAX_MISSING; i++)
        m->scopes[m->n_scopes++] = more->scopes[i];
    m->other |= more->other;
}

static bool values_met(const struct sp_claims_rule *r, const json_t *claims, struct sp_claims_missing *ret)
{
    bool met = true;
    for (unsigned i = 0; i < r->n_values; i++) {
        bool has = has_value(r, claims, r->values[i]);
        if (r->any && has)
            return true;
        met &= has;
    }
    for (unsigned i = 0; !met && i < (r->any ? 1 : r->n_values); i++) /* of several that would do, the first */
        if (r->any || !has_value(r, claims, r->values[i]))
            miss(ret, r->what[i], r->scopes ? r->values[i] : SP_STR_NULL);
    return met;
}

static bool all_met(const struct sp_claims_rule *r, const json_t *claims, const struct sp_headers *h,
                    struct sp_claims_missing *ret)
{
    bool met = true;
    for (unsigned i = 0; i < r->n; i++) {
        struct sp_claims_missing one;
        if (sp_claims_rule_met(r->children[i], claims, h, &one))
            continue;
        miss_all(ret, &one);
        met = false;
    }
    return met;
}

static bool any_met(const struct sp_claims_rule *r, const json_t *claims, const struct sp_headers *h,
                    struct sp_claims_missing *ret)
{
    struct sp_claims_missing best = {0};
    for (unsigned i = 0; i < r->n; i++) {
        struct sp_claims_missing one;
        if (sp_claims_rule_met(r->children[i], claims, h, &one))
            return true;
        if (i == 0 || (best.other && !one.other))
            best = one;
    }
    miss_all(ret, &best);
    return false;
}

bool sp_claims_rule_met(const struct sp_claims_rule *r, const json_t *claims, const struct sp_headers *request,
                        struct sp_claims_missing *ret)
{
    assert(r && json_is_object(claims) && request && ret);
    const json_t *claim = r->n_claims ? sp_jwt_claim(claims, r->claims[0]) : NULL;
    struct sp_str part;
    bool met = true;
    ret->n_scopes = ret->n_what = 0;
    ret->other = false;
    switch (r->kind) {
    case ALL:
        return all_met(r, claims, request, ret);
    case ANY:
        return any_met(r, claims, request, ret);
    case VALUES:
        return values_met(r, claims, ret);
    case AUTHENTICATED:
        break;
    case BOOLEAN:
        met = json_is_boolean(claim) && json_is_true(claim) == r->boolean;
        break;
    case INTEGER:
        met = json_is_integer(claim) && json_integer_value(claim) == r->integer;
        break;
    case PART:
        part = sp_request_part_get(&r->part, request);
        met = part.len && holds(claim, part, false);
        break;
    }
    if (!met)
        miss(ret, r->what[0], SP_STR_NULL);
    return met;
}
