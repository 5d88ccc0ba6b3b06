/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/options.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

enum option_id {
    OPT_CONFIG, OPT_YAML, OPT_MODE, OPT_CONCURRENCY, OPT_LEVEL, OPT_LEVELS, OPT_LOG_PATH, OPT_LOG_FORMAT, OPT_DRAIN, OPT_ADMIN_PATH,
    OPT_HOT, OPT_VERSION, OPT_HELP,
};

static const struct option {
    const char *name;
    enum option_id id;
    bool value;
} options[] = {
    {"-c", OPT_CONFIG, true},
    {"--config-path", OPT_CONFIG, true},
    {"--config-yaml", OPT_YAML, true},
    {"--mode", OPT_MODE, true},
    {"--concurrency", OPT_CONCURRENCY, true},
    {"-l", OPT_LEVEL, true},
    {"--log-level", OPT_LEVEL, true},
    {"--component-log-level", OPT_LEVELS, true},
    {"--log-path", OPT_LOG_PATH, true},
    {"--log-format", OPT_LOG_FORMAT, true},
    {"--drain-time-s", OPT_DRAIN, true},
    {"--admin-address-path", OPT_ADMIN_PATH, true},
    {"--hot-restart", OPT_HOT, true},
    {"--version", OPT_VERSION, false},
    {"-h", OPT_HELP, false},
    {"--help", OPT_HELP, false},
};

bool sp_option_is(const char *arg, const char *name, const char **ret_value)
{
    assert(arg && name && ret_value);
    struct sp_str given = sp_str_c(arg);
    ptrdiff_t equals = arg[0] == '-' && arg[1] == '-' ? sp_str_chr(given, '=') : -1;
    *ret_value = equals < 0 ? NULL : arg + equals + 1;
    if (equals >= 0)
        given.len = (size_t)equals;
    return sp_str_eq(given, sp_str_c(name));
}

static const struct option *find_option(const char *arg, const char **ret_value)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(options); i++)
        if (sp_option_is(arg, options[i].name, ret_value))
            return &options[i];
    return NULL;
}

static struct sp_str nearest(const char *arg)
{
    struct sp_str best = SP_STR_NULL;
    unsigned least = 4;
    for (size_t i = 0; i < SP_ARRAY_LEN(options); i++) {
        unsigned d = sp_str_distance(sp_str_c(arg), sp_str_c(options[i].name), 4);
        if (d < least && options[i].name[1] == '-') {
            least = d;
            best = sp_str_c(options[i].name);
        }
    }
    return best;
}

static bool number(const char *text, uint64_t max, unsigned *ret)
{
    uint64_t v;
    if (sp_str_u64(sp_str_c(text), max, &v) < 0)
        return false;
    *ret = (unsigned)v;
    return true;
}

/* What would have been right, or NULL when `value` was. */
static const char *apply(struct sp_options *o, enum option_id id, const char *value)
{
    assert(value || id == OPT_VERSION || id == OPT_HELP);
    switch (id) {
    case OPT_CONFIG:
        o->config_path = value;
        return *value ? NULL : "a path";
    case OPT_YAML:
        o->config_yaml = value;
        return NULL;
    case OPT_MODE:
        o->mode = strcmp(value, "validate") == 0 ? SP_MODE_VALIDATE : SP_MODE_SERVE;
        return o->mode == SP_MODE_VALIDATE || strcmp(value, "serve") == 0 ? NULL : "serve or validate";
    case OPT_CONCURRENCY:
        return number(value, SP_CONCURRENCY_MAX, &o->concurrency) ? NULL : "a number from 0 (all CPUs) to 256";
    case OPT_LEVEL:
        return sp_log_level_parse(sp_str_c(value), &o->log_level) == 0
                   ? NULL
                   : "trace, debug, info, warning, error, critical or off";
    case OPT_LEVELS:
        o->component_log_level = value;
        return NULL;
    case OPT_LOG_PATH:
        o->log_path = value;
        return *value ? NULL : "a path";
    case OPT_LOG_FORMAT:
        o->log_json = strcmp(value, "json") == 0;
        return o->log_json || strcmp(value, "text") == 0 ? NULL : "text or json";
    case OPT_DRAIN:
        return number(value, 86400, &o->drain_time_s) ? NULL : "seconds, from 0 to 86400";
    case OPT_ADMIN_PATH:
        o->admin_address_path = value;
        return *value ? NULL : "a path";
    case OPT_HOT:
        o->hot_restart = value;
        return *value ? NULL : "a path";
    case OPT_VERSION:
        o->version = true;
        return NULL;
    case OPT_HELP:
        o->help = true;
        return NULL;
    }
    return NULL;
}

