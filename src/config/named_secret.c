/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/named_secret.h"

#include <assert.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/mem.h"

typedef Envoy__Config__Core__V3__DataSource DataSource;

enum { MAX_DEPTH = 8, MAX_VALUES = 1000 };

#define ERR(s, diag, ...) sp_doc_err((s)->doc, diag, (s)->value, NULL, -1, __VA_ARGS__)

/* jansson frees its strings as they are. */
static void wipe_strings(json_t *v)
{
    const char *name;
    size_t i;
    json_t *item;
    if (json_is_string(v))
        sp_wipe((char *)(uintptr_t)json_string_value(v), json_string_length(v));
    else if (json_is_object(v))
        json_object_foreach(v, name, item) wipe_strings(item);
    else
        json_array_foreach(v, i, item) wipe_strings(item);
}

/* The member of that very name, else the one that the dots lead to. */
static struct sp_str find(const json_t *root, struct sp_str path)
{
    const json_t *v = json_object_getn(root, path.ptr, path.len);
    struct sp_str rest = path, part;
    if (!v)
        for (v = root; v && sp_str_split(&rest, '.', &part);)
            v = json_object_getn(v, part.ptr, part.len);
    return json_is_string(v) ? sp_str_n(json_string_value(v), json_string_length(v)) : SP_STR_NULL;
}

static bool take_member(const struct sp_named_secret *s, struct sp_diag *diag, struct sp_secret *value)
{
    json_t *root = sp_json_load(sp_secret_str(value), MAX_DEPTH, MAX_VALUES);
    struct sp_str text = json_is_object(root) ? find(root, s->json_key) : SP_STR_NULL;
    bool good = text.ptr != NULL;
    sp_secret_done(value);
    if (!json_is_object(root))
        ERR(s, diag, "it is no JSON object, and json_key names a member of one");
    else if (!good)
        ERR(s, diag, "the JSON object has no string '%.*s'", SP_STR_ARG(s->json_key));
    else
        *value = (struct sp_secret){sp_str_dup(text), text.len};
    if (root)
        wipe_strings(root);
    json_decref(root);
    return good;
}

static bool value_ok(const struct sp_named_secret *s, struct sp_diag *diag, const struct sp_secret *value)
{
    const char *why;
    if (value->len == 0)
        ERR(s, diag, "it is empty (an empty secret would let anyone in)");
    else if (value->len < SP_NAMED_SECRET_MIN)
        ERR(s, diag, "%zu bytes can be guessed (use 16 or more random bytes, such as `openssl rand -hex 32`)", value->len);
    else if (value->len > SP_NAMED_SECRET_MAX)
        ERR(s, diag, "larger than 4096 bytes (is it the right file?)");
    else if (s->check && (why = s->check(sp_secret_str(value))))
        ERR(s, diag, "%s", why);
    else
        return true;
    return false;
}

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct sp_named_secret *s = ctx;
    struct sp_secret value;
    if (sp_secret_read(s->doc, diag, s->value, SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY | SP_SECRET_LIVE, &value) < 0)
        return NULL;
    if (s->json_key.len && !take_member(s, diag, &value))
        return NULL;
    if (!value_ok(s, diag, &value)) {
        sp_secret_done(&value);
        return NULL;
    }
    return sp_secret_new(value);
}

/* The first two are the compile's and the start's, no reloads. */
static void tried(void *ctx, const void *value, bool ok)
{
    struct sp_named_secret *s = ctx;
    if (s->tries >= 2)
        sp_counter_inc(ok ? s->reload_ok : s->reload_refused);
    else
        s->tries++;
}

/* Secrets of one name share the gauge: the latest use counts. */
static void gauges(void *ctx, const void *value)
{
    const struct sp_named_secret *s = ctx;
    int64_t at = atomic_load_explicit(&s->last_used_s, memory_order_relaxed);
    if (at > (int64_t)sp_gauge_value(s->last_used))
        sp_gauge_set(s->last_used, (uint64_t)at);
}

const struct sp_live_kind sp_named_secret_kind = {
    .name = "secret", .load = load, .free = sp_secret_free, .tried = tried, .gauges = gauges};

static void source_init(struct sp_named_secret *s, struct sp_arena *arena, const DataSource *value)
{
    switch (value->specifier_case) {
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME:
        s->source = SP_SECRET_FILE;
        s->path = sp_arena_str(arena, sp_str_c(value->filename));
        break;
    case ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_ENVIRONMENT_VARIABLE:
        s->source = SP_SECRET_ENVIRONMENT;
        s->path = sp_arena_str(arena, sp_str_c(value->environment_variable));
        break;
    default:
        s->source = SP_SECRET_INLINE;
    }
}

bool sp_named_secret_init(struct sp_named_secret *s, const struct sp_named_secret_build *build, const char *name,
                          const DataSource *value, const char *json_key)
{
    assert(s && build && build->doc && build->arena && build->scope && name && value && json_key);
    struct sp_arena *arena = build->arena;
    *s = (struct sp_named_secret){
        .name = sp_arena_str(arena, sp_str_c(name)),
        .owner = sp_arena_str(arena, build->owner),
        .json_key = sp_arena_str(arena, sp_str_c(json_key)),
        .doc = build->doc,
        .value = value,
        .check = build->check,
    };
    source_init(s, arena, value);
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, SP_STR("secret"), "sallyport_secret", s->name);
    s->hit = sp_stats_counter(scope, SP_STR("hit"));
    s->reload_ok = sp_stats_counter(scope, SP_STR("reload_ok"));
    s->reload_refused = sp_stats_counter(scope, SP_STR("reload_refused"));
    s->last_used = sp_stats_gauge(scope, SP_STR("last_used"));
    /* As an earlier config left it. */
    atomic_store_explicit(&s->last_used_s, (int64_t)sp_gauge_value(s->last_used), memory_order_relaxed);
    s->live = sp_live_new(sp_doc_live(build->doc), &sp_named_secret_kind,
                          sp_arena_printf(arena, "%.*s %s", SP_STR_ARG(build->owner), name), s, NULL);
    sp_secret_watch(s->live, value);
    return sp_live_load(s->live, build->diag);
}

void sp_named_secret_hit(struct sp_named_secret *s, int64_t now)
{
    assert(s);
    sp_counter_inc(s->hit);
    /* Once a second: the word is shared by all workers. */
    if (atomic_load_explicit(&s->last_used_s, memory_order_relaxed) < now)
        atomic_store_explicit(&s->last_used_s, now, memory_order_relaxed);
}
