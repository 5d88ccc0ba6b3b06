/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that a ConfigSource names: read once, checked once for each kind of resource that they are read for. */
#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "config/files.h"
#include "config/load.h"
#include "config/names.h"
#include "config/rules.h"
#include "config/xds.h"
#include "envoy/config/route/v3/route.pb-c.h"

typedef Envoy__Config__Core__V3__ConfigSource Source;
typedef Envoy__Service__Discovery__V3__DiscoveryResponse Response;
typedef Envoy__Extensions__TransportSockets__Tls__V3__Secret Secret;

#define SECRET (&envoy__extensions__transport_sockets__tls__v3__secret__descriptor)
#define ASSIGNMENT (&envoy__config__endpoint__v3__cluster_load_assignment__descriptor)

static const struct {
    const ProtobufCMessageDescriptor *desc;
    const char *asked; /* the field whose file has these */
} kinds[] = {
    [SP_SET_LDS] = {&envoy__config__listener__v3__listener__descriptor, "lds_config"},
    [SP_SET_CDS] = {&envoy__config__cluster__v3__cluster__descriptor, "cds_config"},
    [SP_SET_RDS] = {&envoy__config__route__v3__route_configuration__descriptor, "rds.config_source"},
    [SP_SET_EDS] = {ASSIGNMENT, "eds_config"},
    [SP_SET_SDS] = {SECRET, "sds_config"},
};

const char *sp_xds_name(const ProtobufCMessage *resource)
{
    assert(resource);
    const char *field = resource->descriptor == ASSIGNMENT ? "cluster_name" : "name";
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(resource->descriptor, field);
    if (!f || f->type != PROTOBUF_C_TYPE_STRING)
        return ""; /* of a wrong type, which is an error already */
    return *(const char *const *)(const void *)((const char *)resource + f->offset);
}

struct sp_str sp_xds_secret_key(struct sp_xds *x, int type, const char *name)
{
    return sp_arena_printf(&x->doc->arena, "%d %s", type, name);
}

struct sp_str sp_xds_key(struct sp_xds *x, const ProtobufCMessage *resource)
{
    assert(x && resource);
    const char *name = sp_xds_name(resource);
    return resource->descriptor == SECRET ? sp_xds_secret_key(x, (int)((const Secret *)(const void *)resource)->type_case, name)
                                          : sp_str_c(name);
}

/* "lds_config (sallyport.yaml:9:5)" */
static const char *asker(struct sp_xds *x, const Source *msg, enum sp_set_kind kind)
{
    struct sp_mark m = sp_doc_mark(x->doc, msg, NULL, -1);
    return sp_arena_printf(&x->doc->arena, "%s at %s:%u:%u", kinds[kind].asked, m.file, m.line, m.column).ptr;
}

static void wrong_type(struct sp_xds *x, const Source *msg, enum sp_set_kind kind, const ProtobufCMessage *content,
                       const Google__Protobuf__Any *any)
{
    const char *home = NULL;
    for (size_t i = 0; i < SP_ARRAY_LEN(kinds); i++)
        if (content->descriptor == kinds[i].desc)
            home = kinds[i].asked;
    sp_doc_err(x->doc, x->diag, any, NULL, -1, "is of type %s, but this file is read for %s by %s (%s%s)", content->descriptor->name,
               kinds[kind].desc->name, asker(x, msg, kind), home ? "put it into a file that a config source names in " : "take it out",
               home ? home : "");
}

/* Enters what is named; says what is of another type. */
static void check_resources(struct sp_xds *x, struct sp_xds_file *file, const Source *msg, enum sp_set_kind kind)
{
    for (size_t i = 0; i < file->msg->n_resources; i++) {
        const Google__Protobuf__Any *any = file->msg->resources[i];
        const ProtobufCMessage *content = sp_doc_any(x->doc, any);
        if (!content)
            continue; /* reported */
        if (content->descriptor != kinds[kind].desc) {
            wrong_type(x, msg, kind, content, any);
            continue;
        }
        struct sp_str key = sp_xds_key(x, content);
        if (sp_xds_name(content)[0] && !sp_map_add(&file->by_name, key, (void *)(uintptr_t)content)) {
            struct sp_mark first = sp_doc_mark(x->doc, sp_map_get(&file->by_name, key), NULL, -1);
            sp_doc_err(x->doc, x->diag, content, content->descriptor == ASSIGNMENT ? "cluster_name" : "name", -1,
                       "\"%s\" is in this file already, in line %u (names are unique)", sp_xds_name(content), first.line);
        }
    }
}

