/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.header_mutation: changes headers, trailers and the query, by its own config and by those of the route
 * table, the virtual host, the route and the weighted cluster, all of them.  Its own come first; then the others, the most
 * specific first and so overruled by the more general, or last with most_specific_header_mutations_wins.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "filters/query_mutation.h"
#include "filters/registry.h"
#include "stream/header_ops.h"

typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__Mutations Mutations;
typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__HeaderMutation HeaderMutation;
typedef Envoy__Extensions__Filters__Http__HeaderMutation__V3__HeaderMutationPerRoute PerRoute;

enum part { REQUEST, RESPONSE, REQUEST_TRAILERS, RESPONSE_TRAILERS, N_PARTS };

struct config {
    struct sp_mutations *parts[N_PARTS]; /* NULL: nothing to do */
    struct sp_query_mutations *query;
    bool most_specific_wins; /* of the filter's own */
};

static void config_free(void *config)
{
    struct config *c = config;
    for (int i = 0; i < N_PARTS; i++)
        sp_mutations_free(c->parts[i]);
    sp_query_mutations_free(c->query);
    free(c);
}

static void *compile(const struct sp_filter_build *b, const Mutations *msg)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    bool good = true;
    if (!msg)
        return c;
    const struct {
        const char *field;
        Envoy__Config__Common__MutationRules__V3__HeaderMutation **list;
        size_t n;
    } parts[N_PARTS] = {
        [REQUEST] = {"request_mutations", msg->request_mutations, msg->n_request_mutations},
        [RESPONSE] = {"response_mutations", msg->response_mutations, msg->n_response_mutations},
        [REQUEST_TRAILERS] = {"request_trailers_mutations", msg->request_trailers_mutations,
                              msg->n_request_trailers_mutations},
        [RESPONSE_TRAILERS] = {"response_trailers_mutations", msg->response_trailers_mutations,
                               msg->n_response_trailers_mutations},
    };
    for (int i = 0; i < N_PARTS; i++) {
        if (!parts[i].n)
            continue;
        c->parts[i] = sp_mutations_new(b->doc, b->diag, msg, parts[i].field, parts[i].list, parts[i].n);
        good = c->parts[i] && good;
    }
    if (msg->n_query_parameter_mutations) {
        c->query = sp_query_mutations_new(b->doc, b->diag, msg->query_parameter_mutations, msg->n_query_parameter_mutations);
        good = c->query && good;
    }
    if (good)
        return c;
    config_free(c);
    return NULL;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const HeaderMutation *msg = (const void *)m;
    struct config *c = compile(b, msg->mutations);
    if (c)
        c->most_specific_wins = msg->most_specific_header_mutations_wins;
    return c;
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    return compile(b, ((const PerRoute *)(const void *)m)->mutations);
}

static void apply(const struct config *c, enum part part, struct sp_headers *h, const struct sp_format_input *in)
{
    if (c->parts[part])
        sp_mutations_apply(c->parts[part], h, in);
    if (part == REQUEST && c->query)
        sp_query_mutations_apply(c->query, h, in);
}

static void apply_all(struct sp_filter *f, enum part part, struct sp_headers *h)
{
    const struct config *own = f->config;
    const void *levels[SP_FILTER_LEVELS];
    unsigned n = sp_filter_route_configs(f, levels);
    struct sp_format_input in = {
        .info = sp_filter_info(f),
        .request = sp_filter_request(f),
        .response = sp_filter_response(f),
        .trailers = part == RESPONSE_TRAILERS ? h : NULL,
        .now_ns = sp_filter_turn(f)->now_ns,
    };
    apply(own, part, h, &in);
    for (unsigned i = 0; i < n; i++)
        apply(levels[own->most_specific_wins ? i : n - 1 - i], part, h, &in);
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    apply_all(f, REQUEST, h);
    return SP_CONTINUE;
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    apply_all(f, REQUEST_TRAILERS, t);
    return SP_CONTINUE;
}

static enum sp_status encode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    apply_all(f, RESPONSE, h);
    return SP_CONTINUE;
}

static enum sp_status encode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    apply_all(f, RESPONSE_TRAILERS, t);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_header_mutation_ops = {
    .name = "header_mutation",
    .type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    .not_staged = "it never refuses",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = config_free,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_trailers = encode_trailers,
};
