/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit.h"

#include <assert.h>
#include <stdlib.h>

#include "admin/admin.h"
#include "server/server.h"
#include "tools/audit_checks.h"

unsigned sp_audit_run(const struct sp_doc *doc, FILE *to)
{
    assert(doc && to);
    struct sp_audit a = {.doc = doc, .bootstrap = sp_doc_root(doc)};
    size_t n_checks;
    const struct sp_audit_check *checks = sp_audit_checks(&n_checks);
    sp_arena_init(&a.arena);
    for (size_t i = 0; i < n_checks; i++) {
        a.check = &checks[i];
        a.check->run(&a);
    }
    sp_audit_print(&a, to);
    free(a.findings);
    sp_arena_done(&a.arena);
    return a.n;
}

struct report {
    FILE *to;
    unsigned n;
};

/* All is compiled and good; the document goes with it. */
static bool on_compile(void *ctx, struct sp_config *config, const struct sp_config *serves, struct sp_diag *diag)
{
    struct report *r = ctx;
    (void)diag;
    r->n = sp_audit_run(config->doc, r->to);
    return true;
}

int sp_audit_main(const struct sp_options *o)
{
    assert(o);
    struct report r = {.to = stdout};
    const struct sp_server_hooks next = {.on_compile = on_compile, .ctx = &r};
    struct sp_server_hooks hooks;
    struct sp_admin *admin = sp_admin_new();
    sp_admin_hooks(admin, &next, &hooks);
    int code = sp_server_validate(o, &hooks, stderr);
    sp_admin_free(admin);
    if (code != SP_EXIT_OK)
        return code;
    printf("%u finding%s\n", r.n, r.n == 1 ? "" : "s");
    return r.n ? SP_EXIT_CONFIG : SP_EXIT_OK;
}