int sp_options_parse(int argc, char **argv, int first, struct sp_options *ret, char *why, size_t why_size)
{
    assert(argv && ret && why && why_size > 0);
    struct sp_options o = {.log_level = SP_LOG_INFO, .drain_time_s = 600};
    for (int i = first; i < argc; i++) {
        const char *value;
        const struct option *opt = find_option(argv[i], &value);
        if (!opt) {
            struct sp_str near = nearest(argv[i]);
            snprintf(why, why_size, "unknown argument %.100s (%s%.*s)", argv[i],
                     near.len ? "did you mean " : "sallyport --help lists them", SP_STR_ARG(near));
            return -EINVAL;
        }
        if (!opt->value && value) {
            snprintf(why, why_size, "%s takes no value", opt->name);
            return -EINVAL;
        }
        if (opt->value && !value && ++i < argc)
            value = argv[i];
        if (opt->value && !value) {
            snprintf(why, why_size, "%s needs a value", opt->name);
            return -EINVAL;
        }
        const char *right = apply(&o, opt->id, value);
        if (right) {
            snprintf(why, why_size, "%s: \"%.100s\" is not %s", opt->name, value, right);
            return -EINVAL;
        }
    }
    *ret = o;
    return 0;
}

int sp_options_log_levels(const struct sp_options *o, char *why, size_t why_size)
{
    assert(o && why && why_size > 0);
    char text[200];
    sp_log_set_level(o->log_level);
    if (!o->component_log_level || sp_log_set_levels(sp_str_c(o->component_log_level), text, sizeof(text)) == 0)
        return 0;
    snprintf(why, why_size, "--component-log-level: %s", text);
    return -EINVAL;
}

void sp_options_help(FILE *to)
{
    fputs("sallyport: the one guarded door of an origin behind a CDN or WAF\n"
          "\n"
          "  sallyport -c FILE              serve by an Envoy v3 config (YAML, or JSON by its name)\n"
          "  sallyport validate FILE        check a config and say what is wrong with it\n"
          "  sallyport audit FILE           what a valid config leaves open, and what to do about it\n"
          "  sallyport explain -c FILE ...  what a config does to one request, and why (explain --help)\n"
          "  sallyport top                  how a running one fares, at a glance (top --help)\n"
          "  sallyport convert kong.yaml    Kong's declarative format (decK) to a config (convert --help)\n"
          "  sallyport demo [--check]       a door, an origin and the curl lines to try them\n"
          "\n"
          "  -c, --config-path FILE         the config\n"
          "      --config-yaml YAML         a config, or what is merged over the file's\n"
          "      --mode serve|validate      validate: load everything, bind nothing, exit 0 or 1\n"
          "      --concurrency N            worker threads (default: the CPUs the process has)\n"
          "  -l, --log-level LEVEL          trace debug info warning error critical off (default info)\n"
          "      --component-log-level LIST tls:debug,health:trace (see /logging)\n"
          "      --log-path FILE, --log-format text|json   (default stderr, text)\n"
          "      --drain-time-s N           how long requests may take to end after SIGTERM (default 600)\n"
          "      --admin-address-path FILE  write the admin page's address there\n"
          "      --hot-restart SOCKET       take over from the process that serves there; be the one to ask\n"
          "      --version, --help\n"
          "\n"
          "Signals: SIGTERM, SIGINT drain, a second one ends at once; SIGHUP reloads; SIGUSR1 reopens logs.\n"
          "Exit codes: 0 served, or valid; 1 config refused; 2 usage; 3 could not bind.\n",
          to);
}

/* The quota of the process's own cgroup (version 2), rounded up; 0 when there is none. */
static unsigned cgroup_cpus(void)
{
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!f)
        return 0;
    char text[64] = "";
    uint64_t quota, period;
    bool read = fgets(text, sizeof(text), f) != NULL;
    fclose(f);
    struct sp_str rest = sp_str_trim(sp_str_n(text, strcspn(text, "\n"))), first;
    if (!read || !sp_str_split(&rest, ' ', &first) || sp_str_u64(first, UINT32_MAX, &quota) < 0 ||
        sp_str_u64(rest, UINT32_MAX, &period) < 0 || !period)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

unsigned sp_cpus_available(void)
{
    cpu_set_t set;
    unsigned n = 1, quota = cgroup_cpus();
    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        n = (unsigned)CPU_COUNT(&set);
    if (quota && quota < n)
        n = quota;
    return SP_MIN(SP_MAX(n, 1u), (unsigned)SP_CONCURRENCY_MAX);
}
