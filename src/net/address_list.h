/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_address_list: address ranges from a file (sallyport.common.v1.AddressList), read when the config is compiled and
 * again whenever the file changes (config/live.h).  A reading passes every check or is refused whole, the first one as
 * well as later ones; a later one that is refused, or has lost too much, leaves the old ranges in place.
 *
 * Counted: its gate has it, and each value that was read.  Look-ups on any worker.
 */
#ifndef SP_NET_ADDRESS_LIST_H
#define SP_NET_ADDRESS_LIST_H

#include "config/doc.h"
#include "config/live.h"
#include "net/cdn_list.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "stats/stats.h"

struct sp_address_list;

/*
 * `gate`: for logs and the admin page, "ip_restriction".  `scope`: the gate's, to which "list.<name>." is added:
 * entries, age_seconds (since the file was written), reload_ok, reload_refused.  NULL after an error.
 */
struct sp_address_list *sp_address_list_new(const struct sp_doc *doc, struct sp_diag *diag, const char *gate,
                                            struct sp_stats_scope *scope,
                                            const Sallyport__Common__V1__AddressList *msg);
/* NULL-safe. */
void sp_address_list_unref(struct sp_address_list *l);

/* The name in the config; lives as long as the list. */
struct sp_str sp_address_list_name(const struct sp_address_list *l);
/* The longest range that contains `a`. */
bool sp_address_list_find(const struct sp_address_list *l, const struct sp_addr *a, struct sp_cidr *ret_range);

/* Seconds since its file was written, and how many ranges it has. Main thread. */
int64_t sp_address_list_age_s(const struct sp_address_list *l, unsigned *ret_entries);

/* How sp_live reads one again: ctx is the list. For tests, too. */
extern const struct sp_live_kind sp_address_list_kind;
struct sp_live *sp_address_list_live(const struct sp_address_list *l);

#endif
