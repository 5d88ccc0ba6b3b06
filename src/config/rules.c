/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks a document and checks the field rules. */
#include "config/rules.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/descriptor.h"
#include "config/place.h"
#include "google/protobuf/duration.pb-c.h"

struct check {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_place *place;
    const struct sp_rule *rule;
    const ProtobufCFieldDescriptor *field;
};

/* What is known to be wrong already is not judged again. */
static bool already_bad(const struct sp_place *place, const char *field)
{
    const struct sp_node *n = sp_place_field_node(place, field, NULL);
    if (!n || n->bad || n->kind != SP_NODE_LIST)
        return n && n->bad;
    for (unsigned i = 0; i < n->n; i++)
        if (n->items[i]->bad)
            return true;
    return false;
}

/* The names of the rule's oneof, or of all fields of the message. */
static const char *names(const struct check *c, bool oneof, struct sp_arena *arena)
{
    const ProtobufCMessageDescriptor *desc = c->place->msg->descriptor;
    struct sp_str s = SP_STR("");
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        if (oneof && (!sp_field_in_oneof(f) || f->quantifier_offset != c->field->quantifier_offset))
            continue;
        s = sp_arena_printf(arena, "%.*s%s%s", SP_STR_ARG(s), s.len ? ", " : "", f->name);
    }
    return s.ptr;
}

static void check_oneof(const struct check *c)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    if (*sp_field_case(c->place->msg, c->field) == 0 && !c->place->origin[0].node->odd)
        sp_doc_err(c->doc, c->diag, c->place->msg, NULL, -1, "one of these is required: %s", names(c, true, &arena));
    sp_arena_done(&arena);
}

static void check_some(const struct check *c)
{
    const ProtobufCMessage *msg = c->place->msg;
    const ProtobufCMessageDescriptor *desc = msg->descriptor;
    struct sp_arena arena;
    for (unsigned i = 0; i < desc->n_fields; i++)
        if (sp_doc_written(c->doc, msg, desc->fields[i].name))
            return;
    sp_arena_init(&arena);
    sp_doc_err(c->doc, c->diag, msg, NULL, -1, "there is nothing in it (set at least one of: %s)",
               names(c, false, &arena));
    sp_arena_done(&arena);
}

static void err(const struct check *c, int index, const char *text)
{
    sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index, "%s", text);
}

static bool header_name(const char *s)
{
    if (*s == ':')
        s++;
    for (; *s; s++) {
        bool alnum = (*s >= '0' && *s <= '9') || (sp_ascii_lower(*s) >= 'a' && sp_ascii_lower(*s) <= 'z');
        if (!alnum && !strchr("!#$%&'*+-.^_|~`", *s))
            return false;
    }
    return true;
}

static void check_length(const struct check *c, int index, size_t n)
{
    double len = (double)n;
    if (c->rule->kind == SP_RULE_MAX_LEN) {
        if (len > c->rule->a)
            sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index,
                       "too long: %g characters (expected at most %g)", len, c->rule->a);
    } else if (len < c->rule->a && n == 0) {
        err(c, index, sp_doc_written(c->doc, c->place->msg, c->field->name) ? "must not be empty"
                                                                             : "required, but missing (add it)");
    } else if (len < c->rule->a) {
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index,
                   "too short: %g characters (expected at least %g)", len, c->rule->a);
    }
}

static void check_string(const struct check *c, int index, const char *s)
{
    size_t len = strlen(s);
    switch (c->rule->kind) {
    case SP_RULE_MIN_LEN:
    case SP_RULE_MAX_LEN:
        check_length(c, index, len);
        break;
    case SP_RULE_HEADER_NAME:
        if (!header_name(s))
            err(c, index, "not a header name (letters, digits and !#$%&'*+-.^_|~` only)");
        break;
    case SP_RULE_HEADER_VALUE:
        if (s[strcspn(s, "\r\n")])
            err(c, index, "a header value cannot hold line breaks (take them out)");
        break;
    case SP_RULE_PATH_PREFIX:
        if (s[strcspn(s, "?#")] || (len && s[len - 1] == '/'))
            err(c, index, "must not hold '?' or '#', nor end in '/'");
        break;
    default:
        assert(!"not a rule for strings");
    }
}

static double number_at(const ProtobufCFieldDescriptor *f, const void *p)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_ENUM:
        return *(const int32_t *)p;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return *(const uint32_t *)p;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return (double)*(const int64_t *)p;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return (double)*(const uint64_t *)p;
    case PROTOBUF_C_TYPE_FLOAT:
        return (double)*(const float *)p;
    default:
        assert(f->type == PROTOBUF_C_TYPE_DOUBLE);
        return *(const double *)p;
    }
}

