/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_sessions.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "crypto/ct.h"

enum { MAX_AGE_S = 3600, SESSION_ID = 32 };

struct session {
    WOLFSSL_SESSION *wolf;
    struct sp_tls_peer *peer;
    int64_t until; /* of the monotonic clock, in seconds */
    char *sni, *host;
    bool tls12; /* stays here when it is given to somebody */
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

/* RFC 5077 section 3.4: a server that takes the ticket says so by giving back the id that came with it, which is anything. */
static void name_ticket(WOLFSSL_SESSION *session)
{
    uint8_t id[SESSION_ID];
    sp_random_bytes(id, sizeof(id));
    if (wolfSSL_SESSION_has_ticket(session))
        wolfSSL_SESSION_set1_id(session, id, sizeof(id));
}

/* Takes the slot's away if it is for these names; what is for others goes back, unless the slot was filled meanwhile. */
static struct session *take_slot(struct sp_tls_sessions *s, unsigned at, const char *sni, const char *host, bool only12)
{
    if (!atomic_load_explicit(&s->slots[at], memory_order_relaxed))
        return NULL;
    struct session *x = atomic_exchange(&s->slots[at], NULL), *none = NULL;
    if (!x || now_s() >= x->until) {
        session_free(x);
        return NULL;
    }
    if (same(x->sni, sni) && same(x->host, host) && (x->tls12 || !only12))
        return x;
    if (!atomic_compare_exchange_strong(&s->slots[at], &none, x))
        session_free(x);
    return NULL;
}

void sp_tls_sessions_drop12(struct sp_tls_sessions *s, const char *sni, const char *host)
{
    assert(s);
    for (unsigned i = 0; i < s->n; i++)
        session_free(take_slot(s, i, sni, host, true));
}

void sp_tls_sessions_put(struct sp_tls_sessions *s, WOLFSSL_SESSION *session, bool tls12, const char *sni, const char *host,
                         struct sp_tls_peer *peer, int64_t until)
{
    assert(s && session);
    int64_t lifetime = wolfSSL_SESSION_get_timeout(session);
    if (peer && peer->staple_until)
        lifetime = SP_MIN(lifetime, peer->staple_until - time(NULL));
    int64_t end = now_s() + SP_MIN(lifetime, MAX_AGE_S);
    WOLFSSL_SESSION *copy = lifetime > 0 ? wolfSSL_SESSION_dup(session) : NULL; /* the connection goes on writing into its own */
    if (!copy)
        return;
    struct session *x = sp_xmalloc(sizeof(*x));
    *x = (struct session){copy, sp_tls_peer_ref(peer), until ? SP_MIN(until, end) : end, dup_or_null(sni), dup_or_null(host),
                          tls12};
    if (tls12) {
        name_ticket(copy);
        sp_tls_sessions_drop12(s, sni, host);
    }
    unsigned at = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed) % s->n;
    session_free(atomic_exchange(&s->slots[at], x));
}

static bool give(struct session *x, WOLFSSL *ssl)
{
    WOLFSSL_SESSION *own = x->tls12 ? wolfSSL_SESSION_dup(x->wolf) : x->wolf;
    bool given = own && wolfSSL_set_session(ssl, own) == WOLFSSL_SUCCESS;
    if (x->tls12)
        wolfSSL_SESSION_free(own);
    return given;
}

int sp_tls_sessions_take(struct sp_tls_sessions *s, WOLFSSL *ssl, const char *sni, const char *host,
                         struct sp_tls_peer **ret_peer, int64_t *ret_until)
{
    assert(s && ssl && ret_peer && ret_until);
    for (unsigned i = 0; i < s->n; i++) {
        struct session *x = take_slot(s, i, sni, host, false), *none = NULL;
        if (!x)
            continue;
        bool given = give(x, ssl);
        int version = !given ? 0 : x->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
        if (given) {
            *ret_peer = sp_tls_peer_ref(x->peer);
            *ret_until = x->until;
        }
        if (!given || !x->tls12 || !atomic_compare_exchange_strong(&s->slots[i], &none, x))
            session_free(x);
        return version;
    }
    return 0;
}
