/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a PROXY protocol header, version 1 (a line) or 2 (binary), at the beginning of a connection: whom a load
 * balancer in front of us stands for.  Strict: what the specification does not allow is refused, and so are datagrams,
 * unix sockets and addresses nobody can connect from.  TLVs are walked, a CRC32C among them is verified, none is kept.
 * Sans-IO, any thread.
 */
#ifndef SP_NET_PROXY_PROTOCOL_H
#define SP_NET_PROXY_PROTOCOL_H

#include "base/buf.h"
#include "net/addr.h"

enum {
    SP_PROXY_V1_MAX = 107,  /* bytes of the longest line, with its CR LF */
    SP_PROXY_V2_MAX = 4096, /* of a binary header with its TLVs; the format would allow 65551 */
};

struct sp_proxy_header {
    uint8_t version;  /* 1 or 2, as soon as it is known (of a broken header, too); else 0 */
    bool named;       /* source and destination are the client's; false: LOCAL or UNKNOWN, the connection's own count */
    struct sp_addr source, destination;
    size_t len;       /* bytes it takes */
};

/*
 * Looks at the first bytes of a connection, taking none (they may be moved together). 1: a whole header, in *ret; 0: more
 * is needed; -ENOENT: the bytes begin no header; -EPROTO: one that we refuse. The latter two with *ret_why (static).
 */
int sp_proxy_parse(struct sp_buf *in, struct sp_proxy_header *ret, const char **ret_why);

#endif
