/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments -> the server or a tool. */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "sallyport_version.h"
#include "server/server.h"
#include "tools/audit.h"
#include "tools/convert.h"
#include "tools/demo.h"
#include "tools/explain.h"
#include "tools/top.h"
#include "tools/validate.h"

static int usage(const char *why)
{
    fprintf(stderr, "sallyport: %s\nTry sallyport --help.\n", why);
    return SP_EXIT_USAGE;
}

static int serve(const struct sp_options *o)
{
    struct sp_admin *admin = sp_admin_new();
    struct sp_server_hooks hooks;
    sp_admin_hooks(admin, NULL, &hooks);
    int code = sp_server_run(o, &hooks, stderr);
    sp_admin_free(admin);
    return code;
}

static int run(const struct sp_options *o)
{
    char why[256];
    if (o->help) {
        sp_options_help(stdout);
        return SP_EXIT_OK;
    }
    if (o->version) {
        printf("sallyport %s (%s)\n", SP_VERSION, SP_GIT_COMMIT);
        return SP_EXIT_OK;
    }
    if (!o->config_path && !o->config_yaml)
        return usage("which config? Give one with -c FILE or --config-yaml YAML; sallyport demo needs none");
    sp_log_json(o->log_json);
    if (sp_options_log_levels(o, why, sizeof(why)) < 0)
        return usage(why);
    sp_log_to_journal();
    if (o->log_path && sp_log_open(o->log_path) < 0)
        return usage("--log-path: cannot open the file (check its directory and permissions)");
    return o->mode == SP_MODE_VALIDATE ? sp_validate_main(o) : serve(o);
}

static const struct verb {
    const char *name;
    int (*main)(int argc, char **argv);
} verbs[] = {
    {"demo", sp_demo_main},
    {"validate", sp_validate_verb},
    {"audit", sp_audit_main},
    {"explain", sp_explain_main},
    {"convert", sp_convert_main},
    {"top", sp_top_main},
};

int main(int argc, char **argv)
{
    struct sp_options o;
    char why[256];
    for (size_t i = 0; argc > 1 && i < SP_ARRAY_LEN(verbs); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].main(argc, argv);
    if (sp_options_parse(argc, argv, 1, &o, why, sizeof(why)) < 0)
        return usage(why);
    return run(&o);
}
