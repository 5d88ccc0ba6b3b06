/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers in layered_runtime (static layers) of the bootstrap, for what is compiled by them.  While configs are compiled; any thread.
 */
#ifndef SP_CONFIG_RUNTIME_H
#define SP_CONFIG_RUNTIME_H

#include "config/doc.h"

/* The last layer's number under a key with dots, which may be written as one name or as names in each other; `otherwise` where there is
 * none, or the document is no whole config. */
double sp_runtime_number(const struct sp_doc *doc, struct sp_str key, double otherwise);

#endif
