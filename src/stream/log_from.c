/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/log_from.h"

#include <assert.h>
#include <string.h>

int sp_log_file_from(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, const char *path,
                struct sp_log_file **ret)
{
    assert(doc && diag && msg && path && ret);
    int err = sp_log_file_open(path, ret);
    if (err < 0)
        sp_doc_err(doc, diag, msg, field, -1, "cannot open %s for writing: %s (check the path and its permissions)", path, strerror(-err));
    return err;
}
