/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arguments -> the server or a tool. */
#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "sallyport_version.h"
#include "server/server.h"
#include "tools/audit.h"
#include "tools/demo.h"
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

static int run(const struct sp_options *o, bool audit)
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
    if (audit)
        return sp_audit_main(o);
    return o->mode == SP_MODE_VALIDATE ? sp_validate_main(o) : serve(o);
}

int main(int argc, char **argv)
{
    struct sp_options o;
    char why[256];
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "demo") == 0)
        return sp_demo_main(argc, argv);
    bool audit = argc > 1 && strcmp(argv[1], "audit") == 0;
    bool verb = audit || (argc > 1 && strcmp(argv[1], "validate") == 0);
    if (verb && argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        sp_options_help(stdout);
        return SP_EXIT_OK;
    }
    if (verb && (argc < 3 || argv[2][0] == '-'))
        return usage(audit ? "audit which file? sallyport audit FILE" : "validate which file? sallyport validate FILE");
    first = verb ? 3 : 1;
    if (sp_options_parse(argc, argv, first, &o, why, sizeof(why)) < 0)
        return usage(why);
    if (verb) {
        o.config_path = argv[2];
        o.mode = SP_MODE_VALIDATE;
    }
    return run(&o, audit);
}
