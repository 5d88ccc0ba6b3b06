/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Header changes compiled from HeaderValueOption lists, names to remove and HeaderMutation lists: used by routes,
 * virtual hosts, route tables and the header_mutation filter.  Pseudo-headers and host cannot be removed; connection
 * headers cannot be set.  Immutable, any thread.
 */
#ifndef SP_STREAM_HEADER_OPS_H
#define SP_STREAM_HEADER_OPS_H

#include "envoy/config/common/mutation_rules/v3/mutation_rules.pb-c.h"
#include "envoy/config/core/v3/base.pb-c.h"
#include "stream/format.h"

struct sp_header_ops; /* a request list and a response list */

struct sp_header_ops *sp_header_ops_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
    Envoy__Config__Core__V3__HeaderValueOption **add_request, size_t n_add_request, char **remove_request, size_t n_remove_request,
    Envoy__Config__Core__V3__HeaderValueOption **add_response, size_t n_add_response, char **remove_response, size_t n_remove_response);
void sp_header_ops_free(struct sp_header_ops *ops); /* NULL-safe */
void sp_header_ops_request(const struct sp_header_ops *ops, struct sp_headers *h, const struct sp_format_input *in);
void sp_header_ops_response(const struct sp_header_ops *ops, struct sp_headers *h, const struct sp_format_input *in);

/* header_mutation's lists. */
struct sp_mutations;
struct sp_mutations *sp_mutations_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                                      Envoy__Config__Common__MutationRules__V3__HeaderMutation **list, size_t n);
void sp_mutations_free(struct sp_mutations *m);
void sp_mutations_apply(const struct sp_mutations *m, struct sp_headers *h, const struct sp_format_input *in);

#endif
