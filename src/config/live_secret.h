/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DataSource as a value that is read anew when its file changes: what of a config is one secret (a credential for the
 * origin, a client's password at a token endpoint).  An environment variable is read once, at the start, and what is written
 * in the config never changes.  The value is wiped when it goes.
 */
#ifndef SP_CONFIG_LIVE_SECRET_H
#define SP_CONFIG_LIVE_SECRET_H

#include "config/live.h"
#include "config/secret.h"

struct sp_live_secret_spec {
    const Envoy__Config__Core__V3__DataSource *source;
    unsigned flags;      /* enum sp_secret_flags */
    struct sp_str label; /* "credential \"origin\"": for logs and /files */
    /* Whether the value will do; adds an error when not (sp_source_err), which never shows it. May be NULL. */
    bool (*check)(void *ctx, const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__DataSource *source,
                  struct sp_str value);
    void *ctx; /* lives as long as `arena` */
};

/* `arena` belongs to what is compiled, and lives as long as its live set; spec is copied into it. NULL after an error. */
struct sp_live *sp_live_secret_new(const struct sp_doc *doc, struct sp_diag *diag, struct sp_arena *arena,
                                   const struct sp_live_secret_spec *spec);
/* The secret now; valid until the end of this turn. */
struct sp_str sp_live_secret_get(const struct sp_live *l);

#endif
