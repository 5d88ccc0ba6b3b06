/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_sessions.h"

#include <assert.h>
#include <pthread.h>
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
    pthread_mutex_t mutex; /* held to look through the slots and to copy a session, for microseconds a handshake */
    unsigned n, next;      /* where to begin looking for room, so that all slots get used */
    struct session *slots[];
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
    pthread_mutex_init(&s->mutex, NULL);
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
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        session_free(s->slots[i]);
    pthread_mutex_destroy(&s->mutex);
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

/* Under the mutex: the first slot with a session for these names, or n. What is too old goes. */
static unsigned find(struct sp_tls_sessions *s, const char *sni, const char *host, bool only12)
{
    int64_t now = now_s();
    for (unsigned i = 0; i < s->n; i++) {
        struct session *x = s->slots[i];
        if (x && now >= x->until) {
            session_free(x);
            s->slots[i] = NULL;
        } else if (x && same(x->sni, sni) && same(x->host, host) && (x->tls12 || !only12)) {
            return i;
        }
    }
    return s->n;
}

/* Under the mutex: the next empty slot, or else the next one's session has to go. */
static unsigned room(struct sp_tls_sessions *s)
{
    assert(s->n > 0);
    unsigned at = s->next;
    for (unsigned i = 0; i < s->n && s->slots[at]; i++)
        at = (at + 1) % s->n;
    s->next = (at + 1) % s->n;
    return at;
}

void sp_tls_sessions_drop12(struct sp_tls_sessions *s, const char *sni, const char *host)
{
    assert(s);
    pthread_mutex_lock(&s->mutex);
    unsigned at = find(s, sni, host, true);
    if (at < s->n) {
        session_free(s->slots[at]);
        s->slots[at] = NULL;
    }
    pthread_mutex_unlock(&s->mutex);
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
    if (tls12)
        name_ticket(copy);
    pthread_mutex_lock(&s->mutex);
    unsigned at = tls12 ? find(s, sni, host, true) : s->n;
    if (at == s->n)
        at = room(s);
    struct session *old = s->slots[at];
    s->slots[at] = x;
    pthread_mutex_unlock(&s->mutex);
    session_free(old);
}

/* A session for these names that is the caller's alone, or NULL. One of TLS 1.2 is copied, and is there for everybody all the time. */
static struct session *take(struct sp_tls_sessions *s, const char *sni, const char *host)
{
    pthread_mutex_lock(&s->mutex);
    unsigned at = find(s, sni, host, false);
    struct session *x = at < s->n ? s->slots[at] : NULL;
    if (x && x->tls12) {
        struct session *own = sp_xmalloc(sizeof(*own));
        *own = (struct session){wolfSSL_SESSION_dup(x->wolf), sp_tls_peer_ref(x->peer), x->until, NULL, NULL, true};
        x = own;
    } else if (x) {
        s->slots[at] = NULL;
    }
    pthread_mutex_unlock(&s->mutex);
    return x;
}

int sp_tls_sessions_take(struct sp_tls_sessions *s, WOLFSSL *ssl, const char *sni, const char *host,
                         struct sp_tls_peer **ret_peer, int64_t *ret_until)
{
    assert(s && ssl && ret_peer && ret_until);
    struct session *x = take(s, sni, host);
    int version = 0;
    if (x && x->wolf && wolfSSL_set_session(ssl, x->wolf) == WOLFSSL_SUCCESS) {
        version = x->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
        *ret_peer = sp_tls_peer_ref(x->peer);
        *ret_until = x->until;
    }
    session_free(x);
    return version;
}
