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
#include "config/files.h"
#include "config/live.h"
#include "config/node_proto.h"
#include "config/rules.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

enum { MAX_READS = 5 };

static struct sp_doc *doc_new(const char *name, struct sp_files *files)
{
    struct sp_doc *doc = sp_xcalloc(1, sizeof(*doc));
    sp_arena_init(&doc->arena);
    doc->live = sp_live_set_new();
    doc->files = files ? sp_files_ref(files) : sp_files_new();
    sp_live_set_files(doc->live, doc->files);
    doc->name = sp_arena_str(&doc->arena, sp_str_c(name)).ptr;
    return doc;
}

static int parse(struct sp_arena *arena, const char *name, struct sp_str text, enum sp_syntax syntax,
                 const ProtobufCMessageDescriptor *root, struct sp_diag *diag, struct sp_node **ret_node)
{
    const struct sp_node_wire wire = {{name, 0, 0}, "", text, root};
    switch (syntax) {
    case SP_SYNTAX_YAML:
        return sp_node_parse_yaml(arena, name, text, diag, ret_node);
    case SP_SYNTAX_PB:
        return sp_node_parse_wire(arena, &wire, diag, ret_node);
    case SP_SYNTAX_PB_TEXT:
        return sp_node_parse_text(arena, name, text, diag, ret_node);
    default:
        return sp_node_parse_json(arena, name, text, diag, ret_node);
    }
}

/* A message without a parent. NULL: not even syntax; errors of fields are in `diag`. `name` lives in the document. */
static ProtobufCMessage *decode(struct sp_doc *doc, const char *name, struct sp_str text, enum sp_syntax syntax,
                                const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    struct sp_node *node = NULL;
    int r = parse(&doc->arena, name, text, syntax, root, diag, &node);
    if (r == 0 && node->proto && node->n == 0) { /* which would be a valid message: a file just made, more likely */
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){name, 0, 0}, NULL, "there is nothing in it (expected a config)");
        r = -EINVAL;
    }
    if (r < 0)
        return NULL;
    struct sp_place *place = sp_place_new(doc, root, NULL, NULL, -1, (struct sp_origin){node, name});
    sp_decode_message(doc, diag, place);
    return place->msg;
}

struct sp_doc *sp_doc_load_partial(const char *name, struct sp_str text, enum sp_syntax syntax,
                                   const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    assert(name && root && diag);
    struct sp_doc *doc = doc_new(name, NULL);
    doc->root = decode(doc, doc->name, text, syntax, root, diag);
    if (doc->root)
        return doc;
    sp_doc_free(doc);
    return NULL;
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

static void file_error(struct sp_diag *diag, const char *path, const char *text)
{
    sp_diag_add(diag, SP_ERROR, (struct sp_mark){path, 0, 0}, NULL, "%s", text);
}

/* Reads all of a regular file into a block of its own. */
static char *read_once(const char *path, size_t *ret_len, struct sp_diag *diag)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        char err[128];
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){path, 0, 0}, NULL, "cannot read it: %s (check the path and its permissions)",
                    strerror_r(errno, err, sizeof(err)));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = NULL;
    if (!S_ISREG(st.st_mode)) {
        file_error(diag, path, "this is not a regular file (a config is read from a file)");
    } else if (st.st_size > SP_CONFIG_MAX_BYTES) {
        file_error(diag, path, "larger than 64 MiB (put long lists into files of their own)");
    } else {
        size_t cap = (size_t)st.st_size, n = 0;
        ssize_t got = 1;
        text = sp_xmalloc(cap + 1);
        while (n < cap && (got = read(fd, text + n, cap - n)) > 0)
            n += (size_t)got;
        if (got < 0) {
            file_error(diag, path, "reading failed (check the disk)");
            free(text);
            text = NULL;
        }
        *ret_len = n;
    }
    close(fd);
    return text;
}

static void drop(char *text, size_t len)
{
    if (text)
        sp_wipe(text, len);
    free(text);
}