static void check_number(const struct check *c, int index, const ProtobufCFieldDescriptor *f, const void *p)
{
    double v = number_at(f, p);
    if (v < c->rule->a || v > c->rule->b)
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index,
                   "%.10g is out of range (expected %.10g to %.10g)", v, c->rule->a, c->rule->b);
}

/* Any number can be written for an enum, those of no value too. */
static bool enum_allows(const struct sp_rule *rule, int v)
{
    return rule->kind == SP_RULE_ENUM_SET ? v != 0 : v >= 0 && v < 32 && ((unsigned)rule->a >> v & 1);
}

/* The address of a sink of stats, which takes UDP where nothing else here does. */
static bool is_of_sink(const struct check *c)
{
    const struct sp_place *sink = c->place->parent ? c->place->parent->parent : NULL;
    return sink && (strcmp(sink->msg->descriptor->name, "envoy.config.metrics.v3.StatsdSink") == 0 ||
                    strcmp(sink->msg->descriptor->name, "envoy.config.metrics.v3.DogStatsdSink") == 0);
}

static void check_enum(const struct check *c, int index, int v)
{
    const ProtobufCEnumDescriptor *desc = c->field->descriptor;
    if (enum_allows(c->rule, v) || is_of_sink(c))
        return;
    struct sp_arena arena;
    struct sp_str s = SP_STR("");
    sp_arena_init(&arena);
    for (unsigned i = 0; i < desc->n_values; i++)
        if (enum_allows(c->rule, desc->values[i].value))
            s = sp_arena_printf(&arena, "%.*s%s%s", SP_STR_ARG(s), s.len ? ", " : "", desc->values[i].name);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(desc, v);
    if (c->rule->kind == SP_RULE_ENUM_SET)
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index, "required, but missing (choose one of: %s)",
                   s.ptr);
    else
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, index, "%s is not run by sallyport (choose one of: %s)",
                   value ? value->name : "this value", s.ptr);
    sp_arena_done(&arena);
}

static void check_duration(const struct check *c, const Google__Protobuf__Duration *d)
{
    double ms = (double)d->seconds * 1000 + d->nanos / 1e6;
    if (c->rule->kind == SP_RULE_POSITIVE && ms <= 0)
        err(c, -1, "has to be more than 0s");
    else if (c->rule->kind == SP_RULE_MIN_MS && ms < c->rule->a)
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, -1, "too short (expected at least %.10gs)",
                   c->rule->a / 1000);
    else if (c->rule->kind == SP_RULE_MAX_MS && ms > c->rule->a)
        sp_doc_err(c->doc, c->diag, c->place->msg, c->field->name, -1, "too long (expected at most %.10gs)",
                   c->rule->a / 1000);
}

static void check_keys(const struct check *c)
{
    ProtobufCMessage *const *entries = *(ProtobufCMessage *const **)sp_field_ptr(c->place->msg, c->field);
    for (size_t i = 0; i < *sp_field_count(c->place->msg, c->field); i++) {
        const struct sp_place *entry = sp_place_find(c->doc, entries[i]);
        if (entry && entry->key && (double)strlen(entry->key) < c->rule->a)
            err(c, (int)i, "a key must not be empty");
    }
}

static int by_value(const void *va, const void *vb, void *arg)
{
    const struct check *c = arg;
    if (c->field->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(const char *const *)va, *(const char *const *)vb);
    double a = number_at(c->field, va), b = number_at(c->field, vb);
    return (a > b) - (a < b);
}

static void check_unique(const struct check *c)
{
    size_t n = *sp_field_count(c->place->msg, c->field), size = sp_field_size(c->field);
    if (n < 2)
        return;
    char *copy = sp_xmalloc(n * size);
    memcpy(copy, *(char **)sp_field_ptr(c->place->msg, c->field), n * size);
    qsort_r(copy, n, size, by_value, (void *)(uintptr_t)c);
    for (size_t i = 1; i < n; i++)
        if (by_value(copy + (i - 1) * size, copy + i * size, (void *)(uintptr_t)c) == 0) {
            err(c, -1, "a value stands in it twice (remove one)");
            break;
        }
    free(copy);
}

