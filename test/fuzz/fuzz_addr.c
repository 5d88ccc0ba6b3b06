/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of addresses and ranges.  What is read as a range is written as one that reads the same; the table of all of them gives for
 * each address what looking at every range gives: the longest that has it.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "http/xff.h"
#include "net/cidr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

enum { MOST = 64 };

static void round_trip_addr(const struct sp_addr *a)
{
    char text[SP_ADDR_TEXT_MAX];
    struct sp_addr again = {0};
    size_t n = sp_addr_format(a, text);
    CHECK(n && n < sizeof(text));
    if (a->port)
        CHECK(sp_addr_parse(sp_str_n(text, n), &again) == 0 && sp_addr_eq(a, &again, true));
    n = sp_addr_format_ip(a, text);
    CHECK(sp_addr_parse_ip(sp_str_n(text, n), &again) == 0 && sp_addr_eq(a, &again, false));
}

static void round_trip_cidr(const struct sp_cidr *c)
{
    char text[SP_ADDR_TEXT_MAX];
    const char *why = NULL;
    struct sp_cidr again;
    size_t n = sp_cidr_format(c, text);
    CHECK(sp_cidr_parse(sp_str_n(text, n), &again, &why) == 0);
    CHECK(again.family == c->family && again.bits == c->bits && memcmp(again.ip, c->ip, 16) == 0);
}

/* What the system makes of it: nothing that is no address for inet_pton is one for us. */
static void check_with_system(struct sp_str text, const struct sp_addr *a)
{
    char copy[64];
    uint8_t ip[16];
    if (text.len >= sizeof(copy) || sp_str_chr(text, '%') >= 0 || text.ptr[0] == '[')
        return;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    bool v6 = strchr(copy, ':');
    CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, copy, ip) == 1);
    size_t n = a->family == AF_INET ? 4 : 16;
    CHECK(memcmp(ip + (v6 && n == 4 ? 12 : 0), a->ip, n) == 0);
}

static const struct sp_cidr *longest(const struct sp_cidr *v, unsigned n, const struct sp_addr *a)
{
    const struct sp_cidr *best = NULL;
    for (unsigned i = 0; i < n; i++)
        if (sp_cidr_contains(&v[i], a) && (!best || v[i].bits > best->bits))
            best = &v[i];
    return best;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sp_str rest = sp_str_n((const char *)data, size), line;
    struct sp_cidr ranges[MOST], found;
    struct sp_addr addrs[MOST];
    unsigned n_ranges = 0, n_addrs = 0;
    struct sp_cidr_table *table = sp_cidr_table_new();
    while (sp_str_split(&rest, '\n', &line) && n_ranges < MOST && n_addrs < MOST) {
        const char *why = NULL;
        struct sp_addr *a = &addrs[n_addrs], with_port;
        if (sp_addr_parse_ip(line, a) == 0) {
            check_with_system(line, a);
            round_trip_addr(a);
            n_addrs++;
        }
        if (sp_addr_parse(line, &with_port) == 0)
            round_trip_addr(&with_port);
        sp_xff_parse(line, &with_port);
        if (sp_cidr_parse(line, &ranges[n_ranges], &why) == 0) {
            round_trip_cidr(&ranges[n_ranges]);
            sp_cidr_table_add(table, &ranges[n_ranges], n_ranges);
            n_ranges++;
        } else {
            CHECK(why && *why);
        }
    }
    sp_cidr_table_build(table);
    for (unsigned i = 0; i < n_addrs; i++) {
        const struct sp_cidr *best = longest(ranges, n_ranges, &addrs[i]);
        uint32_t value;
        bool is = sp_cidr_table_find(table, &addrs[i], &found, &value);
        CHECK(is == (best != NULL));
        CHECK(!is || (found.bits == best->bits && ranges[value].bits == best->bits));
    }
    sp_cidr_table_free(table);
    return 0;
}
