/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /reload: which config serves, and why a newer one was refused; POST loads it anew. */
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

void sp_admin_reload(const struct sp_admin_request *r, struct sp_admin_answer *a)
{
    const struct sp_reload_info i = sp_server_reload_info(r->server);
    if (sp_str_eq(r->method, SP_STR("POST"))) {
        sp_server_reload(r->server);
        sp_admin_put(a, "OK\n");
        return;
    }
    if (!sp_admin_wants_json(r)) {
        put_text(a, &i);
        return;
    }
    sp_admin_put_json(a, json_pack("{s:I, s:s, s:o, s:o, s:i, s:o}", "version", (json_int_t)i.number, "phase", i.phase, "loaded",
                                   sp_admin_json_time(i.loaded_s), "refused", sp_admin_json_time(i.failed_s), "older_configs",
                                   (int)i.n_old, "why", i.failed_s ? sp_admin_json_text(i.why) : json_null()));
}
