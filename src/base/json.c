/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/reserve.h"

/*
 * Counts brackets and commas outside strings, so that the parser's recursion and memory are bounded before it begins.
 * Each value but the first of its object or array follows a comma.
 */
static bool bounded(struct sp_str text, unsigned max_depth, unsigned max_values)
{
    unsigned depth = 0, values = 0;
    bool string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                string = false;
        } else if (c == '"') {
            string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > max_depth || ++values > max_values)
                return false;
        } else if (c == ',') {
            if (++values > max_values)
                return false;
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return true;
}

static json_t *load(struct sp_str text, unsigned max_depth, unsigned max_values, size_t flags)
{
    assert(text.ptr || text.len == 0);
    if (text.len == 0 || !bounded(text, max_depth, max_values))
        return NULL;
    return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES | flags, NULL);
}

json_t *sp_json_load(struct sp_str text, unsigned max_depth, unsigned max_values)
{
    return load(text, max_depth, max_values, 0);
}

json_t *sp_json_load_any(struct sp_str text, unsigned max_depth, unsigned max_values)
{
    return load(text, max_depth, max_values, JSON_DECODE_ANY);
}

struct sp_str sp_json_str(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return json_is_string(v) ? sp_str_n(json_string_value(v), json_string_length(v)) : SP_STR_NULL;
}

json_t *sp_json_text(struct sp_str s)
{
    json_t *v = json_stringn(s.ptr ? s.ptr : "", s.len);
    return v ? v : json_string("(not UTF-8)");
}

/* What a document is made of: thousands of small blocks. The last of the reserve is not for them; a document can do without. */
static void *take(size_t size)
{
    void *p = malloc(size);
    if (SP_LIKELY(p != NULL))
        return p;
    if (sp_memory() != SP_MEM_LOW)
        return sp_xmalloc(size);
    sp_reserve_miss(size);
    return NULL;
}

void sp_json_use_reserve(void)
{
    json_set_alloc_funcs(take, free);
}
