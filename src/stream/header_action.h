/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One header to set or add (HeaderValueOption) and one to remove, compiled: what header_ops and mutations are made of.
 * Immutable, any thread.
 */
#ifndef SP_STREAM_HEADER_ACTION_H
#define SP_STREAM_HEADER_ACTION_H

#include "envoy/config/core/v3/base.pb-c.h"
#include "stream/format.h"

/* Where in the config the list stands, and what owns the memory. */
struct sp_header_where {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    struct sp_arena *arena;
    const void *msg;   /* of names to remove: the message, field and index they stand in */
    const char *field;
    int index;
    bool to_origin; /* headers of requests: values may have %SECRET(name)% */
};

struct sp_header_name {
    struct sp_str name; /* lower-case */
    uint8_t id;
};

struct sp_header_action {
    struct sp_header_name name;
    uint8_t action; /* HeaderAppendAction */
    bool keep_empty;
    struct sp_str constant; /* when there is no format; NULL ptr: there is one */
    struct sp_format *format;
    bool secret; /* there is a secret in its value */
};

/* False after an error. Either way sp_header_action_done takes back what it holds. */
bool sp_header_action_init(struct sp_header_action *a, const struct sp_header_where *where,
                           const Envoy__Config__Core__V3__HeaderValueOption *msg);
void sp_header_action_done(struct sp_header_action *a);
/* The value to put now; a NULL slice when nothing is to be done (it came out empty, or its condition does not hold). */
struct sp_str sp_header_action_value(const struct sp_header_action *a, const struct sp_headers *h,
                                     const struct sp_format_input *in);
/* It adds a line (true), or replaces those that are there. */
bool sp_header_action_adds(const struct sp_header_action *a);
void sp_header_action_put(const struct sp_header_action *a, struct sp_headers *h, struct sp_str value);

/* Checks and copies a name to remove. False after an error. */
bool sp_header_removable(struct sp_header_name *n, const struct sp_header_where *where, const char *name);
void sp_header_name_remove(const struct sp_header_name *n, struct sp_headers *h);

#endif
