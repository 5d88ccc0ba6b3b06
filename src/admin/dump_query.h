/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a config dump is asked for, as Envoy has it: ?resource=FIELD, the entries of that list alone; ?mask=a.b,c, these members
 * alone, of each entry, or without a resource of each section; ?name_regex, entries of such names.  For this directory; main thread.
 */
#ifndef SP_ADMIN_DUMP_QUERY_H
#define SP_ADMIN_DUMP_QUERY_H

#include "admin/handlers.h"

struct sp_dump_query {
    struct sp_str resource, mask; /* NULL slices: none */
    struct sp_regex *name;        /* NULL: all */
};

/* False after answering 400. */
bool sp_dump_query_read(struct sp_dump_query *q, const struct sp_admin_request *r, struct sp_admin_answer *a);
void sp_dump_query_done(struct sp_dump_query *q);
bool sp_dump_query_asks(const struct sp_dump_query *q);
/* Makes of a whole dump in `a` what is asked for; or 404, 400. */
void sp_dump_query_apply(const struct sp_dump_query *q, struct sp_admin_answer *a);

#endif
