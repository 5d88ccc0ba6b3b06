/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_address_set: what a gate's config says of addresses: ranges written in it and lists in files, as one set.  A look-up
 * takes the same time for any number of ranges; only the number of lists counts.  Part of a compiled config: look-ups on
 * any worker.
 */
#ifndef SP_NET_ADDRESS_SET_H
#define SP_NET_ADDRESS_SET_H

#include "net/address_list.h"

/* The fields that it is made of; all of it belongs to the document. */
struct sp_address_fields {
    const void *msg;
    const char *field; /* of ranges */
    char *const *cidrs;
    size_t n_cidrs;
    Sallyport__Common__V1__AddressList *const *lists;
    size_t n_lists;
    /* Lists of the same gate that were there before: names differ from theirs, too. */
    Sallyport__Common__V1__AddressList *const *before;
    size_t n_before;
    bool narrow; /* ranges of the config, too, are IPv4 /8 and IPv6 /16 at most; those of lists always are */
};

struct sp_address_set;

/* At least one range or list. NULL after an error. `gate` and `scope`: as in sp_address_list_new. */
struct sp_address_set *sp_address_set_new(const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                                          struct sp_stats_scope *scope, const struct sp_address_fields *fields);
/* NULL-safe. */
void sp_address_set_free(struct sp_address_set *s);

/*
 * The longest range that contains `a`, and the list that it stands in, "" for the config itself (either may be NULL).
 * Unix sockets are in no range.
 */
bool sp_address_set_find(const struct sp_address_set *s, const struct sp_addr *a, struct sp_cidr *ret_range,
                         struct sp_str *ret_list);

/* An allow list and a deny list, as gates have them: deny wins; an allow list that is there has to match. */
struct sp_address_rules {
    struct sp_address_set *allow, *deny; /* NULL: there is none */
};

/* The fields of either ip_restriction message, which have the same names. */
struct sp_address_rules_fields {
    struct sp_address_fields allow, deny;
};
#define SP_ADDRESS_RULES_FIELDS(m) \
    { \
        .allow = {.msg = (m), \
                  .field = "allow", \
                  .cidrs = (m)->allow, \
                  .n_cidrs = (m)->n_allow, \
                  .lists = (m)->allow_lists, \
                  .n_lists = (m)->n_allow_lists}, \
        .deny = {.msg = (m), \
                 .field = "deny", \
                 .cidrs = (m)->deny, \
                 .n_cidrs = (m)->n_deny, \
                 .lists = (m)->deny_lists, \
                 .n_lists = (m)->n_deny_lists, \
                 .before = (m)->allow_lists, \
                 .n_before = (m)->n_allow_lists}, \
    }

/* *r is zeroed. False after an error (neither of the two is one); done either way. */
bool sp_address_rules_init(struct sp_address_rules *r, const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                           struct sp_stats_scope *scope, const struct sp_address_rules_fields *fields);
void sp_address_rules_done(struct sp_address_rules *r);
/*
 * Whether `a` may come in.  If not: the denied range that it is in and the list that the range stands in (as
 * sp_address_set_find); a range of family 0 when it is only not in the allow list.
 */
bool sp_address_rules_admit(const struct sp_address_rules *r, const struct sp_addr *a, struct sp_cidr *ret_range,
                            struct sp_str *ret_list);

#endif
