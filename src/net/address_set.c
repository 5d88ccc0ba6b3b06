/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/address_set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_address_set {
    struct sp_cidr_table *table; /* NULL: no ranges in the config */
    unsigned n_lists;
    struct sp_address_list *lists[];
};

static bool table_init(struct sp_address_set *s, const struct sp_doc *doc, struct sp_diag *diag,
                       const struct sp_address_fields *f)
{
    bool good = true;
    if (!f->n_cidrs)
        return true;
    s->table = sp_cidr_table_new();
    for (size_t i = 0; i < f->n_cidrs; i++) {
        struct sp_cidr c;
        const char *why = "";
        if (sp_cidr_parse(sp_str_c(f->cidrs[i]), &c, &why) < 0) {
            sp_doc_err(doc, diag, f->msg, f->field, (int)i, "%s", why);
            good = false;
        } else if (f->narrow && sp_cidr_is_wide(&c)) {
            sp_doc_err(doc, diag, f->msg, f->field, (int)i,
                       "%s is too wide to tell anyone apart (IPv4 ranges are /8 at most here, IPv6 ranges /16)",
                       f->cidrs[i]);
            good = false;
        } else {
            sp_cidr_table_add(s->table, &c, 0);
        }
    }
    sp_cidr_table_build(s->table);
    return good;
}

static bool has_name(Sallyport__Common__V1__AddressList *const *lists, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(lists[i]->name, name) == 0)
            return true;
    return false;
}

static bool unique_name(const struct sp_doc *doc, struct sp_diag *diag, const struct sp_address_fields *f, size_t at)
{
    const char *name = f->lists[at]->name;
    if (!has_name(f->lists, at, name) && !has_name(f->before, f->n_before, name))
        return true;
    sp_doc_err(doc, diag, f->lists[at], "name", -1, "there is a list named '%s' before it (stats need different names)",
               name);
    return false;
}

struct sp_address_set *sp_address_set_new(const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                                          struct sp_stats_scope *scope, const struct sp_address_fields *f)
{
    assert(doc && diag && gate && scope && f && f->n_cidrs + f->n_lists > 0);
    struct sp_address_set *s = sp_xcalloc(1, sizeof(*s) + f->n_lists * sizeof(s->lists[0]));
    bool good = table_init(s, doc, diag, f);
    for (size_t i = 0; i < f->n_lists; i++) {
        if (unique_name(doc, diag, f, i))
            s->lists[s->n_lists] = sp_address_list_new(doc, diag, gate, scope, f->lists[i]);
        if (s->lists[s->n_lists])
            s->n_lists++;
        else
            good = false;
    }
    if (good)
        return s;
    sp_address_set_free(s);
    return NULL;
}

void sp_address_set_free(struct sp_address_set *s)
{
    if (!s)
        return;
    sp_cidr_table_free(s->table);
    for (unsigned i = 0; i < s->n_lists; i++)
        sp_address_list_unref(s->lists[i]);
    free(s);
}

bool sp_address_set_find(const struct sp_address_set *s, const struct sp_addr *a, struct sp_cidr *ret_range,
                         struct sp_str *ret_list)
{
    assert(s && a);
    struct sp_cidr best, c;
    struct sp_str list = SP_STR("");
    bool found = s->table && sp_cidr_table_find(s->table, a, &best, NULL);
    for (unsigned i = 0; i < s->n_lists; i++)
        if (sp_address_list_find(s->lists[i], a, &c) && (!found || c.bits > best.bits)) {
            found = true;
            best = c;
            list = sp_address_list_name(s->lists[i]);
        }
    if (found && ret_range)
        *ret_range = best;
    if (found && ret_list)
        *ret_list = list;
    return found;
}

bool sp_address_rules_init(struct sp_address_rules *r, const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                           struct sp_stats_scope *scope, const struct sp_address_rules_fields *fields)
{
    assert(r && !r->allow && !r->deny && doc && diag && fields);
    const struct sp_address_fields *allow = &fields->allow, *deny = &fields->deny;
    bool allows = allow->n_cidrs || allow->n_lists, denies = deny->n_cidrs || deny->n_lists;
    if (!allows && !denies) {
        sp_doc_err(doc, diag, allow->msg, NULL, -1,
                   "it has neither allow nor deny and would let everyone in (set one, or allow_lists or deny_lists)");
        return false;
    }
    if (allows)
        r->allow = sp_address_set_new(doc, diag, gate, scope, allow);
    if (denies)
        r->deny = sp_address_set_new(doc, diag, gate, scope, deny);
    return !r->allow == !allows && !r->deny == !denies;
}

void sp_address_rules_done(struct sp_address_rules *r)
{
    sp_address_set_free(r->allow);
    sp_address_set_free(r->deny);
    *r = (struct sp_address_rules){0};
}

bool sp_address_rules_admit(const struct sp_address_rules *r, const struct sp_addr *a, struct sp_cidr *ret_range,
                            struct sp_str *ret_list)
{
    assert(r && a && ret_range && ret_list);
    if (r->deny && sp_address_set_find(r->deny, a, ret_range, ret_list))
        return false;
    *ret_range = (struct sp_cidr){0};
    *ret_list = SP_STR("");
    return !r->allow || sp_address_set_find(r->allow, a, NULL, NULL);
}
