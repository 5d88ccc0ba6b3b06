/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit.h"

#include <assert.h>
#include <stdlib.h>

#include "server/secure_defaults.h"
#include "tools/audit_look.h"
#include "tools/audit_print.h"
#include "tools/verb.h"

void sp_audit_run(struct sp_audit *a, const struct sp_doc *doc)
{
    assert(a && doc);
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    sp_audit_init(a, doc);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < areas[i]->n; k++)
            sp_look_run(a, &areas[i]->checks[k]);
    sp_audit_sort(a);
}

struct request {
    void (*print)(const struct sp_audit *a, FILE *to);
    int fail_on; /* enum sp_audit_severity; -1: nothing */
    bool no_files;
    unsigned failing;
};

static const char *take_format(void *ctx, const char *value)
{
    struct request *r = ctx;
    r->print = strcmp(value, "text") == 0 ? sp_audit_print_text : strcmp(value, "json") == 0 ? sp_audit_print_json
               : strcmp(value, "sarif") == 0 ? sp_audit_print_sarif : NULL;
    return r->print ? NULL : "text, json or sarif";
}

static const char *take_fail_on(void *ctx, const char *value)
{
    struct request *r = ctx;
    r->fail_on = -1;
    if (strcmp(value, "none") == 0)
        return NULL;
    for (int s = 0; s < SP_AUDIT_SEVERITIES; s++)
        if (strcmp(value, sp_audit_severity_names[s]) == 0)
            r->fail_on = s;
    return r->fail_on < 0 ? "critical, high, medium, low, info or none" : NULL;
}

static const char *take_no_files(void *ctx, const char *value)
{
    ((struct request *)ctx)->no_files = true;
    return NULL;
}

static void help(FILE *to)
{
    fputs("sallyport audit FILE: what a valid config leaves open, and what to do about it\n"
          "\n"
          "  FILE                     an Envoy v3 config and all that it names; - is the standard input\n"
          "  --format FORMAT          text (default), json, or sarif 2.1.0 for code scanning\n"
          "  --fail-on SEVERITY       exit with 1 if there is a finding as bad as this or worse:\n"
          "                           critical, high, medium, low, info; default: none\n"
          "  --no-files               the certificates, secrets and lists that it names need not be here: for pipelines\n"
          "  --checks                 list all checks, by area, with their severities\n"
          "  --config-yaml YAML       merged over the file's\n"
          "\n"
          "Nothing is bound and nothing is sent. Each finding has its place, its reason, the remedy and the\n"
          "threat that it belongs to (docs/security.md); docs/audit.md tells all of them.\n"
          "\n"
          "  sallyport audit door.yaml --fail-on high\n"
          "  sallyport audit door.yaml --format sarif > sallyport.sarif\n"
          "\n"
          "Exit codes: 0 looked at; 1 the config is refused, or --fail-on; 2 usage.\n",
          to);
}

/* How much one line more would close. The document is not used afterwards: it may be filled in. */
static void advise(const struct sp_doc *doc, unsigned n)
{
    struct sp_audit a;
    sp_secure_defaults_fill(doc);
    sp_audit_run(&a, doc);
    if (a.n < n)
        printf("%u of them go away with secure_defaults: true (sallyport.bootstrap.v1.Edge, docs/secure-defaults.md)\n", n - a.n);
    sp_audit_done(&a);
}

static void look_at(void *ctx, const struct sp_doc *doc)
{
    struct request *r = ctx;
    struct sp_audit a;
    sp_audit_run(&a, doc);
    for (unsigned i = 0; i < a.n; i++)
        a.findings[i].mark.file = sp_verb_file_name(a.findings[i].mark.file);
    r->print(&a, stdout);
    r->failing = r->fail_on < 0 ? 0 : sp_audit_count(&a, (enum sp_audit_severity)r->fail_on);
    if (r->print == sp_audit_print_text && !sp_secure_defaults_on(doc, a.bootstrap))
        advise(doc, a.n);
    sp_audit_done(&a);
}

static void look(void *ctx, const struct sp_config *config, struct sp_diag *diag)
{
    look_at(ctx, config->doc);
}

int sp_audit_main(int argc, char **argv)
{
    struct request r = {.print = sp_audit_print_text, .fail_on = -1};
    static const struct sp_verb_option options[] = {
        {"--format", true, take_format}, {"--fail-on", true, take_fail_on}, {"--no-files", false, take_no_files}};
    const struct sp_verb verb = {"audit", options, SP_ARRAY_LEN(options), &r, help};
    struct sp_verb_run run;
    if (argc == 3 && strcmp(argv[2], "--checks") == 0) {
        sp_audit_print_checks(stdout);
        return SP_EXIT_OK;
    }
    int code = sp_verb_begin(&verb, argc, argv, &run);
    if (code == 0) {
        char *said;
        code = r.no_files ? sp_verb_load(&run.options, look_at, &r, &said) : sp_verb_compile(&run.options, look, &r, &said);
        fputs(said, stderr);
        free(said);
        code = code == SP_EXIT_OK && r.failing ? SP_EXIT_CONFIG : code;
    } else {
        code--;
    }
    sp_verb_done(&run);
    return code;
}
