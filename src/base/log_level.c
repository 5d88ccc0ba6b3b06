/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which lines are written: a level for each component (base/log.h). */
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/log.h"

static struct {
    const char *name;
    _Atomic int level;
} components[] = {
#define X(name) {name, SP_LOG_INFO},
    SP_LOG_COMPONENTS(X)
#undef X
};
static _Atomic int others = SP_LOG_INFO; /* tests */

_Atomic int sp_log_threshold = SP_LOG_INFO;

static _Atomic int *level_of(struct sp_str component)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(components); i++)
        if (sp_str_eq(component, sp_str_c(components[i].name)))
            return &components[i].level;
    return NULL;
}

bool sp_log_passes(enum sp_log_level level, const char *component)
{
    assert(component);
    const _Atomic int *least = level_of(sp_str_c(component));
    return (int)level >= atomic_load_explicit(least ? least : &others, memory_order_relaxed);
}

static void settle(void)
{
    int least = atomic_load(&others);
    for (size_t i = 0; i < SP_ARRAY_LEN(components); i++)
        least = SP_MIN(least, atomic_load(&components[i].level));
    atomic_store(&sp_log_threshold, least);
}

void sp_log_set_level(enum sp_log_level level)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(components); i++)
        atomic_store(&components[i].level, (int)level);
    atomic_store(&others, (int)level);
    settle();
}

enum sp_log_level sp_log_get_level(void)
{
    return (enum sp_log_level)atomic_load(&others);
}

const char *sp_log_component(unsigned i, enum sp_log_level *ret_level)
{
    assert(ret_level);
    if (i >= SP_ARRAY_LEN(components))
        return NULL;
    *ret_level = (enum sp_log_level)atomic_load(&components[i].level);
    return components[i].name;
}

static struct sp_str nearest(struct sp_str name)
{
    struct sp_str best = SP_STR_NULL;
    unsigned least = 4;
    for (size_t i = 0; i < SP_ARRAY_LEN(components); i++) {
        unsigned d = sp_str_distance(name, sp_str_c(components[i].name), 4);
        if (d < least) {
            least = d;
            best = sp_str_c(components[i].name);
        }
    }
    return best;
}

/* One "component:level" of a list; with `set`, it holds. */
static bool read_one(struct sp_str item, bool set, char *why, size_t size)
{
    struct sp_str name = SP_STR_NULL, level = item;
    enum sp_log_level l;
    bool colon = sp_str_chr(item, ':') >= 0;
    sp_str_split(&level, ':', &name);
    _Atomic int *of = level_of(name);
    struct sp_str near = nearest(name);
    if (!colon)
        snprintf(why, size, "\"%.*s\" is no component:level (such as tls:debug)", SP_STR_ARG(item));
    else if (!of)
        snprintf(why, size, "there is no component \"%.*s\" (%s%.*s)", SP_STR_ARG(name), near.len ? "did you mean " : "/logging lists them",
                 SP_STR_ARG(near));
    else if (sp_log_level_parse(level, &l) < 0)
        snprintf(why, size, "\"%.*s\" is no level (trace, debug, info, warning, error, critical or off)", SP_STR_ARG(level));
    else if (set)
        atomic_store(of, (int)l);
    return colon && of && sp_log_level_parse(level, &l) == 0;
}

int sp_log_set_levels(struct sp_str list, char *why, size_t size)
{
    assert(why && size);
    for (int set = 0; set < 2; set++) { /* all or nothing */
        struct sp_str rest = list, item;
        while (sp_str_split(&rest, ',', &item))
            if (!read_one(item, set, why, size))
                return -EINVAL;
    }
    settle();
    return 0;
}
