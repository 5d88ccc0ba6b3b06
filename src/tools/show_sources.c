/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a config's parts come from: secrets, files, variables, and what secure_defaults filled in. */
#include <assert.h>

#include "base/map.h"
#include "config/descriptor.h"
#include "config/fill.h"
#include "config/live.h"
#include "config/pb_yaml.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "tools/look.h"
#include "tools/show.h"

typedef Envoy__Config__Core__V3__DataSource Source;

#define SOURCE(name) ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_##name
#define SOURCE_DESC &envoy__config__core__v3__data_source__descriptor
#define LIST_DESC &sallyport__common__v1__address_list__descriptor
#define FILE_LOG_DESC &envoy__extensions__access_loggers__file__v3__file_access_log__descriptor

struct sources {
    struct sp_show *show;
    struct sp_map watched, seen; /* paths */
};

/* ---- secrets ---- */

static struct sp_str secret_name(struct sp_show *s, const ProtobufCMessage *msg, const char *field)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(msg->descriptor, "name");
    if (f && f->type == PROTOBUF_C_TYPE_STRING && f->label != PROTOBUF_C_LABEL_REPEATED && !sp_field_in_oneof(f) && **(char **)sp_field_ptr(msg, f))
        return sp_str_c(*(char **)sp_field_ptr(msg, f));
    return sp_str_c(field);
}

static void show_secret(void *arg, const ProtobufCMessage *msg, const char *field, int index, const Source *source)
{
    struct sp_show *s = arg;
    if (strcmp(field, "local_jwks") == 0)
        return;
    struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "secret", secret_name(s, msg, field));
    sp_tree_say(&s->tree, n, "source", "%.*s", SP_STR_ARG(sp_show_source(s, source)));
    sp_tree_say(&s->tree, n, "field", "%.*s", SP_STR_ARG(sp_doc_path(s->doc, msg, field, index, &s->tree.arena)));
}

static void show_secrets(void *arg, const ProtobufCMessage *msg)
{
    sp_look_secrets(msg, show_secret, arg);
}

/* ---- files ---- */

static void note_watched(void *arg, const struct sp_live_info *info)
{
    struct sources *x = arg;
    for (unsigned i = 0; i < info->n_paths; i++)
        sp_map_add(&x->watched, sp_arena_str(&x->show->tree.arena, sp_str_c(info->paths[i])), x);
}

static void add_file(struct sources *x, const char *path, const char *how)
{
    struct sp_show *s = x->show;
    struct sp_str name = sp_arena_str(&s->tree.arena, sp_str_c(path));
    if (!name.len || sp_map_get(&x->seen, name))
        return;
    sp_map_add(&x->seen, name, x);
    struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "file", name);
    if (!how)
        how = sp_map_get(&x->watched, name) ? "read again when it changes" : "the config is loaded anew when it changes";
    sp_tree_say(&s->tree, n, "use", "%s", how);
}

static void show_file(void *arg, const ProtobufCMessage *msg)
{
    struct sources *x = arg;
    if (msg->descriptor == SOURCE_DESC && ((const Source *)msg)->specifier_case == SOURCE(FILENAME))
        add_file(x, ((const Source *)msg)->filename, NULL);
    else if (msg->descriptor == LIST_DESC)
        add_file(x, ((const Sallyport__Common__V1__AddressList *)msg)->path, NULL);
    else if (msg->descriptor == FILE_LOG_DESC)
        add_file(x, ((const Envoy__Extensions__AccessLoggers__File__V3__FileAccessLog *)msg)->path, "written");
}

/* What is watched and stands in no DataSource: key sets, certificates of the system. */
static void show_watched(void *arg, const struct sp_live_info *info)
{
    for (unsigned i = 0; i < info->n_paths; i++)
        add_file(arg, info->paths[i], NULL);
}

static void show_of_the_set(void *arg, const char *path, const struct sp_file_facts *facts)
{
    add_file(arg, path, NULL);
}

static void show_xds(struct sp_show *s)
{
    for (unsigned i = 0; i < s->set->n_sources; i++) {
        const struct sp_set_source *x = &s->set->sources[i];
        struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "subscription", sp_str_c(sp_set_kind_name(x->kind)));
        sp_tree_say(&s->tree, n, "path", "%s", x->path);
        if (x->name[0])
            sp_tree_say(&s->tree, n, "resource", "\"%s\"", x->name);
        if (x->file && x->file->version_info[0])
            sp_tree_say(&s->tree, n, "version", "version %s", x->file->version_info);
        if (x->file)
            sp_tree_say(&s->tree, n, "resources", "%zu resource%s in it", x->file->n_resources, x->file->n_resources == 1 ? "" : "s");
    }
}

static void show_variable(void *arg, const ProtobufCMessage *msg)
{
    struct sp_show *s = arg;
    const Source *source = (const Source *)msg;
    if (msg->descriptor != SOURCE_DESC || source->specifier_case != SOURCE(ENVIRONMENT_VARIABLE))
        return;
    struct sp_tree_node *n = sp_tree_add(&s->tree, NULL, "variable", sp_str_c(source->environment_variable));
    sp_tree_say(&s->tree, n, "use", "read at the start only");
}

/* ---- secure_defaults ---- */

struct filled {
    struct sp_show *show;
    struct sp_tree_node *node;
    const ProtobufCMessage *owner; /* that the node is for */
};

static struct sp_str filled_value(struct sp_show *s, const struct sp_filled *filled)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(filled->msg->descriptor, filled->field);
    const void *p = sp_field_ptr(filled->msg, f);
    const ProtobufCMessage *m = f->type == PROTOBUF_C_TYPE_MESSAGE ? *(ProtobufCMessage **)sp_field_ptr(filled->msg, f) : NULL;
    if (f->type == PROTOBUF_C_TYPE_ENUM)
        return sp_str_c(protobuf_c_enum_descriptor_get_value(f->descriptor, *(const int *)p)->name);
    if (m && sp_wkt_of(m->descriptor) == SP_WKT_DURATION)
        return sp_show_duration(s, (const Google__Protobuf__Duration *)m);
    if (m && strcmp(m->descriptor->short_name, "UInt32Value") == 0)
        return sp_arena_u64(&s->tree.arena, ((const Google__Protobuf__UInt32Value *)m)->value);
    return SP_STR("true");
}

static void show_filled(void *arg, const struct sp_filled *filled)
{
    struct filled *x = arg;
    struct sp_show *s = x->show;
    if (x->owner != filled->owner) {
        x->owner = filled->owner;
        x->node = sp_tree_add(&s->tree, NULL, "secure default", sp_str_c(filled->owner->descriptor->short_name));
        sp_show_place(s, x->node, filled->owner);
    }
    sp_tree_say(&s->tree, x->node, filled->path, "%s %.*s", filled->path, SP_STR_ARG(filled_value(s, filled)));
}

void sp_show_sources(struct sp_show *s)
{
    assert(s);
    struct sources x = {.show = s};
    sp_map_init(&x.watched);
    sp_map_init(&x.seen);
    show_xds(s);
    sp_doc_each(s->doc, show_secrets, s);
    sp_live_set_each(sp_doc_live(s->doc), note_watched, &x);
    sp_doc_each(s->doc, show_file, &x);
    sp_live_set_each(sp_doc_live(s->doc), show_watched, &x);
    sp_doc_each_file(s->doc, show_of_the_set, &x);
    sp_doc_each(s->doc, show_variable, s);
    struct filled filled = {.show = s};
    sp_doc_each_filled(s->doc, show_filled, &filled);
    sp_map_done(&x.watched);
    sp_map_done(&x.seen);
}
