/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: Envoy's flags and meanings.  Parsed once, by main.
 */
#ifndef SP_SERVER_OPTIONS_H
#define SP_SERVER_OPTIONS_H

#include <stdio.h>

#include "base/log.h"

enum { SP_EXIT_OK = 0, SP_EXIT_CONFIG = 1, SP_EXIT_USAGE = 2, SP_EXIT_BIND = 3 };
enum { SP_CONCURRENCY_MAX = 256 };

enum sp_mode { SP_MODE_SERVE, SP_MODE_VALIDATE };

struct sp_options {
    const char *config_path; /* -c, --config-path */
    const char *config_yaml; /* --config-yaml */
    enum sp_mode mode;
    unsigned concurrency;    /* 0: as many as the process has CPUs */
    enum sp_log_level log_level;
    const char *component_log_level; /* "tls:debug,health:trace"; NULL: none */
    const char *log_path;    /* NULL: stderr */
    bool log_json;
    unsigned drain_time_s;   /* default 600 */
    const char *admin_address_path;
    const char *hot_restart; /* the unix socket by which one process hands over to the next; NULL: none */
    bool version, help;
};

/*
 * Reads argv[first ..]. 0, or -EINVAL with what is wrong and what would be right in `why`. Strings are argv's.
 */
int sp_options_parse(int argc, char **argv, int first, struct sp_options *ret, char *why, size_t why_size);
/* Sets the log's levels as they say. 0, or -EINVAL with what is wrong in `why`. */
int sp_options_log_levels(const struct sp_options *o, char *why, size_t why_size);
void sp_options_help(FILE *to);
/* Whether `arg` is the option `name`, alone or as `--name=value`; *ret_value is that value, or NULL. */
bool sp_option_is(const char *arg, const char *name, const char **ret_value);
/* CPUs that the process may run on, by affinity and cgroup quota, at least 1. */
unsigned sp_cpus_available(void);

#endif
