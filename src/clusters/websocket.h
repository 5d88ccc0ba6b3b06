/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * WebSocket's handshake between versions of HTTP.  HTTP/1 proves it by Sec-WebSocket-Key and -Accept (RFC 6455 section
 * 4), HTTP/2 has neither (RFC 8441 section 5): where a client and an origin speak different ones, what one of them lacks
 * is made here.  Embedded in a request to a cluster; the request's arena; its thread.
 */
#ifndef SP_CLUSTERS_WEBSOCKET_H
#define SP_CLUSTERS_WEBSOCKET_H

#include "http/headers.h"

struct sp_websocket {
    struct sp_str key; /* the client's own; a NULL slice: it sent none */
    struct sp_str accept; /* what the origin has to answer to the key that we made; a NULL slice: we made none */
    bool on;           /* the request is for a WebSocket */
    bool owes;         /* the origin has seen no key: the answer to the client's is ours */
};

/* Once a request, before its first attempt. */
void sp_websocket_begin(struct sp_websocket *w, struct sp_headers *request);
/* Before an attempt: `h` is changed for a connection of that version. */
void sp_websocket_send(struct sp_websocket *w, struct sp_headers *h, bool h2);
/* The origin's 101. False: it did not prove that it speaks WebSocket. */
bool sp_websocket_answer(struct sp_websocket *w, struct sp_headers *h);

#endif
