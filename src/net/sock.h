/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets as the system knows them: made, bound, their options and addresses.  No event loop; any thread.
 */
#ifndef SP_NET_SOCK_H
#define SP_NET_SOCK_H

#include "net/addr.h"

struct sp_sock_options {
    bool keepalive;
    unsigned keepalive_time, keepalive_interval, keepalive_probes; /* seconds; 0: the system's */
    struct sp_addr bind;       /* family 0: none */
    struct sp_addr bind_other; /* with it: for addresses of the other IP family; family 0: none */
};

/* A non-blocking socket to connect to `to` with: options set, bound to o->bind (o may be NULL). fd or negative errno;
 * -EAFNOSUPPORT when the address to bind is of another family. */
int sp_sock_client(const struct sp_addr *to, const struct sp_sock_options *o);

struct sp_sock_listen {
    bool reuse_port;
    bool v6_only;       /* an IPv6 wildcard: false takes IPv4 too */
    bool freebind, transparent; /* addresses that this machine has not */
    const struct sp_sock_options *keepalive; /* of accepted connections; NULL: the system's */
    unsigned unix_mode; /* file mode of a unix socket's path; 0: as umask says */
};
/* A bound, non-blocking socket whose accepted connections have TCP_NODELAY. fd or negative errno. A unix path that a dead
 * process left behind is replaced, one that somebody listens on is not (-EADDRINUSE). */
int sp_sock_bind(const struct sp_addr *at, const struct sp_sock_listen *o);

/* close(2) shall send RST and drop what the kernel holds. */
void sp_sock_reset_on_close(int fd);
/* Family 0 when the system does not say; unix sockets' paths are "". */
struct sp_addr sp_sock_peer(int fd);
struct sp_addr sp_sock_local(int fd);

#endif
