/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Header changes of routes, virtual hosts and route tables. */
#include "stream/header_ops.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stream/header_action.h"

typedef Envoy__Config__Core__V3__HeaderValueOption Option;

enum { ADD_ON_STACK = 16 };

struct list {
    struct sp_header_action *add;
    size_t n_add;
    struct sp_header_name *remove;
    size_t n_remove;
};

struct sp_header_ops {
    struct sp_arena arena;
    struct list request, response;
};

static bool compile(struct list *l, struct sp_header_ops *ops, const struct sp_header_where *where, Option **add, size_t n_add,
                    const char *remove_field, char **remove, size_t n_remove)
{
    bool good = true;
    l->add = sp_arena_zalloc(&ops->arena, (n_add + 1) * sizeof(*l->add));
    for (size_t i = 0; i < n_add; i++)
        if (!sp_header_action_init(&l->add[l->n_add++], where, add[i]))
            good = false;
    l->remove = sp_arena_zalloc(&ops->arena, (n_remove + 1) * sizeof(*l->remove));
    for (size_t i = 0; i < n_remove; i++) {
        struct sp_header_where at = {where->doc, where->diag, where->arena, where->msg, remove_field, (int)i, false};
        good = sp_header_removable(&l->remove[l->n_remove++], &at, remove[i]) && good;
    }
    return good;
}

struct sp_header_ops *sp_header_ops_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, Option **add_request,
                                        size_t n_add_request, char **remove_request, size_t n_remove_request,
                                        Option **add_response, size_t n_add_response, char **remove_response,
                                        size_t n_remove_response)
{
    assert(doc && diag && msg);
    if (!(n_add_request + n_remove_request + n_add_response + n_remove_response))
        return NULL;
    struct sp_header_ops *ops = sp_xcalloc(1, sizeof(*ops));
    sp_arena_init(&ops->arena);
    struct sp_header_where where = {doc, diag, &ops->arena, msg, NULL, -1, true};
    bool good = compile(&ops->request, ops, &where, add_request, n_add_request, "request_headers_to_remove", remove_request,
                        n_remove_request);
    where.to_origin = false;
    good = compile(&ops->response, ops, &where, add_response, n_add_response, "response_headers_to_remove", remove_response,
                   n_remove_response) && good;
    if (good)
        return ops;
    sp_header_ops_free(ops);
    return NULL;
}

static void list_done(struct list *l)
{
    for (size_t i = 0; i < l->n_add; i++)
        sp_header_action_done(&l->add[i]);
}

void sp_header_ops_free(struct sp_header_ops *ops)
{
    if (!ops)
        return;
    list_done(&ops->request);
    list_done(&ops->response);
    sp_arena_done(&ops->arena);
    free(ops);
}

/*
 * Envoy's order: what is to go goes first; then all values are made, before any is put, so that none sees another; then what
 * replaces, then what is added.
 */
static void apply(const struct list *l, struct sp_headers *h, const struct sp_format_input *in)
{
    struct sp_str on_stack[ADD_ON_STACK], *values = on_stack;
    for (size_t i = 0; i < l->n_remove; i++)
        sp_header_name_remove(&l->remove[i], h);
    if (l->n_add > ADD_ON_STACK)
        values = sp_arena_alloc(h->arena, l->n_add * sizeof(*values));
    for (size_t i = 0; i < l->n_add; i++)
        values[i] = sp_header_action_value(&l->add[i], h, in);
    for (int adding = 0; adding < 2; adding++)
        for (size_t i = 0; i < l->n_add; i++)
            if (values[i].ptr && sp_header_action_adds(&l->add[i]) == adding)
                sp_header_action_put(&l->add[i], h, values[i]);
}

void sp_header_ops_request(const struct sp_header_ops *ops, struct sp_headers *h, const struct sp_format_input *in)
{
    assert(ops && h && in);
    apply(&ops->request, h, in);
}

void sp_header_ops_response(const struct sp_header_ops *ops, struct sp_headers *h, const struct sp_format_input *in)
{
    assert(ops && h && in);
    apply(&ops->response, h, in);
}
