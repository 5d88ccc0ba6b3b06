/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_tls (net/tls.h).  Private to net/tls*.
 */
#ifndef SP_NET_TLS_CONN_H
#define SP_NET_TLS_CONN_H

#include "base/buf.h"
#include "net/tls_core.h"
#include "net/tls_peer.h"

/* A record's place in the stream of bytes that wolfSSL took: for counting records, and to give it whole ones. */
struct sp_tls_frame {
    uint8_t head[5], n_head; /* n_head: of them taken; 0 at a record's beginning */
    uint16_t left;           /* of its body */
};

/* The same of handshake messages, as long as they come in the clear: their order is checked. */
struct sp_tls_messages {
    uint8_t head[4], n_head;
    uint8_t rank; /* of the last */
    bool over;
    uint32_t left;
};

struct sp_tls {
    WOLFSSL *ssl; /* server: NULL until the ClientHello has been read */
    struct sp_tls_ctx *ctx;
    const struct sp_tls_member *member;
    struct sp_buf *in, *out; /* the ciphertext, during a pump */
    uint8_t state, failure;  /* enum sp_tls_state, enum sp_tls_fail */
    bool hello_due;          /* server: the next bytes must be a ClientHello that we take, before wolfSSL sees them */
    bool retried;            /* server: a HelloRetryRequest was sent */
    bool wants_staple, tls12; /* server: the client asks for an OCSP response; TLS 1.3 is out of question */
    bool stapled;            /* server: it gets one */
    bool fell_back;          /* server: the client says that it has tried a newer version, which we have (RFC 7507) */
    bool early;              /* server: the client sends early data, which is passed over */
    bool early_taken;        /* server: it is taken */
    uint8_t early_fate;      /* server: enum sp_tls_early_fate; accepted: but for what early_taken says */
    uint8_t early_alpn;      /* server: of its ticket, as alpn_at */
    uint8_t alpn_at;         /* server: what was agreed upon, as its place in the config, from 1 on; 0: nothing */
    bool odd_ticket;         /* server: the client's ticket is none that wolfSSL made */
    bool sent;               /* something was */
    bool opened;             /* the handshake is done */
    bool shut;               /* close_notify was sent */
    bool lends;              /* TLS 1.3: records are made and opened in buffers of ours (net/tls_records) */
    bool resumed;
    bool offered12;          /* client: a session of TLS 1.2 */
    uint8_t staple;          /* client: enum sp_tls_staple */
    bool judged;             /* the peer's certificate was looked at, and was good */
    uint8_t verdict;         /* enum sp_tls_verdict, of a certificate that was not */
    uint16_t most;           /* bytes of data in one record, as was agreed upon */
    uint16_t quiet;          /* records since the last that held data */
    uint16_t wasted;         /* records without data that stood between others: what data that came has not made up for */
    uint32_t earned;         /* bytes of data towards the next one */
    uint32_t handshake_in;   /* bytes of the handshake */
    uint32_t early_in;       /* bytes of early data, taken or passed over */
    struct sp_tls_frame frame;
    struct sp_tls_messages messages;
    struct sp_x509_problem problem;
    const char *why;         /* static: our own reason to give up */
    char *text;              /* of the failure */
    char *sni, *host;        /* host: client, the name that the certificate has to bear */
    struct sp_str offer;     /* client: the protocols offered, as ALPN has them */
    struct sp_str alpn;      /* what was agreed upon; the context's string, or in `offer` */
    struct sp_tls_peer *peer;
    int64_t session_until;   /* client: the end of the session that was offered, monotonic seconds */
    struct sp_tls_info *info;
};

#endif
