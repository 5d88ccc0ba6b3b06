/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /secrets: which secrets serve, where they come from, how often and when each was used last: what one has to know before
 * an old one is taken away.  Never a value.
 */
#include <jansson.h>
#include <stdlib.h>

#include "admin/handlers.h"
#include "config/named_secret.h"

struct row {
    const struct sp_live_info *info;
    const struct sp_named_secret *secret; /* NULL: one of another kind, which is not counted */
    const char *source;
};

static bool row_of(const struct sp_live_info *info, struct row *ret)
{
    static const char *const sources[] = {
        [SP_SECRET_INLINE] = "inline", [SP_SECRET_ENVIRONMENT] = "environment", [SP_SECRET_FILE] = "file"};
    *ret = (struct row){.info = info, .source = info->n_paths ? "file" : "config"};
    if (info->type == &sp_named_secret_kind) {
        ret->secret = info->ctx;
        ret->source = sources[ret->secret->source];
    }
    return strcmp(info->kind, sp_named_secret_kind.name) == 0;
}

static int64_t last_used(const struct sp_named_secret *s)
{
    return atomic_load_explicit(&s->last_used_s, memory_order_relaxed);
}

static void put_text(void *arg, const struct sp_live_info *info)
{
    struct sp_admin_answer *a = arg;
    struct row r;
    char at[32];
    if (!row_of(info, &r))
        return;
    sp_admin_put_line(a, "\"%.*s\": %s", SP_STR_ARG(info->label), r.source);
    if (r.secret && r.secret->path.len)
        sp_admin_put_line(a, " %.*s", SP_STR_ARG(r.secret->path));
    for (unsigned i = 0; !r.secret && i < info->n_paths; i++)
        sp_admin_put_line(a, " %s", info->paths[i]);
    if (r.secret && r.secret->json_key.len)
        sp_admin_put_line(a, " (member %.*s)", SP_STR_ARG(r.secret->json_key));
    sp_admin_time_text(info->loaded_s, at);
    sp_admin_put_line(a, ", loaded %s", at);
    if (r.secret) {
        sp_admin_time_text(last_used(r.secret), at);
        sp_admin_put_line(a, ", %llu hits, last used %s", (unsigned long long)sp_counter_value(r.secret->hit),
                     last_used(r.secret) ? at : "never");
    }
    if (info->failed_s) {
        sp_admin_time_text(info->failed_s, at);
        sp_admin_put_line(a, "\n  WARNING: refused %s: %.*s", at, SP_STR_ARG(info->why));
    }
    sp_admin_put_line(a, "\n");
}

static void put_json(void *arg, const struct sp_live_info *info)
{
    struct row r;
    if (!row_of(info, &r))
        return;
    const struct sp_named_secret *s = r.secret;
    struct sp_str path = s ? s->path : info->n_paths ? sp_str_c(info->paths[0]) : SP_STR_NULL;
    json_t *row = json_pack("{s:o, s:o, s:s, s:o, s:o}", "name", sp_json_text(s ? s->name : info->label), "owner",
                            s ? sp_json_text(s->owner) : json_null(), "source", r.source, "path",
                            path.len ? sp_json_text(path) : json_null(), "loaded", sp_admin_json_time(info->loaded_s));
    json_object_set_new(row, "json_key", s && s->json_key.len ? sp_json_text(s->json_key) : json_null());
    json_object_set_new(row, "hits", s ? json_integer((json_int_t)sp_counter_value(s->hit)) : json_null());
    json_object_set_new(row, "last_used", s ? sp_admin_json_time(last_used(s)) : json_null());
    json_object_set_new(row, "refused", sp_admin_json_time(info->failed_s));
    json_object_set_new(row, "why", info->failed_s ? sp_json_text(info->why) : json_null());
    json_array_append_new(arg, row);
}

void sp_admin_secrets(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    const struct sp_live_set *set = sp_doc_live(sp_server_config(r->server)->doc);
    if (!sp_admin_wants_json(r)) {
        sp_live_set_each(set, put_text, a);
        return;
    }
    json_t *all = json_array();
    sp_live_set_each(set, put_json, all);
    sp_admin_put_json(a, all);
}
