/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_exempt.h"

#include <assert.h>

#include "config/doc.h"

typedef Sallyport__Filters__Http__OriginShield__V1__Exemption Exemption;
typedef Envoy__Type__Matcher__V3__StringMatcher StringMatcher;

/* A path that has one spelling only, so that comparing bytes is enough. */
static bool plain_path(struct sp_str path)
{
    if (!sp_str_starts(path, SP_STR("/")) || sp_str_find(path, SP_STR("//")) >= 0)
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.ptr[i] <= ' ' || path.ptr[i] == 127 || strchr("%?#\\", path.ptr[i]))
            return false;
    struct sp_str rest = path, segment;
    while (sp_str_split(&rest, '/', &segment))
        if (sp_str_eq(segment, SP_STR(".")) || sp_str_eq(segment, SP_STR("..")))
            return false;
    return true;
}

static bool path_init(struct sp_shield_exemption *e, const struct sp_filter_build *build, struct sp_arena *arena,
                      const StringMatcher *msg)
{
    if (msg->match_pattern_case != ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT || msg->ignore_case) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1,
                   "an exemption is for one path only (use exact, without ignore_case)");
        return false;
    }
    e->path = sp_arena_str(arena, sp_str_c(msg->exact));
    if (!plain_path(e->path)) {
        sp_doc_err(build->doc, build->diag, msg, "exact", -1,
                   "not a plain path (it begins with '/', without query, escapes, backslash, dot or empty segments)");
        return false;
    }
    return true;
}

bool sp_shield_exemption_init(struct sp_shield_exemption *e, const struct sp_filter_build *build,
                              struct sp_arena *arena,
                              const Exemption *msg)
{
    assert(e && build && arena && msg);
    *e = (struct sp_shield_exemption){.forward = msg->forward};
    bool good = path_init(e, build, arena, msg->path);
    /* What is sent on passes the door, so its ranges have to mean something. */
    const struct sp_address_fields fields = {
        .msg = msg, .field = "cidrs", .cidrs = msg->cidrs, .n_cidrs = msg->n_cidrs, .narrow = msg->forward};
    e->peers = sp_address_set_new(build->doc, build->diag, "origin_shield", build->scope, &fields);
    return good && e->peers;
}

void sp_shield_exemption_done(struct sp_shield_exemption *e)
{
    sp_address_set_free(e->peers);
    *e = (struct sp_shield_exemption){0};
}

bool sp_shield_exemption_match(const struct sp_shield_exemption *e, const struct sp_headers *h,
                               const struct sp_stream_info *info)
{
    assert(e && h && info);
    return (sp_str_eq(h->method, SP_STR("GET")) || sp_str_eq(h->method, SP_STR("HEAD"))) &&
           sp_str_eq(info->raw_path, e->path) && sp_address_set_find(e->peers, &info->conn->socket, NULL, NULL);
}
