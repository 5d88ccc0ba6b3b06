/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "audit_kit.h"
#include "tools/audit.h"

bool finds(const char *yaml, const char *id)
{
    struct sp_diag diag;
    struct sp_audit a;
    bool found = false;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML,
                                          &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    if (!doc)
        sp_diag_print(&diag, stderr);
    assert_non_null(doc);
    sp_audit_run(&a, doc);
    for (unsigned i = 0; i < a.n; i++) {
        found |= strcmp(a.findings[i].check->id, id) == 0;
        assert_true(a.findings[i].mark.line > 0);
        assert_true(a.findings[i].what.len > 10);
    }
    sp_audit_done(&a);
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return found;
}
