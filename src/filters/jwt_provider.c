/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_provider.h"

#include <assert.h>

#include "config/doc.h"
#include "filters/claim_headers.h"
#include "filters/place.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider JwtProvider;
typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtClaimToHeader JwtClaimToHeader;

struct builder {
    const struct sp_filter_build *build;
    struct sp_arena *arena;
    const JwtProvider *msg;
};

#define ERR(b, msg, field, ...) sp_doc_err((b)->build->doc, (b)->build->diag, msg, field, -1, __VA_ARGS__)

enum { DEFAULT_SKEW = 60, DEFAULT_CACHE_SIZE = 100, DEFAULT_CACHE_TOKEN = 4096 };

struct sp_str *sp_jwt_audiences(struct sp_arena *arena, char *const *audiences, size_t n)
{
    struct sp_str *v = sp_arena_zalloc(arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++)
        v[i] = sp_jwt_audience(sp_arena_str(arena, sp_str_c(audiences[i])));
    return v;
}

static bool header_init(const struct builder *b, const void *msg, const char *field, const char *name,
                        struct sp_str *ret)
{
    *ret = sp_claim_header_name(b->build, b->arena, msg, field, name);
    return ret->ptr != NULL;
}

static bool claim_init(struct sp_jwt_claim_header *h, const struct builder *b, const JwtClaimToHeader *msg)
{
    h->claim = sp_arena_str(b->arena, sp_str_c(msg->claim_name));
    struct sp_str *path = sp_arena_zalloc(b->arena, (msg->n_claim_path + 1) * sizeof(*path));
    h->n_path = (unsigned)msg->n_claim_path;
    h->path = path;
    if (!msg->n_claim_path == !msg->claim_name[0]) {
        ERR(b, msg, NULL, "a claim is named by claim_name or by claim_path (set one of the two)");
        return false;
    }
    for (unsigned i = 0; i < h->n_path; i++) {
        path[i] = sp_arena_str(b->arena, sp_str_c(msg->claim_path[i]->key));
        h->claim = sp_arena_printf(b->arena, "%.*s[%.*s]", SP_STR_ARG(h->claim), SP_STR_ARG(path[i]));
    }
    return true;
}

static bool claims_init(struct sp_jwt_provider *p, const struct builder *b)
{
    bool good = true;
    p->claim_headers = sp_arena_zalloc(b->arena, b->msg->n_claim_to_headers * sizeof(*p->claim_headers));
    for (size_t i = 0; i < b->msg->n_claim_to_headers; i++) {
        const JwtClaimToHeader *msg = b->msg->claim_to_headers[i];
        struct sp_jwt_claim_header *h = &p->claim_headers[p->n_claim_headers++];
        good &= header_init(b, msg, "header_name", msg->header_name, &h->header);
        good &= claim_init(h, b, msg);
    }
    return good;
}

static bool cache_init(struct sp_jwt_provider *p, const struct builder *b)
{
    const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtCacheConfig *msg = b->msg->jwt_cache_config;
    if (!msg)
        return true;
    if (msg->jwt_cache_size > SP_JWT_CACHE_MAX) {
        ERR(b, msg, "jwt_cache_size", "more than %u tokens a worker (each costs some KiB)", SP_JWT_CACHE_MAX);
        return false;
    }
    struct sp_hash key;
    sp_filter_place(b->build, "verified tokens", b->msg, NULL, &key);
    p->cache = sp_jwt_cache_keep(&key, msg->jwt_cache_size ? msg->jwt_cache_size : DEFAULT_CACHE_SIZE,
                                 msg->jwt_max_token_size ? msg->jwt_max_token_size : DEFAULT_CACHE_TOKEN);
    return true;
}

static bool subjects_init(struct sp_jwt_provider *p, const struct builder *b)
{
    if (b->msg->subjects)
        p->subjects = sp_string_matcher_new(b->build->doc, b->build->diag, b->msg->subjects);
    return !b->msg->subjects || p->subjects;
}

