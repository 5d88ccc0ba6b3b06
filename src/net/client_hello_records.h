/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ClientHello message out of the records it is spread over, RFC 8446 section 5.1.  Private to net/client_hello.
 */
#ifndef SP_NET_CLIENT_HELLO_RECORDS_H
#define SP_NET_CLIENT_HELLO_RECORDS_H

#include "base/arena.h"
#include "base/buf.h"

/*
 * 1: the message's body, without its head, copied to `arena`; 0: more bytes are needed; -EPROTO with a static *ret_why.
 * again: a ChangeCipherSpec record may come first.
 */
int sp_client_hello_gather(const struct sp_buf *in, bool again, struct sp_arena *arena, struct sp_str *ret,
                           const char **ret_why);

#endif
