/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /reload: which config serves, and why a newer one was refused.  POST loads it anew and answers when that has come to an end: with 200
 * when it serves, with what of it is new, or 422 with all errors when it was refused.
 */
#include <jansson.h>

#include "admin/handlers.h"
#include "server/reload.h"

static void put_text(struct sp_admin_answer *a, const struct sp_reload_info *i)
{
    char at[32] = "never";
    if (i->loaded_s)
        sp_admin_time_text(i->loaded_s, at);
    sp_admin_put(a, "config %llu serves since %s (%s)\n", (unsigned long long)i->number, at, i->phase);
    if (i->n_old)
        sp_admin_put(a, "%u older config%s: requests or connections hold %s\n", i->n_old, i->n_old == 1 ? "" : "s",
                     i->n_old == 1 ? "it" : "them");
    if (!i->failed_s)
        return;
    sp_admin_time_text(i->failed_s, at);
    sp_admin_put(a, "WARNING: a newer version was refused %s:\n%.*s", at, SP_STR_ARG(i->why));
}

static const char *const kinds[SP_PART_KINDS] = {"listeners", "clusters", "secrets"};

static const char *name_of(const struct sp_reload_outcome *o)
{
    return !o->taken ? "refused" : sp_changes_none(&o->changes) ? "unchanged" : "taken";
}

static void outcome_text(struct sp_admin_answer *a, const struct sp_reload_outcome *o)
{
    if (!o->taken) {
        sp_admin_put(a, "refused: %u error%s; config %llu serves on\n", o->n_errors, o->n_errors == 1 ? "" : "s",
                     (unsigned long long)o->number);
        sp_buf_append_str(&a->body, o->why);
        if (!sp_str_ends(o->why, SP_STR("\n")))
            sp_admin_put(a, "\n");
        return;
    }
    sp_admin_put(a, "%s: config %llu serves (%llu ms)\n", name_of(o), (unsigned long long)o->number, (unsigned long long)o->ms);
    for (int k = 0; k < SP_PART_KINDS && !sp_changes_none(&o->changes); k++)
        sp_admin_put(a, "%s: %u added, %u changed, %u removed\n", kinds[k], o->changes.of[k].added, o->changes.of[k].changed,
                     o->changes.of[k].removed);
    if (o->changes.rest)
        sp_admin_put(a, "other settings: changed\n");
}

static void outcome_json(struct sp_admin_answer *a, const struct sp_reload_outcome *o)
{
    json_t *j = json_pack("{s:s, s:I, s:I}", "outcome", name_of(o), "version", (json_int_t)o->number, "milliseconds", (json_int_t)o->ms);
    for (int k = 0; o->taken && k < SP_PART_KINDS; k++)
        json_object_set_new(j, kinds[k], json_pack("{s:i, s:i, s:i}", "added", (int)o->changes.of[k].added, "changed",
                                                   (int)o->changes.of[k].changed, "removed", (int)o->changes.of[k].removed));
    if (o->taken)
        json_object_set_new(j, "other_settings_changed", json_boolean(o->changes.rest));
    else
        json_object_set_new(j, "errors", json_integer(o->n_errors));
    if (!o->taken)
        json_object_set_new(j, "why", sp_json_text(o->why));
    sp_admin_put_json(a, j);
}

static void on_outcome(struct sp_reload_ask *ask, const struct sp_reload_outcome *o)
{
    struct sp_admin_stream *s = SP_CONTAINER_OF(ask, struct sp_admin_stream, ask);
    struct sp_admin_answer a;
    sp_admin_answer_init(&a);
    a.status = o->taken ? 200 : 422;
    (s->json ? outcome_json : outcome_text)(&a, o);
    sp_admin_answer(&s->filter, &a);
}

void sp_admin_reload(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    const struct sp_reload_info i = sp_server_reload_info(r->server);
    if (sp_str_eq(r->method, SP_STR("POST"))) {
        r->stream->json = sp_admin_wants_json(r);
        r->stream->ask.done = on_outcome;
        a->later = true;
        sp_server_reload_ask(r->server, &r->stream->ask);
        return;
    }
    if (!sp_admin_wants_json(r)) {
        put_text(a, &i);
        return;
    }
    sp_admin_put_json(a, json_pack("{s:I, s:s, s:o, s:o, s:i, s:o}", "version", (json_int_t)i.number, "phase", i.phase, "loaded",
                                   sp_admin_json_time(i.loaded_s), "refused", sp_admin_json_time(i.failed_s), "older_configs",
                                   (int)i.n_old, "why", i.failed_s ? sp_json_text(i.why) : json_null()));
}