/* What somebody writes at this moment would be half of it: two reads have to be equal. */
static char *read_file(const char *path, size_t *ret_len, struct sp_diag *diag)
{
    size_t len = 0, n = 0;
    char *text = read_once(path, &len, diag), *again;
    for (unsigned tries = 0; text && tries < MAX_READS; tries++) {
        again = read_once(path, &n, diag);
        bool same = again && n == len && memcmp(text, again, n) == 0;
        drop(text, len);
        text = again;
        len = n;
        *ret_len = n;
        if (same || !text)
            return text;
    }
    if (text)
        file_error(diag, path, "it changes while it is read (write another file and move it over this one)");
    drop(text, len);
    return NULL;
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

/* Reads and decodes a file into `doc`; NULL: not even syntax. */
static ProtobufCMessage *decode_file(struct sp_doc *doc, const char *path, const ProtobufCMessageDescriptor *root,
                                     struct sp_diag *diag)
{
    struct sp_str name = sp_arena_str(&doc->arena, sp_str_c(path));
    enum sp_syntax syntax = sp_doc_syntax(path);
    size_t len = 0;
    sp_doc_reads(doc, path);
    char *text = read_file(path, &len, diag);
    if (!text)
        return NULL;
    ProtobufCMessage *msg = decode(doc, name.ptr, sp_str_n(text, len), syntax, root, diag);
    if (!msg && syntax == SP_SYNTAX_JSON && !sp_str_iends(name, SP_STR(".json")))
        file_error(diag, path, "it was read as JSON (name it .yaml if it is YAML)");
    drop(text, len);
    return msg;
}

static struct sp_doc *load_file(const char *path, struct sp_files *files, const ProtobufCMessageDescriptor *root,
                                struct sp_diag *diag)
{
    assert(path && root && diag);
    struct sp_doc *doc = doc_new(path, files);
    doc->root = decode_file(doc, path, root, diag);
    if (doc->root)
        return doc;
    sp_doc_free(doc);
    return NULL;
}

struct sp_doc *sp_doc_load_file_partial(const char *path, const ProtobufCMessageDescriptor *root, struct sp_diag *diag)
{
    return load_file(path, NULL, root, diag);
}

const ProtobufCMessage *sp_doc_attach(struct sp_doc *doc, const char *path, const ProtobufCMessageDescriptor *root,
                                      struct sp_diag *diag)
{
    assert(doc && path && root && diag);
    ProtobufCMessage *msg = decode_file(doc, path, root, diag);
    if (!msg) {
        sp_files_mark_unread(doc->files, path);
        return NULL;
    }
    struct sp_doc_file *f = sp_arena_zalloc(&doc->arena, sizeof(*f)), **last = &doc->attached;
    while (*last)
        last = &(*last)->next;
    *last = f;
    f->root = msg;
    sp_rules_check_under(doc, msg, diag);
    return msg;
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

struct sp_doc *sp_config_load_partial(const char *path, const char *yaml, struct sp_files *files, struct sp_diag *diag)
{
    assert((path || yaml) && diag);
    const ProtobufCMessageDescriptor *root = &envoy__config__bootstrap__v3__bootstrap__descriptor;
    struct sp_doc *doc = path ? load_file(path, files, root, diag) : NULL;
    struct sp_doc *over = NULL;
    if (yaml)
        over = sp_doc_load_partial("--config-yaml", sp_str_c(yaml), SP_SYNTAX_YAML, root, diag);
    if ((path && !doc) || (yaml && !over)) { /* not even syntax: nothing to check */
        sp_doc_free(doc);
        sp_doc_free(over);
        return NULL;
    }
    if (doc && over) {
        sp_doc_merge(doc, over);
    } else if (over) {
        doc = over;
        if (files) {
            sp_files_unref(doc->files);
            doc->files = sp_files_ref(files);
            sp_live_set_files(doc->live, files);
        }
    }
    sp_rules_check(doc, diag);
    return doc;
}

struct sp_doc *sp_config_load(const char *path, const char *yaml, struct sp_diag *diag)
{
    unsigned before = diag->n_errors;
    struct sp_doc *doc = sp_config_load_partial(path, yaml, NULL, diag);
    if (diag->n_errors == before)
        return doc;
    sp_doc_free(doc);
    return NULL;
}
