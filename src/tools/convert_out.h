/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport convert` writes: YAML lines with remarks of where they come from, and files of keys and certificates
 * beside them.  Private to tools/convert*.  One thread.
 */
#ifndef SP_TOOLS_CONVERT_OUT_H
#define SP_TOOLS_CONVERT_OUT_H

#include "tools/kong_model.h"

struct sp_convert {
    struct sp_kong kong;
    struct sp_kong_file file;
    struct sp_arena arena;
    FILE *to;
    const char *dir, *stem; /* of the files beside it, dir absolute; NULL: contents stand inline */
    unsigned n_files;
    int err;                /* of writing files; the first */
    unsigned http_port, https_port;
    struct sp_convert_required *required; /* one a route: convert_auth.c's; NULL until it is asked for */
};

/* A line, `indent` spaces in. */
void sp_put(struct sp_convert *c, unsigned indent, const char *fmt, ...) SP_PRINTF(3, 4);
/* "# fmt (kong.yaml:12)". */
void sp_put_remark(struct sp_convert *c, unsigned indent, const struct sp_node *at, const char *fmt, ...) SP_PRINTF(4, 5);
/* In double quotes, as YAML and JSON both read it. */
const char *sp_quoted(struct sp_convert *c, struct sp_str s);
/* ["a", "b"] of a list's scalars. */
const char *sp_quoted_list(struct sp_convert *c, const struct sp_node *list);
/* Characters that names of clusters, files and filters may have. */
struct sp_str sp_slug(struct sp_convert *c, struct sp_str name);
/*
 * A DataSource in one line: the variable that a vault reference means, a file beside the config, or inline. `name` and `ext`:
 * of the file. `at`: for remarks.
 */
const char *sp_source_of(struct sp_convert *c, const struct sp_node *at, struct sp_str value, struct sp_str name, const char *ext);
/* "60s", "0.5s". */
const char *sp_seconds(struct sp_convert *c, uint64_t ms);

#define SP_T "type.googleapis.com/"

#endif
