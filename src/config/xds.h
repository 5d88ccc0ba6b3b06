/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of config/set.h, for this directory only: files as they are read (xds_file.c), what is put where (xds_graft.c),
 * and who asks for what (xds_resolve.c, xds_secret.c).  Lives for one load.
 */
#ifndef SP_CONFIG_XDS_H
#define SP_CONFIG_XDS_H

#include "base/map.h"
#include "config/place.h"
#include "config/set.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"

struct sp_xds_file {
    const char *path;
    const Envoy__Service__Discovery__V3__DiscoveryResponse *msg; /* NULL: cannot be read */
    struct sp_map by_name; /* content of resources by sp_xds_key */
    bool bad;              /* it has errors: what is not in it may only not have been understood */
    bool checked[SP_SET_KINDS];
    struct sp_file_facts facts;
    int64_t read_ms;
};

struct sp_xds {
    struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_set *set;
    const Envoy__Config__Bootstrap__V3__Bootstrap *root;
    struct sp_map files;   /* struct sp_xds_file by path */
    struct sp_map sources; /* struct sp_set_source by kind, owner and name */
    struct sp_map secrets; /* of static_resources, by sp_xds_key */
};

/* The file that `msg`, a ConfigSource in `owner`'s `field`, names, or NULL: reported. Its resources are all of this kind. */
struct sp_xds_file *sp_xds_file_get(struct sp_xds *x, const Envoy__Config__Core__V3__ConfigSource *msg, enum sp_set_kind kind);
/* Under which name a resource is found; secrets of different types may share a name. */
struct sp_str sp_xds_key(struct sp_xds *x, const ProtobufCMessage *resource);
struct sp_str sp_xds_secret_key(struct sp_xds *x, int type, const char *name);
/* Its name, whatever its type. */
const char *sp_xds_name(const ProtobufCMessage *resource);
/* "the file has: a, b": for errors about names; in the document's arena. */
const char *sp_xds_names(struct sp_xds *x, const struct sp_xds_file *file, const char *wanted);
void sp_xds_files_done(struct sp_xds *x);

/* Notes a subscription. */
void sp_xds_source(struct sp_xds *x, enum sp_set_kind kind, const char *owner, const char *name, const struct sp_xds_file *file,
                   const void *resource);

/* Appends `msg` to a list of `to`, which stays where it is. */
void sp_xds_append(struct sp_xds *x, void *to, const char *field, const ProtobufCMessage *msg);
/* A message that says what `base` says with `over` merged over it; both stay as they are. */
void *sp_xds_combine(struct sp_xds *x, const ProtobufCMessage *base, const ProtobufCMessage *over);
/* Static resources; made if there are none. */
Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *sp_xds_static(struct sp_xds *x);

/* Everything that names a file or a secret gets what it names. */
void sp_xds_resolve(struct sp_xds *x);
/* For TLS contexts, and for a SdsSecretConfig that stands anywhere else. */
void sp_xds_secrets_init(struct sp_xds *x);
void sp_xds_tls(struct sp_xds *x, Envoy__Extensions__TransportSockets__Tls__V3__CommonTlsContext *msg);
void sp_xds_ticket_keys(struct sp_xds *x, Envoy__Extensions__TransportSockets__Tls__V3__DownstreamTlsContext *msg);
void sp_xds_other_secret(struct sp_xds *x, const Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig *msg);

#endif
