/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/validate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/pb_yaml.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "filters/origin_shield_preset.h"
#include "tools/verb.h"

typedef Sallyport__Filters__Http__OriginShield__V1__Preset Preset;
typedef Envoy__Config__Core__V3__DataSource DataSource;

struct report {
    FILE *to;
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_arena arena;
};

static void place(const struct report *r, const void *msg, const char *field, struct sp_arena *arena)
{
    struct sp_mark mark = sp_doc_mark(r->doc, msg, field, -1);
    struct sp_str path = sp_doc_path(r->doc, msg, field, -1, arena);
    fprintf(r->to, "# %s:%u:%u: %.*s", mark.file ? mark.file : "", mark.line, mark.column, SP_STR_ARG(path));
}

static void show_preset(struct report *r, const Preset *msg)
{
    const Sallyport__Filters__Http__OriginShield__V1__Proof *proof = sp_shield_preset_expand(r->doc, r->diag, &r->arena, msg);
    if (!proof) /* not in a config that is good */
        return;
    struct sp_buf out;
    sp_buf_init(&out);
    sp_pb_yaml(r->doc, proof, 2, &out);
    char *text = sp_xmalloc(out.len + 1);
    size_t n = sp_buf_peek(&out, text, out.len);
    sp_buf_clear(&out);
    fputs("---\n", r->to);
    place(r, msg, NULL, &r->arena);
    fprintf(r->to, ": %s stands for\nproof:\n%.*s", sp_shield_cdn_name(msg->cdn), (int)n, text);
    free(text);
}

static void show_variable(struct report *r, const DataSource *msg)
{
    if (msg->specifier_case != ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE)
        return;
    place(r, msg, "environment_variable", &r->arena);
    fprintf(r->to, ": %s is read at the start only: a new value needs a restart (a file is read again when it changes)\n",
            msg->environment_variable);
}

static void show(void *arg, const ProtobufCMessage *msg)
{
    struct report *r = arg;
    if (msg->descriptor == &sallyport__filters__http__origin_shield__v1__preset__descriptor)
        show_preset(r, (const void *)msg);
    else if (msg->descriptor == &envoy__config__core__v3__data_source__descriptor)
        show_variable(r, (const void *)msg);
}

/* All is compiled and good; the document goes with it. */
static void look(void *ctx, const struct sp_config *config, struct sp_diag *diag)
{
    struct report *r = ctx;
    r->doc = config->doc;
    r->diag = diag;
    sp_arena_init(&r->arena);
    sp_doc_each(config->doc, show, r);
    sp_arena_done(&r->arena);
}

static int run(const struct sp_options *o, bool from_stdin)
{
    char *text = NULL;
    size_t len = 0;
    struct report r = {.to = open_memstream(&text, &len)};
    if (!r.to)
        abort();
    int code = sp_verb_compile(o, from_stdin, look, &r);
    fclose(r.to);
    if (code == SP_EXIT_OK)
        printf("configuration '%s' OK\n%s", o->config_path ? o->config_path : from_stdin ? SP_VERB_STDIN : "--config-yaml", text);
    free(text);
    return code;
}

int sp_validate_main(const struct sp_options *o)
{
    assert(o);
    return run(o, false);
}

static void help(FILE *to)
{
    sp_options_help(to);
}

int sp_validate_verb(int argc, char **argv)
{
    const struct sp_verb verb = {.name = "validate", .help = help};
    struct sp_verb_run r;
    int code = sp_verb_begin(&verb, argc, argv, &r);
    code = code ? code - 1 : run(&r.options, r.text != NULL);
    sp_verb_done(&r);
    return code;
}
