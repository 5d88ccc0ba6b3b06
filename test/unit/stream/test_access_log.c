/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access logs: which streams are logged, where to, and what is refused. */
#include "format_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "stats/stats.h"
#include "stream/access_filter.h"
#include "stream/access_log.h"

typedef Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager Hcm;

static char path[64] = "/tmp/sp-access-XXXXXX";

static int setup(void **state)
{
    sp_stats_init(1);
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int teardown(void **state)
{
    unlink(path);
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}

static const char *content(void)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    return text;
}

static bool passes(struct t_stream *s, const char *yaml, uint64_t random)
{
    struct t_config c;
    t_config_load(&c, &envoy__config__accesslog__v3__access_log_filter__descriptor, yaml);
    struct sp_access_filter *f = sp_access_filter_new(c.doc, &c.diag, c.msg);
    assert_string_equal(t_config_said(&c), "");
    bool yes = sp_access_filter_pass(f, &s->in, random);
    sp_access_filter_free(f);
    t_config_done(&c);
    return yes;
}

static void filters(void **state)
{
    struct t_stream s;
    t_stream_init(&s);
    t_headers(&s.request, &s.arena, "x-log: yes");
    s.info.response_code = 404;
    assert_true(passes(&s, "status_code_filter: {comparison: {op: GE, value: {default_value: 404}}}", 0));
    assert_false(passes(&s, "status_code_filter: {comparison: {op: GE, value: {default_value: 405}}}", 0));
    assert_true(passes(&s, "status_code_filter: {comparison: {op: LE, value: {default_value: 404}}}", 0));
    assert_false(passes(&s, "status_code_filter: {comparison: {op: LE, value: {default_value: 403}}}", 0));
    assert_true(passes(&s, "status_code_filter: {comparison: {op: EQ, value: {default_value: 404}}}", 0));
    assert_false(passes(&s, "status_code_filter: {comparison: {value: {default_value: 400}}}", 0));
    assert_true(passes(&s, "status_code_filter: {comparison: {op: NE, value: {default_value: 200}}}", 0));
    assert_false(passes(&s, "status_code_filter: {comparison: {op: NE, value: {default_value: 404}}}", 0));
    /* 345 ms; 400 without a last byte */
    assert_true(passes(&s, "duration_filter: {comparison: {op: EQ, value: {default_value: 345}}}", 0));
    s.info.tx_end_ns = 0;
    assert_true(passes(&s, "duration_filter: {comparison: {op: GE, value: {default_value: 400}}}", 0));
    s.in.now_ns = 0;
    assert_true(passes(&s, "duration_filter: {comparison: {op: EQ, value: {default_value: 0}}}", 0));
    assert_true(passes(&s, "not_health_check_filter: {}", 0));
    s.info.health_check = true;
    assert_false(passes(&s, "not_health_check_filter: {}", 0));
    s.info.health_check = false;
    /* gRPC: the trailers', the headers', or what the HTTP status stands for */
    assert_true(passes(&s, "grpc_status_filter: {statuses: [UNIMPLEMENTED]}", 0));
    assert_false(passes(&s, "grpc_status_filter: {statuses: [UNIMPLEMENTED], exclude: true}", 0));
    struct sp_headers response, trailers;
    t_headers(&response, &s.arena, ":status: 200\ngrpc-status: 5");
    t_headers(&trailers, &s.arena, "grpc-status: 0");
    s.in.response = &response;
    assert_true(passes(&s, "grpc_status_filter: {statuses: [OK, NOT_FOUND]}", 0));
    assert_false(passes(&s, "grpc_status_filter: {statuses: [OK]}", 0));
    s.in.trailers = &trailers;
    assert_true(passes(&s, "grpc_status_filter: {statuses: [OK]}", 0));
    t_headers(&trailers, &s.arena, "grpc-status: 99");
    assert_false(passes(&s, "grpc_status_filter: {statuses: [OK, UNKNOWN, NOT_FOUND]}", 0));
    assert_true(passes(&s, "grpc_status_filter: {statuses: [OK], exclude: true}", 0));
    s.in.response = s.in.trailers = NULL;
    assert_true(passes(&s, "log_type_filter: {types: [DownstreamEnd]}", 0));
    assert_false(passes(&s, "log_type_filter: {types: [NotSet]}", 0));
    assert_false(passes(&s, "log_type_filter: {types: [DownstreamEnd], exclude: true}", 0));
    s.in.of_connection = true;
    assert_true(passes(&s, "log_type_filter: {types: [NotSet]}", 0));
    s.in.of_connection = false;
    assert_true(passes(&s, "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 10}}", 109));
    assert_false(passes(&s, "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 10}}", 110));
    assert_true(passes(&s, "runtime_filter: {runtime_key: k, percent_sampled: {numerator: 1, denominator: TEN_THOUSAND}}",
                       20000));
    assert_false(passes(&s, "runtime_filter: {runtime_key: k}", 0));
    assert_true(passes(&s, "header_filter: {header: {name: x-log, exact_match: 'yes'}}", 0));
    assert_false(passes(&s, "header_filter: {header: {name: x-log, exact_match: 'no'}}", 0));
    assert_false(passes(&s, "response_flag_filter: {}", 0));
    s.info.flags = SP_FLAG_UF;
    assert_true(passes(&s, "response_flag_filter: {}", 0));
    assert_true(passes(&s, "response_flag_filter: {flags: [UH, UF]}", 0));
    assert_false(passes(&s, "response_flag_filter: {flags: [UH]}", 0));
    const char *yes = "status_code_filter: {comparison: {op: GE, value: {default_value: 1}}}", *no = "response_flag_filter: "
                                                                                                   "{flags: [UH]}";
    char yaml[400];
    for (int i = 0; i < 4; i++) {
        const char *a = i & 1 ? yes : no, *b = i & 2 ? yes : no;
        snprintf(yaml, sizeof(yaml), "and_filter: {filters: [{%s}, {%s}]}", a, b);
        assert_int_equal(passes(&s, yaml, 0), i == 3);
        snprintf(yaml, sizeof(yaml), "or_filter: {filters: [{%s}, {%s}]}", a, b);
        assert_int_equal(passes(&s, yaml, 0), i != 0);
    }
    s.in.request = NULL;
    assert_false(passes(&s, "header_filter: {header: {name: x-log}}", 0));
    assert_true(passes(&s, "header_filter: {header: {name: x-log, present_match: false}}", 0));
    t_stream_done(&s);
}

