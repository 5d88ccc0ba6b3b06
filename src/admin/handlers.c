/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin/handlers.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/page_bytes.h"
#include "base/log.h"
#include "base/regex.h"
#include "base/reserve.h"
#include "sallyport_version.h"
#include "stats/stats.h"
#include "stream/access_log.h"

void sp_admin_answer_init(struct sp_admin_answer *a)
{
    *a = (struct sp_admin_answer){.status = 200, .content_type = "text/plain; charset=UTF-8"};
    sp_buf_init(&a->body);
}

const struct sp_header *sp_admin_headers(const struct sp_admin_answer *a, unsigned *ret_n)
{
    static const struct sp_header of_page[] = {
        {.name = SP_STR_INIT("content-security-policy"), .value = SP_STR_INIT(SP_ADMIN_PAGE_POLICY)},
        {.name = SP_STR_INIT("cache-control"), .value = SP_STR_INIT("no-store"), .id = SP_H_CACHE_CONTROL},
        {.name = SP_STR_INIT("x-content-type-options"), .value = SP_STR_INIT("nosniff")},
        {.name = SP_STR_INIT("referrer-policy"), .value = SP_STR_INIT("no-referrer")},
        {.name = SP_STR_INIT("cross-origin-opener-policy"), .value = SP_STR_INIT("same-origin")},
        {.name = SP_STR_INIT("cross-origin-resource-policy"), .value = SP_STR_INIT("same-origin")},
    };
    static const struct sp_header extra[] = {
        {.name = SP_STR_INIT("cache-control"), .value = SP_STR_INIT("no-cache, max-age=0"), .id = SP_H_CACHE_CONTROL},
        {.name = SP_STR_INIT("x-content-type-options"), .value = SP_STR_INIT("nosniff")},
        {.name = SP_STR_INIT("content-security-policy"), .value = SP_STR_INIT("frame-ancestors 'none'")},
    };
    *ret_n = a->page ? SP_ARRAY_LEN(of_page) : SP_ARRAY_LEN(extra);
    return a->page ? of_page : extra;
}

/* A page may be as long as it likes: what is put aside is not for it. */
static bool add(struct sp_admin_answer *a, const char *text, size_t n)
{
    a->cut |= sp_memory() == SP_MEM_LOW;
    if (!a->cut)
        sp_buf_append(&a->body, text, n);
    return !a->cut;
}

void sp_admin_put(struct sp_admin_answer *a, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert(n >= 0);
    add(a, text, SP_MIN((size_t)n, sizeof(text) - 1));
}

void sp_admin_put_line(struct sp_admin_answer *a, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    size_t n = sp_text_line(text, sizeof(text), fmt, ap);
    va_end(ap);
    add(a, text, n);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = sp_ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct sp_str decoded(struct sp_arena *arena, struct sp_str s)
{
    char *out = sp_arena_alloc(arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '%' && i + 2 < s.len && hex(s.ptr[i + 1]) >= 0 && hex(s.ptr[i + 2]) >= 0) {
            out[n++] = (char)(hex(s.ptr[i + 1]) * 16 + hex(s.ptr[i + 2]));
            i += 2;
        } else {
            out[n++] = s.ptr[i] == '+' ? ' ' : s.ptr[i];
        }
    }
    out[n] = 0;
    return sp_str_n(out, n);
}

bool sp_admin_param(const struct sp_admin_request *r, const char *name, struct sp_str *ret_value)
{
    struct sp_str rest = r->query, pair;
    while (sp_str_split(&rest, '&', &pair)) {
        struct sp_str value = pair, key;
        if (!sp_str_split(&value, '=', &key) || !sp_str_eq(key, sp_str_c(name)))
            continue;
        if (ret_value)
            *ret_value = decoded(r->arena, value);
        return true;
    }
    return false;
}

bool sp_admin_wants_json(const struct sp_admin_request *r)
{
    struct sp_str format;
    return sp_admin_param(r, "format", &format) && sp_str_eq(format, SP_STR("json"));
}

void sp_admin_time_text(int64_t at, char out[32])
{
    struct tm tm;
    time_t t = at;
    if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        memcpy(out, "never", sizeof("never")); /* in a year that has no number */
}

json_t *sp_admin_json_time(int64_t at)
{
    char text[32];
    if (!at)
        return json_null();
    sp_admin_time_text(at, text);
    return json_string(text);
}

static int append(const char *text, size_t n, void *arg)
{
    return add(arg, text, n) ? 0 : -1;
}

static void put(struct sp_admin_answer *a, json_t *v, size_t flags)
{
    a->content_type = "application/json";
    if (json_dump_callback(v, append, a, flags | JSON_PRESERVE_ORDER) != 0)
        a->cut = true;
    sp_buf_append_static(&a->body, "\n", 1);
    json_decref(v);
}

