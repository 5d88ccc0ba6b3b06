/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kong's declarative format read: references, scopes, secrets, and that nothing is dropped in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "tools/kong_model.h"

struct kong {
    struct sp_kong_file file;
    struct sp_kong model;
    char said[8192];
};

static bool load(struct kong *k, const char *yaml)
{
    struct sp_diag diag;
    struct sp_node *root = NULL;
    FILE *to = fmemopen(k->said, sizeof(k->said), "w");
    k->file = (struct sp_kong_file){.name = "k.yaml"};
    sp_arena_init(&k->file.arena);
    sp_diag_init(&diag);
    assert_int_equal(sp_node_parse_yaml(&k->file.arena, "k.yaml", sp_str_c(yaml), &diag, &root), 0);
    sp_diag_done(&diag);
    k->file.root = root;
    bool good = sp_kong_read(&k->model, &k->file, to);
    sp_kong_tell(&k->file, to);
    fclose(to);
    return good;
}

static void done(struct kong *k)
{
    sp_kong_file_done(&k->file);
    sp_arena_thread_done();
}

static const struct sp_kong_route *route(const struct kong *k, const char *name)
{
    for (unsigned i = 0; i < k->model.n_routes; i++)
        if (sp_str_eq(k->model.routes[i].name, sp_str_c(name)))
            return &k->model.routes[i];
    fail_msg("there is no route %s", name);
    return NULL;
}

/* "index" of the plugin's own config, or "-". */
static const char *which(const struct kong *k, const char *plugin, const char *of)
{
    static char out[32];
    const struct sp_kong_plugin *p = sp_kong_plugin_of(&k->model, plugin, route(k, of));
    snprintf(out, sizeof(out), "%.*s", SP_STR_ARG(p ? sp_kong_str(p->config, "n", SP_STR("?")) : SP_STR("-")));
    return out;
}

static void the_most_specific_plugin(void **state)
{
    struct kong k;
    assert_true(load(&k, "_format_version: '3.0'\n"
                         "services:\n"
                         "- {name: s, id: s-1, url: 'https://h.test:8443/p/', routes: [{name: r, plugins: [{name: a, config: {n: route}}]}, {name: q}],\n"
                         "   plugins: [{name: a, config: {n: service}}, {name: b, enabled: false, config: {n: off}}]}\n"
                         "- {name: t, host: t.test}\n"
                         "routes: [{name: flat, service: {id: s-1}}, {name: other, service: t}, {name: lonely}]\n"
                         "plugins: [{name: a, config: {n: all}}, {name: b, config: {n: all}}, {name: a, route: other, config: {n: other}},\n"
                         "  {name: a, service: s, route: q, config: {n: both}}, {name: a, consumer: u, config: {n: user}}]\n"));
    assert_string_equal(which(&k, "a", "r"), "route");
    assert_string_equal(which(&k, "a", "q"), "both");
    assert_string_equal(which(&k, "a", "flat"), "service");
    assert_string_equal(which(&k, "a", "other"), "other");
    assert_string_equal(which(&k, "a", "lonely"), "all");
    assert_string_equal(which(&k, "b", "r"), "all"); /* a disabled one is none */
    assert_string_equal(which(&k, "c", "r"), "-");
    const struct sp_kong_service *s = route(&k, "flat")->service;
    assert_true(sp_str_eq(s->host, SP_STR("h.test")) && sp_str_eq(s->path, SP_STR("/p")) && s->port == 8443 && s->tls);
    assert_true(route(&k, "other")->service->port == 80 && !route(&k, "lonely")->service);
    assert_string_equal(k.said, "k.yaml:8:55: not carried over: plugin a: it is for one consumer only\n");
    done(&k);
}

static void versions(void **state)
{
    struct kong k;
    assert_false(load(&k, "services: []"));
    assert_non_null(strstr(k.said, "there is no _format_version"));
    done(&k);
    assert_false(load(&k, "_format_version: '4.0'"));
    done(&k);
    assert_true(load(&k, "_format_version: '1.1'"));
    assert_true(k.model.old_paths);
    done(&k);
    assert_true(load(&k, "_format_version: 3.0"));
    assert_false(k.model.old_paths);
    done(&k);
}

static void secrets(void **state)
{
    static const struct {
        const char *value;
        enum sp_kong_source source;
        const char *text;
    } table[] = {
        {"plain", SP_KONG_INLINE, "plain"},
        {"a {vault://env/x} b", SP_KONG_INLINE, "a {vault://env/x} b"},
        {"{vault://env/my-key}", SP_KONG_ENV, "MY_KEY"},
        {"{vault://mine/my-key}", SP_KONG_ENV, "SP_MY_KEY"},
        {"{vault://env/my-key/json}", SP_KONG_VAULT, "env/my-key/json"},
        {"{vault://aws/x}", SP_KONG_VAULT, "aws/x"},
        {"{vault://theirs/x}", SP_KONG_VAULT, "theirs/x"},
        {"{vault://}", SP_KONG_VAULT, ""},
    };
    struct kong k;
    assert_true(load(&k, "_format_version: '3.0'\n"
                         "vaults: [{name: env, prefix: mine, config: {prefix: SP_}}, {name: hcv, prefix: theirs}]\n"));
    for (size_t i = 0; i < SP_ARRAY_LEN(table); i++) {
        struct sp_str text;
        assert_int_equal(sp_kong_source(&k.model, sp_str_c(table[i].value), &text), table[i].source);
        if (!sp_str_eq(text, sp_str_c(table[i].text)))
            fail_msg("%s is %.*s", table[i].value, SP_STR_ARG(text));
    }
    done(&k);
}

/* What is said of the file now. */
static const char *told(struct kong *k)
{
    FILE *to = fmemopen(k->said, sizeof(k->said), "w");
    sp_kong_tell(&k->file, to);
    fclose(to);
    return k->said;
}

static void what_nobody_asks_for(void **state)
{
    struct kong k;
    assert_true(load(&k, "_format_version: '3.0'\n"
                         "x: {name: n, tags: [t], asked: 1, default: http, other: ftp, flag: false, empty: [], null: null, deep: {a: [], b: null},\n"
                         "    list: [d], more: {a: 1}}\n"));
    k.file.n = k.file.n_dropped = 0;
    sp_kong_known(&k.file, sp_kong_get(k.file.root, "x"), SP_STR("x"), "asked default=http other=http flag=false list=d");
    assert_string_equal(told(&k), "k.yaml:2:50: not carried over: x: other\nk.yaml:3:16: not carried over: x: more\n");
    assert_int_equal(k.file.n_dropped, 2);
    done(&k);
}

static void the_same_twice_is_said_and_counted_once(void **state)
{
    struct kong k;
    assert_true(load(&k, "_format_version: '3.0'\nx: {a: 1}\n"));
    k.file.n = k.file.n_dropped = 0;
    for (unsigned i = 0; i < 3; i++)
        sp_kong_drop(&k.file, sp_kong_get(k.file.root, "x"), "plugin y");
    sp_kong_note(&k.file, NULL, "all of it");
    assert_string_equal(told(&k), "k.yaml: differs: all of it\nk.yaml:2:4: not carried over: plugin y\n");
    assert_int_equal(k.file.n_dropped, 1);
    done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_specific_plugin),
        cmocka_unit_test(versions),
        cmocka_unit_test(secrets),
        cmocka_unit_test(what_nobody_asks_for),
        cmocka_unit_test(the_same_twice_is_said_and_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