#define BY(rest) "metadata_filter: {matcher: {filter: ns, path: [{key: k}, {key: x}], value: {bool_match: true}}" rest "}"

static void by_metadata(void **state)
{
    static const struct {
        const char *json;
        bool yes, when_absent; /* with match_if_key_not_found: false, and by default */
    } cases[] = {{"{\"x\":true}", true, true}, {"{\"x\":false}", false, false}, {"{\"x\":\"true\"}", false, false},
                 {"{}", false, true}, {"[]", false, true}, {"true", false, true}, {"{\"x\"", true, true}, {NULL, false, true}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct t_stream s;
        t_stream_init(&s);
        if (cases[i].json)
            t_stream_metadata(&s, "ns", "k", cases[i].json);
        assert_int_equal(passes(&s, BY(", match_if_key_not_found: false"), 0), cases[i].yes);
        assert_int_equal(passes(&s, BY(", match_if_key_not_found: true"), 0), cases[i].when_absent);
        assert_int_equal(passes(&s, BY(""), 0), cases[i].when_absent);
        t_stream_done(&s);
    }
}

static struct sp_access_logs *logs_of(struct t_config *c, const char *logs)
{
    char *yaml = NULL;
    assert_true(asprintf(&yaml,
                         "stat_prefix: x\nroute_config: {}\nhttp_filters: [{name: r, typed_config: {'@type': "
                         "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]\naccess_log:\n%s", logs) > 0);
    t_config_load(c, &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor,
                  yaml);
    free(yaml);
    const Hcm *msg = c->msg;
    return sp_access_logs_new(c->doc, &c->diag, msg->access_log, msg->n_access_log);
}

