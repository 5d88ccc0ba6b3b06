/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/validate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/pb_yaml.h"
#include "filters/origin_shield_preset.h"
#include "tools/show.h"
#include "tools/verb.h"

typedef Sallyport__Filters__Http__OriginShield__V1__Preset Preset;

enum { FEW = 20 };

struct report {
    const char *name;
    bool json, all;
    json_t *object;    /* what the JSON says of a good config */
    char *text;        /* what is printed of a good config */
    size_t len;
    FILE *to;          /* into `text` */
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_arena arena;
};

/* ---- presets, and what is read once: as documents of YAML and remarks ---- */

static void place(const struct report *r, const void *msg, const char *field)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_mark mark = sp_doc_mark(r->doc, msg, field, -1);
    struct sp_str path = sp_doc_path(r->doc, msg, field, -1, &arena);
    char text[SP_MARK_TEXT_MAX];
    mark.file = sp_verb_file_name(mark.file);
    fprintf(r->to, "# %s%.*s", sp_mark_text(mark, text), SP_STR_ARG(path));
    sp_arena_done(&arena);
}

static char *yaml_of(struct report *r, const Preset *msg)
{
    const Sallyport__Filters__Http__OriginShield__V1__Proof *proof = sp_shield_preset_expand(r->doc, r->diag, &r->arena, msg);
    if (!proof) /* not in a config that is good */
        return NULL;
    struct sp_buf out;
    sp_buf_init(&out);
    sp_pb_yaml(r->doc, proof, 2, &out);
    char *text = sp_xcalloc(1, out.len + 1);
    sp_buf_peek(&out, text, out.len);
    sp_buf_clear(&out);
    return text;
}

static void show_preset(struct report *r, const Preset *msg)
{
    char *yaml = yaml_of(r, msg);
    if (yaml && r->json) {
        json_t *list = json_object_get(r->object, "presets"), *j = json_object();
        json_object_set_new(j, "path", json_string(sp_doc_path(r->doc, msg, NULL, -1, &r->arena).ptr));
        json_object_set_new(j, "cdn", json_string(sp_shield_cdn_name(msg->cdn)));
        json_object_set_new(j, "proof", json_string(yaml));
        json_array_append_new(list, j);
    } else if (yaml) {
        fputs("---\n", r->to);
        place(r, msg, NULL);
        fprintf(r->to, ": %s stands for\nproof:\n%s", sp_shield_cdn_name(msg->cdn), yaml);
    }
    free(yaml);
}

static void show_variable(struct report *r, const Envoy__Config__Core__V3__DataSource *msg)
{
    if (r->json || msg->specifier_case != ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE)
        return;
    place(r, msg, "environment_variable");
    fprintf(r->to, ": %s is read at the start only: a new value needs a restart (a file is read again when it changes)\n",
            msg->environment_variable);
}

static void show_remarks(void *arg, const ProtobufCMessage *msg)
{
    struct report *r = arg;
    if (msg->descriptor == &sallyport__filters__http__origin_shield__v1__preset__descriptor)
        show_preset(r, (const void *)msg);
    else if (msg->descriptor == &envoy__config__core__v3__data_source__descriptor)
        show_variable(r, (const void *)msg);
}

/* All is compiled and good. */
static void look(void *ctx, const struct sp_config *config, struct sp_diag *diag)
{
    struct report *r = ctx;
    struct sp_show show = {.set = config->set, .doc = config->doc, .bootstrap = config->bootstrap, .file_name = sp_verb_file_name};
    r->doc = config->doc;
    r->diag = diag;
    sp_arena_init(&r->arena);
    sp_tree_init(&show.tree);
    sp_show_listeners(&show);
    sp_show_clusters(&show);
    sp_show_sources(&show);
    if (r->json) {
        r->object = sp_tree_json(&show.tree);
        json_object_set_new(r->object, "presets", json_array());
    } else {
        sp_tree_print(&show.tree, r->all ? 0 : FEW, r->to);
    }
    sp_doc_each(config->doc, show_remarks, r);
    sp_tree_done(&show.tree);
    sp_arena_done(&r->arena);
}

/* ---- the verb ---- */

static json_t *lines_of(const char *said)
{
    json_t *list = json_array();
    struct sp_str rest = sp_str_c(said), line;
    while (sp_str_split(&rest, '\n', &line))
        if (line.len)
            json_array_append_new(list, json_stringn(line.ptr, line.len));
    return list;
}

static void print_json(struct report *r, bool good, const char *said)
{
    json_t *j = json_object();
    json_object_set_new(j, "config", json_string(r->name));
    json_object_set_new(j, "ok", json_boolean(good));
    json_object_set_new(j, "messages", lines_of(said));
    if (good)
        json_object_set_new(j, "runs", r->object);
    else
        json_decref(r->object);
    json_dumpf(j, stdout, JSON_INDENT(1));
    fputc('\n', stdout);
    json_decref(j);
}

static int run(const struct sp_options *o, struct report *r)
{
    char *said;
    r->name = o->config_path ? o->config_path : sp_verb_file_name("--config-yaml");
    r->to = open_memstream(&r->text, &r->len);
    if (!r->to)
        abort();
    int code = sp_verb_compile(o, look, r, &said);
    fclose(r->to);
    if (r->json)
        print_json(r, code == SP_EXIT_OK, said);
    else if (code == SP_EXIT_OK)
        printf("configuration '%s' OK\n%s", r->name, r->text);
    fflush(stdout);
    fputs(said, stderr);
    free(said);
    free(r->text);
    return code;
}

int sp_validate_main(const struct sp_options *o)
{
    assert(o);
    struct report r = {0};
    return run(o, &r);
}

static const char *take_format(void *ctx, const char *value)
{
    struct report *r = ctx;
    r->json = strcmp(value, "json") == 0;
    return r->json || strcmp(value, "text") == 0 ? NULL : "text or json";
}

static const char *take_all(void *ctx, const char *value)
{
    (void)value;
    ((struct report *)ctx)->all = true;
    return NULL;
}

static void help(FILE *to)
{
    fputs("sallyport validate FILE: whether a config would start, and what it would run\n"
          "\n"
          "  FILE                     an Envoy v3 config and all that it names; - is the standard input\n"
          "  --format FORMAT          text (default) or json\n"
          "  --all                    do not shorten long lists\n"
          "  --config-yaml YAML       merged over the file's\n"
          "\n"
          "All is loaded and compiled as for a start, files and secrets included; nothing is bound or sent. A good\n"
          "config is shown as a tree: listeners, filter chains, gates in their order, filters, virtual hosts,\n"
          "routes, clusters, secrets by name and source, files, and what secure_defaults filled in; then what its\n"
          "presets stand for. Errors and warnings go to stderr. sallyport -c FILE --mode validate does the same.\n"
          "\n"
          "What a good config leaves open is the business of sallyport audit.\n"
          "\n"
          "Exit codes: 0 good; 1 refused; 2 usage.\n",
          to);
}

int sp_validate_verb(int argc, char **argv)
{
    struct report report = {0};
    static const struct sp_verb_option options[] = {{"--format", true, take_format}, {"--all", false, take_all}};
    const struct sp_verb verb = {"validate", options, SP_ARRAY_LEN(options), &report, help};
    struct sp_verb_run r;
    int code = sp_verb_begin(&verb, argc, argv, &r);
    code = code ? code - 1 : run(&r.options, &report);
    sp_verb_done(&r);
    return code;
}
