/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a TLS ClientHello before wolfSSL sees it: for the choice of a filter chain (SNI, ALPN) and of a certificate,
 * and to refuse what wolfSSL is known to handle badly: malformed ALPN or SNI, extensions or key shares that come twice,
 * records of silly sizes (dependencies.md section 1).  RFC 8446 section 4.1.2, RFC 6066 section 3, RFC 7301.  Sans-IO,
 * any thread.
 */
#ifndef SP_NET_CLIENT_HELLO_H
#define SP_NET_CLIENT_HELLO_H

#include "base/arena.h"
#include "base/buf.h"

enum {
    SP_CLIENT_HELLO_MAX = 65536, /* bytes on the wire; what would be longer is refused as soon as that is known */
    SP_CLIENT_HELLO_MAX_ALPN = 16,
};

struct sp_client_hello {
    struct sp_str sni;  /* lower-case, no trailing dot; empty when absent */
    struct sp_str alpn[SP_CLIENT_HELLO_MAX_ALPN];
    unsigned n_alpn;
    bool tls13;         /* supported_versions has 1.3 */
    bool resumes;       /* carries a session ticket, a pre-shared key or a session id */
    bool fallback;      /* TLS_FALLBACK_SCSV, RFC 7507: it tries an older version than its newest */
    bool early_data;    /* it sends some behind this */
    bool wants_staple;  /* asks for an OCSP response about our certificate */
    bool odd_ticket;    /* among these is one whose inner length does not fit it: wolfSSL, which trusts that length, must not see it */
    /* As they came: 16-bit numbers in network order. The latter two are empty when absent. */
    struct sp_str ciphers, groups, signatures;
};

/*
 * Looks at the first bytes of a connection, taking none. 1: a whole ClientHello, in *ret (strings in `arena`);
 * 0: more is needed; -EPROTO: not a TLS client, or one we refuse, with *ret_why (static).
 */
int sp_client_hello_parse(const struct sp_buf *in, struct sp_arena *arena, struct sp_client_hello *ret,
                          const char **ret_why);
/* The same for the ClientHello that answers a HelloRetryRequest: a ChangeCipherSpec record may come before it. */
int sp_client_hello_parse_again(const struct sp_buf *in, struct sp_arena *arena, struct sp_client_hello *ret,
                                const char **ret_why);

#endif