static void check_type_url(struct sp_xds *x, const struct sp_xds_file *file, const Source *msg, enum sp_set_kind kind)
{
    struct sp_str url = sp_str_c(file->msg->type_url), prefix = SP_STR("type.googleapis.com/");
    if (!url.len || (sp_str_starts(url, prefix) && sp_str_eq(sp_str_sub(url, prefix.len, url.len), sp_str_c(kinds[kind].desc->name))))
        return;
    /* Envoy does not look at it; what counts is what the resources are. */
    sp_doc_warn(x->doc, x->diag, file->msg, "type_url", -1, "this file is read by %s (expected type.googleapis.com/%s)",
               asker(x, msg, kind), kinds[kind].desc->name);
}

static const char *path_of(const Source *msg)
{
    switch (msg->config_source_specifier_case) {
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH:
        return msg->path;
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH_CONFIG_SOURCE:
        return msg->path_config_source->path;
    default:
        return "";
    }
}

static struct sp_xds_file *read_in(struct sp_xds *x, const char *path)
{
    struct sp_xds_file *file = sp_arena_zalloc(&x->doc->arena, sizeof(*file));
    struct timespec now;
    unsigned before = x->diag->n_errors;
    clock_gettime(CLOCK_REALTIME, &now);
    file->path = path;
    file->read_ms = now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
    sp_map_init(&file->by_name);
    file->msg = (const Response *)(const void *)sp_doc_attach(x->doc, path, &envoy__service__discovery__v3__discovery_response__descriptor,
                                                              x->diag);
    file->bad = x->diag->n_errors != before;
    sp_files_find(x->doc->files, path, &file->facts);
    sp_map_add(&x->files, sp_str_c(path), file);
    return file;
}

struct sp_xds_file *sp_xds_file_get(struct sp_xds *x, const Source *msg, enum sp_set_kind kind)
{
    assert(x && kind < SP_SET_KINDS);
    const char *path = msg ? path_of(msg) : "";
    if (!path[0])
        return NULL; /* the field rules have said so */
    struct sp_xds_file *file = sp_map_get(&x->files, sp_str_c(path));
    unsigned before = x->diag->n_errors;
    if (!file)
        file = read_in(x, path);
    if (file->msg && !file->checked[kind]) {
        file->checked[kind] = true;
        check_type_url(x, file, msg, kind);
        check_resources(x, file, msg, kind);
    }
    file->bad |= x->diag->n_errors != before;
    return file->msg ? file : NULL;
}

const char *sp_xds_names(struct sp_xds *x, const struct sp_xds_file *file, const char *wanted)
{
    enum { SHOWN = 8 };
    struct sp_arena *a = &x->doc->arena;
    struct sp_nearest near;
    sp_nearest_init(&near, sp_str_c(wanted));
    struct sp_str s = SP_STR("");
    unsigned n = 0;
    for (size_t i = 0; i < file->msg->n_resources; i++) {
        const ProtobufCMessage *content = sp_doc_any(x->doc, file->msg->resources[i]);
        if (!content)
            continue;
        sp_nearest_offer(&near, sp_str_c(sp_xds_name(content)));
        if (n++ < SHOWN)
            s = sp_arena_printf(a, "%.*s%s\"%s\"", SP_STR_ARG(s), s.len ? ", " : "", sp_xds_name(content));
    }
    if (near.best.len)
        return sp_arena_printf(a, "did you mean \"%.*s\"?", SP_STR_ARG(near.best)).ptr;
    if (!n)
        return "the file has no resources";
    return sp_arena_printf(a, "the file has %.*s%s", SP_STR_ARG(s), n > SHOWN ? " and more" : "").ptr;
}

void sp_xds_files_done(struct sp_xds *x)
{
    for (unsigned i = 0; i < x->files.cap; i++)
        if (x->files.v[i].key.ptr)
            sp_map_done(&((struct sp_xds_file *)x->files.v[i].value)->by_name);
}

void sp_xds_source(struct sp_xds *x, enum sp_set_kind kind, const char *owner, const char *name, const struct sp_xds_file *file,
                   const void *resource)
{
    assert(x && owner && name && file && file->msg);
    struct sp_str key = sp_arena_printf(&x->doc->arena, "%d %s\n%s", (int)kind, owner, name);
    struct sp_set *s = x->set;
    if (!sp_map_add(&x->sources, key, s))
        return;
    s->sources = sp_xrealloc(s->sources, (s->n_sources + 1) * sizeof(*s->sources));
    s->sources[s->n_sources++] = (struct sp_set_source){kind,       name,     owner,       file->path,
                                                          file->msg, resource, file->facts, file->read_ms};
}