void sp_admin_put_json(struct sp_admin_answer *a, json_t *v)
{
    put(a, v, JSON_INDENT(1));
}

void sp_admin_put_compact(struct sp_admin_answer *a, json_t *v)
{
    put(a, v, JSON_COMPACT);
}

bool sp_admin_filter(const struct sp_admin_request *r, struct sp_admin_answer *a, struct sp_regex **ret)
{
    struct sp_str text;
    char why[SP_REGEX_WHY_MAX];
    if (!sp_admin_param(r, "filter", &text) || !text.len)
        return true;
    *ret = sp_regex_new(text, SP_REGEX_SEARCH, why);
    if (*ret)
        return true;
    a->status = 400;
    sp_admin_put_line(a, "filter: %s\n", why);
    return false;
}

static void on_ready(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    enum sp_server_state state = sp_server_state(r->server);
    if (state != SP_SERVER_LIVE || sp_server_failing(r->server))
        a->status = 503;
    sp_admin_put(a, "%s\n", state == SP_SERVER_LIVE && sp_server_failing(r->server) ? "DRAINING" : sp_server_state_name(r->server));
}

static void on_fail(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_server_set_failing(r->server, true);
    sp_admin_put(a, "OK\n");
}

static void on_ok(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_server_set_failing(r->server, false);
    sp_admin_put(a, "OK\n");
}

static void on_quit(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_admin_put(a, "OK\n");
    sp_log(SP_LOG_INFO, "admin", "/quitquitquit");
    sp_server_quit(r->server);
}

static void on_reset(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_stats_reset_counters();
    sp_admin_put(a, "OK\n");
}

static void on_reopen(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_access_log_reopen();
    if (sp_server_options(r->server)->log_path)
        sp_log_open(sp_server_options(r->server)->log_path);
    sp_admin_put(a, "OK\n");
}

/* ?level=debug, ?paths=tls:debug,health:trace or ?tls=debug, as Envoy's. False: none of these. */
static bool set_levels(const struct sp_admin_request *r, char *why, size_t size)
{
    struct sp_str rest = r->query, name, value;
    enum sp_log_level level;
    if (!r->query.len)
        return true;
    snprintf(why, size, "one parameter at a time");
    if (sp_str_chr(r->query, '&') >= 0 || !sp_str_split(&rest, '=', &name))
        return false;
    if (!sp_admin_param(r, sp_arena_str(r->arena, name).ptr, &value))
        value = SP_STR_NULL;
    if (sp_str_eq(name, SP_STR("paths")))
        return sp_log_set_levels(value, why, size) == 0;
    if (!sp_str_eq(name, SP_STR("level")))
        return sp_log_set_levels(sp_arena_printf(r->arena, "%.*s:%.*s", SP_STR_ARG(name), SP_STR_ARG(value)), why, size) == 0;
    snprintf(why, size, "no such level");
    if (sp_log_level_parse(value, &level) < 0)
        return false;
    sp_log_set_level(level);
    return true;
}

static void on_logging(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    char why[256];
    enum sp_log_level level;
    const char *name;
    if (!set_levels(r, why, sizeof(why))) {
        a->status = 400;
        sp_admin_put_line(a, "%s\n", why);
        sp_admin_put(a, "usage: /logging?<component>=<level>\n"
                        "usage: /logging?paths=<component>:<level>,<component>:<level>\n"
                        "usage: /logging?level=<level> (of all)\n"
                        "levels: trace debug info warning error critical off\n");
        return;
    }
    sp_admin_put(a, "active loggers:\n");
    for (unsigned i = 0; (name = sp_log_component(i, &level)) != NULL; i++)
        sp_admin_put(a, "  %s: %s\n", name, sp_log_level_name(level));
}

static void on_hot_restart_version(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    sp_admin_put(a, "%s", sp_server_options(r->server)->hot_restart ? SP_VERSION : "disabled");
}

static void on_help(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    size_t n;
    const struct sp_admin_handler *h = sp_admin_handlers(&n);
    sp_admin_put(a, "admin commands are:\n");
    for (size_t i = 0; i < n; i++)
        sp_admin_put(a, "  %s%s: %s\n", h[i].path, h[i].method == SP_ADMIN_POST ? " (POST)" : "", h[i].help);
}

