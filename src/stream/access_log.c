/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/access_log.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb-c.h"
#include "sallyport/access_loggers/v1/syslog.pb-c.h"
#include "stats/stats.h"
#include "stream/access_filter.h"
#include "stream/log_from.h"
#include "stream/syslog.h"

typedef Envoy__Config__Accesslog__V3__AccessLog AccessLog;
typedef Envoy__Extensions__AccessLoggers__File__V3__FileAccessLog FileAccessLog;
typedef Envoy__Extensions__AccessLoggers__Stream__V3__StdoutAccessLog StdoutAccessLog;
typedef Envoy__Extensions__AccessLoggers__Stream__V3__StderrAccessLog StderrAccessLog;

typedef Envoy__Config__Core__V3__SubstitutionFormatString FormatString;
#define FORMAT(name) ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_##name
#define FILE_FORMAT(name) ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_##name

struct logger {
    struct sp_access_filter *filter; /* NULL: everything */
    struct sp_format *format;
    struct sp_log_file *file;
    struct sp_syslog *syslog; /* NULL: bytes of a file */
};

struct sp_access_logs {
    struct logger *v;
    size_t n;
    struct sp_counter dropped, buffered, completed, failed, reopen_failed, sent, not_sent;
};

/* What one of the kinds says: where to, and in which form. */
struct target {
    const void *msg;
    const char *path;
    const Sallyport__AccessLoggers__V1__Syslog *syslog; /* instead of a path */
    const FormatString *format;
    const char *text; /* FileAccessLog.format; NULL: see `format` */
};

/* The three older ways to say what log_format says. */
static void file_format(const struct sp_doc *doc, const FileAccessLog *msg, struct target *ret)
{
    if (msg->access_log_format_case == FILE_FORMAT(FORMAT) && *msg->format)
        ret->text = msg->format;
    else if (msg->access_log_format_case == FILE_FORMAT(LOG_FORMAT))
        ret->format = msg->log_format;
    else if (msg->access_log_format_case == FILE_FORMAT(JSON_FORMAT) || msg->access_log_format_case == FILE_FORMAT(TYPED_JSON_FORMAT)) {
        FormatString *f = sp_doc_derive(doc, msg, &envoy__config__core__v3__substitution_format_string__descriptor);
        f->format_case = FORMAT(JSON_FORMAT);
        f->json_format = msg->access_log_format_case == FILE_FORMAT(JSON_FORMAT) ? msg->json_format : msg->typed_json_format;
        ret->format = f;
    }
}

static bool target_of(const struct sp_doc *doc, struct sp_diag *diag, const AccessLog *msg, struct target *ret)
{
    const ProtobufCMessage *m = sp_doc_any(doc, msg->typed_config);
    ret->msg = m;
    if (m && m->descriptor == &envoy__extensions__access_loggers__file__v3__file_access_log__descriptor) {
        const FileAccessLog *f = (const void *)m;
        ret->path = f->path;
        file_format(doc, f, ret);
    } else if (m && m->descriptor == &envoy__extensions__access_loggers__stream__v3__stdout_access_log__descriptor) {
        ret->path = "/dev/stdout";
        ret->format = ((const StdoutAccessLog *)(const void *)m)->log_format;
    } else if (m && m->descriptor == &envoy__extensions__access_loggers__stream__v3__stderr_access_log__descriptor) {
        ret->path = "/dev/stderr";
        ret->format = ((const StderrAccessLog *)(const void *)m)->log_format;
    } else if (m && m->descriptor == &sallyport__access_loggers__v1__syslog__descriptor) {
        ret->syslog = (const void *)m;
        ret->format = ret->syslog->log_format;
    } else {
        sp_doc_err(doc, diag, msg, "typed_config", -1, "%s is no access log (take FileAccessLog, StdoutAccessLog, StderrAccessLog or "
                                                       "Syslog)", m ? m->descriptor->name : "nothing");
        return false;
    }
    return true;
}

static bool logger_init(struct logger *l, const struct sp_doc *doc, struct sp_diag *diag, const AccessLog *msg)
{
    struct target to = {0};
    bool good = target_of(doc, diag, msg, &to);
    if (msg->filter) {
        l->filter = sp_access_filter_new(doc, diag, msg->filter);
        good = good && l->filter;
    }
    if (!to.msg || !(to.path || to.syslog))
        return false;
    l->format = to.text ? sp_format_new(doc, diag, to.msg, "format", -1, sp_str_c(to.text)) : sp_format_new_msg(doc, diag, to.format);
    good = good && l->format;
    if (to.syslog) {
        l->syslog = sp_syslog_new(doc, diag, to.syslog);
        l->file = good && l->syslog ? sp_syslog_open(l->syslog, doc, diag, to.syslog) : NULL;
        return l->file != NULL;
    }
    /* Nothing is made on the disk for a config that is refused anyway. */
    const char *field = strcmp(to.path, "/dev/stdout") != 0 && strcmp(to.path, "/dev/stderr") != 0 ? "path" : NULL;
    return good && sp_log_file_from(doc, diag, to.msg, field, to.path, &l->file) == 0;
}

