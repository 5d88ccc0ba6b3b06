/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/event_log.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "event/turn.h"
#include "stats/stats.h"
#include "stream/log_from.h"

struct sp_event_log {
    struct sp_log_file **files;
    size_t n;
    struct sp_counter dropped;
};

bool sp_event_log_add(struct sp_event_log **log, const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                      const char *path)
{
    assert(log && doc && diag && msg && field && path);
    struct sp_log_file *f;
    if (sp_log_file_from(doc, diag, msg, field, path, &f) < 0)
        return false;
    if (!*log) {
        *log = sp_xcalloc(1, sizeof(**log));
        (*log)->dropped = sp_stats_counter(sp_stats_scope(sp_stats_root(), SP_STR("access_log"), NULL, SP_STR_NULL), SP_STR("dropped"));
    }
    (*log)->files = sp_xrealloc((*log)->files, ((*log)->n + 1) * sizeof(*(*log)->files));
    (*log)->files[(*log)->n++] = f;
    return true;
}

void sp_event_log_free(struct sp_event_log *log)
{
    if (!log)
        return;
    for (size_t i = 0; i < log->n; i++)
        sp_log_file_close(log->files[i]);
    free(log->files);
    free(log);
}

void sp_event_log_put(const struct sp_event_log *log, json_t *event)
{
    assert(log);
    char *text = event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    struct sp_buf line;
    sp_buf_init(&line);
    if (text) {
        sp_buf_append(&line, text, strlen(text));
        sp_buf_append(&line, "\n", 1);
    }
    for (size_t i = 0; i < log->n; i++)
        if (!text || !sp_log_file_put(log->files[i], &line))
            sp_counter_inc(log->dropped);
    sp_buf_clear(&line);
    free(text);
    json_decref(event);
}

json_t *sp_event_text(struct sp_str s)
{
    json_t *j = json_stringn(s.ptr ? s.ptr : "", s.len);
    return j ? j : json_string("?");
}

json_t *sp_event_address(const struct sp_addr *a)
{
    assert(a);
    char text[SP_ADDR_TEXT_MAX];
    if (a->family == AF_UNIX)
        return json_pack("{s:{s:o,s:i}}", "pipe", "path", sp_event_text(sp_str_c(a->path)), "mode", 0);
    struct sp_str ip = sp_str_n(text, sp_addr_format_ip(a, text));
    return json_pack("{s:{s:s,s:o,s:i,s:s,s:b,s:s}}", "socket_address", "protocol", "TCP", "address", sp_event_text(ip), "port_value",
                     a->port, "resolver_name", "", "ipv4_compat", 0, "network_namespace_filepath", "");
}

json_t *sp_event_time(uint64_t wall_ns)
{
    char text[64];
    time_t s = (time_t)(wall_ns / SP_NS_PER_S);
    struct tm tm;
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));
    unsigned ms = (unsigned)(wall_ns % SP_NS_PER_S / SP_NS_PER_MS);
    snprintf(text + n, sizeof(text) - n, ms ? ".%03uZ" : "Z", ms); /* protobuf leaves out a fraction that is nothing */
    return json_string(text);
}
