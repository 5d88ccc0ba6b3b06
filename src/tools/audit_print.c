/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit_print.h"

#include <assert.h>

#include "base/json.h"
#include "sallyport_version.h"
#include "tools/audit_checks.h"

static void print_counts(const struct sp_audit *a, FILE *to)
{
    const char *between = ": ";
    fprintf(to, "%u finding%s", a->n, a->n == 1 ? "" : "s");
    for (int s = 0; s < SP_AUDIT_SEVERITIES; s++) {
        unsigned n = sp_audit_count(a, s) - (s ? sp_audit_count(a, s - 1) : 0);
        if (n)
            fprintf(to, "%s%u %s", between, n, sp_audit_severity_names[s]);
        between = n ? ", " : between;
    }
    fputc('\n', to);
}

void sp_audit_print_text(const struct sp_audit *a, FILE *to)
{
    assert(a && to);
    for (unsigned i = 0; i < a->n; i++) {
        const struct sp_audit_finding *f = &a->findings[i];
        char place[SP_MARK_TEXT_MAX];
        fprintf(to, "%s%s: %s: %.*s%s%.*s (%s)\n    guards against: %s\n", sp_mark_text(f->mark, place),
                sp_audit_severity_names[f->check->severity], f->check->id, SP_STR_ARG(f->path), f->path.len ? ": " : "",
                SP_STR_ARG(f->what), f->check->remedy, f->check->control);
    }
    print_counts(a, to);
}

/* jansson refuses what is not UTF-8; a config's text is, but a name of a file need not be. */
static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("?");
}

static void dump(json_t *j, FILE *to)
{
    json_dumpf(j, to, JSON_INDENT(1));
    fputc('\n', to);
    json_decref(j);
}

void sp_audit_print_json(const struct sp_audit *a, FILE *to)
{
    assert(a && to);
    json_t *root = json_object(), *list = json_array(), *counts = json_object();
    for (int s = 0; s < SP_AUDIT_SEVERITIES; s++)
        json_object_set_new(counts, sp_audit_severity_names[s],
                            json_integer((json_int_t)(sp_audit_count(a, s) - (s ? sp_audit_count(a, s - 1) : 0))));
    for (unsigned i = 0; i < a->n; i++) {
        const struct sp_audit_finding *f = &a->findings[i];
        json_t *j = json_object();
        json_object_set_new(j, "id", text(f->check->id));
        json_object_set_new(j, "severity", text(sp_audit_severity_names[f->check->severity]));
        json_object_set_new(j, "file", f->mark.file ? text(f->mark.file) : json_null());
        json_object_set_new(j, "line", json_integer(f->mark.line));
        json_object_set_new(j, "column", json_integer(f->mark.column));
        json_object_set_new(j, "path", text(f->path.ptr));
        json_object_set_new(j, "reason", text(f->what.ptr));
        json_object_set_new(j, "remedy", text(f->check->remedy));
        json_object_set_new(j, "control", text(f->check->control));
        json_array_append_new(list, j);
    }
    json_object_set_new(root, "tool", text("sallyport audit"));
    json_object_set_new(root, "version", text(SP_VERSION));
    json_object_set_new(root, "counts", counts);
    json_object_set_new(root, "findings", list);
    dump(root, to);
}

void sp_audit_print_checks(FILE *to)
{
    assert(to);
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "%s%s\n", i ? "\n" : "", areas[i]->name);
        for (size_t k = 0; k < areas[i]->n; k++)
            fprintf(to, "  %-28s %-9s %s\n", areas[i]->checks[k].id, sp_audit_severity_names[areas[i]->checks[k].severity],
                    areas[i]->checks[k].title);
    }
}
