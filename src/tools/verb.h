/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport validate` and `sallyport audit` have in common: a config by name or on the standard input ("-"), the server's own options
 * beside those of the verb.  One thread, at the start of which nothing runs.
 */
#ifndef SP_TOOLS_VERB_H
#define SP_TOOLS_VERB_H

#include "server/server.h"

/* The name of the standard input in errors and findings. */
#define SP_VERB_STDIN "<stdin>"

struct sp_verb_option {
    const char *name; /* "--format" */
    bool value;
    /* What would be right, or NULL when `value` was; without value it gets NULL. */
    const char *(*take)(void *ctx, const char *value);
};

struct sp_verb {
    const char *name;
    const struct sp_verb_option *options; /* n of them */
    size_t n;
    void *ctx;
    void (*help)(FILE *to);
};

struct sp_verb_run {
    struct sp_options options; /* config_path or config_yaml is set */
    char *text;                /* what came on the standard input; NULL: there is a file */
};

/*
 * Reads the arguments of `sallyport VERB FILE [options]`. 0: run; else what to return from main, plus 1: help, and wrong
 * usage, have been written.  sp_verb_done afterwards, in any case.
 */
int sp_verb_begin(const struct sp_verb *v, int argc, char **argv, struct sp_verb_run *ret);
void sp_verb_done(struct sp_verb_run *r);
/* One of the verb's options at argv[*i], which moves on to its value. False: it is none. What is wrong is in `why`, else that stays. */
bool sp_verb_take(const struct sp_verb *v, int argc, char **argv, int *i, char *why, size_t size);
/* The name of a file as the user knows it: a config from the standard input has one of ours. NULL is "". */
const char *sp_verb_file_name(const char *file);

/* A config that is good, with its document; `diag` takes what is remarked about it. */
typedef void sp_verb_look(void *ctx, const struct sp_config *config, struct sp_diag *diag);
/*
 * Loads and compiles as sp_server_validate. The exit code. *ret_said: errors and warnings, a line each; free() it.
 */
int sp_verb_compile(const struct sp_options *o, sp_verb_look *look, void *ctx, char **ret_said);
/* The same, but for the config's text and files of xDS alone: nothing is compiled, what else it names need not be here. */
int sp_verb_load(const struct sp_options *o, void (*look)(void *ctx, const struct sp_doc *doc), void *ctx, char **ret_said);

#endif
