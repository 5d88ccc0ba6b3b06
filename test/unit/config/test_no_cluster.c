/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of a name that no cluster has. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "config/no_cluster.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

static void says(const char *name, const char *expected)
{
    struct sp_diag d;
    struct sp_doc *doc = load_good(&envoy__config__bootstrap__v3__bootstrap__descriptor, SP_SYNTAX_YAML,
                                   "static_resources: {clusters: [{name: web}, {name: origin}, {name: keys}]}");
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = sp_doc_root(doc);
    sp_diag_init(&d);
    sp_no_cluster_err(doc, &d, b->static_resources->clusters[0], "name", sp_str_c(name));
    char *said = printed(&d);
    if (!strstr(said, expected))
        fail_msg("expected: %s\nsaid: %s", expected, said);
    free(said);
    sp_diag_done(&d);
    sp_doc_free(doc);
}

static void test_the_nearest_is_named(void **state)
{
    says("orign", "there is no cluster \"orign\" (did you mean \"origin\"?)");
    says("Keys", "there is no cluster \"Keys\" (did you mean \"keys\"?)");
    says("elsewhere", "there is no cluster \"elsewhere\" (name one of static_resources.clusters)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_nearest_is_named)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