#define FILE_LOG "'@type': type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"

static uint64_t stat_of(const char *name)
{
    uint64_t n = UINT64_MAX;
    sp_stats_find(sp_str_c(name), &n);
    return n;
}

static void lines_go_to_their_files(void **state)
{
    struct t_config c;
    struct t_stream s;
    char yaml[1200];
    snprintf(yaml, sizeof(yaml),
             "- {name: a, filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 500}}}},\n"
             "   typed_config: {" FILE_LOG ", path: %s, log_format: {text_format: \"E %%RESPONSE_CODE%%\\n\"}}}\n"
             "- {name: b, typed_config: {" FILE_LOG ", path: %s, log_format: {json_format: {code: '%%RESPONSE_CODE%%'}}}}\n"
             "- {name: c, typed_config: {" FILE_LOG ", path: /dev/null}}\n", path, path);
    struct sp_access_logs *l = logs_of(&c, yaml);
    assert_string_equal(t_config_said(&c), "");
    t_stream_init(&s);
    sp_access_logs_write(l, &s.in, NULL, 0);
    s.info.response_code = 503;
    sp_access_logs_write(l, &s.in, NULL, 0);
    sp_access_log_thread_flush();
    assert_string_equal(content(), "{\"code\":200}\nE 503\n{\"code\":503}\n");
    assert_int_equal(stat_of("filesystem.write_buffered"), 5);
    assert_int_equal(stat_of("access_log.dropped"), 0);
    sp_access_logs_write(l, &s.in, NULL, 0);
    assert_true(stat_of("filesystem.write_completed") >= 1);
    /* a second config with the same files lives beside the first */
    struct t_config c2;
    struct sp_access_logs *l2 = logs_of(&c2, yaml);
    sp_access_logs_free(l);
    t_config_done(&c);
    sp_access_logs_write(l2, &s.in, NULL, 0);
    sp_access_logs_free(l2);
    assert_string_equal(content(), "{\"code\":200}\nE 503\n{\"code\":503}\nE 503\n{\"code\":503}\nE 503\n{\"code\":503}\n");
    t_config_done(&c2);
    t_stream_done(&s);
    sp_access_log_thread_flush();
    sp_access_log_reopen();
}

/* Envoy's older fields. */
static void formats_of_files(void **state)
{
    struct t_config c;
    struct t_stream s;
    char yaml[1200];
    FILE *f = fopen(path, "w");
    fclose(f);
    snprintf(yaml, sizeof(yaml),
             "- {name: a, typed_config: {" FILE_LOG ", path: %s, format: \"T %%RESPONSE_CODE%% %%ACCESS_LOG_TYPE%%\\n\"}}\n"
             "- {name: b, typed_config: {" FILE_LOG ", path: %s, json_format: {code: '%%RESPONSE_CODE%%'}}}\n"
             "- {name: c, typed_config: {" FILE_LOG ", path: %s, typed_json_format: {code: '%%RESPONSE_CODE%%', n: {a: 1}}}}\n"
             "- {name: d, typed_config: {" FILE_LOG ", path: %s, format: ''}}\n", path, path, path, path);
    struct sp_access_logs *l = logs_of(&c, yaml);
    assert_string_equal(t_config_said(&c), "");
    t_stream_init(&s);
    sp_access_logs_write(l, &s.in, NULL, 0);
    sp_access_log_thread_flush();
    const char *expected = "T 200 DownstreamEnd\n{\"code\":200}\n{\"code\":200,\"n\":{\"a\":1}}\n[2023-11-14T22:13:20.123Z]";
    if (strncmp(content(), expected, strlen(expected)))
        fail_msg("%s", content());
    sp_access_logs_free(l);
    t_config_done(&c);
    assert_null(logs_of(&c, "- {name: a, typed_config: {" FILE_LOG ", path: /dev/null, format: '%NOSUCH%'}}\n"));
    assert_non_null(strstr(t_config_said(&c), "access_log[0].typed_config.format: unknown operator"));
    t_config_done(&c);
    t_stream_done(&s);
}

