/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/dump_query.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/regex.h"

enum { MAX_PATHS = 64, MAX_DEPTH = 16 };

/* The lists of a section whose entries have names; where an entry has it, and what its type is called. */
static const struct {
    const char *list, *name[2], *type;
} lists[] = {
    {"static_clusters", {"cluster", "name"}, "ClustersConfigDump.StaticCluster"},
    {"dynamic_active_clusters", {"cluster", "name"}, "ClustersConfigDump.DynamicCluster"},
    {"static_listeners", {"listener", "name"}, "ListenersConfigDump.StaticListener"},
    {"dynamic_listeners", {"name"}, "ListenersConfigDump.DynamicListener"},
    {"static_route_configs", {"route_config", "name"}, "RoutesConfigDump.StaticRouteConfig"},
    {"dynamic_route_configs", {"route_config", "name"}, "RoutesConfigDump.DynamicRouteConfig"},
    {"static_secrets", {"name"}, "SecretsConfigDump.StaticSecret"},
    {"dynamic_active_secrets", {"name"}, "SecretsConfigDump.DynamicSecret"},
    {"static_endpoint_configs", {"endpoint_config", "cluster_name"}, "EndpointsConfigDump.StaticEndpointConfig"},
    {"dynamic_endpoint_configs", {"endpoint_config", "cluster_name"}, "EndpointsConfigDump.DynamicEndpointConfig"},
};

bool sp_dump_query_read(struct sp_dump_query *q, const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(q && r && a);
    struct sp_str text;
    char why[SP_REGEX_WHY_MAX];
    *q = (struct sp_dump_query){0};
    sp_admin_param(r, "resource", &q->resource);
    sp_admin_param(r, "mask", &q->mask);
    if (!sp_admin_param(r, "name_regex", &text) || !text.len)
        return true;
    q->name = sp_regex_new(text, 0, why);
    if (q->name)
        return true;
    a->status = 400;
    sp_admin_put_line(a, "name_regex: %s\n", why);
    return false;
}

void sp_dump_query_done(struct sp_dump_query *q)
{
    assert(q);
    sp_regex_free(q->name);
}

bool sp_dump_query_asks(const struct sp_dump_query *q)
{
    return q->resource.ptr || q->mask.ptr || q->name;
}

/* ---- masks ---- */

/* Paths by their first part: members of one object. */
struct mask {
    struct sp_str paths[MAX_PATHS];
    unsigned n;
};

static bool mask_read(struct mask *m, struct sp_str text)
{
    struct sp_str path;
    m->n = 0;
    while (sp_str_split(&text, ',', &path)) {
        path = sp_str_trim(path);
        if (!path.len || m->n == MAX_PATHS)
            return false;
        m->paths[m->n++] = path;
    }
    return m->n > 0;
}

/* Those that lead into member `name`, without it; *ret_all: one of them is the member itself. */
static void mask_into(const struct mask *m, struct sp_str name, struct mask *ret, bool *ret_all)
{
    ret->n = 0;
    *ret_all = false;
    for (unsigned i = 0; i < m->n; i++) {
        struct sp_str rest = m->paths[i], first;
        sp_str_split(&rest, '.', &first);
        if (!sp_str_eq(first, name))
            continue;
        if (first.len == m->paths[i].len)
            *ret_all = true;
        else
            ret->paths[ret->n++] = sp_str_sub(m->paths[i], first.len + 1, m->paths[i].len);
    }
}

/* Members that no path leads to go; of lists and what is no object a path takes nothing or all, as in a protobuf FieldMask. */
static void mask_apply(const struct mask *m, json_t *object, unsigned depth)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, name, value) {
        struct mask into;
        bool all;
        if (name[0] == '@')
            continue;
        mask_into(m, sp_str_c(name), &into, &all);
        if (all)
            continue;
        if (!into.n || !json_is_object(value) || depth >= MAX_DEPTH)
            json_object_del(object, name);
        else
            mask_apply(&into, value, depth + 1);
    }
}

/* ---- names ---- */

static const char *name_of(const json_t *entry, const char *const path[2])
{
    const json_t *at = json_object_get(entry, path[0]);
    if (path[1])
        at = json_object_get(at, path[1]);
    return json_string_value(at);
}

