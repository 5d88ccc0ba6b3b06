/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message of a local reply: what the gateway itself answers.  Pure; any thread.  Follows Envoy: text/plain unless
 * said otherwise, content-length always, no body for HEAD; a gRPC request (content-type application/grpc) gets a
 * trailers-only answer: 200 with grpc-status and grpc-message.
 */
#ifndef SP_STREAM_LOCAL_REPLY_H
#define SP_STREAM_LOCAL_REPLY_H

#include "stream/filter.h"

/* application/grpc, with or without "+proto" or parameters. */
bool sp_is_grpc(const struct sp_headers *h);
/* The request's grpc-timeout. False: there is none that can be read. */
bool sp_grpc_timeout(const struct sp_headers *h, uint64_t *ret_ns);
/* The same as text, from milliseconds on. */
struct sp_str sp_grpc_timeout_value(struct sp_arena *arena, uint64_t ns);
/* What a limit becomes by a grpc-timeout: at most `most` (0: any), less `offset` where it is longer. */
uint64_t sp_grpc_limit(uint64_t asked_ns, uint64_t most_ns, uint64_t offset_ns);
/* gRPC's code for an HTTP status (grpc's http-grpc-status-mapping). */
unsigned sp_grpc_status(unsigned http_status);
/* Changes a reply and its head, which has the reply's own headers already (local_reply_config). */
struct sp_reply_rewriter {
    void (*rewrite)(void *ctx, struct sp_reply *reply, struct sp_headers *h);
    void *ctx;
};
/* Fills `h` (zeroed) and `body`, which is copied; `request` and `rewriter` may be NULL. */
void sp_local_reply_make(const struct sp_reply *reply, const struct sp_headers *request, struct sp_arena *arena,
                         const struct sp_reply_rewriter *rewriter, struct sp_headers *h, struct sp_buf *body);

#endif
