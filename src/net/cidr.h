/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_cidr: address ranges, and sp_cidr_table: a longest-prefix table over them whose look-up cost does not grow with
 * the list.  A table is built by one thread and then immutable: any thread may look up.
 */
#ifndef SP_NET_CIDR_H
#define SP_NET_CIDR_H

#include "net/addr.h"

struct sp_cidr {
    uint8_t family; /* AF_INET or AF_INET6 */
    uint8_t bits;
    uint8_t ip[16]; /* host bits are zero, and so is what stands behind the first 4 bytes of AF_INET */
};

/*
 * "203.0.113.0/24", "2001:db8::/32", or a bare address (one host). IPv4-mapped ranges of 96 bits and more become
 * IPv4. -EINVAL with *ret_why (static, until this thread's next call) saying what is wrong; host bits that are set are
 * an error ("did you mean").
 */
int sp_cidr_parse(struct sp_str text, struct sp_cidr *ret, const char **ret_why);
/* Envoy's CidrRange {address_prefix, prefix_len}: as above, but host bits are cleared silently, as Envoy does. */
int sp_cidr_from_prefix(struct sp_str address, unsigned bits, struct sp_cidr *ret, const char **ret_why);
bool sp_cidr_contains(const struct sp_cidr *c, const struct sp_addr *a);
/* IPv4 wider than /8, IPv6 wider than /16: 0.0.0.0/1 and 128.0.0.0/1 are everyone, too. */
bool sp_cidr_is_wide(const struct sp_cidr *c);
size_t sp_cidr_format(const struct sp_cidr *c, char out[SP_ADDR_TEXT_MAX]);

struct sp_cidr_table;
struct sp_cidr_table *sp_cidr_table_new(void);
void sp_cidr_table_free(struct sp_cidr_table *t);
/* `value`: what a look-up gives; adding the same range again keeps the first. */
void sp_cidr_table_add(struct sp_cidr_table *t, const struct sp_cidr *c, uint32_t value);
/* After the last add, before the first look-up. */
void sp_cidr_table_build(struct sp_cidr_table *t);
/* The longest range that contains `a`: true with its range and value (either may be NULL). Unix sockets match none. */
bool sp_cidr_table_find(const struct sp_cidr_table *t, const struct sp_addr *a, struct sp_cidr *ret_range,
                        uint32_t *ret_value);
/* Different ranges, after the build. */
unsigned sp_cidr_table_count(const struct sp_cidr_table *t);
/* One of them, 0 <= i < count. */
const struct sp_cidr *sp_cidr_table_at(const struct sp_cidr_table *t, unsigned i);

#endif
