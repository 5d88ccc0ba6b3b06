/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_chain.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/load.h"
#include "config/rules.h"

const void *fake_filter_config;
bool fake_tls, fake_tls_verifies, fake_client_derived, fake_proof_before, fake_proof_weak;
struct sp_cluster *fake_cluster;

static char *printed(struct sp_diag *d)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    sp_diag_print(d, f);
    fclose(f);
    return text;
}

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    return sp_str_eq(name, SP_STR("missing")) ? NULL : fake_cluster;
}

static struct sp_stats_scope *scope(void)
{
    return sp_stats_scope(sp_stats_root(), SP_STR("http"), "envoy_http_conn_manager_prefix", SP_STR("ingress"));
}

static struct fake_config *make(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                const char *yaml,
                                bool for_route)
{
    struct fake_config *c = sp_xcalloc(1, sizeof(*c));
    sp_diag_init(&c->diag);
    c->ops = ops;
    c->for_route = for_route;
    c->doc = sp_doc_load_partial("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, desc, &c->diag);
    if (c->doc)
        sp_rules_check(c->doc, &c->diag);
    if (!c->doc || c->diag.n_errors)
        return c;
    c->build = (struct sp_filter_build){
        .doc = c->doc,
        .diag = &c->diag,
        .stat_prefix = "ingress",
        .filter_name = "test",
        .scope = scope(),
        .find_cluster = find_cluster,
        .tls = fake_tls,
        .config = fake_filter_config,
        .tls_verifies = fake_tls_verifies,
        .client_certs = fake_tls_verifies,
        .client_derived = fake_client_derived,
        .proof_before = fake_proof_before,
        .proof_is_weak = fake_proof_weak,
    };
    const ProtobufCMessage *msg = sp_doc_root(c->doc);
    c->config = for_route ? ops->route_config_new(&c->build, msg) : ops->config_new(&c->build, msg);
    assert_true(!c->config == (c->diag.n_errors > 0));
    return c;
}

static struct fake_config *make_good(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                     const char *yaml, bool for_route)
{
    struct fake_config *c = make(ops, desc, yaml, for_route);
    char *errors = printed(&c->diag);
    if (c->diag.n_errors)
        fail_msg("%s", errors);
    free(errors);
    assert_non_null(c->config);
    return c;
}

struct fake_config *fake_config_new(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                    const char *yaml)
{
    assert_string_equal(ops->type_url, desc->name);
    return make_good(ops, desc, yaml, false);
}

struct fake_config *fake_route_config_new(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc,
                                          const char *yaml)
{
    assert_string_equal(ops->route_type_url, desc->name);
    return make_good(ops, desc, yaml, true);
}

void fake_config_refused(const struct sp_filter_ops *ops, const ProtobufCMessageDescriptor *desc, const char *yaml,
                         const char *words)
{
    struct fake_config *c = make(ops, desc, yaml, strcmp(ops->type_url, desc->name) != 0);
    char *errors = printed(&c->diag);
    struct sp_str rest = sp_str_c(words), word;
    while (sp_str_split(&rest, '|', &word))
        if (sp_str_find(sp_str_c(errors), word) < 0)
            fail_msg("expected \"%.*s\" in:\n%s", SP_STR_ARG(word), errors);
    assert_null(c->config);
    assert_true(c->diag.n_errors > 0);
    free(errors);
    fake_config_free(c);
}

void fake_config_free(struct fake_config *c)
{
    if (c->config)
        (c->for_route ? c->ops->route_config_free : c->ops->config_free)(c->config);
    sp_doc_free(c->doc);
    sp_diag_done(&c->diag);
    free(c);
    fake_filter_config = NULL;
    fake_tls = fake_tls_verifies = fake_client_derived = fake_proof_before = fake_proof_weak = false;
}

uint64_t fake_stat(const char *name)
{
    char full[256];
    uint64_t value;
    snprintf(full, sizeof(full), "http.ingress.%s", name);
    if (sp_stats_find(sp_str_c(full), &value) < 0)
        fail_msg("there is no stat %s", full);
    return value;
}

int fake_setup(void **state)
{
    sp_stats_init(0);
    atomic_store(&sp_log_threshold, SP_LOG_OFF);
    return 0;
}

int fake_teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}