static void copy_plain(struct sp_jwt_provider *p, const struct builder *b)
{
    const JwtProvider *msg = b->msg;
    p->issuer = sp_arena_str(b->arena, sp_str_c(msg->issuer));
    p->audiences = sp_jwt_audiences(b->arena, msg->audiences, msg->n_audiences);
    p->n_audiences = (unsigned)msg->n_audiences;
    p->require_expiration = msg->require_expiration;
    p->forward = msg->forward;
    p->pad_payload = msg->pad_forward_payload_header;
    p->clear_route = msg->clear_route_cache;
    /* Below a second it is one: whole seconds are all a token knows. */
    if (msg->max_lifetime)
        p->max_lifetime = SP_MAX(msg->max_lifetime->seconds, (int64_t)1);
    p->clock_skew = msg->clock_skew_seconds ? msg->clock_skew_seconds : DEFAULT_SKEW;
    p->payload_key = sp_arena_str(b->arena, sp_str_c(msg->payload_in_metadata));
    p->header_key = sp_arena_str(b->arena, sp_str_c(msg->header_in_metadata));
    p->failed_key = sp_arena_str(b->arena, sp_str_c(msg->failed_status_in_metadata));
    if (!msg->normalize_payload_in_metadata)
        return;
    p->n_spaced = (unsigned)msg->normalize_payload_in_metadata->n_space_delimited_claims;
    p->spaced = sp_arena_zalloc(b->arena, p->n_spaced * sizeof(*p->spaced));
    for (unsigned i = 0; i < p->n_spaced; i++)
        p->spaced[i] = sp_arena_str(b->arena, sp_str_c(msg->normalize_payload_in_metadata->space_delimited_claims[i]));
}

/* Who reads the payload's key takes it for verified claims. */
static bool keys_ok(const struct builder *b)
{
    static const char *const fields[] = {"header_in_metadata", "failed_status_in_metadata"};
    const char *const others[] = {b->msg->header_in_metadata, b->msg->failed_status_in_metadata};
    bool good = true;
    for (unsigned i = 0; i < 2; i++) {
        if (!*others[i] || strcmp(others[i], b->msg->payload_in_metadata) != 0)
            continue;
        sp_doc_err(b->build->doc, b->build->diag, b->msg, fields[i], -1,
                   "it is the key of payload_in_metadata (choose another: what stands there are verified claims)");
        good = false;
    }
    return good;
}

bool sp_jwt_provider_init(struct sp_jwt_provider *p, const struct sp_filter_build *build, struct sp_arena *arena,
                          const struct sp_jwks_stats *stats, const char *name, const JwtProvider *msg)
{
    assert(p && build && arena && stats && name && msg);
    const struct builder b = {build, arena, msg};
    *p = (struct sp_jwt_provider){.name = sp_arena_str(arena, sp_str_c(name))};
    copy_plain(p, &b);
    bool good = sp_jwt_locations_init(&p->locations, build, arena, msg);
    good &= sp_jwt_keys_init(&p->keys, build, arena, stats, p->name, msg);
    good &= subjects_init(p, &b);
    good &= keys_ok(&b);
    good &= claims_init(p, &b);
    good &= cache_init(p, &b);
    if (msg->forward_payload_header[0])
        good &= header_init(&b, msg, "forward_payload_header", msg->forward_payload_header, &p->payload_header);
    return good;
}

void sp_jwt_provider_done(struct sp_jwt_provider *p)
{
    sp_jwt_keys_done(&p->keys);
    sp_string_matcher_free(p->subjects);
    sp_jwt_cache_free(p->cache);
    *p = (struct sp_jwt_provider){0};
}

void sp_jwt_provider_sanitize(const struct sp_jwt_provider *p, struct sp_headers *h)
{
    assert(p && h);
    if (p->payload_header.len)
        sp_headers_remove_alike(h, p->payload_header);
    for (unsigned i = 0; i < p->n_claim_headers; i++)
        sp_headers_remove_alike(h, p->claim_headers[i].header);
}
