/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Staged: what of it is a config error, whom it is enforced for, what the access log shows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "format_support.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

#define TYPE "\"@type\": type.googleapis.com/"
#define STAGED(name, fields, inner) \
    "- {name: " name ", typed_config: {" TYPE "sallyport.filters.http.staged.v1.Staged, " fields "filter: {" TYPE inner "}}}\n"
#define JWT_TYPE "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication"
#define MUTATION_TYPE "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
#define SHIELD_TYPE "sallyport.filters.http.origin_shield.v1.OriginShield"

static enum sp_status refuse(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 401, SP_STR("no"), SP_STR("jwt_authn_access_denied{x}"));
    return SP_STOP;
}

static void client_is(struct world *w, const char *ip)
{
    assert_int_equal(sp_addr_parse(sp_str_c(ip), &w->conn.peer), 0);
    w->conn.socket = w->conn.peer;
}

static bool refuses(struct world *w)
{
    struct exchange *e = ask(w, GET("/"), true);
    bool refused = e->head != NULL;
    assert_int_equal(info_of(e)->n_shadow, !refused);
    if (refused)
        assert_int_equal(e->head->status, 401);
    else
        respond(e, ":status: 200\n", true);
    over(e, SP_ABORT_NONE);
    return refused;
}

static void test_shadow(void **state)
{
    struct world *w = world_new(NULL, STAGED("jwt", "enforcement: SHADOW, ", JWT_TYPE) MUTATION_FILTER ROUTER_FILTER, NULL);
    fake_decode[JWT] = refuse;
    struct exchange *e = ask(w, GET("/"), true);
    assert_null(e->head);
    assert_int_equal(fake_seen[MUTATION], 1);
    respond(e, ":status: 200\n", true);
    assert_int_equal(info_of(e)->n_shadow, 1);
    assert_true(sp_str_eq(info_of(e)->shadow[0], SP_STR("jwt:jwt_authn_access_denied{x}")));
    assert_string_equal(details(e), "via_upstream");
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.jwt_authn.shadow_refused"), 1);
    assert_int_equal(fake_destroyed[JWT], 1); /* what it holds is given back */
    world_free(w);
}

static void test_percentage(void **state)
{
    struct world *w = world_new(NULL, STAGED("jwt", "enforced_percent: 50, ", JWT_TYPE) ROUTER_FILTER, NULL);
    fake_decode[JWT] = refuse;
    unsigned n = 0;
    for (unsigned i = 0; i < 256; i++) {
        char ip[32];
        snprintf(ip, sizeof(ip), "198.51.100.%u", i);
        client_is(w, ip);
        bool first = refuses(w);
        for (unsigned again = 0; again < 3; again++) /* trying again does not help */
            assert_int_equal(refuses(w), first);
        n += first;
    }
    assert_in_range(n, 90, 166);
    assert_int_equal(world_stat("http.test.jwt_authn.shadow_refused"), 4 * (256 - n));
    world_free(w);

    w = world_new(NULL, STAGED("jwt", "", JWT_TYPE) ROUTER_FILTER, NULL); /* by default all */
    fake_decode[JWT] = refuse;
    assert_true(refuses(w));
    world_free(w);
    w = world_new(NULL, STAGED("jwt", "enforced_percent: 0, ", JWT_TYPE) ROUTER_FILTER, NULL);
    fake_decode[JWT] = refuse;
    assert_false(refuses(w));
    w->conn.peer = w->conn.socket = (struct sp_addr){.family = AF_UNIX, .path = ""};
    assert_true(refuses(w)); /* there is nothing to draw by */
    world_free(w);
}

/* CLIENT counts, not the peer that it came through; one that could not be derived is refused. */
static void test_by_client(void **state)
{
    struct world *w = world_new("use_remote_address: true\nxff_num_trusted_hops: 1\n",
                                STAGED("jwt", "enforced_percent: 50, ", JWT_TYPE) ROUTER_FILTER, NULL);
    fake_decode[JWT] = refuse;
    unsigned n = 0;
    for (unsigned i = 0; i < 64; i++) {
        char lines[200];
        snprintf(lines, sizeof(lines), GET("/") "x-forwarded-for: 203.0.113.%u\n", i);
        struct exchange *e = ask(w, lines, true);
        n += e->head != NULL;
        if (!e->head)
            respond(e, ":status: 200\n", true);
        over(e, SP_ABORT_NONE);
    }
    assert_in_range(n, 12, 52);
    world_free(w);
}

/* Routes find the filter under its own name and give it its own config. */
static void test_routes(void **state)
{
    struct world *w = world_new(NULL, STAGED("jwt", "enforcement: SHADOW, ", JWT_TYPE) ROUTER_FILTER,
                                "- match: {prefix: /}\n  route: {cluster: c}\n  typed_per_filter_config:\n"
                                "    jwt: {" TYPE "envoy.config.route.v3.FilterConfig, disabled: true}\n");
    fake_decode[JWT] = refuse;
    struct exchange *e = ask(w, GET("/"), true);
    respond(e, ":status: 200\n", true);
    assert_int_equal(fake_seen[JWT], 0);
    assert_int_equal(info_of(e)->n_shadow, 0);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void refused(const char *filters, const char *expected)
{
    char *said = world_errors(NULL, filters, NULL, false);
    if (!strstr(said, expected) || !*said)
        fail_msg("expected: %s\nsaid: %s", expected, said);
    free(said);
}

static void test_config_errors(void **state)
{
    refused(STAGED("s", "", SHIELD_TYPE ", proof: {peer_address: {cidrs: [10.0.0.1]}}") ROUTER_FILTER,
            "origin_shield is a gate and is not staged from outside");
    refused(STAGED("r", "", "envoy.extensions.filters.http.router.v3.Router"), "router cannot be staged: it ends the chain");
    refused(STAGED("m", "", MUTATION_TYPE) ROUTER_FILTER, "header_mutation cannot be staged: it never refuses");
    refused(STAGED("m", "enforcement: SHADOW, enforced_percent: 3, ", JWT_TYPE) ROUTER_FILTER,
            "SHADOW enforces for nobody");
    refused(STAGED("m", "", "sallyport.filters.http.staged.v1.Staged, filter: {" TYPE JWT_TYPE "}") ROUTER_FILTER,
            "Staged is no HTTP filter");
}

static void test_access_log(void **state)
{
    struct t_stream s;
    struct sp_str shadow[] = {SP_STR_INIT("jwt:denied{a,b}"), SP_STR_INIT("rbac:denied[\"x\"]")};
    t_stream_init(&s);
    assert_string_equal(t_text(&s, "%SALLYPORT_SHADOW%"), "-");
    assert_string_equal(t_format(&s, "json_format: {s: '%SALLYPORT_SHADOW%'}", ""), "{\"s\":null}\n");
    s.info.shadow = shadow;
    s.info.n_shadow = 2;
    assert_string_equal(t_text(&s, "%SALLYPORT_SHADOW%"), "jwt:denied{a,b},rbac:denied[\\\"x\\\"]");
    assert_string_equal(t_format(&s, "json_format: {s: '%SALLYPORT_SHADOW%'}", ""),
                        "{\"s\":\"jwt:denied{a,b},rbac:denied[\\\"x\\\"]\"}\n");
    t_stream_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shadow),        cmocka_unit_test(test_percentage), cmocka_unit_test(test_by_client),
        cmocka_unit_test(test_routes),        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_access_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
