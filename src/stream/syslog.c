/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/syslog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/addr.h"
#include "stream/log_out.h"

typedef Sallyport__AccessLoggers__V1__Syslog Message;

enum { APP_MAX = 48, HOST_MAX = 255, HEAD_MAX = 512 };

struct sp_syslog {
    unsigned priority;
    char host[HOST_MAX + 1], app[APP_MAX + 1], address[SP_ADDR_TEXT_MAX];
};

static unsigned priority_of(const Message *msg)
{
    static const unsigned facilities[] = {16, 17, 18, 19, 20, 21, 22, 23, 1, 3, 4, 10}, severities[] = {6, 5, 4, 3, 7};
    assert((unsigned)msg->facility < SP_ARRAY_LEN(facilities) && (unsigned)msg->severity < SP_ARRAY_LEN(severities));
    return facilities[msg->facility] * 8 + severities[msg->severity];
}

/* PRINTUSASCII of RFC 5424 section 6. */
static bool is_visible(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool read_app(struct sp_syslog *s, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    bool good = strlen(msg->app_name) <= APP_MAX && is_visible(msg->app_name);
    if (!good)
        sp_doc_err(doc, diag, msg, "app_name", -1, "\"%s\" is no name for syslog (1 to 48 visible ASCII characters)", msg->app_name);
    else
        snprintf(s->app, sizeof(s->app), "%s", *msg->app_name ? msg->app_name : "sallyport");
    return good;
}

static bool read_udp(struct sp_syslog *s, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    struct sp_addr addr;
    if (sp_addr_parse(sp_str_c(msg->udp), &addr) < 0 || !addr.port) {
        sp_doc_err(doc, diag, msg, "udp", -1, "\"%s\" is no IP address with a port (such as 192.0.2.7:514)", msg->udp);
        return false;
    }
    s->address[sp_addr_format(&addr, s->address)] = 0;
    return true;
}

static bool read_target(struct sp_syslog *s, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    if (msg->target_case == SALLYPORT__ACCESS_LOGGERS__V1__SYSLOG__TARGET_UDP)
        return read_udp(s, doc, diag, msg);
    const char *path = msg->target_case ? msg->socket_path : "/dev/log";
    struct sp_addr addr = {.family = AF_UNIX, .path = path};
    struct sockaddr_storage to;
    if ((*path != '/' && *path != '@') || !sp_addr_to_sockaddr(&addr, &to)) {
        sp_doc_err(doc, diag, msg, "socket_path", -1, "\"%s\" is no path of a socket (absolute, 107 bytes at most, such as /dev/log)", path);
        return false;
    }
    snprintf(s->address, sizeof(s->address), "%s", path);
    return true;
}

struct sp_syslog *sp_syslog_new(const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(doc && diag && msg);
    struct sp_syslog *s = sp_xcalloc(1, sizeof(*s));
    s->priority = priority_of(msg);
    if (gethostname(s->host, HOST_MAX) < 0 || !*s->host || !is_visible(s->host))
        snprintf(s->host, sizeof(s->host), "-");
    bool good = read_app(s, doc, diag, msg);
    good &= read_target(s, doc, diag, msg);
    if (good)
        return s;
    sp_syslog_free(s);
    return NULL;
}

void sp_syslog_free(struct sp_syslog *s)
{
    free(s);
}

struct sp_log_file *sp_syslog_open(const struct sp_syslog *s, const struct sp_doc *doc, struct sp_diag *diag, const Message *msg)
{
    assert(s && doc && diag && msg);
    struct sp_log_file *f = NULL;
    int err = sp_log_file_syslog(s->address, &f);
    if (err < 0) /* no thread, or no memory for it: the address is good */
        sp_doc_err(doc, diag, msg, NULL, -1, "cannot open %s for writing: %s (check the path and its permissions)", s->address, strerror(-err));
    return f;
}

/* <134>1 2026-11-30T14:02:11.480123Z door sallyport 4711 access - : then the line. */
static size_t head(const struct sp_syslog *s, int64_t wall_ns, char out[HEAD_MAX])
{
    struct tm tm;
    time_t seconds = wall_ns / 1000000000;
    gmtime_r(&seconds, &tm);
    int n = snprintf(out, HEAD_MAX, "<%u>1 %04d-%02d-%02dT%02d:%02d:%02d.%06dZ %s %s %ld access - ", s->priority, tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_ns % 1000000000 / 1000), s->host, s->app,
                     (long)getpid());
    assert(n > 0 && n < HEAD_MAX);
    return (size_t)n;
}

/* Without line ends, and no half of a character at the end. */
static size_t tidy(char *text, size_t n, bool cut)
{
    while (cut && n && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (cut && n && ((unsigned char)text[n - 1] & 0x80))
        n--;
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n' || text[i] == '\r')
            text[i] = ' ';
    return n;
}

void sp_syslog_frame(const struct sp_syslog *s, int64_t wall_ns, struct sp_buf *line, struct sp_buf *out)
{
    assert(s && line && out);
    struct {
        sp_log_out_length len;
        char text[SP_LOG_DATAGRAM_MAX];
    } record;
    size_t n = head(s, wall_ns, record.text), room = sizeof(record.text) - n;
    bool cut = line->len > room;
    sp_buf_peek(line, record.text + n, SP_MIN(line->len, room));
    n += tidy(record.text + n, SP_MIN(line->len, room), cut);
    record.len = (sp_log_out_length)n;
    sp_buf_append(out, &record, sizeof(record.len) + n);
    sp_buf_clear(line);
}
