/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_named_secret: one of several live secrets, so that they can be rotated (sallyport.common.v1.Secret): a name that is
 * no secret, a value out of a file that is watched, an environment variable or the config, counters of how often and when
 * it was used last.  A new content that is no good (empty, short, not JSON) is refused, and the old one serves on.
 *
 * Made while a config is compiled, in the arena of whoever compiles, which lives as long as the document's values
 * (config/live.h); used by any worker without a lock.
 */
#ifndef SP_CONFIG_NAMED_SECRET_H
#define SP_CONFIG_NAMED_SECRET_H

#include "config/live.h"
#include "config/secret.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "stats/stats.h"

enum { SP_NAMED_SECRET_MIN = 16, SP_NAMED_SECRET_MAX = 4096 };

enum sp_secret_source { SP_SECRET_INLINE, SP_SECRET_ENVIRONMENT, SP_SECRET_FILE };

struct sp_named_secret_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_arena *arena;
    struct sp_stats_scope *scope; /* its stats stand under "<scope>secret.<name>." */
    struct sp_str owner;          /* "origin_shield", for the admin page */
    /* What else it has to be: NULL, or what is wrong with it (static). May be NULL; any thread. */
    const char *(*check)(struct sp_str value);
};

struct sp_named_secret {
    struct sp_str name, owner, path; /* path: of a file, or the variable's name */
    enum sp_secret_source source;
    struct sp_str json_key; /* empty: the source is the secret itself */
    const struct sp_doc *doc;
    const Envoy__Config__Core__V3__DataSource *value;
    const char *(*check)(struct sp_str value);
    struct sp_live *live; /* of a struct sp_secret */
    _Atomic int64_t last_used_s; /* 0: never */
    struct sp_counter hit, reload_ok, reload_refused;
    struct sp_gauge last_used; /* Unix seconds; follows when stats are shown */
    unsigned tries;
};

/* For sp_live_info.type of the admin page, whose ctx then is a sp_named_secret. */
extern const struct sp_live_kind sp_named_secret_kind;

/* `name` and `json_key` may be empty; copied. `value` is a message of the document. False after an error. */
bool sp_named_secret_init(struct sp_named_secret *s, const struct sp_named_secret_build *build, const char *name,
                          const Envoy__Config__Core__V3__DataSource *value, const char *json_key);
/* The current value: until the end of this turn. */
static inline struct sp_str sp_named_secret_get(const struct sp_named_secret *s)
{
    return sp_secret_str(sp_live_get(s->live));
}
/* It was the right one, now (Unix seconds). */
void sp_named_secret_hit(struct sp_named_secret *s, int64_t now);

#endif
