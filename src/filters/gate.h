/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the gates share: how they refuse (sallyport.common.v1.Refusal), header names, and what of a request may stand
 * in a log line.  Compiled parts belong to the gate's config: immutable, any thread.
 */
#ifndef SP_FILTERS_GATE_H
#define SP_FILTERS_GATE_H

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

/* Lower-case in `arena`; an error, and a NULL slice, for names that are no ordinary header's. */
struct sp_str sp_gate_header_name(const struct sp_filter_build *build, struct sp_arena *arena, const void *msg,
                                  const char *field, const char *name);

/* A browser asks whether it may ask (CORS): such requests carry no token. */
bool sp_gate_preflight(const struct sp_headers *h);

/* The path without its query (which may hold secrets), at most 100 bytes: for logs. */
struct sp_str sp_gate_log_path(const struct sp_headers *h);

#endif
