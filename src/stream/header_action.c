/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/header_action.h"

#include <assert.h>

#include "config/doc.h"

typedef Envoy__Config__Core__V3__HeaderValueOption Option;
#define APPEND(name) ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__##name

static struct sp_header_name lower(struct sp_arena *arena, const char *text)
{
    struct sp_str s = sp_arena_str(arena, sp_str_c(text));
    for (size_t i = 0; i < s.len; i++)
        ((char *)(uintptr_t)s.ptr)[i] = sp_ascii_lower(s.ptr[i]);
    return (struct sp_header_name){s, (uint8_t)sp_header_id(s)};
}

static bool name(struct sp_header_action *a, const struct sp_header_where *w, const Envoy__Config__Core__V3__HeaderValue *msg)
{
    a->name = lower(w->arena, msg->key);
    struct sp_str s = a->name.name;
    bool host = a->name.id == SP_H_HOST || sp_str_eq(s, SP_STR(":authority"));
    if (sp_header_is_framing((enum sp_header_id)a->name.id)) {
        sp_doc_err(w->doc, w->diag, msg, "key", -1, "this header is the connection's own and cannot be set");
        return false;
    }
    if (!host && s.ptr[0] != ':')
        return true;
    if (host)
        sp_doc_err(w->doc, w->diag, msg, "key", -1, "host cannot be set here (use a route's host_rewrite_literal)");
    else
        sp_doc_err(w->doc, w->diag, msg, "key", -1, "pseudo-headers cannot be set here (rewrite paths with a route's "
                                                    "prefix_rewrite or regex_rewrite)");
    return false;
}

static bool value(struct sp_header_action *a, const struct sp_header_where *w, const Envoy__Config__Core__V3__HeaderValue *msg)
{
    bool raw = msg->raw_value.len > 0;
    struct sp_str text = raw ? sp_str_n((const char *)msg->raw_value.data, msg->raw_value.len) : sp_str_c(msg->value);
    if (raw && *msg->value) {
        sp_doc_err(w->doc, w->diag, msg, "raw_value", -1, "cannot stand beside value (take one of them)");
        return false;
    }
    const char *field = raw ? "raw_value" : "value";
    a->format = w->to_origin ? sp_format_new_to_origin(w->doc, w->diag, msg, field, -1, text)
                             : sp_format_new(w->doc, w->diag, msg, field, -1, text);
    if (!a->format)
        return false;
    a->secret = sp_format_is_secret(a->format);
    if (!sp_format_is_static(a->format))
        return true;
    struct sp_format_input none = {.info = &(struct sp_stream_info){0}};
    a->constant = sp_arena_str(w->arena, sp_format_value(a->format, &none, w->arena));
    sp_format_free(a->format);
    a->format = NULL;
    if (sp_header_value_valid(a->constant))
        return true;
    sp_doc_err(w->doc, w->diag, msg, raw ? "raw_value" : "value", -1,
               "not a header value (no control characters, no space at either end)");
    return false;
}

/* What a client sends under the name of a secret must not stand beside it: that is the default here. */
static void secret_action(struct sp_header_action *a, const struct sp_header_where *w, const Option *msg)
{
    bool said = msg->append || sp_doc_written(w->doc, msg, "append_action");
    if (!said)
        a->action = APPEND(OVERWRITE_IF_EXISTS_OR_ADD);
    else if (sp_header_action_adds(a))
        sp_doc_warn(w->doc, w->diag, msg, msg->append ? "append" : "append_action", -1,
                    "what clients send under this name stands beside the secret, or in its place (take it out: then it is "
                    "overwritten)");
}

static bool action(struct sp_header_action *a, const struct sp_header_where *w, const Option *msg)
{
    a->action = (uint8_t)msg->append_action;
    a->keep_empty = msg->keep_empty_value;
    if (msg->append) {
        if (sp_doc_written(w->doc, msg, "append_action")) {
            sp_doc_err(w->doc, w->diag, msg, "append", -1, "cannot stand beside append_action (take append out)");
            return false;
        }
        a->action = msg->append->value ? APPEND(APPEND_IF_EXISTS_OR_ADD) : APPEND(OVERWRITE_IF_EXISTS_OR_ADD);
    }
    if (a->secret)
        secret_action(a, w, msg);
    return true;
}

bool sp_header_action_init(struct sp_header_action *a, const struct sp_header_where *w, const Option *msg)
{
    assert(a && w && msg && msg->header);
    bool good = name(a, w, msg->header);
    good = value(a, w, msg->header) && good;
    good = good && action(a, w, msg);
    if (good && !a->format && !a->constant.len && !a->keep_empty)
        sp_doc_warn(w->doc, w->diag, msg, "header", -1, "without effect: its value is empty (set keep_empty_value)");
    return good;
}

void sp_header_action_done(struct sp_header_action *a)
{
    assert(a);
    sp_format_free(a->format);
    a->format = NULL;
}

static bool is_there(const struct sp_header_action *a, const struct sp_headers *h)
{
    return (a->name.id ? sp_headers_find_id(h, a->name.id, NULL) : sp_headers_find(h, a->name.name, NULL)) != NULL;
}

struct sp_str sp_header_action_value(const struct sp_header_action *a, const struct sp_headers *h,
                                     const struct sp_format_input *in)
{
    assert(a && h && in);
    if ((a->action == APPEND(ADD_IF_ABSENT) && is_there(a, h)) ||
        (a->action == APPEND(OVERWRITE_IF_EXISTS) && !is_there(a, h)))
        return SP_STR_NULL;
    struct sp_str s = a->format ? sp_format_value(a->format, in, h->arena) : a->constant;
    if (!s.len)
        return a->keep_empty ? SP_STR("") : SP_STR_NULL;
    return a->secret ? sp_arena_str(h->arena, s) : s; /* the secret may change, the request keeps what it has */
}

bool sp_header_action_adds(const struct sp_header_action *a)
{
    assert(a);
    return a->action == APPEND(APPEND_IF_EXISTS_OR_ADD) || a->action == APPEND(ADD_IF_ABSENT);
}

void sp_header_action_put(const struct sp_header_action *a, struct sp_headers *h, struct sp_str s)
{
    assert(a && h && s.ptr);
    if (a->secret) {
        (sp_header_action_adds(a) ? sp_headers_add_secret : sp_headers_set_secret)(h, a->name.name, s);
    } else if (sp_header_action_adds(a)) {
        sp_headers_add(h, a->name.name, s);
    } else if (a->name.id) {
        sp_headers_set_id(h, a->name.id, s);
    } else {
        sp_headers_set(h, a->name.name, s);
    }
}

bool sp_header_removable(struct sp_header_name *n, const struct sp_header_where *w, const char *text)
{
    assert(n && w && text);
    *n = lower(w->arena, text);
    if (n->id != SP_H_HOST && n->name.ptr[0] != ':')
        return true;
    sp_doc_err(w->doc, w->diag, w->msg, w->field, w->index, "pseudo-headers and host cannot be removed");
    return false;
}

void sp_header_name_remove(const struct sp_header_name *n, struct sp_headers *h)
{
    assert(n && h);
    if (n->id)
        sp_headers_remove_id(h, n->id);
    else
        sp_headers_remove(h, n->name);
}
