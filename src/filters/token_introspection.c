/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sallyport.filters.http.token_introspection.v1: opaque access tokens.  A request waits, body held, until its worker
 * knows what its token is worth; whoever cannot be judged does not pass.
 */
#include <assert.h>

#include "base/log.h"
#include "filters/access_token.h"
#include "filters/gate.h"
#include "filters/jwt_claims.h"
#include "filters/registry.h"
#include "filters/token_config.h"
#include "stream/caller.h"
#include "stream/stream.h"
#include "stream/wait_span.h"

static const struct sp_str ns = SP_STR_INIT("sallyport.filters.http.token_introspection");

enum { MAX_TOKEN = 8192 };

struct token_filter {
    struct sp_filter filter;
    struct sp_token_waiter waiter;
    struct sp_str token;
    json_t *claims; /* of a good one; its own reference */
    struct sp_span *span; /* of the wait; NULL: it does not, or nobody traces */
};

static struct token_filter *of_filter(struct sp_filter *f)
{
    return SP_CONTAINER_OF(f, struct token_filter, filter);
}

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return sp_token_config_new(build, msg);
}

static void config_free(void *config)
{
    sp_token_config_free(config);
}

static void *route_config_new(const struct sp_filter_build *build, const ProtobufCMessage *msg)
{
    return sp_token_route_new(build, msg);
}

static void route_config_free(void *config)
{
    sp_token_route_free(config);
}

/* --- finding the token --- */

enum found { FOUND_NONE, FOUND_ONE, FOUND_MANY };

/* A prefix that ends with a space is a word: a tab behind it, or nothing, is not overlooked, since an origin may not either. */
static bool behind(const struct sp_token_place *p, struct sp_str value, struct sp_str *ret)
{
    struct sp_str word = sp_str_trim(p->prefix);
    if (!sp_str_istarts(value, word))
        return false;
    if (word.len < p->prefix.len && value.len > word.len && value.ptr[word.len] != ' ' && value.ptr[word.len] != '\t')
        return false;
    *ret = sp_str_trim(sp_str_sub(value, word.len, value.len));
    return true;
}

/* Every line counts, also the same token twice: RFC 6750 section 2 lets a client send it once. */
static enum found find_token(const struct sp_token_config *c, const struct sp_headers *h, struct sp_str *ret)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->n_places; i++)
        for (const struct sp_header *line = NULL; (line = sp_headers_find(h, c->places[i].name, line));)
            n += behind(&c->places[i], line->value, ret);
    return n == 0 ? FOUND_NONE : n == 1 ? FOUND_ONE : FOUND_MANY;
}

/* All lines that carry a token. */
static void remove_token(const struct sp_token_config *c, struct sp_headers *h)
{
    struct sp_str token;
    for (unsigned i = 0; i < c->n_places; i++)
        for (const struct sp_header *line = NULL; (line = sp_headers_find(h, c->places[i].name, line));)
            if (behind(&c->places[i], line->value, &token)) {
                sp_headers_remove(h, c->places[i].name);
                break;
            }
}

/* What jwt_authn left of a good token. */
static bool jwt_verified(const struct sp_filter *f)
{
    const struct sp_token_config *c = f->config;
    for (const struct sp_metadata *m = sp_filter_info(f)->metadata; m; m = m->next)
        for (unsigned i = 0; i < c->n_verified_keys; i++)
            if (sp_str_eq(m->ns, c->verified_ns) && sp_str_eq(m->key, c->verified_keys[i]))
                return true;
    return false;
}

/* --- what becomes of the request --- */

static const struct sp_str *scopes_of(const struct sp_filter *f, unsigned *ret_n)
{
    const struct sp_token_config *c = f->config;
    const struct sp_token_route *r = sp_filter_route_config(f);
    *ret_n = r && r->scopes ? r->n_scopes : c->n_scopes;
    return r && r->scopes ? r->scopes : c->scopes;
}

static bool required(const struct sp_filter *f)
{
    const struct sp_token_config *c = f->config;
    const struct sp_token_route *r = sp_filter_route_config(f);
    return r && r->has_required ? r->required : c->required;
}

static struct sp_str joined(const struct sp_str *v, unsigned n, struct sp_arena *arena)
{
    struct sp_str all = n ? v[0] : SP_STR("");
    for (unsigned i = 1; i < n; i++)
        all = sp_arena_printf(arena, "%.*s %.*s", SP_STR_ARG(all), SP_STR_ARG(v[i]));
    return all;
}

