/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/pb_yaml.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/pb_json.h"

struct writer {
    struct sp_buf *out;
    unsigned indent;
};

static void put(struct writer *w, const char *s, size_t n)
{
    sp_buf_append(w->out, s, n);
}

static void put_indent(struct writer *w)
{
    for (unsigned i = 0; i < w->indent; i++)
        put(w, " ", 1);
}

/* Words that no reader of YAML takes for something else. */
static bool is_plain(const char *s)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '/'))
        return false;
    for (const char *p = s; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("_-./", *p)))
            return false;
    for (unsigned i = 0; i < SP_ARRAY_LEN(words); i++)
        if (sp_str_ieq(sp_str_c(s), sp_str_c(words[i])))
            return false;
    return true;
}

static void put_scalar(struct writer *w, const json_t *v)
{
    if (json_is_string(v) && is_plain(json_string_value(v))) {
        put(w, json_string_value(v), json_string_length(v));
        return;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY); /* a JSON string is a YAML one */
    put(w, text, strlen(text));
    free(text);
}

static void put_value(struct writer *w, const json_t *v, bool in_list);

static void put_members(struct writer *w, const json_t *v, bool in_list)
{
    const char *name;
    json_t *member;
    bool first = in_list; /* it stands behind the dash */
    json_object_foreach((json_t *)(uintptr_t)v, name, member) {
        if (!first)
            put_indent(w);
        first = false;
        json_t *key = json_string(name);
        put_scalar(w, key);
        json_decref(key);
        put(w, ":", 1);
        put_value(w, member, false);
    }
}

static void put_items(struct writer *w, const json_t *v)
{
    size_t i;
    json_t *item;
    json_array_foreach(v, i, item) {
        put_indent(w);
        put(w, "-", 1);
        put_value(w, item, true);
    }
}

/* Behind a colon or a dash, to the line's end and beyond. */
static void put_value(struct writer *w, const json_t *v, bool in_list)
{
    if (json_is_object(v) && json_object_size(v)) {
        put(w, in_list ? " " : "\n", 1);
        w->indent += 2;
        put_members(w, v, in_list);
        w->indent -= 2;
    } else if (json_is_array(v) && json_array_size(v) && !in_list) {
        put(w, "\n", 1);
        put_items(w, v); /* dashes stand under the name */
    } else {
        put(w, " ", 1);
        put_scalar(w, v);
        put(w, "\n", 1);
    }
}

void sp_pb_yaml(const struct sp_doc *doc, const void *msg, unsigned indent, struct sp_buf *out)
{
    assert(doc && msg && out);
    struct sp_buf json;
    sp_buf_init(&json);
    sp_pb_json(doc, msg, 0, &json);
    char *text = sp_xmalloc(json.len + 1);
    size_t n = sp_buf_peek(&json, text, json.len);
    sp_buf_clear(&json);
    json_t *root = json_loadb(text, n, JSON_DECODE_ANY, NULL);
    free(text);
    struct writer w = {out, indent};
    if (json_is_object(root) && json_object_size(root)) {
        put_members(&w, root, false);
    } else if (root) {
        put_indent(&w);
        put_scalar(&w, root);
        put(&w, "\n", 1);
    }
    json_decref(root);
}
