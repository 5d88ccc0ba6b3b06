/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a file or a text to a document; merging documents; the whole of a start's config. */
#include "config/load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/decode.h"
#include "config/live.h"
#include "config/node_proto.h"
#include "config/rules.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

static int parse(const struct sp_doc *doc, struct sp_arena *arena, struct sp_str text, enum sp_syntax syntax,
                 const ProtobufCMessageDescriptor *root, struct sp_diag *diag, struct sp_node **ret_node)
{
    const struct sp_node_wire wire = {{doc->name, 0, 0}, "", text, root};
    switch (syntax) {
    case SP_SYNTAX_YAML:
        return sp_node_parse_yaml(arena, doc->name, text, diag, ret_node);
    case SP_SYNTAX_PB:
        return sp_node_parse_wire(arena, &wire, diag, ret_node);
    case SP_SYNTAX_PB_TEXT:
        return sp_node_parse_text(arena, doc->name, text, diag, ret_node);
    default:
        return sp_node_parse_json(arena, doc->name, text, diag, ret_node);
    }
}

struct sp_doc *sp_doc_load_partial(const char *name, struct sp_str text, enum sp_syntax syntax,
                                   const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    assert(name && root && diag);
    struct sp_doc *doc = sp_xcalloc(1, sizeof(*doc));
    sp_arena_init(&doc->arena);
    doc->live = sp_live_set_new();
    doc->name = sp_arena_str(&doc->arena, sp_str_c(name)).ptr;
    struct sp_node *node = NULL;
    int r = parse(doc, &doc->arena, text, syntax, root, diag, &node);
    if (r == 0 && node->proto && node->n == 0) { /* which would be a valid message: a file just made, more likely */
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){doc->name, 0, 0}, NULL, "there is nothing in it (expected a config)");
        r = -EINVAL;
    }
    if (r < 0) {
        sp_doc_free(doc);
        return NULL;
    }
    struct sp_place *place = sp_place_new(doc, root, NULL, NULL, -1, (struct sp_origin){node, doc->name});
    doc->root = place->msg;
    sp_decode_message(doc, diag, place);
    return doc;
}

struct sp_doc *sp_doc_load_text(const char *name, struct sp_str text, enum sp_syntax syntax,
                                const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    unsigned before = diag->n_errors;
    struct sp_doc *doc = sp_doc_load_partial(name, text, syntax, root, diag);
    if (diag->n_errors == before)
        return doc;
    sp_doc_free(doc);
    return NULL;
}

static void file_error(struct sp_diag *diag, const char *path, const char *what, const char *advice)
{
    sp_diag_add(diag, SP_ERROR, (struct sp_mark){path, 0, 0}, NULL, "%s (%s)", what, advice);
}

/* Reads all of a regular file into a block of its own. */
static char *read_file(const char *path, size_t *ret_len, struct sp_diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        char err[128], what[160];
        snprintf(what, sizeof(what), "cannot read it: %s", strerror_r(errno, err, sizeof(err)));
        file_error(diag, path, what, "check the path and its permissions");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = NULL;
    if (!S_ISREG(st.st_mode)) {
        file_error(diag, path, "this is not a regular file", "a config is read from a file");
    } else if (st.st_size > SP_CONFIG_MAX_BYTES) {
        file_error(diag, path, "larger than 64 MiB", "put long lists into files of their own");
    } else {
        size_t cap = (size_t)st.st_size, n = 0;
        ssize_t got = 1;
        text = sp_xmalloc(cap + 1);
        while (n < cap && (got = read(fd, text + n, cap - n)) > 0)
            n += (size_t)got;
        if (got < 0) {
            file_error(diag, path, "reading failed", "check the disk");
            free(text);
            text = NULL;
        }
        *ret_len = n;
    }
    close(fd);
    return text;
}

enum sp_syntax sp_doc_syntax(const char *path)
{
    static const struct {
        struct sp_str ending;
        enum sp_syntax syntax;
    } known[] = {
        {SP_STR_INIT(".yaml"), SP_SYNTAX_YAML},
        {SP_STR_INIT(".yml"), SP_SYNTAX_YAML},
        {SP_STR_INIT(".pb"), SP_SYNTAX_PB},
        {SP_STR_INIT(".pb_text"), SP_SYNTAX_PB_TEXT},
    };
    assert(path);
    for (size_t i = 0; i < SP_ARRAY_LEN(known); i++)
        if (sp_str_iends(sp_str_c(path), known[i].ending))
            return known[i].syntax;
    return SP_SYNTAX_JSON;
}

struct sp_doc *sp_doc_load_file_partial(const char *path, const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    assert(path && root && diag);
    struct sp_str name = sp_str_c(path);
    enum sp_syntax syntax = sp_doc_syntax(path);
    size_t len = 0;
    char *text = read_file(path, &len, diag);
    if (!text)
        return NULL;
    struct sp_doc *doc = sp_doc_load_partial(path, sp_str_n(text, len), syntax, root, diag);
    if (!doc && syntax == SP_SYNTAX_JSON && !sp_str_iends(name, SP_STR(".json")))
        file_error(diag, path, "it was read as JSON", "name it .yaml if it is YAML");
    sp_wipe(text, len);
    free(text);
    return doc;
}

struct sp_doc *sp_doc_load_file(const char *path, const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    unsigned before = diag->n_errors;
    struct sp_doc *doc = sp_doc_load_file_partial(path, root, diag);
    if (diag->n_errors == before)
        return doc;
    sp_doc_free(doc);
    return NULL;
}

struct sp_doc *sp_config_load(const char *path, const char *yaml, struct sp_diag *diag)
{
    assert((path || yaml) && diag);
    const ProtobufCMessageDescriptor *root = &envoy__config__bootstrap__v3__bootstrap__descriptor;
    unsigned before = diag->n_errors;
    struct sp_doc *doc = path ? sp_doc_load_file_partial(path, root, diag) : NULL;
    struct sp_doc *over = NULL;
    if (yaml)
        over = sp_doc_load_partial("--config-yaml", sp_str_c(yaml), SP_SYNTAX_YAML, root, diag);
    if ((path && !doc) || (yaml && !over)) { /* not even syntax: nothing to check */
        sp_doc_free(doc);
        sp_doc_free(over);
        return NULL;
    }
    if (doc && over)
        sp_doc_merge(doc, over);
    else if (over)
        doc = over;
    sp_rules_check(doc, diag);
    if (diag->n_errors == before)
        return doc;
    sp_doc_free(doc);
    return NULL;
}