static const struct sp_admin_handler handlers[] = {
    {"/", SP_ADMIN_GET, "the page for people", sp_admin_page_show},
    {"/certs", SP_ADMIN_GET, "certificates, their names and how long they last", sp_admin_certs},
    {"/clusters", SP_ADMIN_GET, "clusters and their hosts (?filter=REGEX, ?format=json)", sp_admin_clusters},
    {"/config_dump", SP_ADMIN_GET, "the config as it runs, secrets redacted (?resource, ?mask, ?name_regex, ?include_eds)", sp_admin_config_dump},
    {"/contention", SP_ADMIN_GET, "whether locks are waited for", sp_admin_contention},
    {"/drain_listeners", SP_ADMIN_POST, "listeners accept no more (?graceful, ?skip_exit, ?inboundonly)", sp_admin_drain_listeners},
    {"/files", SP_ADMIN_GET, "what was read from files or fetched, and what was refused (?format=json)", sp_admin_files},
    {"/healthcheck/fail", SP_ADMIN_POST, "makes /ready say no", on_fail},
    {"/healthcheck/ok", SP_ADMIN_POST, "makes /ready say yes again", on_ok},
    {"/help", SP_ADMIN_GET, "what there is", on_help},
    {"/hot_restart_version", SP_ADMIN_GET, "which processes can take over from this one", on_hot_restart_version},
    {"/init_dump", SP_ADMIN_GET, "what a config that is being made waits for (?mask=listener)", sp_admin_init_dump},
    {"/listeners", SP_ADMIN_GET, "listeners and their addresses (?format=json)", sp_admin_listeners},
    {"/logging", SP_ADMIN_POST, "log levels (?level=debug, ?tls=debug, ?paths=tls:debug,health:trace set them)", on_logging},
    {"/memory", SP_ADMIN_GET, "memory in use", sp_admin_memory},
    {"/overview", SP_ADMIN_GET, "all at a glance, as JSON (?filter=REGEX of clusters, ?offset, ?limit; ?cluster=NAME for its hosts)",
     sp_admin_overview},
    {"/quitquitquit", SP_ADMIN_POST, "drains and ends the process", on_quit},
    {"/ready", SP_ADMIN_GET, "200 while the door is open", on_ready},
    {"/refused", SP_ADMIN_GET, "the requests that were refused last, and by whom (?limit=50, ?by=FILTER, ?listener=NAME, ?since=UNIX_SECONDS, ?format=json)",
     sp_admin_refused},
    {"/reload", SP_ADMIN_GET_POST, "which config serves, why a newer one was refused (?format=json); POST loads it anew and tells what came of it",
     sp_admin_reload},
    {"/reopen_logs", SP_ADMIN_POST, "opens log files anew, after they were rotated", on_reopen},
    {"/reset_counters", SP_ADMIN_POST, "sets counters to 0", on_reset},
    {"/runtime", SP_ADMIN_GET, "layers and keys of layered_runtime", sp_admin_runtime},
    {"/runtime_modify", SP_ADMIN_POST, "says where keys are changed", sp_admin_runtime_modify},
    {"/secrets", SP_ADMIN_GET, "secrets by name: where from, how often and when they were used (?format=json)", sp_admin_secrets},
    {"/server_info", SP_ADMIN_GET, "version, state and options", sp_admin_server_info},
    {"/stats", SP_ADMIN_GET, "stats (?filter=REGEX, ?usedonly, ?type=, ?histogram_buckets=, ?format=json or prometheus)", sp_admin_stats},
    {"/stats/prometheus", SP_ADMIN_GET, "stats for Prometheus (?filter=REGEX, ?usedonly, ?histogram_buckets=summary)", sp_admin_stats_prometheus},
};

const struct sp_admin_handler *sp_admin_handlers(size_t *ret_n)
{
    *ret_n = SP_ARRAY_LEN(handlers);
    return handlers;
}

const struct sp_admin_handler *sp_admin_handler_find(struct sp_str path)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(handlers); i++)
        if (sp_str_eq(path, sp_str_c(handlers[i].path)))
            return &handlers[i];
    return NULL;
}

void sp_admin_split(struct sp_str target, struct sp_str *ret_path, struct sp_str *ret_query)
{
    ptrdiff_t mark = sp_str_chr(target, '?');
    *ret_path = mark < 0 ? target : sp_str_sub(target, 0, (size_t)mark);
    *ret_query = mark < 0 ? SP_STR_NULL : sp_str_sub(target, (size_t)mark + 1, target.len);
}

void sp_admin_dispatch(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    assert(r && a);
    const struct sp_admin_handler *handler = sp_admin_handler_find(r->path);
    const char *instead = sp_admin_instead(r->path);
    bool get = sp_str_eq(r->method, SP_STR("GET")) || sp_str_eq(r->method, SP_STR("HEAD"));
    bool post = sp_str_eq(r->method, SP_STR("POST"));
    if (!handler) {
        a->status = 404;
        sp_admin_put(a, "%s\n", instead ? instead : "no such path (/help lists what there is)");
    } else if (!((get && handler->method != SP_ADMIN_POST) || (post && handler->method != SP_ADMIN_GET))) {
        a->status = 405;
        sp_admin_put(a, "this path needs %s\n", handler->method == SP_ADMIN_POST ? "POST" : "GET");
    } else {
        handler->run(r, a);
    }
}
