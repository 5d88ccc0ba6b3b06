/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/cluster_hash.h"

#include <assert.h>
#include <string.h>

#include "clusters/asks.h"
#include "clusters/dns_config.h"
#include "clusters/state.h"

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;

static bool any_secret(Envoy__Config__Core__V3__HeaderValueOption **list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Envoy__Config__Core__V3__HeaderValue *h = list[i]->header;
        if (h && (h->raw_value.len || strstr(h->value, "%SECRET(")))
            return true;
    }
    return false;
}

/* What its health checks send may be a secret (%SECRET%), whose file is watched as long as any config has the cluster. */
bool sp_cluster_has_secrets(const cluster_msg *msg)
{
    for (size_t i = 0; i < msg->n_health_checks; i++) {
        const Envoy__Config__Core__V3__HealthCheck *hc = msg->health_checks[i];
        if (hc->health_checker_case == ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_HTTP_HEALTH_CHECK &&
            any_secret(hc->http_health_check->request_headers_to_add, hc->http_health_check->n_request_headers_to_add))
            return true;
        if (hc->health_checker_case == ENVOY__CONFIG__CORE__V3__HEALTH_CHECK__HEALTH_CHECKER_GRPC_HEALTH_CHECK &&
            any_secret(hc->grpc_health_check->initial_metadata, hc->grpc_health_check->n_initial_metadata))
            return true;
    }
    return false;
}

/* The secrets that it may name; what their files hold is watched. */
static void mix_secrets(const struct sp_doc *doc, struct sp_hash *h)
{
    const ProtobufCMessage *root = sp_doc_root(doc);
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = (const void *)root;
    struct sp_hash one;
    if (root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor || !b->static_resources)
        return;
    for (size_t i = 0; i < b->static_resources->n_secrets; i++) {
        sp_doc_hash_text(doc, b->static_resources->secrets[i], NULL, &one);
        sp_hash_mix_hash(h, &one);
    }
}

/* Of each socket that a host may have. */
void sp_cluster_hash_transport(const struct sp_doc *doc, const cluster_msg *msg, struct sp_hash *ret)
{
    struct sp_hash one;
    sp_doc_hash_text(doc, msg->transport_socket, NULL, ret);
    for (size_t i = 0; i < msg->n_transport_socket_matches; i++) {
        sp_doc_hash_text(doc, msg->transport_socket_matches[i], NULL, &one);
        sp_hash_mix_hash(ret, &one);
    }
}

/* What zones are balanced by but for the local cluster's hosts. */
static void mix_zone(const struct sp_cluster_build *b, struct sp_hash *h)
{
    const struct sp_str texts[] = {b->own.region, b->own.zone, b->own.sub_zone};
    for (size_t i = 0; b->own.known && i < SP_ARRAY_LEN(texts); i++)
        sp_hash_mix(h, texts[i]);
    if (b->local)
        sp_hash_mix_hash(h, &b->local->hash);
}

struct askings {
    const struct sp_cluster_build *build;
    struct sp_hash *hash;
};

/* Which cluster a responder's is: with another one the answers may be others. */
static void mix_responder(void *arg, unsigned socket, const Sallyport__Tls__V1__Ocsp *ocsp)
{
    const struct askings *a = arg;
    const struct sp_cluster *c = a->build->find_cluster ? a->build->find_cluster(a->build->ctx, sp_str_c(ocsp->cluster)) : NULL;
    (void)socket;
    sp_hash_mix(a->hash, sp_str_n((const char *)&c, sizeof(c)));
}

/* Without load_assignment where its hosts can be exchanged. */
void sp_cluster_hash(const struct sp_cluster_build *build, const cluster_msg *msg, struct sp_hash *ret)
{
    static const char *const skip[] = {"load_assignment", NULL};
    struct sp_hash other;
    sp_doc_hash(build->doc, msg, sp_dns_is_named(build->doc, msg) ? NULL : skip, ret);
    sp_doc_hash(build->doc, msg->upstream_bind_config ? NULL : build->bind, NULL, &other);
    sp_hash_mix_hash(ret, &other);
    sp_doc_hash(build->doc, build->dns_resolver, NULL, &other);
    sp_hash_mix_hash(ret, &other);
    sp_doc_hash(build->doc, msg->outlier_detection ? build->outlier_events : NULL, NULL, &other);
    sp_hash_mix_hash(ret, &other);
    if (sp_cluster_has_secrets(msg))
        mix_secrets(build->doc, ret);
    mix_zone(build, ret);
    struct askings askings = {build, ret};
    sp_asks_each(build->doc, msg, mix_responder, &askings);
}