/* RFC 6750 section 3. */
static struct sp_str challenge(const struct sp_filter *f, struct sp_str scheme, enum sp_token_status s)
{
    const struct sp_token_config *c = f->config;
    struct sp_arena *arena = sp_filter_arena(f);
    struct sp_str error = sp_token_status_error(s);
    unsigned n;
    const struct sp_str *scopes = scopes_of(f, &n);
    struct sp_str text = sp_arena_printf(arena, "%.*s realm=\"%.*s\"", SP_STR_ARG(scheme), SP_STR_ARG(c->realm));
    if (error.len)
        text = sp_arena_printf(arena, "%.*s, error=\"%.*s\"", SP_STR_ARG(text), SP_STR_ARG(error));
    if (s != SP_TOKEN_SCOPE)
        return text;
    struct sp_str all = joined(scopes, n, arena);
    return sp_arena_printf(arena, "%.*s, scope=\"%.*s\"", SP_STR_ARG(text), SP_STR_ARG(all));
}

static void log_denial(const struct sp_filter *f, enum sp_token_status s)
{
    const struct sp_headers *h = sp_filter_request(f);
    char peer[SP_ADDR_TEXT_MAX];
    struct sp_str path = sp_gate_log_path(h), word = sp_token_status_word(s);
    sp_log_limited(SP_LOG_INFO, "token_introspection", 10, "%s %s: %.*s (%.*s %.*s)",
                   sp_filter_enforced(f) ? "refused" : "would refuse", sp_addr_ip_text(&sp_filter_info(f)->client, peer), SP_STR_ARG(word), SP_STR_ARG(h->method),
                   SP_STR_ARG(path));
}

static void deny(struct sp_filter *f, enum sp_token_status s)
{
    const struct sp_token_config *c = f->config;
    bool undecided = sp_token_status_undecided(s);
    struct sp_header *lines = sp_arena_zalloc(sp_filter_arena(f), c->n_schemes * sizeof(*lines));
    struct sp_reply reply = {
        .status = sp_token_status_code(s),
        .body = sp_token_status_body(s),
        .details = sp_token_status_details(s),
        .flags = undecided ? SP_FLAG_UAEX : 0,
        .headers = lines,
        .n_headers = undecided ? 0 : c->n_schemes,
        .no_store = true,
    };
    for (unsigned i = 0; i < reply.n_headers; i++)
        lines[i] = (struct sp_header){.name = SP_STR("www-authenticate"), .value = challenge(f, c->schemes[i], s),
                                      .id = SP_H_WWW_AUTHENTICATE};
    sp_counter_inc(undecided ? c->errors : c->denied);
    log_denial(f, s);
    sp_filter_reply(f, &reply);
}

/* The answer as metadata, some members split at spaces into lists. */
static void set_metadata(struct sp_filter *f, json_t *claims)
{
    const struct sp_token_config *c = f->config;
    if (!c->payload_key.len)
        return;
    json_t *copy = c->n_spaced ? json_copy(claims) : json_incref(claims);
    for (unsigned i = 0; i < c->n_spaced; i++) {
        struct sp_str rest = sp_json_str(copy, c->spaced[i].ptr), word;
        if (!rest.ptr)
            continue;
        json_t *list = json_array();
        while (sp_str_split(&rest, ' ', &word))
            if (word.len)
                json_array_append_new(list, json_stringn(word.ptr, word.len));
        json_object_set_new(copy, c->spaced[i].ptr, list);
    }
    sp_filter_set_metadata(f, ns, c->payload_key, sp_jwt_json(copy, sp_filter_arena(f)));
    json_decref(copy);
}

static enum sp_token_status judge(const struct sp_filter *f, const json_t *claims)
{
    const struct sp_token_config *c = f->config;
    unsigned n;
    const struct sp_str *scopes = scopes_of(f, &n);
    enum sp_token_status s = sp_token_answer_check(claims, &c->policy, sp_filter_turn(f)->wall_ns / (int64_t)SP_NS_PER_S);
    return s == SP_TOKEN_OK && !sp_token_answer_has_scopes(claims, scopes, n) ? SP_TOKEN_SCOPE : s;
}

