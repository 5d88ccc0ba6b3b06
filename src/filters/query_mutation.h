/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_query_mutations: changes to the query of a path (KeyValueMutation).  Names are compared decoded, so that "%61" is
 * "a"; what is not changed stays as it was written and where it was.  Immutable, any thread.
 */
#ifndef SP_FILTERS_QUERY_MUTATION_H
#define SP_FILTERS_QUERY_MUTATION_H

#include "envoy/config/core/v3/base.pb-c.h"
#include "stream/format.h"

struct sp_query_mutations;

/* NULL after an error. */
struct sp_query_mutations *sp_query_mutations_new(const struct sp_doc *doc, struct sp_diag *diag,
                                                  Envoy__Config__Core__V3__KeyValueMutation **list, size_t n);
void sp_query_mutations_free(struct sp_query_mutations *m); /* NULL-safe */
/* Changes h->path, in its arena; a path that would pass 64 KiB stays as it is. */
void sp_query_mutations_apply(const struct sp_query_mutations *m, struct sp_headers *h, const struct sp_format_input *in);

#endif
