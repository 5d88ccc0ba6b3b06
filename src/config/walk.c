/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "config/descriptor.h"
#include "config/doc.h"
#include "config/place.h"

bool sp_field_is_set(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f)
{
    assert(msg && f);
    if (sp_field_in_oneof(f))
        return *sp_field_case(msg, f) == f->id;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *sp_field_count(msg, f) > 0;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(ProtobufCMessage **)sp_field_ptr(msg, f) != NULL;
    return true;
}

ProtobufCMessage *const *sp_field_messages(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, size_t *ret_n)
{
    assert(msg && f && ret_n);
    *ret_n = 0;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE || !sp_field_is_set(msg, f))
        return NULL;
    bool list = f->label == PROTOBUF_C_LABEL_REPEATED;
    *ret_n = list ? *sp_field_count(msg, f) : 1;
    return list ? *(ProtobufCMessage ***)sp_field_ptr(msg, f) : (ProtobufCMessage **)sp_field_ptr(msg, f);
}

struct walk {
    const struct sp_doc *doc;
    void (*each)(void *arg, const ProtobufCMessage *msg);
    void *arg;
};

/* Depth is bounded by that of the text. What was grafted in is met where it is written. */
static void walk(const struct walk *w, const struct sp_place *parent, const ProtobufCMessage *msg)
{
    const struct sp_place *place = sp_place_find(w->doc, msg);
    if (!place || place->parent != parent || place->origin[0].node->bad)
        return;
    w->each(w->arg, msg);
    if (place->content)
        walk(w, place, place->content);
    if (strcmp(msg->descriptor->package_name, "google.protobuf") == 0)
        return;
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        size_t n;
        ProtobufCMessage *const *items = sp_field_messages(msg, &msg->descriptor->fields[i], &n);
        for (size_t k = 0; k < n; k++)
            walk(w, place, items[k]);
    }
}

void sp_doc_each_under(const struct sp_doc *doc, const ProtobufCMessage *root, void (*each)(void *arg, const ProtobufCMessage *msg),
                       void *arg)
{
    assert(doc && root && each);
    const struct walk w = {doc, each, arg};
    walk(&w, NULL, root);
}

void sp_doc_each(const struct sp_doc *doc, void (*each)(void *arg, const ProtobufCMessage *msg), void *arg)
{
    assert(doc && each);
    sp_doc_each_under(doc, doc->root, each, arg);
    for (const struct sp_doc_file *f = doc->attached; f; f = f->next)
        sp_doc_each_under(doc, f->root, each, arg);
}
