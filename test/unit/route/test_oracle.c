/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The indexes against the plain way of asking every route and every domain, on random tables; and their speed. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "route/domains.h"
#include "route/path_index.h"
#include "route/trie.h"

static uint64_t seed = 88172645463325252u;

static uint32_t rnd(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)((seed >> 20) % below);
}

/* Few letters and short, so that texts meet often. */
static struct sp_str word(char *buf, uint32_t most, const char *letters)
{
    uint32_t n = rnd(most + 1);
    for (uint32_t i = 0; i < n; i++)
        buf[i] = letters[rnd((uint32_t)strlen(letters))];
    buf[n] = 0;
    return sp_str_n(buf, n);
}

static void tries(void **state)
{
    for (int round = 0; round < 400; round++) {
        unsigned flags = rnd(4), n = rnd(30);
        const char *letters = round % 2 ? "ab" : "aAb\xff";
        struct sp_trie *t = sp_trie_new(flags);
        char keys[30][16], lower[30][16];
        uint32_t slots[30];
        for (unsigned i = 0; i < n; i++) {
            struct sp_str k = word(keys[i], 8, letters);
            slots[i] = sp_trie_add(t, k);
            for (size_t c = 0; c <= k.len; c++)
                lower[i][c] = flags & SP_TRIE_FOLD ? sp_ascii_lower(keys[i][c]) : keys[i][c];
        }
        sp_trie_build(t);
        for (int q = 0; q < 50; q++) {
            char text[16], low[16];
            struct sp_str s = word(text, 10, letters);
            for (size_t c = 0; c <= s.len; c++)
                low[c] = flags & SP_TRIE_FOLD ? sp_ascii_lower(text[c]) : text[c];
            uint32_t longest = SP_TRIE_NONE, exact = SP_TRIE_NONE;
            size_t best = 0;
            for (unsigned i = 0; i < n; i++) {
                struct sp_str k = sp_str_c(lower[i]), l = sp_str_c(low);
                if (sp_str_eq(k, l))
                    exact = slots[i];
                if ((flags & SP_TRIE_REVERSE ? sp_str_ends(l, k) : sp_str_starts(l, k)) &&
                    (longest == SP_TRIE_NONE || k.len > best)) {
                    longest = slots[i];
                    best = k.len;
                }
            }
            struct sp_trie_hit hit = sp_trie_find(t, s);
            assert_int_equal(hit.longest, longest);
            assert_int_equal(hit.exact, exact);
        }
        sp_trie_free(t);
    }
}

struct domain {
    char text[20];
    uint32_t owner;
};

/* Envoy's rule, written down plainly. */
static uint32_t plain_domain(const struct domain *d, unsigned n, struct sp_str host)
{
    uint32_t found = SP_DOMAINS_NONE;
    size_t best = 0;
    for (int kind = 0; kind < 4 && found == SP_DOMAINS_NONE; kind++) {
        for (unsigned i = 0; i < n; i++) {
            struct sp_str t = sp_str_c(d[i].text);
            bool star = sp_str_eq(t, SP_STR("*")), suffix = !star && t.ptr[0] == '*';
            bool prefix = !star && !suffix && t.ptr[t.len - 1] == '*';
            struct sp_str body = sp_str_sub(t, suffix, t.len - prefix);
            if (kind == 0 && !star && !suffix && !prefix && sp_str_ieq(t, host))
                found = d[i].owner;
            if (kind == 1 && suffix && host.len > body.len && sp_str_iends(host, body) && (body.len >= best)) {
                found = d[i].owner;
                best = body.len;
            }
            if (kind == 2 && prefix && host.len > body.len && sp_str_istarts(host, body) && body.len >= best) {
                found = d[i].owner;
                best = body.len;
            }
            if (kind == 3 && star)
                found = d[i].owner;
        }
    }
    return found;
}

static void random_domains(void **state)
{
    for (int round = 0; round < 500; round++) {
        struct sp_domains *x = sp_domains_new();
        struct domain d[40];
        unsigned n = 0;
        for (uint32_t want = rnd(40), i = 0; i < want; i++) {
            char body[16];
            uint32_t kind = rnd(3), owner;
            word(body, 5, "aB.");
            snprintf(d[n].text, sizeof(d[n].text), "%s%s%s", kind == 1 ? "*" : "", body, kind == 2 ? "*" : "");
            d[n].owner = i;
            if (d[n].text[0] && sp_domains_add(x, sp_str_c(d[n].text), i, &owner) == 0)
                n++;
        }
        sp_domains_build(x);
        for (int q = 0; q < 60; q++) {
            char text[16];
            struct sp_str host = word(text, 7, "Ab.");
            assert_int_equal(sp_domains_find(x, host), plain_domain(d, n, host));
        }
        sp_domains_free(x);
    }
}