static void sampling_is_independent_of_routing(void **state)
{
    struct t_config c;
    struct t_stream s;
    char yaml[400];
    snprintf(yaml, sizeof(yaml), "- {name: a, filter: {runtime_filter: {runtime_key: k, percent_sampled: {numerator: 20}}}, "
                                 "typed_config: {" FILE_LOG ", path: /dev/null}}\n");
    struct sp_access_logs *l = logs_of(&c, yaml);
    t_stream_init(&s);
    /* all streams of a cluster that has a tenth of the weight, by the same number */
    uint64_t before = stat_of("filesystem.write_buffered");
    for (uint64_t i = 0; i < 1000; i++)
        sp_access_logs_write(l, &s.in, NULL, i * 100 + i % 10);
    uint64_t logged = stat_of("filesystem.write_buffered") - before;
    assert_in_range(logged, 140, 260);
    t_stream_done(&s);
    sp_access_logs_free(l);
    t_config_done(&c);
}

static void no_logs_at_all(void **state)
{
    struct t_config c;
    struct t_stream s;
    struct sp_access_logs *l = logs_of(&c, " []");
    assert_non_null(l);
    t_stream_init(&s);
    sp_access_logs_write(l, &s.in, NULL, 0);
    t_stream_done(&s);
    sp_access_logs_free(l);
    sp_access_logs_free(NULL);
    t_config_done(&c);
}

static void what_is_refused(void **state)
{
    struct t_config c;
    assert_null(logs_of(&c,
                        "- {name: a, typed_config: {'@type': "
                        "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n"
                        "- {name: b, typed_config: {" FILE_LOG ", path: /nonexistent/x}}\n"
                        "- {name: c, filter: {response_flag_filter: {flags: [UH, UX, QQQQ]}}, typed_config: {" FILE_LOG
                        ", path: /nonexistent/y, log_format: {text_format: '%NOPE%'}}}\n"
                        "- {name: d, filter: {and_filter: {filters: [{header_filter: {header: {name: ':x'}}}, "
                        "{not_health_check_filter: {}}]}}, typed_config: {" FILE_LOG ", path: /nonexistent/z}}\n"));
    assert_string_equal(
        t_config_said(&c),
        "t.yaml:5:27: access_log[0].typed_config: envoy.extensions.filters.http.router.v3.Router is no access log (take "
        "FileAccessLog, StdoutAccessLog, StderrAccessLog or Syslog)\n"
        "t.yaml:6:118: access_log[1].typed_config.path: cannot open /nonexistent/x for writing: No such file or directory "
        "(check the path and its permissions)\n"
        "t.yaml:7:57: access_log[2].filter.response_flag_filter.flags[1]: unknown response flag \"UX\" (did you mean "
        "\"UH\"?)\n"
        "t.yaml:7:61: access_log[2].filter.response_flag_filter.flags[2]: unknown response flag \"QQQQ\" (such as UH, UF or "
        "NR)\n"
        "t.yaml:7:217: access_log[2].typed_config.log_format.text_format: unknown operator %NOPE% (docs/access-log.md has "
        "them all; a '%' is written %%)\n"
        "t.yaml:8:77: access_log[3].filter.and_filter.filters[0].header_filter.header.name: there is no such pseudo-header "
        "(known: :method, :scheme, :authority, :path, :protocol, :status)\n");
    t_config_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters),
        cmocka_unit_test(by_metadata),
        cmocka_unit_test(lines_go_to_their_files),
        cmocka_unit_test(formats_of_files),
        cmocka_unit_test(sampling_is_independent_of_routing),
        cmocka_unit_test(no_logs_at_all),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