struct sp_access_logs *sp_access_logs_new(const struct sp_doc *doc, struct sp_diag *diag, AccessLog **list, size_t n)
{
    assert(doc && diag && (list || !n));
    struct sp_access_logs *l = sp_xcalloc(1, sizeof(*l));
    struct sp_stats_scope *own = sp_stats_scope(sp_stats_root(), SP_STR("access_log"), NULL, SP_STR_NULL);
    struct sp_stats_scope *files = sp_stats_scope(sp_stats_root(), SP_STR("filesystem"), NULL, SP_STR_NULL);
    l->dropped = sp_stats_counter(own, SP_STR("dropped"));
    l->buffered = sp_stats_counter(files, SP_STR("write_buffered"));
    l->completed = sp_stats_counter(files, SP_STR("write_completed"));
    l->failed = sp_stats_counter(files, SP_STR("write_failed"));
    l->reopen_failed = sp_stats_counter(files, SP_STR("reopen_failed"));
    l->sent = sp_stats_counter(own, SP_STR("syslog_sent"));
    l->not_sent = sp_stats_counter(own, SP_STR("syslog_failed"));
    l->v = sp_xcalloc(n + 1, sizeof(*l->v)); /* and room for sp_access_logs_add_file */
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = logger_init(&l->v[l->n++], doc, diag, list[i]) && good;
    if (good)
        return l;
    sp_access_logs_free(l);
    return NULL;
}

bool sp_access_logs_add_file(struct sp_access_logs *l, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                             const char *field, const char *path)
{
    assert(l && doc && diag && msg && field && path);
    struct logger *g = &l->v[l->n++];
    g->format = sp_format_new_msg(doc, diag, NULL);
    return sp_log_file_from(doc, diag, msg, field, path, &g->file) == 0;
}

void sp_access_logs_free(struct sp_access_logs *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++) {
        sp_access_filter_free(l->v[i].filter);
        sp_format_free(l->v[i].format);
        sp_log_file_close(l->v[i].file);
        sp_syslog_free(l->v[i].syslog);
    }
    free(l->v);
    free(l);
}

/* The writer's thread has no slab: whoever logs next counts for it. */
static void count(const struct sp_access_logs *l)
{
    struct sp_log_counts c = sp_log_file_counts();
    if (c.written)
        sp_counter_add(l->completed, c.written);
    if (c.failed)
        sp_counter_add(l->failed, c.failed);
    if (c.reopen_failed)
        sp_counter_add(l->reopen_failed, c.reopen_failed);
    if (c.sent)
        sp_counter_add(l->sent, c.sent);
    if (c.not_sent)
        sp_counter_add(l->not_sent, c.not_sent);
}

/* In the form that its file takes. */
static bool put(const struct logger *g, const struct sp_format_input *in, struct sp_buf *line)
{
    if (SP_LIKELY(!g->syslog))
        return sp_log_file_put(g->file, line);
    struct sp_buf record;
    sp_buf_init(&record);
    int64_t age = in->now_ns > in->info->start_ns ? (int64_t)(in->now_ns - in->info->start_ns) : 0;
    sp_syslog_frame(g->syslog, in->info->start_wall_ns + age, line, &record);
    bool done = sp_log_file_put(g->file, &record);
    sp_buf_clear(&record);
    return done;
}

void sp_access_logs_write(const struct sp_access_logs *l, const struct sp_format_input *in, struct sp_turn *turn,
                          uint64_t random)
{
    assert(l && in && in->info);
    struct sp_buf line;
    sp_buf_init(&line);
    /* Routes took their decisions by this number: sampling by the same digits would log one weighted cluster only. */
    random = (random ^ random >> 31) * 0x9e3779b97f4a7c15u;
    random ^= random >> 29;
    for (size_t i = 0; i < l->n; i++) {
        const struct logger *g = &l->v[i];
        if (g->filter && !sp_access_filter_pass(g->filter, in, random))
            continue;
        sp_format_write(g->format, in, &line);
        sp_counter_inc(put(g, in, &line) ? l->buffered : l->dropped);
        sp_buf_clear(&line);
    }
    if (l->n)
        count(l);
}

void sp_access_log_thread_flush(void)
{
    sp_log_file_thread_flush();
}

void sp_access_log_reopen(void)
{
    sp_log_file_reopen();
}
