/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/staged.h"

#include <assert.h>

#include "sallyport/filters/http/staged/v1/staged.pb-c.h"

typedef Sallyport__Filters__Http__Staged__V1__Staged Staged;

static const Staged *staged_of(const struct sp_doc *doc, const Google__Protobuf__Any *any)
{
    return sp_doc_any_as(doc, any, &sallyport__filters__http__staged__v1__staged__descriptor);
}

const ProtobufCMessage *sp_staged_content(const struct sp_doc *doc, const Google__Protobuf__Any *any)
{
    const Staged *staged = staged_of(doc, any);
    return sp_doc_any(doc, staged ? staged->filter : any);
}

bool sp_staged_fits(const struct sp_doc *doc, struct sp_diag *diag, const Google__Protobuf__Any *any,
                    const struct sp_filter_ops *ops)
{
    assert(doc && diag && ops);
    const Staged *staged = staged_of(doc, any);
    if (!staged || (!ops->gate && !ops->terminal && !ops->not_staged))
        return true;
    if (ops->gate)
        sp_doc_err(doc, diag, staged, "filter", -1, "%s is a gate and is not staged from outside (write enforcement and "
                   "enforced_percent into its own config)", ops->name);
    else
        sp_doc_err(doc, diag, staged, "filter", -1, "%s cannot be staged: %s (take Staged away)", ops->name,
                   ops->terminal ? "it ends the chain" : ops->not_staged);
    return false;
}

bool sp_staging_init(struct sp_staging *s, const struct sp_filter_build *build, const Google__Protobuf__Any *any,
                     const struct sp_filter_ops *ops)
{
    assert(s && build && ops);
    const Staged *staged = staged_of(build->doc, any);
    if (!staged)
        return true;
    s->staged = true;
    s->shadow = staged->enforcement == SALLYPORT__COMMON__V1__ENFORCEMENT__SHADOW;
    if (!sp_sample_read(&s->sample, build->doc, build->diag, staged, s->shadow, staged->enforced_percent,
                        sp_str_c(build->stat_prefix), sp_str_c(build->filter_name)))
        return false;
    struct sp_stats_scope *scope = sp_stats_scope(build->scope, sp_str_c(ops->name), NULL, SP_STR_NULL);
    s->shadow_refused = sp_stats_counter(scope, SP_STR("shadow_refused"));
    return true;
}

bool sp_staging_enforces(const struct sp_staging *s, const struct sp_stream_info *info)
{
    assert(s && info);
    if (SP_LIKELY(!s->staged))
        return true;
    return !s->shadow && sp_sample_has(&s->sample, info->client_failed ? NULL : &info->client);
}
