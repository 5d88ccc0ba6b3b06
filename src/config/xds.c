/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/xds.h"

#include <assert.h>

#include "base/mem.h"
#include "config/load.h"

struct sp_set *sp_set_load(const char *path, const char *yaml, struct sp_files *files, struct sp_diag *diag)
{
    assert((path || yaml) && diag);
    unsigned before = diag->n_errors;
    struct sp_doc *doc = sp_config_load_partial(path, yaml, files, diag);
    if (!doc)
        return NULL;
    struct sp_set *s = sp_xcalloc(1, sizeof(*s));
    struct sp_xds x = {.doc = doc, .diag = diag, .set = s, .root = sp_doc_root(doc)};
    s->doc = doc;
    sp_map_init(&x.files);
    sp_map_init(&x.sources);
    sp_map_init(&x.secrets);
    sp_xds_resolve(&x);
    sp_xds_files_done(&x);
    sp_map_done(&x.files);
    sp_map_done(&x.sources);
    sp_map_done(&x.secrets);
    if (diag->n_errors == before)
        return s;
    sp_set_free(s);
    return NULL;
}
