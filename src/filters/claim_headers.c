/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/claim_headers.h"

#include <assert.h>

#include "base/log.h"
#include "config/doc.h"
#include "filters/gate.h"
#include "filters/jwt_claims.h"

static bool may_be_set(struct sp_str name)
{
    enum sp_header_id id = sp_header_id(name);
    return !sp_header_is_framing(id) && id != SP_H_EXPECT && id != SP_H_HOST;
}

struct sp_str sp_claim_header_name(const struct sp_filter_build *build, struct sp_arena *arena, const void *msg,
                                   const char *field, const char *name)
{
    struct sp_str lower = sp_gate_header_name(build, arena, msg, field, name);
    if (!lower.ptr || may_be_set(lower))
        return lower;
    sp_doc_err(build->doc, build->diag, msg, field, -1, "%s belongs to the connection: no claim may be written there", name);
    return SP_STR_NULL;
}

void sp_claim_headers_sanitize(const struct sp_claim_headers *c, struct sp_headers *h)
{
    assert(c && h);
    for (unsigned i = 0; i < c->n; i++)
        sp_headers_remove_alike(h, c->v[i].header);
}

void sp_claim_headers_add(const struct sp_claim_headers *c, const json_t *claims, struct sp_headers *h, const char *component)
{
    assert(c && claims && h && component);
    for (unsigned i = 0; i < c->n; i++) {
        const json_t *claim = sp_jwt_claim(claims, c->v[i].claim);
        struct sp_str text = sp_jwt_claim_text(claim, h->arena);
        if (text.ptr)
            sp_headers_add(h, c->v[i].header, text);
        else if (claim && json_string_length(claim))
            sp_log_limited(SP_LOG_WARNING, component, 10, "no header can carry the claim %.*s: %.*s is left out",
                           SP_STR_ARG(c->v[i].claim), SP_STR_ARG(c->v[i].header));
    }
}