/* One random RouteMatch, as YAML. */
static void random_match(char *out, size_t size)
{
    char path[16];
    uint32_t kind = rnd(10);
    word(path, 5, "aA/");
    if (kind < 4)
        snprintf(out, size, "prefix: '/%s'", path);
    else if (kind < 6)
        snprintf(out, size, "path: '/%s'", path);
    else if (kind < 8)
        snprintf(out, size, "path_separated_prefix: '/%sz'", path);
    else
        snprintf(out, size, "safe_regex: {regex: '/%s[aA/z]%s'}", path, rnd(2) ? "*" : "");
    size_t n = strlen(out);
    if (rnd(4) == 0)
        n += (size_t)snprintf(out + n, size - n, ", case_sensitive: false");
    if (rnd(3) == 0)
        n += (size_t)snprintf(out + n, size - n, ", headers: [{name: x, exact_match: '%u'}]", rnd(3));
    if (rnd(6) == 0)
        snprintf(out + n, size - n, ", query_parameters: [{name: q}]");
}

static void random_routes(void **state)
{
    enum { ROUTES = 60 };
    for (int round = 0; round < 150; round++) {
        struct t_config c;
        struct sp_route_match *list[ROUTES];
        uint32_t n = rnd(ROUTES);
        char *yaml = sp_xmalloc(ROUTES * 300);
        size_t at = (size_t)sprintf(yaml, "virtual_hosts:\n- name: v\n  domains: ['*']\n  routes:%s\n", n ? "" : " []");
        for (uint32_t i = 0; i < n; i++) {
            char match[200];
            random_match(match, sizeof(match));
            at += (size_t)sprintf(yaml + at, "  - {name: '%u', match: {%s}, direct_response: {status: 200}}\n", i, match);
        }
        t_config_load(&c, &envoy__config__route__v3__route_configuration__descriptor, yaml);
        const Envoy__Config__Route__V3__RouteConfiguration *msg = c.msg;
        struct sp_route_build b = {.doc = c.doc, .diag = &c.diag};
        struct sp_route_table *t = sp_route_table_new(&b, msg);
        assert_non_null(t);
        for (uint32_t i = 0; i < n; i++)
            list[i] = sp_route_match_new(c.doc, &c.diag, msg->virtual_hosts[0]->routes[i]->match);
        for (int q = 0; q < 200; q++) {
            char path[16], lines[64];
            struct sp_arena arena;
            struct sp_headers h;
            bool limit = false;
            word(path, 8, "aA/z");
            snprintf(lines, sizeof(lines), ":path: /%s%s\nx: %u", path, rnd(3) ? "" : "?q", rnd(4));
            sp_arena_init(&arena);
            t_headers(&h, &arena, lines);
            uint32_t i = 0;
            while (i < n && !sp_route_match(list[i], &h, 0, &limit))
                i++;
            const struct sp_route *r = sp_route_find(sp_route_vhost(t, SP_STR("a")), &h, 0);
            assert_int_equal(r ? atoi(r->name.ptr) : (int)n, i);
            sp_arena_done(&arena);
        }
        for (uint32_t i = 0; i < n; i++)
            sp_route_match_free(list[i]);
        sp_route_table_free(t);
        t_config_done(&c);
        free(yaml);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Asking all of ten thousand would take some 50 us each time, more with a sanitizer. */
static void ten_thousand_routes_cost_no_more(void **state)
{
    enum { ROUTES = 10000, QUERIES = 20000 };
    struct t_table x;
    char *yaml = sp_xmalloc(ROUTES * 120);
    size_t at = (size_t)sprintf(yaml, "virtual_hosts:\n- name: v\n  domains: ['*']\n  routes:\n");
    for (int i = 0; i < ROUTES; i++)
        at += (size_t)sprintf(yaml + at, "  - {name: '%d', match: {prefix: /api/v1/service-%d/}, direct_response: {status: "
                                         "200}}\n", i, i);
    t_table(&x, yaml, "");
    const struct sp_vhost *v = sp_route_vhost(x.t, SP_STR("a"));
    double start = seconds();
    for (int i = 0; i < QUERIES; i++) {
        char path[64];
        int want = (int)rnd(ROUTES);
        x.h.path = sp_str_n(path, (size_t)snprintf(path, sizeof(path), "/api/v1/service-%d/x?y", want));
        const struct sp_route *r = sp_route_find(v, &x.h, 0);
        assert_non_null(r);
        assert_int_equal(atoi(r->name.ptr), want);
    }
    assert_true(seconds() - start < QUERIES * 20e-6);
    t_table_done(&x);
    free(yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tries),
        cmocka_unit_test(random_domains),
        cmocka_unit_test(random_routes),
        cmocka_unit_test(ten_thousand_routes_cost_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
