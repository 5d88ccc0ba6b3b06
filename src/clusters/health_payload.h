/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HealthCheck.Payload: bytes that a check sends, or looks for in what comes back.
 */
#ifndef SP_CLUSTERS_HEALTH_PAYLOAD_H
#define SP_CLUSTERS_HEALTH_PAYLOAD_H

#include "base/buf.h"
#include "config/doc.h"
#include "envoy/config/core/v3/health_check.pb-c.h"

/* Its bytes, in `arena`; empty after an error in `diag`. */
struct sp_str sp_payload_read(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                              const Envoy__Config__Core__V3__HealthCheck__Payload *msg);
/* The field "receive" of `msg`; *ret_bytes: of all together. None of them may be empty. */
const struct sp_str *sp_payload_list(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                                     Envoy__Config__Core__V3__HealthCheck__Payload **list, size_t n, size_t *ret_bytes);
/* Each is found behind the one before. `b` holds at most 1 MiB; its bytes may move. */
bool sp_payload_match(const struct sp_str *list, unsigned n, struct sp_buf *b);

#endif
