/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.credential_injector with injected_credentials.generic: a secret of static_resources.secrets as a
 * header of requests, so that the origin knows the gateway.  What clients send under that name goes, unless the config
 * says `overwrite: false`.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/static_secret.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/http/injected_credentials/generic/v3/generic.pb-c.h"
#include "filters/gate.h"
#include "filters/registry.h"
#include "stats/stats.h"

typedef Envoy__Extensions__Filters__Http__CredentialInjector__V3__CredentialInjector Message;
typedef Envoy__Extensions__Http__InjectedCredentials__Generic__V3__Generic Generic;

struct config {
    struct sp_arena arena;
    struct sp_live *secret;
    struct sp_str header, prefix;
    bool overwrite;
    struct sp_counter injected, already_exists;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_arena_done(&c->arena);
    free(c);
}

static bool generic(struct config *c, const struct sp_filter_build *b, const Message *msg)
{
    const Generic *g = sp_doc_any_as(b->doc, msg->credential->typed_config,
                                     &envoy__extensions__http__injected_credentials__generic__v3__generic__descriptor);
    if (!g) {
        sp_doc_err(b->doc, b->diag, msg->credential, "typed_config", -1,
                   "is no credential that is run here (use envoy.extensions.http.injected_credentials.generic.v3.Generic)");
        return false;
    }
    c->header = sp_gate_header_name(b, &c->arena, g, "header", *g->header ? g->header : "authorization");
    c->prefix = sp_arena_str(&c->arena, sp_str_c(g->header_value_prefix));
    c->secret = sp_sds_secret_new(b->doc, b->diag, &c->arena, g->credential);
    return c->header.len && c->secret;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const Message *msg = (const void *)m;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    sp_arena_init(&c->arena);
    if (!generic(c, b, msg)) {
        config_free(c);
        return NULL;
    }
    c->overwrite = msg->overwrite || !sp_doc_written(b->doc, msg, "overwrite");
    if (!c->overwrite)
        sp_doc_warn(b->doc, b->diag, msg, "overwrite", -1,
                    "a client that sends %.*s keeps its own (take this out: then it is overwritten)", SP_STR_ARG(c->header));
    struct sp_stats_scope *scope = sp_stats_scope(b->scope, SP_STR("credential_injector"), NULL, SP_STR_NULL);
    c->injected = sp_stats_counter(scope, SP_STR("injected"));
    c->already_exists = sp_stats_counter(scope, SP_STR("already_exists"));
    return c;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    const struct config *c = f->config;
    struct sp_str secret = sp_live_secret_get(c->secret);
    if (!c->overwrite && sp_headers_find(h, c->header, NULL)) {
        sp_counter_inc(c->already_exists);
        return SP_CONTINUE;
    }
    assert(secret.len); /* an empty one is refused whenever it is read */
    sp_headers_set_secret(h, c->header, sp_arena_cat(sp_filter_arena(f), c->prefix, secret));
    sp_counter_inc(c->injected);
    return SP_CONTINUE;
}

/* Some origins take what stands in trailers for headers. */
static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    const struct config *c = f->config;
    if (c->overwrite)
        sp_headers_remove_alike(t, c->header);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_credential_injector_ops = {
    .name = "credential_injector",
    .type_url = "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
    .size = sizeof(struct sp_filter),
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
};
