/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "config/load.h"
#include "config/pb_json.h"
#include "config/rules.h"

char *printed(struct sp_diag *d)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    sp_diag_print(d, f);
    fclose(f);
    return text;
}

static const char *name_of(enum sp_syntax syntax)
{
    return syntax == SP_SYNTAX_YAML ? "t.yaml" : "t.json";
}

struct sp_doc *load_good(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text)
{
    struct sp_diag d;
    sp_diag_init(&d);
    struct sp_doc *doc = sp_doc_load_text(name_of(syntax), sp_str_c(text), syntax, root, &d);
    char *errors = printed(&d);
    assert_string_equal(errors, "");
    assert_non_null(doc);
    free(errors);
    sp_diag_done(&d);
    return doc;
}

void load_bad(const ProtobufCMessageDescriptor *root, enum sp_syntax syntax, const char *text, const char *expected)
{
    struct sp_diag d;
    sp_diag_init(&d);
    struct sp_doc *doc = sp_doc_load_partial(name_of(syntax), sp_str_c(text), syntax, root, &d);
    if (doc)
        sp_rules_check(doc, &d);
    char *errors = printed(&d);
    assert_string_equal(errors, expected);
    assert_true(d.n_errors > 0);
    free(errors);
    sp_doc_free(doc);
    sp_diag_done(&d);
}

char *dumped(const struct sp_doc *doc, const void *msg)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_pb_json(doc, msg, 0, &b);
    char *text = malloc(b.len + 1), *out = text;
    bool start = false;
    for (; b.len; sp_buf_drain(&b, 1)) {
        char c = *sp_buf_front(&b).ptr;
        start = c == '\n' || (start && c == ' ');
        if (!start)
            *out++ = c;
    }
    *out = 0;
    return text;
}

const char *data_path(const char *name)
{
    static char path[4096];
    const char *source = getenv("SALLYPORT_SOURCE_DIR");
    snprintf(path, sizeof(path), "%s/test/unit/config/data/%s", source ? source : ".", name);
    return path;
}
