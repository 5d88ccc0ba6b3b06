/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/host.h"

#include <assert.h>

/* Where the port's colon stands, or the length. */
static size_t port_colon(struct sp_str s)
{
    size_t i = s.len;
    while (i && s.ptr[i - 1] != ':' && s.ptr[i - 1] != ']')
        i--;
    return i && s.ptr[i - 1] == ':' ? i - 1 : s.len;
}

struct sp_str sp_host_strip_dot(struct sp_str authority, struct sp_arena *arena)
{
    assert(arena);
    size_t end = port_colon(authority);
    if (end < 2 || authority.ptr[end - 1] != '.')
        return authority;
    struct sp_str host = sp_str_sub(authority, 0, end - 1), port = sp_str_sub(authority, end, authority.len);
    return port.len ? sp_arena_cat(arena, host, port) : host;
}

struct sp_str sp_host_strip_port(struct sp_str authority, unsigned only_port)
{
    size_t colon = port_colon(authority);
    uint64_t port;
    if (colon == authority.len || sp_str_u64(sp_str_sub(authority, colon + 1, authority.len), 65535, &port))
        return authority;
    if (only_port && port != only_port)
        return authority;
    return sp_str_sub(authority, 0, colon);
}
