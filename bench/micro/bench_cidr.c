/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an address costs to look up, by the length of the list: nanoseconds a look-up in tables of 10, 1,000, 10,000 and
 * 100,000 ranges, half of the addresses in some range and half in none, in an order that no cache foresees.
 * Usage: micro_cidr [look-ups]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "net/cidr.h"

enum { N_ADDRS = 1 << 16 };

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* /16 to /32 and /32 to /64, as the lists of CDNs are. */
static struct sp_cidr random_range(bool v6)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_cidr c;
    const char *why;
    if (v6)
        snprintf(text, sizeof(text), "2%03x:%x:%x:%x::", rnd() & 0xfff, rnd() & 0xffff, rnd() & 0xffff, rnd() & 0xffff);
    else
        snprintf(text, sizeof(text), "%u.%u.%u.%u", 1 + rnd() % 223, rnd() & 255, rnd() & 255, rnd() & 255);
    if (sp_cidr_from_prefix(sp_str_c(text), v6 ? 32 + rnd() % 33 : 16 + rnd() % 17, &c, &why))
        abort();
    return c;
}

static struct sp_addr address(bool v6, const struct sp_cidr *in)
{
    struct sp_cidr c = in ? *in : random_range(v6);
    struct sp_addr a = {.family = c.family};
    memcpy(a.ip, c.ip, 16);
    return a;
}

static void measure(bool v6, unsigned n, uint64_t lookups)
{
    struct sp_cidr_table *t = sp_cidr_table_new();
    struct sp_cidr *ranges = sp_xmalloc(n * sizeof(*ranges));
    struct sp_addr *addrs = sp_xcalloc(N_ADDRS, sizeof(*addrs));
    uint64_t found = 0;
    for (unsigned i = 0; i < n; i++) {
        ranges[i] = random_range(v6);
        sp_cidr_table_add(t, &ranges[i], i);
    }
    double began = now_ns();
    sp_cidr_table_build(t);
    double built = now_ns();
    for (unsigned i = 0; i < N_ADDRS; i++)
        addrs[i] = address(v6, i & 1 ? &ranges[rnd() % n] : NULL);
    double from = now_ns();
    for (uint64_t i = 0; i < lookups; i++)
        found += sp_cidr_table_find(t, &addrs[i % N_ADDRS], NULL, NULL);
    double ns = (now_ns() - from) / (double)lookups;
    printf("%s %6u ranges: %6.1f ns a look-up (%2.0f %% found), built in %.1f ms\n", v6 ? "IPv6" : "IPv4", n, ns,
           100.0 * (double)found / (double)lookups, (built - began) / 1e6);
    sp_cidr_table_free(t);
    free(ranges);
    free(addrs);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = {10, 1000, 10000, 100000};
    uint64_t lookups = argc > 1 ? strtoull(argv[1], NULL, 10) : 5000000;
    for (int v6 = 0; v6 < 2; v6++)
        for (size_t i = 0; i < SP_ARRAY_LEN(sizes); i++)
            measure(v6, sizes[i], lookups);
    return 0;
}
