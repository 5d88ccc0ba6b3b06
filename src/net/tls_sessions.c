/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

enum { MAX_AGE_S = 3600 };

struct session {
    WOLFSSL_SESSION *wolf;
    struct sp_tls_peer *peer;
    int64_t until; /* of the monotonic clock, in seconds */
    char *sni, *host;
};

struct sp_tls_sessions {
    unsigned n;
    _Atomic unsigned next; /* where to begin looking, so that all slots get used */
    _Atomic(struct session *) slots[];
};

static int64_t now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

struct sp_tls_sessions *sp_tls_sessions_new(unsigned n)
{
    assert(n > 0 && n <= SP_TLS_MAX_SESSIONS);
    struct sp_tls_sessions *s = sp_xcalloc(1, sizeof(*s) + n * sizeof(s->slots[0]));
    s->n = n;
    return s;
}

static void session_free(struct session *x)
{
    if (!x)
        return;
    wolfSSL_SESSION_free(x->wolf);
    sp_tls_peer_unref(x->peer);
    free(x->sni);
    free(x->host);
    free(x);
}

void sp_tls_sessions_free(struct sp_tls_sessions *s)
{
    for (unsigned i = 0; s && i < s->n; i++)
        session_free(atomic_load(&s->slots[i]));
    free(s);
}

static char *dup_or_null(const char *s)
{
    return s ? sp_xstrdup(s) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void sp_tls_sessions_put(struct sp_tls_sessions *s, WOLFSSL_SESSION *session, const char *sni, const char *host,
                         struct sp_tls_peer *peer)
{
    assert(s && session);
    int64_t lifetime = wolfSSL_SESSION_get_timeout(session);
    WOLFSSL_SESSION *copy = lifetime > 0 ? wolfSSL_SESSION_dup(session) : NULL; /* the connection goes on writing into its own */
    if (!copy)
        return;
    struct session *x = sp_xmalloc(sizeof(*x));
    *x = (struct session){copy, sp_tls_peer_ref(peer), now_s() + SP_MIN(lifetime, MAX_AGE_S), dup_or_null(sni),
                          dup_or_null(host)};
    unsigned at = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed) % s->n;
    session_free(atomic_exchange(&s->slots[at], x));
}

/* Takes what is there; what is for other names goes back, unless the slot was filled meanwhile. */
static struct session *take_slot(struct sp_tls_sessions *s, unsigned at, const char *sni, const char *host)
{
    if (!atomic_load_explicit(&s->slots[at], memory_order_relaxed))
        return NULL;
    struct session *x = atomic_exchange(&s->slots[at], NULL), *none = NULL;
    if (!x || now_s() >= x->until) {
        session_free(x);
        return NULL;
    }
    if (same(x->sni, sni) && same(x->host, host))
        return x;
    if (!atomic_compare_exchange_strong(&s->slots[at], &none, x))
        session_free(x);
    return NULL;
}

bool sp_tls_sessions_take(struct sp_tls_sessions *s, WOLFSSL *ssl, const char *sni, const char *host,
                          struct sp_tls_peer **ret_peer)
{
    assert(s && ssl && ret_peer);
    for (unsigned i = 0; i < s->n; i++) {
        struct session *x = take_slot(s, i, sni, host);
        if (!x)
            continue;
        bool taken = wolfSSL_set_session(ssl, x->wolf) == WOLFSSL_SUCCESS;
        if (taken)
            *ret_peer = sp_tls_peer_ref(x->peer);
        session_free(x);
        return taken;
    }
    return false;
}
