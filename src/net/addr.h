/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_addr: an IPv4 or IPv6 address with a port, or a unix socket's path.  A value; copying is cheap.  IPv4-mapped
 * IPv6 (::ffff:1.2.3.4) is turned into IPv4 wherever an address comes in, so that lists cannot be evaded by the
 * other spelling.  Pure functions, any thread.
 */
#ifndef SP_NET_ADDR_H
#define SP_NET_ADDR_H

#include <sys/socket.h>

#include "base/arena.h"

struct sp_addr {
    uint8_t family; /* 0: none, else AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;  /* host order */
    uint32_t scope; /* IPv6 zone index, 0 mostly */
    union {
        uint8_t ip[16];   /* the first 4 bytes for AF_INET */
        const char *path; /* AF_UNIX: borrowed, NUL-terminated; "@name" is the abstract namespace; "" is unnamed */
    };
};

enum { SP_ADDR_TEXT_MAX = 128 }; /* "[v6%scope]:port" or a path */

/* "1.2.3.4", "2001:db8::1", "[2001:db8::1]" without port; strict (no inet_aton forms, no leading zeros; a zone index
 * in digits only: "fe80::1%2"). -EINVAL. */
int sp_addr_parse_ip(struct sp_str text, struct sp_addr *ret);
/* "1.2.3.4:80", "[::1]:80"; with a bare address the port is 0. -EINVAL. */
int sp_addr_parse(struct sp_str text, struct sp_addr *ret);
/* From and to the system's form. `from`: 0 or -EAFNOSUPPORT; path is copied to `arena` (NULL: dropped). */
int sp_addr_from_sockaddr(const struct sockaddr *sa, socklen_t len, struct sp_arena *arena, struct sp_addr *ret);
/* 0 when it has no such form: no family, or a path that is too long for the system (107 bytes). */
socklen_t sp_addr_to_sockaddr(const struct sp_addr *a, struct sockaddr_storage *ret);
/* "1.2.3.4:80", "[::1]:80", the path; family 0 gives "-". Returns the length. */
size_t sp_addr_format(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX]);
/* Without port and brackets. */
size_t sp_addr_format_ip(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX]);
/* The same, and gives `out`: as an argument of sp_log_limited it is written out only for lines that are not left out. */
const char *sp_addr_ip_text(const struct sp_addr *a, char out[SP_ADDR_TEXT_MAX]);
/* Same family and bytes; ports compared only if `with_port`. */
bool sp_addr_eq(const struct sp_addr *a, const struct sp_addr *b, bool with_port);
/* 127.0.0.0/8 or ::1. */
bool sp_addr_is_loopback(const struct sp_addr *a);

#endif
