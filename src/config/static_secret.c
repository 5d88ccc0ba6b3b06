/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/static_secret.h"

#include <assert.h>

#include "config/names.h"
#include "config/place.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__Secret Secret;
#define GENERIC ENVOY__EXTENSIONS__TRANSPORT_SOCKETS__TLS__V3__SECRET__TYPE_GENERIC_SECRET

/* NULL: there is none; *ret_nearest then is the name that is most like it. */
static const Secret *find(const struct sp_doc *doc, struct sp_str name, struct sp_str *ret_nearest)
{
    const ProtobufCMessage *root = sp_doc_root(doc);
    struct sp_nearest near;
    *ret_nearest = SP_STR_NULL;
    if (!root || root->descriptor != &envoy__config__bootstrap__v3__bootstrap__descriptor)
        return NULL;
    const Envoy__Config__Bootstrap__V3__Bootstrap *b = (const void *)root;
    sp_nearest_init(&near, name);
    for (size_t i = 0; b->static_resources && i < b->static_resources->n_secrets; i++) {
        const Secret *s = b->static_resources->secrets[i];
        if (s->type_case != GENERIC)
            continue;
        if (sp_str_eq(sp_str_c(s->name), name))
            return s;
        sp_nearest_offer(&near, sp_str_c(s->name));
    }
    *ret_nearest = near.best;
    return NULL;
}

static bool fits_header(void *ctx, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Config__Core__V3__DataSource *source, struct sp_str value)
{
    bool good = true;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        good = good && c >= 0x20 && c != 0x7f;
    }
    if (good && value.ptr[0] != ' ' && value.ptr[value.len - 1] != ' ')
        return true;
    sp_source_err(doc, diag, source, NULL,
               "no header can carry it: there is a control character in it, or a space at an end (a file may end with one newline)");
    return false;
}

static struct sp_live *live(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena, const Secret *s)
{
    return sp_live_secret_new(doc, diag, arena, &(struct sp_live_secret_spec){
        .source = s->generic_secret->secret,
        .flags = SP_SECRET_CHOMP | SP_SECRET_NOT_EMPTY,
        .label = sp_str_c(s->name),
        .check = fits_header,
    });
}

struct sp_live *sp_static_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                     struct sp_str name, const void *msg, const char *field, int index)
{
    assert(doc && diag && arena && msg);
    struct sp_str nearest;
    const Secret *s = find(doc, name, &nearest);
    if (!s) {
        sp_doc_err(doc, diag, msg, field, index, "there is no generic secret \"%.*s\" in static_resources.secrets (%s%.*s%s)",
                   SP_STR_ARG(name), nearest.len ? "did you mean \"" : "add it, with generic_secret", SP_STR_ARG(nearest),
                   nearest.len ? "\"?" : "");
        return NULL;
    }
    return live(doc, diag, arena, s);
}

struct sp_live *sp_sds_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                  const Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig *msg)
{
    assert(doc && diag && arena && msg);
    const struct sp_place *at = sp_place_find(doc, msg);
    if (!msg->sds_config)
        return sp_static_secret_new(doc, diag, arena, sp_str_c(msg->name), msg, "name", -1);
    if (at && at->content)
        return live(doc, diag, arena, (const Secret *)(const void *)at->content);
    sp_doc_err(doc, diag, msg, "sds_config", -1, "its file was not read (only a whole config reads such files)");
    return NULL;
}
