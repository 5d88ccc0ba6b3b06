/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A key set that is fetched: envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks.  The prober fetches it at start (listening
 * waits for the first try, unless async_fetch.fast_listener), again before cache_duration is over, and after failures with
 * growing waits.  While fetching fails the keys that were there last serve on, for SP_JWKS_STALE_NS beyond their
 * cache_duration; then there are none, and whoever needs one refuses.
 *
 * A worker that sees a token whose key is not there asks for the set to be fetched again: at most once in SP_JWKS_ASK_NS
 * for the whole process, whatever clients send.  While such a fetch runs the request may wait for it.
 *
 * Made while a config is compiled, owned by what was compiled, freed with it on the main thread. What the last config had from
 * the same place it has from the beginning (filters/fetched.h): then nothing waits, and nothing is fetched before its time.
 */
#ifndef SP_FILTERS_JWKS_REMOTE_H
#define SP_FILTERS_JWKS_REMOTE_H

#include "config/live.h"
#include "crypto/jws.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "filters/fetch.h"
#include "stats/stats.h"

#define SP_JWKS_ASK_NS (5 * SP_NS_PER_S)
#define SP_JWKS_STALE_NS (24 * 3600 * SP_NS_PER_S)
enum { SP_JWKS_WORKERS = 256, SP_JWKS_MAX_WAITERS = 1024 /* of a worker */ };

/* Set by the owner before the config runs, valid as long as the set. */
struct sp_jwks_stats {
    struct sp_counter success, failed;
};

struct sp_jwks_remote;

/* NULL after an error. `label`: which one, for logs and the admin page ("jwt_authn provider login"). */
struct sp_jwks_remote *sp_jwks_remote_new(const struct sp_filter_build *build,
                                          const Envoy__Extensions__Filters__Http__JwtAuthn__V3__RemoteJwks *msg,
                                          struct sp_str label, const struct sp_jwks_stats *stats);
/*
 * One that does not know yet where from (filters/oidc_discovery.h): it fetches nothing until sp_jwks_remote_aim. *ready is
 * set when its first try is over.
 */
struct sp_jwks_remote *sp_jwks_remote_new_aimless(const struct sp_filter_build *build, uint64_t timeout_ns, uint64_t cache_ns,
                                                  struct sp_str label, const struct sp_jwks_stats *stats,
                                                  _Atomic bool *ready);
void sp_jwks_remote_free(struct sp_jwks_remote *r); /* NULL-safe */

/* The keys now, until the end of the turn; NULL: there are none. Any worker. */
const struct sp_jwks *sp_jwks_remote_keys(const struct sp_jwks_remote *r);
/* For tests: what a fetch would publish to. */
struct sp_live *sp_jwks_remote_live(struct sp_jwks_remote *r);

/* A request that waits for a fetch; in the stream's arena, zeroed, `woken` set. */
struct sp_jwks_waiter {
    struct sp_list link;
    struct sp_timer timer;
    struct sp_jwks_remote *remote; /* set while it waits */
    unsigned worker;
    void (*woken)(struct sp_jwks_waiter *w); /* the fetch is over, or its time: look at the keys again */
};
/*
 * The key of a token is not there. True: w->woken will come on this thread, never from inside this call. False: no fetch
 * runs and none may begin now, so that the answer is what the keys say.
 */
bool sp_jwks_remote_wait(struct sp_jwks_remote *r, struct sp_jwks_waiter *w, struct sp_turn *turn);
/* The same for who does not wait: the next request may find the key. */
void sp_jwks_remote_ask(struct sp_jwks_remote *r, uint64_t now_ns);
/* It does not come any more; a zeroed one is fine. */
void sp_jwks_remote_unwait(struct sp_jwks_waiter *w);

/*
 * On the prober's thread, of an aimless one: whoever will aim it begins to look where to. Until it is aimed `asked` is called
 * when a key is wanted; sp_jwks_remote_missed tells that the search found nothing.
 */
void sp_jwks_remote_open(struct sp_jwks_remote *r, struct sp_worker *prober, void (*asked)(void *ctx), void *ctx);
void sp_jwks_remote_missed(struct sp_jwks_remote *r);
/* While the config is compiled, of an aimless one: what an earlier config had from there, if that is known. Then true. */
bool sp_jwks_remote_recall(struct sp_jwks_remote *r, const struct sp_fetch_target *target, unsigned algs);
/*
 * On the prober's thread: of an aimless one, where from, and which signatures count (sp_jws_alg_bit; 0: all that fit the
 * keys); begins to fetch when that is new. sp_jwks_remote_halt ends it.
 */
void sp_jwks_remote_aim(struct sp_jwks_remote *r, struct sp_worker *prober, const struct sp_fetch_target *target, unsigned algs);
void sp_jwks_remote_halt(struct sp_jwks_remote *r);

#endif
