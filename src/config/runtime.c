/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/runtime.h"

#include <assert.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

enum { MAX_DEPTH = 16 };

static void look(const Google__Protobuf__Struct *s, struct sp_str key, unsigned depth, double *ret)
{
    for (size_t i = 0; s && i < s->n_fields; i++) {
        const Google__Protobuf__Value *v = s->fields[i]->value;
        struct sp_str name = sp_str_c(s->fields[i]->key);
        if (!v || !sp_str_starts(key, name))
            continue;
        struct sp_str rest = sp_str_sub(key, name.len, key.len);
        if (!rest.len && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE)
            *ret = v->number_value;
        else if (rest.len && rest.ptr[0] == '.' && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE && depth < MAX_DEPTH)
            look(v->struct_value, sp_str_sub(rest, 1, rest.len), depth + 1, ret);
    }
}

double sp_runtime_number(const struct sp_doc *doc, struct sp_str key, double otherwise)
{
    assert(doc && key.len);
    const ProtobufCMessage *root = sp_doc_root(doc);
    if (!root || root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor)
        return otherwise;
    const Envoy__Config__Bootstrap__V3__LayeredRuntime *r = ((const Envoy__Config__Bootstrap__V3__Bootstrap *)(const void *)root)->layered_runtime;
    for (size_t i = 0; r && i < r->n_layers; i++)
        look(r->layers[i]->static_layer, key, 0, &otherwise);
    return otherwise;
}
