/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "server/options.h"

static struct sp_options o;
static char why[256];

/* Words separated by spaces, as the shell would give them. */
static int parse(const char *line)
{
    static char text[512];
    char *argv[32];
    int argc = 0;
    snprintf(text, sizeof(text), "sallyport %s", line);
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        argv[argc++] = w;
    why[0] = 0;
    return sp_options_parse(argc, argv, 1, &o, why, sizeof(why));
}

static void refused(const char *line, const char *text)
{
    assert_int_equal(parse(line), -EINVAL);
    assert_string_equal(why, text);
}

static void defaults(void **state)
{
    assert_int_equal(parse(""), 0);
    assert_null(o.config_path);
    assert_int_equal(o.mode, SP_MODE_SERVE);
    assert_int_equal(o.log_level, SP_LOG_INFO);
    assert_int_equal(o.drain_time_s, 600);
    assert_int_equal(o.concurrency, 0);
}

static void all_of_them(void **state)
{
    assert_int_equal(parse("-c a.yaml --config-yaml={} --mode validate --concurrency 3 -l debug --log-path x.log "
                           "--log-format=json --drain-time-s 5 --admin-address-path p --version --help"),
                     0);
    assert_string_equal(o.config_path, "a.yaml");
    assert_string_equal(o.config_yaml, "{}");
    assert_int_equal(o.mode, SP_MODE_VALIDATE);
    assert_int_equal(o.concurrency, 3);
    assert_int_equal(o.log_level, SP_LOG_DEBUG);
    assert_string_equal(o.log_path, "x.log");
    assert_true(o.log_json && o.version && o.help);
    assert_int_equal(o.drain_time_s, 5);
    assert_string_equal(o.admin_address_path, "p");
}

static void wrong_ones(void **state)
{
    refused("--concurency 2", "unknown argument --concurency (did you mean --concurrency)");
    refused("serve", "unknown argument serve (sallyport --help lists them)");
    refused("--mode", "--mode needs a value");
    refused("--version=1", "--version takes no value");
    refused("--mode check", "--mode: \"check\" is not serve or validate");
    refused("--concurrency 257", "--concurrency: \"257\" is not a number from 0 (all CPUs) to 256");
    refused("--concurrency -1", "--concurrency: \"-1\" is not a number from 0 (all CPUs) to 256");
    refused("-l loud", "-l: \"loud\" is not trace, debug, info, warning, error, critical or off");
    refused("--drain-time-s 1m", "--drain-time-s: \"1m\" is not seconds, from 0 to 86400");
    refused("--config-path=", "--config-path: \"\" is not a path");
}

static void help_fits_a_screen(void **state)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    sp_options_help(f);
    fclose(f);
    unsigned lines = 0;
    for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1, lines++)
        assert_true(end - p <= 100);
    assert_in_range(lines, 10, 24);
    free(text);
}

static void some_cpu_is_there(void **state)
{
    assert_in_range(sp_cpus_available(), 1, SP_CONCURRENCY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(all_of_them),
                                       cmocka_unit_test(wrong_ones), cmocka_unit_test(help_fits_a_screen),
                                       cmocka_unit_test(some_cpu_is_there)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
