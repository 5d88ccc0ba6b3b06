/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The generic secrets of a bootstrap's static_resources.secrets, by name, and those of files: texts for headers that go to the origin.  One that
 * is empty, or that no header could carry, is refused: at the start with the config, later with the new file, and then
 * the old one serves on.
 */
#ifndef SP_CONFIG_STATIC_SECRET_H
#define SP_CONFIG_STATIC_SECRET_H

#include "config/live_secret.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"

/*
 * For sp_live_secret_get.  `arena`: of the config that is compiled; an unknown name is an error about msg's field
 * (index for lists).  NULL after an error.
 */
struct sp_live *sp_static_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                     struct sp_str name, const void *msg, const char *field, int index);
/* The same of a SdsSecretConfig: of its file (sds_config), else by its name. */
struct sp_live *sp_sds_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                  const Envoy__Extensions__TransportSockets__Tls__V3__SdsSecretConfig *msg);

#endif
