/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What good tokens change in a request. */
#include "filters/jwt_verify.h"

#include <assert.h>

#include "base/log.h"
#include "filters/access_token.h"

static const json_t *claim_of(const json_t *payload, const struct sp_jwt_claim_header *h)
{
    if (!h->n_path)
        return sp_jwt_claim(payload, h->claim);
    for (unsigned i = 0; payload && i < h->n_path; i++)
        payload = json_object_getn(payload, h->path[i].ptr, h->path[i].len);
    return payload;
}

static void add_headers(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, const struct sp_jwt_token *t)
{
    struct sp_headers *h = v->request;
    if (p->payload_header.len) {
        ptrdiff_t dot = sp_str_chr(t->text, '.');
        struct sp_str rest = sp_str_sub(t->text, (size_t)dot + 1, t->text.len), payload;
        sp_str_split(&rest, '.', &payload);
        static const struct sp_str pads[] = {SP_STR_INIT(""), SP_STR_INIT(""), SP_STR_INIT("=="), SP_STR_INIT("=")};
        sp_headers_add(h, p->payload_header,
                       sp_arena_cat(v->arena, payload, p->pad_payload ? pads[payload.len % 4] : pads[0]));
    }
    for (unsigned i = 0; i < p->n_claim_headers; i++) {
        const json_t *claim = claim_of(t->payload, &p->claim_headers[i]);
        struct sp_str text = sp_jwt_claim_text(claim, v->arena);
        if (text.ptr)
            sp_headers_add(h, p->claim_headers[i].header, text);
        else if (claim && json_string_length(claim))
            sp_log_limited(SP_LOG_WARNING, "jwt_authn", 10, "no header can carry the claim %.*s: %.*s is left out",
                           SP_STR_ARG(p->claim_headers[i].claim), SP_STR_ARG(p->claim_headers[i].header));
    }
}

static bool is_good(const struct sp_jwt_verifier *v, const struct sp_jwt_provider *p, struct sp_str text)
{
    for (const struct sp_jwt_result *r = v->results; r; r = r->next)
        if (r->good && (p ? r->provider == p : sp_str_eq(r->token->text, text)))
            return true;
    return false;
}

static void remove_unverified(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    if (r->kind == SP_JWT_PROVIDER) {
        const struct sp_jwt_provider *p = r->providers[0];
        const struct sp_jwt_located *l = sp_jwt_verifier_locate(v, p);
        bool verified = is_good(v, p, SP_STR_NULL) || (l->how == SP_JWT_FOUND_ONE && is_good(v, NULL, l->token));
        if (l->how != SP_JWT_FOUND_NONE && !p->forward && !verified)
            sp_jwt_remove(&p->locations, v->request);
    }
    if (r->kind != SP_JWT_ANY && r->kind != SP_JWT_ALL)
        return;
    for (unsigned i = 0; i < r->n_children; i++)
        if (r->kind == SP_JWT_ANY && sp_jwt_may_fail(&r->children[i]))
            return;
    for (unsigned i = 0; i < r->n_children; i++)
        remove_unverified(v, &r->children[i]);
}

void sp_jwt_apply(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r)
{
    assert(v && r);
    bool clear = false;
    remove_unverified(v, r);
    for (const struct sp_jwt_result *good = v->results; good; good = good->next) {
        if (!good->good)
            continue;
        sp_access_token_note(sp_filter_info(v->filter), v->request, good->token->text);
        if (!good->provider->forward)
            sp_jwt_remove(&good->provider->locations, v->request);
        add_headers(v, good->provider, good->token);
        clear |= good->provider->clear_route;
    }
    if (v->unverified)
        sp_headers_add(v->request, SP_JWT_MARK, SP_STR("false"));
    if (clear)
        sp_filter_clear_route(v->filter);
}
