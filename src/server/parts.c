/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/parts.h"

#include <assert.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"

typedef Envoy__Config__Bootstrap__V3__Bootstrap Bootstrap;
typedef Envoy__Extensions__TransportSockets__Tls__V3__Secret Secret;

static void add(struct sp_parts *p, enum sp_part_kind kind, const struct sp_doc *doc, struct sp_str name, const void *msg)
{
    struct sp_hash *hash = sp_arena_zalloc(&p->arena, sizeof(*hash));
    sp_doc_hash_look(doc, msg, NULL, hash);
    if (!name.len) /* of which there may be several */
        name = sp_arena_printf(&p->arena, "\n%u", p->by_name[kind].n);
    sp_map_add(&p->by_name[kind], name, hash);
}

/* Secrets of different types may share a name. */
static struct sp_str secret_name(struct sp_parts *p, const Secret *s)
{
    return sp_arena_printf(&p->arena, "%s\n%d", s->name, (int)s->type_case);
}

static void add_static(struct sp_parts *p, const struct sp_doc *doc, const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res)
{
    for (size_t i = 0; i < res->n_listeners; i++)
        add(p, SP_PART_LISTENER, doc, sp_str_c(res->listeners[i]->name), res->listeners[i]);
    for (size_t i = 0; i < res->n_clusters; i++)
        add(p, SP_PART_CLUSTER, doc, sp_str_c(res->clusters[i]->name), res->clusters[i]);
    for (size_t i = 0; i < res->n_secrets; i++)
        add(p, SP_PART_SECRET, doc, secret_name(p, res->secrets[i]), res->secrets[i]);
}

void sp_parts_init(struct sp_parts *p, const struct sp_set *set)
{
    static const char *const skip[] = {"static_resources", NULL};
    assert(p && set);
    const Bootstrap *root = sp_doc_root(set->doc);
    sp_arena_init(&p->arena);
    for (int k = 0; k < SP_PART_KINDS; k++)
        sp_map_init(&p->by_name[k]);
    sp_doc_hash_look(set->doc, root, skip, &p->rest);
    if (root->static_resources)
        add_static(p, set->doc, root->static_resources);
    for (unsigned i = 0; i < set->n_sources; i++)
        if (set->sources[i].kind == SP_SET_SDS && set->sources[i].resource)
            add(p, SP_PART_SECRET, set->doc, secret_name(p, set->sources[i].resource), set->sources[i].resource);
}

void sp_parts_done(struct sp_parts *p)
{
    assert(p);
    for (int k = 0; k < SP_PART_KINDS; k++)
        sp_map_done(&p->by_name[k]);
    sp_arena_done(&p->arena);
}

void sp_parts_compare(const struct sp_parts *from, const struct sp_parts *to, struct sp_changes *ret)
{
    assert(from && to && ret);
    *ret = (struct sp_changes){.rest = !sp_hash_eq(&from->rest, &to->rest)};
    for (int k = 0; k < SP_PART_KINDS; k++) {
        const struct sp_map *a = &from->by_name[k], *b = &to->by_name[k];
        unsigned both = 0;
        for (unsigned i = 0; i < b->cap; i++) {
            const struct sp_hash *before = b->v[i].key.ptr ? sp_map_get(a, b->v[i].key) : NULL;
            both += before != NULL;
            ret->of[k].changed += before && !sp_hash_eq(before, b->v[i].value);
        }
        ret->of[k].added = b->n - both;
        ret->of[k].removed = a->n - both;
    }
}

bool sp_changes_none(const struct sp_changes *c)
{
    assert(c);
    bool any = c->rest;
    for (int k = 0; k < SP_PART_KINDS; k++)
        any = any || c->of[k].added || c->of[k].changed || c->of[k].removed;
    return !any;
}
