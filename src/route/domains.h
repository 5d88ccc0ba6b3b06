/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_domains: which virtual host an authority belongs to.  "www.a.com" is exact, "*.a.com" and "*-x.a.com" are suffixes,
 * "www.*" is a prefix, "*" is everything; exact wins over the longest suffix, that over the longest prefix, that over "*".
 * A wildcard stands for at least one byte.  Case does not count.  Cost does not grow with the list.  Built by one thread,
 * then immutable: any thread.
 */
#ifndef SP_ROUTE_DOMAINS_H
#define SP_ROUTE_DOMAINS_H

#include "base/str.h"

#define SP_DOMAINS_NONE UINT32_MAX

struct sp_domains;

struct sp_domains *sp_domains_new(void);
void sp_domains_free(struct sp_domains *d); /* NULL-safe */
/* -EEXIST: it is there already, *ret_owner says whose it is; -EINVAL: a '*' in the middle. */
int sp_domains_add(struct sp_domains *d, struct sp_str domain, uint32_t owner, uint32_t *ret_owner);
/* After the last add, before the first look-up. */
void sp_domains_build(struct sp_domains *d);
/* The owner or SP_DOMAINS_NONE. */
uint32_t sp_domains_find(const struct sp_domains *d, struct sp_str authority);

/* An authority without its port, if it has one: "[::1]:80" gives "[::1]". */
struct sp_str sp_authority_host(struct sp_str authority);

#endif
