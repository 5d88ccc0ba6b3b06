/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as a config: loading, rules, hash, dump, merge with itself and freeing must neither crash nor leak.  The first byte
 * chooses the syntax: 'J' for JSON, 'B' for protobuf's binary and 'T' for its text form, all others YAML.
 */
#include "config_mutate.h"

#include <assert.h>

#include "config/doc_hash.h"
#include "config/load.h"
#include "config/pb_json.h"
#include "config/rules.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *root = &envoy__config__bootstrap__v3__bootstrap__descriptor;
    if (size == 0)
        return 0;
    enum sp_syntax syntax = data[0] == 'J'   ? SP_SYNTAX_JSON
                            : data[0] == 'B' ? SP_SYNTAX_PB
                            : data[0] == 'T' ? SP_SYNTAX_PB_TEXT
                                             : SP_SYNTAX_YAML;
    struct sp_str text = sp_str_n((const char *)data + 1, size - 1);
    struct sp_diag diag;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_partial("fuzz", text, syntax, root, &diag);
    assert(doc || diag.n_errors);
    struct sp_doc *over = sp_doc_load_text("again", text, syntax, root, &diag);
    if (doc && over) { /* the same text is the same config */
        struct sp_hash a, b;
        sp_doc_hash(doc, sp_doc_root(doc), NULL, &a);
        sp_doc_hash(over, sp_doc_root(over), NULL, &b);
        assert(memcmp(&a, &b, sizeof(a)) == 0);
        sp_doc_merge(doc, over);
    }
    if (doc) {
        struct sp_buf out;
        sp_buf_init(&out);
        sp_rules_check(doc, &diag);
        sp_pb_json(doc, sp_doc_root(doc), 2, &out);
        sp_buf_clear(&out);
    }
    sp_doc_free(doc);
    sp_diag_done(&diag);
    return 0;
}