/* True: the request goes on. */
static bool settle(struct sp_filter *f, enum sp_token_status s, json_t *claims)
{
    const struct sp_token_config *c = f->config;
    struct sp_headers *h = sp_filter_request(f);
    if (s == SP_TOKEN_OK)
        s = judge(f, claims);
    if (s != SP_TOKEN_OK) {
        deny(f, s);
        return false;
    }
    sp_counter_inc(c->allowed);
    of_filter(f)->claims = json_incref(claims);
    sp_access_token_note(sp_filter_info(f), h, of_filter(f)->token);
    set_metadata(f, claims);
    if (!c->forward)
        remove_token(c, h);
    sp_claim_headers_add(&c->claim_headers, claims, h, "token_introspection");
    return true;
}

static void told(struct sp_token_waiter *w, enum sp_token_status s, json_t *claims)
{
    struct token_filter *t = SP_CONTAINER_OF(w, struct token_filter, waiter);
    sp_wait_span_end(&t->filter, t->span, SP_STR("token_introspection"), SP_STR_NULL);
    if (sp_filter_response(&t->filter))
        return; /* a timeout answered meanwhile */
    if (settle(&t->filter, s, claims))
        sp_filter_continue(&t->filter, SP_DECODE);
}

static enum sp_status refuse(struct sp_filter *f, enum sp_token_status s)
{
    deny(f, s);
    return SP_STOP;
}

static enum sp_status pass(struct sp_counter counter)
{
    sp_counter_inc(counter);
    return SP_CONTINUE;
}

static enum sp_status without_token(struct sp_filter *f)
{
    const struct sp_token_config *c = f->config;
    if (c->skip_jwt && jwt_verified(f))
        return pass(c->skipped);
    return required(f) ? refuse(f, SP_TOKEN_MISSING) : pass(c->allowed);
}

static enum sp_status with_token(struct sp_filter *f, struct sp_str token)
{
    const struct sp_token_config *c = f->config;
    struct token_filter *t = of_filter(f);
    enum sp_token_status s;
    json_t *claims;
    if (token.len > MAX_TOKEN || !sp_token_well_formed(token))
        return refuse(f, SP_TOKEN_MALFORMED);
    if (c->skip_jwt) {
        bool jwt = sp_token_is_jwt(token, sp_filter_arena(f)), verified = jwt_verified(f);
        if (jwt)
            return verified ? pass(c->skipped) : refuse(f, SP_TOKEN_JWT_UNVERIFIED);
        if (verified) /* two callers in one request */
            return refuse(f, SP_TOKEN_MULTIPLE);
    }
    t->token = token;
    t->waiter.told = told;
    if (!sp_token_desk_ask(c->desk, sp_filter_turn(f), sp_stream_get_owner(sp_filter_stream(f))->worker, token, &t->waiter, &s,
                           &claims)) {
        t->span = sp_wait_span_begin(f);
        return SP_STOP_PAUSE;
    }
    bool good = settle(f, s, claims);
    json_decref(claims);
    return good ? SP_CONTINUE : SP_STOP;
}

static void sanitize(const void *config, struct sp_headers *h)
{
    const struct sp_token_config *c = config;
    sp_claim_headers_sanitize(&c->claim_headers, h);
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct sp_token_config *c = f->config;
    const struct sp_token_route *r = sp_filter_route_config(f);
    struct sp_str token;
    (void)end;
    sanitize(c, h);
    if ((r && r->disabled) || (c->bypass_preflight && sp_gate_preflight(h)))
        return SP_CONTINUE;
    switch (find_token(c, h, &token)) {
    case FOUND_NONE:
        return without_token(f);
    case FOUND_ONE:
        return with_token(f, token);
    default:
        return refuse(f, SP_TOKEN_MULTIPLE);
    }
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    sanitize(f->config, t);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *f)
{
    sp_token_desk_leave(&of_filter(f)->waiter);
    json_decref(of_filter(f)->claims);
    sp_wait_span_end(f, of_filter(f)->span, SP_STR("token_introspection"), SP_STR("given up"));
}

static void caller(const struct sp_filter *f, struct sp_caller *out)
{
    const struct token_filter *t = (const struct token_filter *)f;
    if (!t->claims)
        return;
    sp_jwt_caller(t->claims, out);
    sp_caller_say(out, SP_STR("user"), sp_json_str(t->claims, "username"));
}

const struct sp_filter_ops sp_token_introspection_ops = {
    .name = "token_introspection",
    .type_url = "sallyport.filters.http.token_introspection.v1.TokenIntrospection",
    .size = sizeof(struct token_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "sallyport.filters.http.token_introspection.v1.TokenIntrospectionPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = route_config_free,
    .sanitize = sanitize,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .destroy = destroy,
    .caller = caller,
};
