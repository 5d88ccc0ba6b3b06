/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/verb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "base/mem.h"
#include "config/set.h"
#include "server/secure_defaults.h"

/* Set once, by the verb's arguments: whether --config-yaml is what came on the standard input. */
static bool from_stdin;

static const char yaml_name[] = "--config-yaml";

const char *sp_verb_file_name(const char *file)
{
    return !file ? "" : from_stdin && strcmp(file, yaml_name) == 0 ? SP_VERB_STDIN : file;
}

static int usage(const struct sp_verb *v, const char *why)
{
    fprintf(stderr, "sallyport: %s: %s\nTry sallyport %s --help.\n", v->name, why, v->name);
    return SP_EXIT_USAGE + 1;
}

static const struct sp_verb_option *find(const struct sp_verb *v, const char *arg, const char **ret_value)
{
    for (size_t i = 0; i < v->n; i++)
        if (sp_option_is(arg, v->options[i].name, ret_value))
            return &v->options[i];
    return NULL;
}

bool sp_verb_take(const struct sp_verb *v, int argc, char **argv, int *i, char *why, size_t size)
{
    assert(v && argv && i && why);
    const char *value;
    const struct sp_verb_option *o = find(v, argv[*i], &value);
    if (!o)
        return false;
    if (!o->value && value) {
        snprintf(why, size, "%s takes no value", o->name);
    } else if (o->value && !value && *i + 1 >= argc) {
        snprintf(why, size, "%s needs a value", o->name);
    } else {
        if (o->value && !value)
            value = argv[++*i];
        const char *right = o->take(v->ctx, value);
        if (right)
            snprintf(why, size, "%s: \"%.100s\" is not %s", o->name, value, right);
    }
    return true;
}

/* All of the standard input, NUL-terminated; NULL and why. */
static char *read_all(const char **ret_why)
{
    size_t cap = 65536, n = 0, got;
    char *text = sp_xmalloc(cap);
    while ((got = fread(text + n, 1, cap - n - 1, stdin)) > 0) {
        n += got;
        if (n + 1 == cap && cap < SP_CONFIG_MAX_BYTES)
            text = sp_xrealloc(text, cap *= 2);
    }
    text[n] = '\0';
    *ret_why = ferror(stdin) ? "the standard input cannot be read" : n + 1 == cap ? "more than 64 MiB on the standard input"
               : !n ? "nothing on the standard input" : memchr(text, 0, n) ? "the standard input is no text" : NULL;
    if (!*ret_why)
        return text;
    free(text);
    return NULL;
}

int sp_verb_begin(const struct sp_verb *v, int argc, char **argv, struct sp_verb_run *ret)
{
    assert(v && argv && argc >= 2 && ret);
    char why[256] = "", *rest[64];
    const char *file = NULL;
    int n = 0;
    *ret = (struct sp_verb_run){0};
    for (int i = 2; i < argc && !why[0]; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            v->help(stdout);
            return SP_EXIT_OK + 1;
        }
        if (sp_verb_take(v, argc, argv, &i, why, sizeof(why)))
            continue;
        if (!file && (argv[i][0] != '-' || !argv[i][1]) && (n == 0 || rest[n - 1][0] != '-' || strchr(rest[n - 1], '=')))
            file = argv[i];
        else if (n < (int)SP_ARRAY_LEN(rest))
            rest[n++] = argv[i];
        else
            snprintf(why, sizeof(why), "too many arguments");
    }
    if (why[0] || sp_options_parse(n, rest, 0, &ret->options, why, sizeof(why)) < 0)
        return usage(v, why);
    if (file && strcmp(file, "-") == 0) {
        const char *reason;
        ret->text = read_all(&reason);
        if (!ret->text)
            return usage(v, reason);
        ret->options.config_yaml = ret->text;
        from_stdin = true;
    } else if (file) {
        ret->options.config_path = file;
    }
    if (!ret->options.config_path && !ret->options.config_yaml) {
        snprintf(why, sizeof(why), "%s which file? sallyport %s FILE", v->name, v->name);
        return usage(v, why);
    }
    ret->options.mode = SP_MODE_VALIDATE;
    sp_log_set_level(ret->options.log_level);
    return 0;
}

void sp_verb_done(struct sp_verb_run *r)
{
    assert(r);
    if (r->text)
        sp_wipe(r->text, strlen(r->text));
    free(r->text);
    r->text = NULL;
}

/* Errors with the name that the user knows. */
static char *renamed(char *text)
{
    static const char name[] = "--config-yaml:";
    char *out = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&out, &len);
    if (!to)
        abort();
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        end += *end == '\n';
        bool named = strncmp(line, name, sizeof(name) - 1) == 0;
        const char *from = named ? line + sizeof(name) - 2 : line;
        fprintf(to, "%s%.*s", named ? SP_VERB_STDIN : "", (int)(end - from), from);
    }
    fclose(to);
    free(text);
    return out;
}

struct viewer {
    sp_verb_look *look;
    void *ctx;
};

static bool on_compile(void *ctx, struct sp_config *config, const struct sp_config *serves, struct sp_diag *diag)
{
    const struct viewer *v = ctx;
    v->look(v->ctx, config, diag);
    return true;
}

int sp_verb_compile(const struct sp_options *o, sp_verb_look *look, void *ctx, char **ret_said)
{
    assert(o && look && ret_said);
    char *text = NULL;
    size_t len = 0;
    FILE *diag_to = open_memstream(&text, &len);
    if (!diag_to)
        abort();
    struct viewer viewer = {look, ctx};
    const struct sp_server_hooks next = {.on_compile = on_compile, .ctx = &viewer};
    struct sp_server_hooks hooks;
    struct sp_admin *admin = sp_admin_new();
    sp_admin_hooks(admin, &next, &hooks);
    int code = sp_server_validate(o, &hooks, diag_to);
    sp_admin_free(admin);
    fclose(diag_to);
    *ret_said = from_stdin ? renamed(text) : text;
    return code;
}

int sp_verb_load(const struct sp_options *o, void (*look)(void *ctx, const struct sp_doc *doc), void *ctx, char **ret_said)
{
    assert(o && look && ret_said);
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    struct sp_diag diag;
    if (!to)
        abort();
    sp_diag_init(&diag);
    struct sp_set *set = sp_set_load(o->config_path, o->config_yaml, NULL, &diag);
    if (set)
        sp_secure_defaults(set->doc, &diag, sp_doc_root(set->doc));
    bool good = set && diag.n_errors == 0;
    if (good)
        look(ctx, set->doc);
    sp_diag_print(&diag, to);
    if (!good)
        fprintf(to, "sallyport: the config is refused: %u error%s\n", diag.n_errors, diag.n_errors == 1 ? "" : "s");
    sp_set_free(set);
    sp_diag_done(&diag);
    sp_buf_thread_done();
    sp_arena_thread_done();
    fclose(to);
    *ret_said = from_stdin ? renamed(text) : text;
    return good ? SP_EXIT_OK : SP_EXIT_CONFIG;
}
