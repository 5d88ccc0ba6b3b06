/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_codec_config.raw: a connection to a host that speaks no HTTP.  It is HTTP/1's tunnel without the heads: the request's
 * is not sent, and the response's is made here as soon as it was given.
 */
#include <assert.h>

#include "http/h1_codec.h"

void sp_h1_raw_answer(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    assert(h1->codec.config->raw && s->raw_answer);
    s->raw_answer = false;
    if (s->rx_over || s->tx_cut)
        return;
    sp_headers_init(&s->headers, &s->arena);
    s->headers.status = 200;
    s->headers.version = SP_HTTP_11;
    s->headers.protocol = s->upgrade;
    sp_h1_begin_tunnel(h1, s, &s->headers);
    h1->codec.want_read = true; /* what the host said before anybody listened */
    sp_h1_wake(h1);
}
