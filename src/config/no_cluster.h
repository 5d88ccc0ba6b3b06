/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error about a name that no cluster of the config has: it says which one is nearest. Any thread, no state.
 */
#ifndef SP_CONFIG_NO_CLUSTER_H
#define SP_CONFIG_NO_CLUSTER_H

#include "config/doc.h"

void sp_no_cluster_err(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, struct sp_str name);

#endif