/* Strings, numbers and enums, singular or each of a list. */
static void check_scalars(const struct check *c)
{
    const ProtobufCFieldDescriptor *f = c->field;
    const char *p = sp_field_ptr(c->place->msg, f);
    bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
    size_t n = list ? *sp_field_count(c->place->msg, f) : 1;
    if (list)
        p = *(const char *const *)(const void *)p;
    if (sp_field_in_oneof(f) && !sp_field_is_set(c->place->msg, f))
        return;
    for (size_t i = 0; i < n; i++, p += sp_field_size(f)) {
        int index = list ? (int)i : -1;
        if (f->type == PROTOBUF_C_TYPE_STRING)
            check_string(c, index, *(const char *const *)(const void *)p);
        else if (f->type == PROTOBUF_C_TYPE_BYTES)
            check_length(c, index, ((const ProtobufCBinaryData *)(const void *)p)->len);
        else if (c->rule->kind == SP_RULE_ENUM_IN || c->rule->kind == SP_RULE_ENUM_SET)
            check_enum(c, index, *(const int *)(const void *)p);
        else
            check_number(c, index, f, p);
    }
}

static void check_message_field(const struct check *c)
{
    const ProtobufCMessage *child = *(ProtobufCMessage **)sp_field_ptr(c->place->msg, c->field);
    if (!sp_field_is_set(c->place->msg, c->field) || !child)
        return;
    if (sp_wkt_of(child->descriptor) == SP_WKT_DURATION)
        check_duration(c, (const void *)child);
    else if (sp_wkt_of(child->descriptor) == SP_WKT_WRAPPER)
        check_number(c, -1, &child->descriptor->fields[0], sp_field_ptr(child, &child->descriptor->fields[0]));
}

static void check_rule(const struct check *c)
{
    const ProtobufCMessage *msg = c->place->msg;
    const ProtobufCFieldDescriptor *f = c->field;
    if (c->rule->kind == SP_RULE_SOME) {
        check_some(c);
        return;
    }
    assert(f);
    if (already_bad(c->place, f->name))
        return;
    switch (c->rule->kind) {
    case SP_RULE_ONEOF:
        check_oneof(c);
        break;
    case SP_RULE_REQUIRED:
        if (!sp_field_is_set(msg, f))
            err(c, -1, "required, but missing (add it)");
        break;
    case SP_RULE_MIN_ITEMS:
        if ((double)*sp_field_count(msg, f) < c->rule->a)
            sp_doc_err(c->doc, c->diag, msg, f->name, -1, "has %zu items (expected at least %g)",
                       *sp_field_count(msg, f), c->rule->a);
        break;
    case SP_RULE_MAX_ITEMS:
        if ((double)*sp_field_count(msg, f) > c->rule->a)
            sp_doc_err(c->doc, c->diag, msg, f->name, -1, "has %zu items (expected at most %g)", *sp_field_count(msg, f),
                       c->rule->a);
        break;
    case SP_RULE_MIN_KEY_LEN:
        check_keys(c);
        break;
    case SP_RULE_UNIQUE:
        check_unique(c);
        break;
    case SP_RULE_NOT_EMPTY:
        if (*sp_field_count(msg, f) == 0 && sp_doc_written(c->doc, msg, f->name))
            err(c, -1, "written, but empty (add items, or leave it out)");
        break;
    case SP_RULE_TRUE:
        if (sp_field_is_set(msg, f) && !*(const protobuf_c_boolean *)sp_field_ptr(msg, f))
            err(c, -1, "has to be true (or leave it out)");
        break;
    default:
        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
            check_message_field(c);
        else
            check_scalars(c);
    }
}

static void check_rules_of(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place)
{
    const ProtobufCMessageDescriptor *desc = place->msg->descriptor;
    size_t n, low = 0;
    const struct sp_rule *const *rules = sp_rules(&n);
    for (size_t high = n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(rules[mid]->message, desc->name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < n && strcmp(rules[low]->message, desc->name) == 0; low++) {
        const char *field = rules[low]->field;
        struct check c = {doc, diag, place, rules[low], field ? sp_field_find(desc, sp_str_c(field)) : NULL};
        check_rule(&c);
    }
}

struct all {
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

static void check_message(void *arg, const ProtobufCMessage *msg)
{
    const struct all *a = arg;
    if (strcmp(msg->descriptor->package_name, "google.protobuf") != 0)
        check_rules_of(a->doc, a->diag, sp_place_find(a->doc, msg));
}

void sp_rules_check(const struct sp_doc *doc, struct sp_diag *diag)
{
    assert(doc && diag);
    struct all a = {doc, diag};
    sp_doc_each(doc, check_message, &a);
}

void sp_rules_check_under(const struct sp_doc *doc, const ProtobufCMessage *root, struct sp_diag *diag)
{
    assert(doc && root && diag);
    struct all a = {doc, diag};
    sp_doc_each_under(doc, root, check_message, &a);
}
