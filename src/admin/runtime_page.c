/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /runtime: the layers and keys of layered_runtime. /runtime_modify: nothing is changed that way, and it says what is done instead. */
#include <assert.h>

#include "admin/handlers.h"

typedef Envoy__Config__Bootstrap__V3__RuntimeLayer Layer;

enum { MAX_DEPTH = 16, KEY_MAX = 512 };

struct layers {
    const Envoy__Config__Bootstrap__V3__LayeredRuntime *msg; /* NULL: none */
    json_t *entries;
    size_t at; /* the layer that is read */
};

/* What Envoy calls a key's value: text. */
static json_t *value_of(const Google__Protobuf__Value *v)
{
    char text[64];
    switch (v->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        return sp_json_text(sp_str_c(v->string_value));
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        return json_string(v->bool_value ? "true" : "false");
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        snprintf(text, sizeof(text), "%.15g", v->number_value);
        return json_string(text);
    default:
        return json_string("");
    }
}

static void set(struct layers *l, const char *key, json_t *value)
{
    json_t *entry = json_object_get(l->entries, key);
    if (!entry) {
        json_t *values = json_array();
        for (size_t i = 0; i < l->msg->n_layers; i++)
            json_array_append_new(values, json_string(""));
        entry = json_pack("{s:s, s:o}", "final_value", "", "layer_values", values);
        json_object_set_new(l->entries, key, entry);
    }
    json_array_set(json_object_get(entry, "layer_values"), l->at, value);
    json_object_set(entry, "final_value", value);
    json_decref(value);
}

static void walk(struct layers *l, const char *base, const Google__Protobuf__Struct *s, unsigned depth)
{
    for (size_t i = 0; i < s->n_fields && depth < MAX_DEPTH; i++) {
        char key[KEY_MAX];
        const Google__Protobuf__Value *v = s->fields[i]->value;
        snprintf(key, sizeof(key), "%s%s%s", base, *base ? "." : "", s->fields[i]->key);
        if (v && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE)
            walk(l, key, v->struct_value, depth + 1);
        else if (v)
            set(l, key, value_of(v));
    }
}

void sp_admin_runtime(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    struct layers l = {.msg = sp_server_config(r->server)->bootstrap->layered_runtime, .entries = json_object()};
    json_t *names = json_array();
    for (; l.msg && l.at < l.msg->n_layers; l.at++) {
        const Layer *layer = l.msg->layers[l.at];
        json_array_append_new(names, sp_json_text(sp_str_c(layer->name)));
        if (layer->static_layer)
            walk(&l, "", layer->static_layer, 0);
    }
    sp_admin_put_json(a, json_pack("{s:o, s:o}", "layers", names, "entries", l.entries));
}

void sp_admin_runtime_modify(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    a->status = 503;
    sp_admin_put(a, "no key is changed from here: write it into a static_layer of layered_runtime; the config is loaded anew when its file "
                    "changes (or POST /reload)\n");
}
