/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gates share: how they refuse (sallyport.common.v1.Refusal), address lists, and what of a request may stand
 * in a log line.  Compiled parts belong to the gate's config: immutable, any thread.
 */
#ifndef SP_FILTERS_GATE_H
#define SP_FILTERS_GATE_H

#include "net/cidr.h"
#include "sallyport/common/v1/common.pb-c.h"
#include "stream/filter.h"

struct sp_gate_refusal {
    unsigned status;
    struct sp_str body; /* in the config's arena or static */
    bool reset;
};

/* `msg` may be NULL: 403. False after an error. */
bool sp_gate_refusal_init(const struct sp_filter_build *build, struct sp_arena *arena,
                          const Sallyport__Common__V1__Refusal *msg, struct sp_gate_refusal *ret);
/* Answers, or resets the stream; `details` lives as long as the stream. */
enum sp_status sp_gate_refuse(struct sp_filter *f, const struct sp_gate_refusal *refusal, struct sp_str details);

/* How wide a range of a list may be. */
enum sp_gate_width {
    SP_GATE_ANY_WIDTH,
    SP_GATE_NARROW, /* IPv4 /8 and IPv6 /16 at most: 0.0.0.0/1 and 128.0.0.0/1 are everyone, too */
};
/* The table of `msg`'s field; NULL after an error. */
struct sp_cidr_table *sp_gate_cidrs(const struct sp_filter_build *build, const void *msg, const char *field,
                                    char *const *cidrs, size_t n, enum sp_gate_width width);

/* Lower-case in `arena`; an error, and a NULL slice, for names that are no ordinary header's. */
struct sp_str sp_gate_header_name(const struct sp_filter_build *build, struct sp_arena *arena, const void *msg,
                                  const char *field, const char *name);

/* The path without its query (which may hold secrets), at most 100 bytes: for logs. */
struct sp_str sp_gate_log_path(const struct sp_headers *h);

#endif
