/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/route_ctx.h"

#include <assert.h>

#include "config/no_cluster.h"

struct sp_str sp_route_lower(struct sp_arena *arena, const char *text)
{
    struct sp_str s = sp_arena_str(arena, sp_str_c(text));
    for (size_t i = 0; i < s.len; i++)
        ((char *)(uintptr_t)s.ptr)[i] = sp_ascii_lower(s.ptr[i]);
    return s;
}

bool sp_route_find_cluster(const struct sp_route_ctx *c, const void *msg, const char *field, struct sp_str name,
                           struct sp_cluster **ret)
{
    const struct sp_route_build *b = c->build;
    *ret = b->find_cluster ? b->find_cluster(b->ctx, name) : NULL;
    if (*ret || !c->validate_clusters)
        return true;
    sp_no_cluster_err(b->doc, b->diag, msg, field, name);
    return false;
}

bool sp_route_host(const struct sp_route_ctx *c, const void *msg, const char *text, struct sp_str *ret)
{
    *ret = sp_arena_str(c->arena, sp_str_c(text));
    if (!ret->len || sp_authority_valid(*ret))
        return true;
    sp_doc_err(c->build->doc, c->build->diag, msg, "host_rewrite_literal", -1,
               "not a host name (such as \"www.example.com\" or \"10.0.0.1:8080\")");
    return false;
}
