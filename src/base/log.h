/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process's own log (not the access log): one line an event, to stderr or --log-path.  Any thread; a line is one
 * write(2), so lines never mix.  Control bytes in arguments are replaced by '?', so that no peer can forge a line;
 * lines are cut at 2 KiB.  Secrets never come here: callers see to it.
 *
 *   [2026-11-24 18:44:44.123][12345][warning][listener] text
 *
 * What a peer can cause at will goes through sp_log_limited, which lets at most `burst` lines a second of one site
 * through and says how many it left out.
 */
#ifndef SP_BASE_LOG_H
#define SP_BASE_LOG_H

#include <stdatomic.h>

#include "base/str.h"

enum sp_log_level { SP_LOG_TRACE, SP_LOG_DEBUG, SP_LOG_INFO, SP_LOG_WARNING, SP_LOG_ERROR, SP_LOG_CRITICAL, SP_LOG_OFF };

extern _Atomic int sp_log_threshold; /* enum sp_log_level; default SP_LOG_INFO */

/* "trace", "debug", "info", "warning" or "warn", "error", "critical", "off"; -EINVAL for others. */
int sp_log_level_parse(struct sp_str name, enum sp_log_level *ret_level);
const char *sp_log_level_name(enum sp_log_level level);
/* Where to: a path to append to, or NULL for stderr. 0 or negative errno. Also reopens after rotation. */
int sp_log_open(const char *path);
/* Lines as JSON objects {"time","level","component","message"} from now on. */
void sp_log_json(bool on);

void sp_log_write(enum sp_log_level level, const char *component, const char *fmt, ...) SP_PRINTF(3, 4);

/* component: short and static, such as "listener", "tls", "config", "health". */
#define sp_log(level, component, ...) \
    do { \
        if ((int)(level) >= atomic_load_explicit(&sp_log_threshold, memory_order_relaxed)) \
            sp_log_write((level), (component), __VA_ARGS__); \
    } while (0)

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
        if ((int)(level) >= atomic_load_explicit(&sp_log_threshold, memory_order_relaxed) && \
            sp_log_allow(&sp_limit_, (burst), &sp_left_)) { \
            if (sp_left_) \
                sp_log_write((level), (component), fmt " (%u like it were not logged)", ##__VA_ARGS__, sp_left_); \
            else \
                sp_log_write((level), (component), fmt, ##__VA_ARGS__); \
        } \
    } while (0)

#endif
