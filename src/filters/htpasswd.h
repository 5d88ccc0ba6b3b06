/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_htpasswd: users and the hashes of their passwords, as `htpasswd -s` writes them ("name:{SHA}base64"), read anew when
 * their file changes.  Part of a config; any worker may ask.
 */
#ifndef SP_FILTERS_HTPASSWD_H
#define SP_FILTERS_HTPASSWD_H

#include "config/live.h"
#include "config/secret.h"

/* `arena` belongs to the config that is compiled. NULL after an error. */
struct sp_live *sp_htpasswd_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                const Envoy__Config__Core__V3__DataSource *source);
/* Whether the password is this user's. An unknown user takes as long as a wrong password. */
bool sp_htpasswd_good(const struct sp_live *users, struct sp_str name, struct sp_str password);

#endif
