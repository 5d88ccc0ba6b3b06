/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Secrets by name: of a file (sds_config), else of static_resources.secrets. */
#include <assert.h>

#include "base/mem.h"
#include "config/names.h"
#include "config/xds.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext Common;
typedef Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext Downstream;
typedef Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig Sds;
typedef Envoy__Extensions__TransportSockets__Tls__V3__Secret Secret;

#define TYPE(t) ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_##t
#define COMMON (&envoy__extensions__transport_sockets__tls__v3__common_tls_context__descriptor)
#define DOWNSTREAM (&envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor)
#define COMBINED (&envoy__extensions__transport_sockets__tls__v3__common_tls_context__combined_certificate_validation_context__descriptor)

void sp_xds_secrets_init(struct sp_xds *x)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = x->root->static_resources;
    for (size_t i = 0; res && i < res->n_secrets; i++) {
        const Secret *s = res->secrets[i];
        struct sp_str key = sp_xds_key(x, &s->base);
        if (s->name[0] && s->type_case && !sp_map_add(&x->secrets, key, res->secrets[i]))
            sp_doc_err(x->doc, x->diag, s, "name", -1, "a secret \"%s\" of this type stands in line %u already (names are unique)",
                       s->name, sp_doc_mark(x->doc, sp_map_get(&x->secrets, key), NULL, -1).line);
    }
}

static const char *type_name(int type)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
        &envoy__extensions__transport_sockets__tls__v3__secret__descriptor, (unsigned)type);
    return f ? f->name : "secret";
}

/* A secret of that name which is something else, or NULL. */
static const Secret *other_type(struct sp_xds *x, const struct sp_map *map, int type, const char *name)
{
    static const int types[] = {TYPE(TLS_CERTIFICATE), TYPE(SESSION_TICKET_KEYS), TYPE(VALIDATION_CONTEXT), TYPE(GENERIC_SECRET)};
    for (size_t i = 0; i < SP_ARRAY_LEN(types); i++) {
        const Secret *s = types[i] == type ? NULL : sp_map_get(map, sp_xds_secret_key(x, types[i], name));
        if (s)
            return s;
    }
    return NULL;
}

static const char *near_static(struct sp_xds *x, int type, const char *wanted)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = x->root->static_resources;
    struct sp_nearest near;
    sp_nearest_init(&near, sp_str_c(wanted));
    for (size_t i = 0; res && i < res->n_secrets; i++)
        if ((int)res->secrets[i]->type_case == type)
            sp_nearest_offer(&near, sp_str_c(res->secrets[i]->name));
    return near.best.len ? sp_arena_printf(&x->doc->arena, "did you mean \"%.*s\"?", SP_STR_ARG(near.best)).ptr
                         : "add it, or name a file with it in sds_config";
}

/* NULL: reported. */
static Secret *find(struct sp_xds *x, const Sds *msg, int type)
{
    struct sp_xds_file *file = msg->sds_config ? sp_xds_file_get(x, msg->sds_config, SP_SET_SDS) : NULL;
    if (!msg->name[0] || (msg->sds_config && !file))
        return NULL;
    const struct sp_map *map = file ? &file->by_name : &x->secrets;
    Secret *s = sp_map_get(map, sp_xds_secret_key(x, type, msg->name));
    if (s) {
        if (file)
            sp_xds_source(x, SP_SET_SDS, "", msg->name, file, s);
        return s;
    }
    if (file && file->bad)
        return NULL;
    const char *where = file ? file->path : "static_resources.secrets";
    const Secret *other = other_type(x, map, type, msg->name);
    if (other)
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "\"%s\" in %s is a %s (a %s is needed here)", msg->name, where,
                   type_name((int)other->type_case), type_name(type));
    else
        sp_doc_err(x->doc, x->diag, msg, "name", -1, "there is no secret \"%s\" with a %s in %s (%s)", msg->name, type_name(type), where,
                   file ? sp_xds_names(x, file, msg->name) : near_static(x, type, msg->name));
    return NULL;
}

static void validation(struct sp_xds *x, Common *msg)
{
    const Sds *sds = msg->validation_context_sds_secret_config;
    const Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext__CombinedCertificateValidationContext *both =
        msg->combined_validation_context;
    if (!!msg->validation_context + !!sds + !!both > 1) {
        sp_doc_err(x->doc, x->diag, msg, NULL, -1,
                   "several of validation_context, validation_context_sds_secret_config and combined_validation_context (keep one of them)");
        return;
    }
    if (both)
        sds = both->validation_context_sds_secret_config;
    Secret *s = sds ? find(x, sds, TYPE(VALIDATION_CONTEXT)) : NULL;
    if (s && both && both->default_validation_context)
        msg->validation_context = sp_xds_combine(x, &both->default_validation_context->base, &s->validation_context->base);
    else if (s)
        msg->validation_context = s->validation_context;
}

void sp_xds_tls(struct sp_xds *x, Common *msg)
{
    assert(x && msg);
    for (size_t i = 0; i < msg->n_tls_certificate_sds_secret_configs; i++) {
        Secret *s = find(x, msg->tls_certificate_sds_secret_configs[i], TYPE(TLS_CERTIFICATE));
        if (s)
            sp_xds_append(x, msg, "tls_certificates", &s->tls_certificate->base);
    }
    validation(x, msg);
}

void sp_xds_ticket_keys(struct sp_xds *x, Downstream *msg)
{
    assert(x && msg);
    const Sds *sds = msg->session_ticket_keys_sds_secret_config;
    if (!!msg->session_ticket_keys + !!sds + !!msg->disable_stateless_session_resumption > 1) {
        sp_doc_err(x->doc, x->diag, msg, NULL, -1,
                   "several of session_ticket_keys, session_ticket_keys_sds_secret_config and disable_stateless_session_resumption (keep "
                   "one of them)");
        return;
    }
    Secret *s = sds ? find(x, sds, TYPE(SESSION_TICKET_KEYS)) : NULL;
    if (s)
        msg->session_ticket_keys = s->session_ticket_keys;
}

/* Without a file it is looked up by whoever compiles (config/static_secret.h). */
void sp_xds_other_secret(struct sp_xds *x, const Sds *msg)
{
    assert(x && msg);
    struct sp_place *at = sp_place_find(x->doc, msg);
    const ProtobufCMessageDescriptor *owner = at->parent ? at->parent->msg->descriptor : NULL;
    if (!msg->sds_config || owner == COMMON || owner == COMBINED || owner == DOWNSTREAM)
        return;
    Secret *s = find(x, msg, TYPE(GENERIC_SECRET));
    at->content = s ? &s->base : NULL;
}
