/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SARIF 2.1.0 (OASIS): one run, a rule a check, a result a finding. */
#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "sallyport_version.h"
#include "tools/audit_checks.h"
#include "tools/audit_print.h"

static const char page[] = "docs/audit.md";

static const char *level(enum sp_audit_severity s)
{
    return s <= SP_AUDIT_HIGH ? "error" : s == SP_AUDIT_MEDIUM ? "warning" : "note";
}

/* GitHub sorts by it: over 9 critical, 7 high, 4 medium. */
static const char *score(enum sp_audit_severity s)
{
    static const char *const scores[SP_AUDIT_SEVERITIES] = {"9.5", "8.0", "5.5", "2.5", "0.5"};
    return scores[s];
}

static json_t *text(const char *s)
{
    json_t *j = json_string(s);
    return j ? j : json_string("?");
}

static json_t *message(const char *s)
{
    json_t *j = json_object();
    json_object_set_new(j, "text", text(s));
    return j;
}

static json_t *rule(const struct sp_audit_check *c)
{
    json_t *j = json_object(), *properties = json_object(), *config = json_object(), *tags = json_array();
    char help[1024];
    snprintf(help, sizeof(help), "%s. Guards against: %s. All checks: %s", c->remedy, c->control, page);
    json_object_set_new(j, "id", text(c->id));
    json_object_set_new(j, "name", text(c->id));
    json_object_set_new(j, "shortDescription", message(c->title));
    json_object_set_new(j, "fullDescription", message(c->title));
    json_object_set_new(j, "help", message(help));
    json_object_set_new(config, "level", text(level(c->severity)));
    json_object_set_new(j, "defaultConfiguration", config);
    json_array_append_new(tags, text("security"));
    json_object_set_new(properties, "tags", tags);
    json_object_set_new(properties, "security-severity", text(score(c->severity)));
    json_object_set_new(properties, "control", text(c->control));
    json_object_set_new(j, "properties", properties);
    return j;
}

static void append_escaped(char *out, size_t size, const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    size_t n = strlen(out);
    for (; *path && n + 4 < size; path++)
        n += (size_t)snprintf(out + n, size - n, strchr(plain, *path) ? "%c" : "%%%02X", (unsigned char)*path);
}

/* RFC 3986: relative to the working directory where it is below it, else a file: URI. */
static json_t *uri(const char *file)
{
    char full[PATH_MAX], here[PATH_MAX], out[3 * PATH_MAX + 16] = "";
    const char *name = file;
    if (file[0] == '<') /* <stdin> */
        return text("stdin");
    if (realpath(file, full) && getcwd(here, sizeof(here)) && strcmp(here, "/") != 0) {
        size_t n = strlen(here);
        bool below = strncmp(full, here, n) == 0 && full[n] == '/';
        name = below ? full + n + 1 : full;
    }
    if (name[0] == '/')
        snprintf(out, sizeof(out), "file://");
    append_escaped(out, sizeof(out), name);
    return text(out);
}

static json_t *location(const struct sp_audit_finding *f)
{
    json_t *physical = json_object(), *artifact = json_object(), *all = json_object();
    json_object_set_new(artifact, "uri", uri(f->mark.file ? f->mark.file : "<stdin>"));
    json_object_set_new(physical, "artifactLocation", artifact);
    if (f->mark.line) {
        json_t *region = json_object();
        json_object_set_new(region, "startLine", json_integer(f->mark.line));
        json_object_set_new(region, "startColumn", json_integer(f->mark.column ? f->mark.column : 1));
        json_object_set_new(physical, "region", region);
    }
    json_object_set_new(all, "physicalLocation", physical);
    if (f->path.len) {
        json_t *logical = json_object(), *list = json_array();
        json_object_set_new(logical, "fullyQualifiedName", text(f->path.ptr));
        json_array_append_new(list, logical);
        json_object_set_new(all, "logicalLocations", list);
    }
    return all;
}

static json_t *result(const struct sp_audit_finding *f, unsigned rule_index)
{
    json_t *j = json_object(), *locations = json_array();
    char what[1200];
    snprintf(what, sizeof(what), "%s%s%s (%s)", f->path.ptr, f->path.len ? ": " : "", f->what.ptr, f->check->remedy);
    json_object_set_new(j, "ruleId", text(f->check->id));
    json_object_set_new(j, "ruleIndex", json_integer(rule_index));
    json_object_set_new(j, "level", text(level(f->check->severity)));
    json_object_set_new(j, "message", message(what));
    json_array_append_new(locations, location(f));
    json_object_set_new(j, "locations", locations);
    return j;
}

static unsigned index_of(const struct sp_audit_check *check)
{
    size_t n;
    unsigned index = 0;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    for (size_t i = 0; i < n; i++) {
        if (check >= areas[i]->checks && check < areas[i]->checks + areas[i]->n)
            return index + (unsigned)(check - areas[i]->checks);
        index += (unsigned)areas[i]->n;
    }
    return 0;
}

static json_t *driver(void)
{
    json_t *j = json_object(), *rules = json_array();
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < areas[i]->n; k++)
            json_array_append_new(rules, rule(&areas[i]->checks[k]));
    json_object_set_new(j, "name", text("sallyport audit"));
    json_object_set_new(j, "version", text(SP_VERSION));
    json_object_set_new(j, "rules", rules);
    return j;
}

void sp_audit_print_sarif(const struct sp_audit *a, FILE *to)
{
    assert(a && to);
    json_t *root = json_object(), *runs = json_array(), *run = json_object(), *tool = json_object(), *results = json_array();
    for (unsigned i = 0; i < a->n; i++)
        json_array_append_new(results, result(&a->findings[i], index_of(a->findings[i].check)));
    json_object_set_new(tool, "driver", driver());
    json_object_set_new(run, "tool", tool);
    json_object_set_new(run, "columnKind", text("utf16CodeUnits"));
    json_object_set_new(run, "results", results);
    json_array_append_new(runs, run);
    json_object_set_new(root, "$schema", text("https://json.schemastore.org/sarif-2.1.0.json"));
    json_object_set_new(root, "version", text("2.1.0"));
    json_object_set_new(root, "runs", runs);
    json_dumpf(root, to, JSON_INDENT(1));
    fputc('\n', to);
    json_decref(root);
}
