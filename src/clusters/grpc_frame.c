/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/grpc_frame.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void sp_grpc_prefix(char out[SP_GRPC_PREFIX], uint32_t len)
{
    assert(out);
    const uint8_t prefix[SP_GRPC_PREFIX] = {0, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(out, prefix, SP_GRPC_PREFIX);
}

bool sp_grpc_unframe(struct sp_buf *body, struct sp_str *ret)
{
    assert(body && ret);
    if (body->len < SP_GRPC_PREFIX)
        return false;
    const uint8_t *p = (const uint8_t *)sp_buf_pullup(body, body->len);
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] != 0 || len != body->len - SP_GRPC_PREFIX)
        return false;
    *ret = sp_str_n((const char *)p + SP_GRPC_PREFIX, len);
    return true;
}

size_t sp_grpc_timeout_text(uint64_t ns, char out[SP_GRPC_TIMEOUT_MAX])
{
    assert(out);
    static const char units[] = {'n', 'u', 'm', 'S'};
    unsigned i = 0;
    while (ns > 99999999 && i + 1 < sizeof(units)) {
        ns = (ns + 999) / 1000;
        i++;
    }
    return (size_t)snprintf(out, SP_GRPC_TIMEOUT_MAX, "%llu%c", (unsigned long long)SP_MIN(ns, 99999999ull), units[i]);
}
