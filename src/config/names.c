/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/names.h"

#include <assert.h>

#include "config/envoy_names.h"

bool sp_name_matches(struct sp_str given, struct sp_str snake)
{
    if (sp_str_eq(given, snake))
        return true;
    size_t g = 0;
    bool upper = false;
    for (size_t i = 0; i < snake.len; i++) {
        char c = snake.ptr[i];
        if (c == '_') {
            upper = true;
            continue;
        }
        if (upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        upper = false;
        if (g == given.len || given.ptr[g++] != c)
            return false;
    }
    return g == given.len;
}

enum { FOLD_MAX = 128 };

/* Lower case without '_' and '-', so that headersToAdd and headers_to_add are the same. */
static struct sp_str fold(struct sp_str s, char buf[static FOLD_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < s.len && n < FOLD_MAX; i++)
        if (s.ptr[i] != '_' && s.ptr[i] != '-')
            buf[n++] = sp_ascii_lower(s.ptr[i]);
    return sp_str_n(buf, n);
}

void sp_nearest_init(struct sp_nearest *n, struct sp_str wanted)
{
    assert(n);
    *n = (struct sp_nearest){.wanted = wanted, .limit = SP_MAX(1u, (unsigned)SP_MIN(wanted.len, 128u) / 3)};
    n->distance = n->limit + 1;
}

void sp_nearest_offer(struct sp_nearest *n, struct sp_str name)
{
    assert(n);
    char a[FOLD_MAX], b[FOLD_MAX];
    if (n->wanted.len > FOLD_MAX)
        return;
    unsigned d = sp_str_distance(fold(n->wanted, a), fold(name, b), n->limit);
    if (d >= n->distance)
        return;
    n->distance = d;
    n->best = name;
}

struct sp_str sp_nearest_field(const ProtobufCMessageDescriptor *desc, struct sp_str wanted)
{
    assert(desc);
    struct sp_nearest n;
    sp_nearest_init(&n, wanted);
    for (unsigned i = 0; i < desc->n_fields; i++)
        sp_nearest_offer(&n, sp_str_c(desc->fields[i].name));
    return n.best;
}

struct sp_str sp_nearest_enum(const ProtobufCEnumDescriptor *desc, struct sp_str wanted)
{
    assert(desc);
    struct sp_nearest n;
    sp_nearest_init(&n, wanted);
    for (unsigned i = 0; i < desc->n_values; i++)
        sp_nearest_offer(&n, sp_str_c(desc->values[i].name));
    return n.best;
}

static const struct sp_envoy_message *envoy_message(struct sp_str name)
{
    size_t low = 0, high = sp_envoy_n_messages;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct sp_str other = sp_str_c(sp_envoy_messages[mid].name);
        if (sp_str_eq(name, other))
            return &sp_envoy_messages[mid];
        if (sp_str_cmp(name, other) < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

const char *sp_envoy_instead(const char *message, struct sp_str field)
{
    static const char files[] = "resources come from files here: write them to one, and name it in path_config_source";
    static const struct {
        const char *message, *field, *instead;
    } known[] = {
        {"envoy.config.bootstrap.v3.Bootstrap.DynamicResources", "ads_config",
         "resources come from files here: take it out, and name files in lds_config and cds_config"},
        {"envoy.config.core.v3.ConfigSource", "api_config_source", files},
        {"envoy.config.core.v3.ConfigSource", "ads", files},
        {"envoy.config.core.v3.ConfigSource", "self", files},
    };
    assert(message);
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
        if (strcmp(known[i].message, message) == 0 && sp_name_matches(field, sp_str_c(known[i].field)))
            return known[i].instead;
    return NULL;
}

bool sp_envoy_has_message(struct sp_str full_name)
{
    return envoy_message(full_name) != NULL;
}

bool sp_envoy_has_package_of(struct sp_str full_name)
{
    size_t n = full_name.len;
    while (n && full_name.ptr[n - 1] != '.')
        n--;
    for (size_t i = 0; n && i < sp_envoy_n_messages; i++)
        if (sp_str_starts(sp_str_c(sp_envoy_messages[i].name), sp_str_sub(full_name, 0, n)))
            return true;
    return false;
}

bool sp_envoy_has_field(const char *message, struct sp_str field)
{
    assert(message);
    const struct sp_envoy_message *m = envoy_message(sp_str_c(message));
    struct sp_str rest = sp_str_c(m ? m->fields : NULL), item;
    while (sp_str_split(&rest, ' ', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        if (eq > 0 && sp_name_matches(field, sp_str_sub(item, 0, (size_t)eq)))
            return true;
    }
    return false;
}

struct sp_str sp_envoy_field_numbered(const char *message, struct sp_str number)
{
    assert(message);
    const struct sp_envoy_message *m = envoy_message(sp_str_c(message));
    struct sp_str rest = sp_str_c(m ? m->fields : NULL), item;
    while (sp_str_split(&rest, ' ', &item)) {
        ptrdiff_t eq = sp_str_chr(item, '=');
        if (eq > 0 && sp_str_eq(number, sp_str_sub(item, (size_t)eq + 1, item.len)))
            return sp_str_sub(item, 0, (size_t)eq);
    }
    return SP_STR("");
}