static void keep_named(const struct sp_dump_query *q, json_t *section)
{
    for (size_t i = 0; q->name && i < SP_ARRAY_LEN(lists); i++) {
        json_t *list = json_object_get(section, lists[i].list);
        for (size_t k = json_array_size(list); k-- > 0;) {
            const char *name = name_of(json_array_get(list, k), lists[i].name);
            if (!sp_regex_full_match(q->name, sp_str_c(name ? name : ""), NULL))
                json_array_remove(list, k);
        }
    }
}

/* ---- the whole ---- */

static json_t *parse(struct sp_admin_answer *a)
{
    char *text = sp_xmalloc(a->body.len + 1);
    size_t n = sp_buf_peek(&a->body, text, a->body.len);
    json_t *j = json_loadb(text, n, 0, NULL);
    free(text);
    sp_buf_clear(&a->body);
    return j;
}

static void refuse(struct sp_admin_answer *a, unsigned status, const char *what, struct sp_str name)
{
    a->status = status;
    a->content_type = "text/plain; charset=UTF-8";
    sp_admin_put_line(a, "%.*s %s\n", SP_STR_ARG(name), what);
}

static const char *type_of(const char *list)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        if (strcmp(lists[i].list, list) == 0)
            return lists[i].type;
    return NULL;
}

/* The entries of that list, each as an Any. NULL: there is none; *ret_single: but a single message of that name. */
static json_t *resource_of(json_t *sections, const char *resource, bool *ret_single)
{
    size_t i;
    json_t *section;
    json_array_foreach(sections, i, section) {
        json_t *found = json_object_get(section, resource), *entry;
        const char *type = type_of(resource);
        size_t k;
        *ret_single |= json_is_object(found);
        if (!json_is_array(found) || !type)
            continue;
        json_t *all = json_array();
        json_array_foreach(found, k, entry) {
            char url[128];
            snprintf(url, sizeof(url), "type.googleapis.com/envoy.admin.v3.%s", type);
            json_t *any = json_pack("{s:s}", "@type", url);
            json_object_update(any, entry);
            json_array_append_new(all, any);
        }
        return all;
    }
    return NULL;
}

/* What is left of them; those of which nothing is left but their type go. */
static bool mask_all(const struct mask *m, json_t *all)
{
    for (size_t i = json_array_size(all); i-- > 0;) {
        mask_apply(m, json_array_get(all, i), 0);
        if (json_object_size(json_array_get(all, i)) <= 1)
            json_array_remove(all, i);
    }
    return json_array_size(all) > 0;
}

/* 0, or the status after refusing. */
static unsigned pick(const struct sp_dump_query *q, struct sp_admin_answer *a, json_t **root)
{
    bool single = false;
    if (!q->resource.ptr)
        return 0;
    json_t *all = resource_of(json_object_get(*root, "configs"), q->resource.ptr, &single);
    if (!all && single)
        refuse(a, 400, "is no list (?mask= shows it alone)", q->resource);
    else if (!all)
        refuse(a, 404, "not found in config dump", q->resource);
    if (!all)
        return a->status;
    json_decref(*root);
    *root = json_pack("{s:o}", "configs", all);
    return 0;
}

void sp_dump_query_apply(const struct sp_dump_query *q, struct sp_admin_answer *a)
{
    assert(q && a);
    struct mask mask;
    size_t i;
    json_t *one, *root = parse(a), *all = json_object_get(root, "configs");
    if (!all) { /* never: it is our own text */
        json_decref(root);
        refuse(a, 500, "cannot be read", SP_STR("the dump"));
        return;
    }
    json_array_foreach(all, i, one)
        keep_named(q, one);
    if (pick(q, a, &root)) {
        json_decref(root);
        return;
    }
    all = json_object_get(root, "configs");
    bool had = json_array_size(all) > 0;
    if (q->mask.ptr && (!mask_read(&mask, q->mask) || (!mask_all(&mask, all) && had))) {
        json_decref(root);
        refuse(a, 400, "leaves nothing (names of members, joined by dots and commas)", q->mask);
        return;
    }
    sp_admin_put_json(a, root);
}
