/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Any bytes as the beginning of a connection from a load balancer, in two segments cut where the first byte says: no
 * crash, no reading behind the end, a verdict within the limits, and the same one as in one segment.
 */
#include <assert.h>
#include <stdint.h>

#include "net/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sp_proxy_header *h, size_t given)
{
    assert(h->len > 0 && h->len <= given && h->len <= SP_PROXY_V2_MAX);
    assert(h->version == 1 || h->version == 2);
    assert(h->named == (h->source.family == AF_INET || h->source.family == AF_INET6));
    assert(h->named == (h->destination.family == AF_INET || h->destination.family == AF_INET6));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = data[0] % size;
    struct sp_buf in;
    struct sp_proxy_header h, other;
    const char *why = NULL;
    sp_buf_init(&in);
    sp_buf_append_static(&in, data + 1, size - 1);
    int r = sp_proxy_parse(&in, &h, &why);
    assert(r >= 0 || why);
    assert(r != 0 || in.len < SP_PROXY_V2_MAX);
    if (r > 0)
        check(&h, in.len);
    sp_buf_clear(&in);
    sp_buf_append_static(&in, data + 1, cut);
    sp_buf_append_static(&in, data + 1 + cut, size - 1 - cut);
    assert(sp_proxy_parse(&in, &other, &why) == r && other.version == h.version);
    assert(r <= 0 || (other.len == h.len && sp_addr_eq(&other.source, &h.source, true)));
    sp_buf_clear(&in);
    return 0;
}
