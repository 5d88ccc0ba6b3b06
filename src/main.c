/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments -> the server or a tool. */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "sallyport_version.h"
#include "server/server.h"
#include "tools/audit.h"
#include "tools/demo.h"
#include "tools/explain.h"
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

/* What there is to do with a config once the arguments are read. */
typedef int config_fn(const struct sp_options *o);

static int run(const struct sp_options *o, config_fn *with)
{
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
    atomic_store(&sp_log_threshold, (int)o->log_level);
    if (o->log_path && sp_log_open(o->log_path) < 0)
        return usage("--log-path: cannot open the file (check its directory and permissions)");
    return with(o);
}

/* sallyport VERB FILE [options of the server] */
static int with_file(int argc, char **argv, config_fn *with)
{
    struct sp_options o;
    char why[256];
    if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        sp_options_help(stdout);
        return SP_EXIT_OK;
    }
    if (argc < 3 || argv[2][0] == '-') {
        snprintf(why, sizeof(why), "%s which file? sallyport %s FILE", argv[1], argv[1]);
        return usage(why);
    }
    if (sp_options_parse(argc, argv, 3, &o, why, sizeof(why)) < 0)
        return usage(why);
    o.config_path = argv[2];
    o.mode = SP_MODE_VALIDATE;
    return run(&o, with);
}

static int validate_main(int argc, char **argv)
{
    return with_file(argc, argv, sp_validate_main);
}

static int audit_main(int argc, char **argv)
{
    return with_file(argc, argv, sp_audit_main);
}

static const struct verb {
    const char *name;
    int (*main)(int argc, char **argv);
} verbs[] = {
    {"demo", sp_demo_main},
    {"validate", validate_main},
    {"audit", audit_main},
    {"explain", sp_explain_main},
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
    return run(&o, o.mode == SP_MODE_VALIDATE ? sp_validate_main : serve);
}
