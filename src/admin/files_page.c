/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /files: what was read from files or fetched, since when it serves, and why a newer version was refused. */
#include <jansson.h>
#include <stdlib.h>

#include "admin/handlers.h"
#include "config/live.h"
#include "net/address_list.h"

/* Of address lists: since the file was written, which says more than since when it serves. False: it is none. */
static bool age_of(const struct sp_live_info *info, int64_t *ret_s, unsigned *ret_entries)
{
    if (info->type != &sp_address_list_kind)
        return false;
    *ret_s = sp_address_list_age_s(info->ctx, ret_entries);
    return true;
}

static void put_text(void *arg, const struct sp_live_info *info)
{
    struct sp_admin_answer *a = arg;
    char at[32] = "never";
    int64_t age;
    unsigned entries;
    if (info->loaded_s)
        sp_admin_time_text(info->loaded_s, at);
    sp_admin_put_line(a, "%s \"%.*s\": loaded %s, %llu times", info->kind, SP_STR_ARG(info->label), at,
                 (unsigned long long)info->n_loaded);
    for (unsigned i = 0; i < info->n_paths; i++)
        sp_admin_put_line(a, "%s%s", i ? ", " : ", from ", info->paths[i]);
    if (age_of(info, &age, &entries))
        sp_admin_put_line(a, ", %u ranges, written %lld s ago", entries, (long long)age);
    if (info->failed_s) {
        sp_admin_time_text(info->failed_s, at);
        sp_admin_put_line(a, "\n  WARNING: refused %s: %.*s", at, SP_STR_ARG(info->why));
    }
    sp_admin_put_line(a, "\n");
}

static void put_json(void *arg, const struct sp_live_info *info)
{
    int64_t age;
    unsigned entries;
    json_t *paths = json_array(), *why = info->failed_s ? sp_json_text(info->why) : json_null();
    for (unsigned i = 0; i < info->n_paths; i++)
        json_array_append_new(paths, json_string(info->paths[i]));
    json_t *row = json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:I, s:o}", "kind", info->kind, "name",
                                         sp_json_text(info->label), "paths", paths, "loaded",
                                         sp_admin_json_time(info->loaded_s), "times_loaded", (json_int_t)info->n_loaded, "refused",
                                         sp_admin_json_time(info->failed_s), "times_refused", (json_int_t)info->n_failed, "why", why);
    if (age_of(info, &age, &entries)) {
        json_object_set_new(row, "age_seconds", json_integer(age));
        json_object_set_new(row, "entries", json_integer(entries));
    }
    json_array_append_new(arg, row);
}

void sp_admin_files(const struct sp_admin_request *r, struct sp_admin_answer *a)
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
