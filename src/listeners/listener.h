/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_listener: a compiled Listener: its address, filter chains (match, TLS context, connection manager), the accept-time
 * gate.  Immutable, part of the snapshot.  sp_listener_socket: the sockets of one listener on one worker, and the
 * connections that came by them.
 */
#ifndef SP_LISTENERS_LISTENER_H
#define SP_LISTENERS_LISTENER_H

#include "config/snapshot.h"
#include "envoy/config/listener/v3/listener.pb-c.h"
#include "event/worker.h"
#include "listeners/cx_limit.h"
#include "stream/hcm.h"

struct sp_listener;
struct sp_heavy;
struct sp_listener_socket;

struct sp_listener_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_filter_ops *const *registry;
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    struct sp_no_route no_route;
    bool answer_misdirected; /* sallyport.bootstrap.v1.Edge */
    const struct sp_cx_limits *limits; /* NULL: none */
};

/* NULL after an error; all are in build->diag. Nothing is bound yet. */
struct sp_listener *sp_listener_new(const struct sp_listener_build *build, const Envoy__Config__Listener__V3__Listener *msg);
/* A listener that is not in the config (the admin page's): plain HTTP, one filter chain, this connection manager, which
 * it takes over. */
struct sp_listener *sp_listener_new_plain(struct sp_str name, const struct sp_addr *addr, struct sp_hcm *hcm);
void sp_listener_free(struct sp_listener *l); /* NULL-safe */
struct sp_str sp_listener_name(const struct sp_listener *l);
const struct sp_addr *sp_listener_addr(const struct sp_listener *l);
bool sp_listener_inbound(const struct sp_listener *l); /* traffic_direction */
bool sp_listener_reuse_port(const struct sp_listener *l);
int sp_listener_backlog(const struct sp_listener *l); /* for listen() */
void sp_listener_expiries(const struct sp_listener *l); /* sets its gauges of them; on the main thread */
uint64_t sp_listener_open_connections(const struct sp_listener *l); /* those that have a filter chain; any thread */
void sp_listener_certs(const struct sp_listener *l, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg);

/*
 * Binds, without listening: on the main thread, before privileges are dropped; one descriptor for each worker with
 * SO_REUSEPORT. Port 0 takes a free port, which *ret_bound tells; bind the other workers' to that. Negative errno.
 */
int sp_listener_bind(const struct sp_listener *l, const struct sp_addr *at, struct sp_addr *ret_bound);

/* On the worker's thread. The snapshot is the one `l` belongs to; new connections take references of it. */
struct sp_listener_socket *sp_listener_open(struct sp_worker *w, const struct sp_listener *l, struct sp_snapshot *snapshot);
/* Listens on `fd` (taken over) and accepts; several are fine. 0 or negative errno. */
int sp_listener_accept_on(struct sp_listener_socket *s, int fd);
/* Whether one socket can serve both: the same address (unless it is any free port: the same name too), bound alike. */
bool sp_listener_same_socket(const struct sp_listener *a, const struct sp_listener *b);
/*
 * The newer version `l` of the listener takes over the socket. Connections go over to it or drain, for at most drain_ns
 * (listeners/downstream_impl.h). `snapshot`: as in sp_listener_open.
 */
void sp_listener_update(struct sp_listener_socket *s, const struct sp_listener *l, struct sp_snapshot *snapshot,
                        uint64_t drain_ns);
/* Accepts no more; the connections drain for at most drain_ns. `take_rest`: what the kernel has accepted already is taken before, since
 * nobody else will. */
void sp_listener_retire(struct sp_listener_socket *s, uint64_t drain_ns, bool take_rest);
/* Stops accepting, drains the connections: GOAWAY, Connection: close. Idle ones close at once. */
void sp_listener_drain(struct sp_listener_socket *s);
/* Ends what holds the config `number` or an older one: its connections, or streams on others. */
void sp_listener_cut(struct sp_listener_socket *s, uint64_t number);
/* Their streams are weighed, those of listeners that the overload manager leaves alone excepted. */
void sp_listener_weigh(const struct sp_listener_socket *s, struct sp_heavy *heavy);
/* Connections that are still there. */
unsigned sp_listener_connections(const struct sp_listener_socket *s);
/* Resets what is left and frees the socket; before the worker ends. */
void sp_listener_close(struct sp_listener_socket *s);

#endif
