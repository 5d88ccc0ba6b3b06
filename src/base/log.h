/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process's own log (not the access log): one line an event, to stderr or --log-path.  Any thread; a line is one
 * write(2), so lines never mix.  Control bytes in arguments are replaced by '?', so that no peer can forge a line;
 * lines are cut at 2 KiB.  Secrets never come here: callers see to it.
 *
 *   [2026-11-24 18:44:44.123][12345][warning][listener] text
 *
 * Each component has a level of its own, which may change at any time.  Where journald reads stderr (sp_log_to_journal) a line
 * begins with its priority, as sd-daemon(3) has it, and says neither time nor thread: journald knows them.
 *
 * What a peer can cause at will goes through sp_log_limited, which lets at most `burst` lines a second of one site
 * through and says how many it left out.
 */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdatomic.h>

#include "base/str.h"

enum sp_log_level { SP_LOG_TRACE, SP_LOG_DEBUG, SP_LOG_INFO, SP_LOG_WARNING, SP_LOG_ERROR, SP_LOG_CRITICAL, SP_LOG_OFF };

/* All components there are; test/lint/log_components holds them against the calls. */
#define SP_LOG_COMPONENTS(X) \
    X("access_log") X("admin") X("claims_authz") X("cluster") X("config") X("confine") X("demo") X("dns") X("ext_authz") \
    X("files") X("header_certificate") X("health") X("hot-restart") X("http") X("ip_restriction") X("jwt_authn") X("listener") \
    X("origin_shield") X("outlier") X("overload") X("ratelimit") X("rbac") X("route") X("sender_constraint") X("server") \
    X("stats") X("tls") X("token_introspection") X("tracing")

extern _Atomic int sp_log_threshold; /* the least of all components' levels (enum sp_log_level); default SP_LOG_INFO */
/* Whether a line of the component would be written: for those that passed the threshold. */
bool sp_log_passes(enum sp_log_level level, const char *component);
void sp_log_set_level(enum sp_log_level level); /* of all components */
enum sp_log_level sp_log_get_level(void);       /* as set for all */
/* "tls:debug,health:trace": all of it, or -EINVAL and why. Main thread. */
int sp_log_set_levels(struct sp_str list, char *why, size_t size);
/* The i-th, in order of names, and its level; NULL behind the last. */
const char *sp_log_component(unsigned i, enum sp_log_level *ret_level);

/* "trace", "debug", "info", "warning" or "warn", "error", "critical", "off"; -EINVAL for others. */
int sp_log_level_parse(struct sp_str name, enum sp_log_level *ret_level);
const char *sp_log_level_name(enum sp_log_level level);
/* Where to: a path to append to, or NULL for stderr. 0 or negative errno. Also reopens after rotation. */
int sp_log_open(const char *path);
/* Lines as JSON objects {"time","level","component","message"} from now on. */
void sp_log_json(bool on);
/* Lines get their priority in front from now on, if journald reads stderr ($JOURNAL_STREAM names it) and they go there. */
void sp_log_to_journal(void);

void sp_log_write(enum sp_log_level level, const char *component, const char *fmt, ...) SP_PRINTF(3, 4);

#define sp_log_on(level, component) \
    ((int)(level) >= atomic_load_explicit(&sp_log_threshold, memory_order_relaxed) && sp_log_passes((level), (component)))

/* component: short and static, such as "listener", "tls", "config", "health". */
#define sp_log(level, component, ...) \
    do { \
        if (sp_log_on((level), (component))) \
            sp_log_write((level), (component), __VA_ARGS__); \
    } while (0)

enum { SP_LOG_BURST = 50 }; /* where a thousand hosts may have the same to say at once */

struct sp_log_limit {
    _Atomic int64_t second;
    _Atomic uint32_t in_second, left_out;
};
/* Whether one more line may be written now; *ret_left_out lines were not since the last one that was. */
bool sp_log_allow(struct sp_log_limit *l, unsigned burst, unsigned *ret_left_out);

#define sp_log_limited(level, component, burst, fmt, ...) \
    do { \
        static struct sp_log_limit sp_limit_; \
        unsigned sp_left_; \
        if (sp_log_on((level), (component)) && \
            sp_log_allow(&sp_limit_, (burst), &sp_left_)) { \
            if (sp_left_) \
                sp_log_write((level), (component), fmt " (%u like it were not logged)", ##__VA_ARGS__, sp_left_); \
            else \
                sp_log_write((level), (component), fmt, ##__VA_ARGS__); \
        } \
    } while (0)

#endif
