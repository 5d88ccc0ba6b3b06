/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking x-forwarded-for from the right: each proxy appended the address that it saw, so the last entry is the word of
 * our peer, the one before it the word of the proxy behind that, and the leftmost whatever the client wrote.  Pure
 * functions over borrowed bytes, any thread; nothing is copied, the cost is that of the entries that are looked at.
 */
#ifndef SP_HTTP_XFF_H
#define SP_HTTP_XFF_H

#include "http/headers.h"
#include "net/cidr.h"

enum { SP_XFF_MAX_ENTRIES = 20 }; /* that are walked with trusted ranges; more are not believed */

/* The list as it was received, several lines joined in order; a NULL slice when there is none. */
struct sp_str sp_xff_list(const struct sp_headers *h);
/* Takes the last entry off *list, trimmed (it may be empty); false when there is none left. */
bool sp_xff_take_last(struct sp_str *list, struct sp_str *ret_entry);
/* The n-th entry from the right, 0 being the last; empty when there are fewer, or when it is. */
struct sp_str sp_xff_from_right(struct sp_str list, uint32_t n);
/* An entry as proxies should write it: an address without port and brackets. */
bool sp_xff_parse(struct sp_str entry, struct sp_addr *ret);
/*
 * From the right to the first address that is not in `trusted`; if all are, the leftmost. False when there is no entry,
 * one that is looked at is no address, or there are more than SP_XFF_MAX_ENTRIES. The peer itself is not looked at.
 */
bool sp_xff_first_untrusted(struct sp_str list, const struct sp_cidr_table *trusted, struct sp_addr *ret);

#endif
