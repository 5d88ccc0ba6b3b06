/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How gRPC's unary calls look on the wire (its "protocol over HTTP/2"): the prefix of a message, grpc-timeout, status codes.
 * Pure functions, any thread.
 */
#ifndef SP_CLUSTERS_GRPC_FRAME_H
#define SP_CLUSTERS_GRPC_FRAME_H

#include "base/buf.h"

enum sp_grpc_code {
    SP_GRPC_OK = 0,
    SP_GRPC_UNKNOWN = 2,
    SP_GRPC_DEADLINE_EXCEEDED = 4,
    SP_GRPC_RESOURCE_EXHAUSTED = 8,
    SP_GRPC_INTERNAL = 13,
    SP_GRPC_UNAVAILABLE = 14,
    SP_GRPC_CODE_MAX = 16,
};

/* Before each message: whether it is compressed, and its length. */
enum { SP_GRPC_PREFIX = 5, SP_GRPC_TIMEOUT_MAX = 32 };

/* The prefix of a message that is not compressed. */
void sp_grpc_prefix(char out[SP_GRPC_PREFIX], uint32_t len);
/* The one message of a body, in whose bytes it lies; false when it is not exactly one that is not compressed. */
bool sp_grpc_unframe(struct sp_buf *body, struct sp_str *ret);
/* grpc-timeout's value, at most eight digits and a unit: "20000000n", "20000u". Returns its length. */
size_t sp_grpc_timeout_text(uint64_t ns, char out[SP_GRPC_TIMEOUT_MAX]);

#endif
