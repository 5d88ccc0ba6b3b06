/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Early data of TLS 1.3: the bytes say what a client does that has a good ticket, in which pieces it arrives, what is done to it on its
 * way, and where it is sent again.  Whatever that is: nobody's data is taken early but once for a ticket, and no more than max_bytes of
 * it; what comes in is what the client said, in order; and a client that nobody disturbed has its handshake and all its data through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <assert.h>
#include <stdlib.h>

#include "unit/net/early_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifdef SP_EARLY_DATA
enum { MOST = 1000, SAID_MAX = EARLY_MOST, VISITS = 3, COPIES = 4, HIGH = 65536 };

enum act {
    EARLY_SAY, LATE_SAY, CONNECT, CARRY, ANSWER, READ, FLIP, CUT, PUT, TWICE, COPY, TURN, NEW_KEYS, GONE, SHUT, COME_AGAIN, N_ACTS
};

struct input {
    const uint8_t *at, *end;
};

struct visit {
    struct early_client c;
    size_t said, said_early; /* by the client, the early part of it first */
    size_t heard; /* up to where */
    bool connecting, hears, disturbed;
};

/* What a ticket was good for, over all of its visits and copies. */
struct record {
    unsigned taken;
};

static struct sp_tls_ctx *server;

static void done(void)
{
    sp_tls_ctx_unref(server);
    sp_tls_global_done();
}

static uint8_t next(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static char letter(size_t at)
{
    return (char)(at * 167 + at / 256);
}

/* What has come is what was said; it starts behind what was said early where that is passed over. */
static void hear(const struct kit_side *s, size_t said, size_t said_early, bool *hears, size_t *heard)
{
    struct sp_buf *b = (struct sp_buf *)&s->app_in;
    char bytes[512];
    size_t n;
    if (b->len && !*hears) {
        *hears = true;
        *heard = sp_tls_early_fate(s->tls) == SP_TLS_EARLY_ACCEPTED ? 0 : said_early;
    }
    while ((n = sp_buf_peek(b, bytes, sizeof(bytes)))) {
        for (size_t i = 0; i < n; i++)
            assert(*heard < said && bytes[i] == letter((*heard)++));
        sp_buf_drain(b, n);
    }
    assert(sp_tls_early_bytes(s->tls) <= MOST && sp_tls_early_bytes(s->tls) <= said_early);
}

/* Until nothing moves. */
static void turn(struct visit *v, size_t high_water)
{
    size_t before;
    do {
        enum sp_tls_state state = v->c.server.state;
        before = v->c.server.net_in.len;
        early_pump(&v->c.server, high_water);
        assert(v->c.server.app_in.len <= high_water + MOST + 16384);
        assert(v->c.server.state >= state); /* they are in order */
        hear(&v->c.server, v->said, v->said_early, &v->hears, &v->heard);
    } while (v->c.server.net_in.len < before && v->c.server.state < SP_TLS_CLOSED);
    if (v->c.server.state >= SP_TLS_CLOSED)
        sp_buf_clear(&v->c.server.net_in);
}

static void carry(struct visit *v, size_t n)
{
    sp_buf_move_n(&v->c.server.net_in, &v->c.out, n ? SP_MIN(n, v->c.out.len) : v->c.out.len);
    turn(v, HIGH);
}

static void say(struct visit *v, size_t n, bool early)
{
    char bytes[2048];
    int sent = 0;
    n = SP_MIN(SP_MIN(n * 8, sizeof(bytes)), SAID_MAX - v->said);
    for (size_t i = 0; i < n; i++)
        bytes[i] = letter(v->said + i);
    if (n == 0 || early == v->connecting || (!early && !wolfSSL_is_init_finished(v->c.ssl)))
        return;
    int r = early ? wolfSSL_write_early_data(v->c.ssl, bytes, (int)n, &sent) : wolfSSL_write(v->c.ssl, bytes, (int)n);
    if (r <= 0)
        return;
    v->said += (size_t)r;
    v->said_early += early ? (size_t)r : 0;
}

/* What is on its way, as one piece that can be changed. */
static size_t lift(struct visit *v, char *bytes, size_t size)
{
    size_t n = sp_buf_peek(&v->c.out, bytes, size);
    sp_buf_drain(&v->c.out, n);
    v->disturbed |= n > 0;
    return n;
}

static void change(struct visit *v, enum act act, struct input *in)
{
    char bytes[16384];
    size_t n = lift(v, bytes, sizeof(bytes) / 2), k = next(in);
    if (act == FLIP && n)
        bytes[(k * 256 + next(in)) % n] ^= (char)(1 << (k & 7));
    else if (act == CUT)
        n -= SP_MIN(n, k + 1);
    else if (act == PUT)
        for (v->disturbed = true; k-- && in->at < in->end;)
            bytes[n++] = (char)next(in);
    sp_buf_append(&v->c.out, bytes, n);
    if (act == TWICE)
        sp_buf_append(&v->c.out, bytes, n);
}

static void count(struct record *r, const struct sp_tls *t)
{
    r->taken += sp_tls_early_fate(t) == SP_TLS_EARLY_ACCEPTED;
    assert(r->taken <= 1);
}

/* All that the client has sent in this visit, or the beginning of it, sent by somebody else. */
static void copy(const struct visit *v, struct record *r, size_t most)
{
    struct kit_side s;
    char bytes[16384];
    bool hears = false;
    size_t heard = 0, n = sp_buf_peek(&v->c.kept, bytes, sizeof(bytes));
    kit_side_init(&s, sp_tls_accept(server));
    sp_buf_append(&s.net_in, bytes, most ? SP_MIN(n, most * 16) : n);
    early_pump(&s, HIGH);
    assert(s.state != SP_TLS_OPEN && s.state != SP_TLS_CLOSED); /* its Finished is of another handshake */
    assert(s.app_in.len == 0 || sp_tls_early_fate(s.tls) == SP_TLS_EARLY_ACCEPTED);
    hear(&s, v->said, v->said_early, &hears, &heard);
    count(r, s.tls);
    kit_side_done(&s);
}

static void act_on(struct visit *v, struct record *r, enum act act, struct input *in)
{
    char bytes[4096];
    switch (act) {
    case EARLY_SAY:
    case LATE_SAY:
        say(v, next(in), act == EARLY_SAY);
        break;
    case CONNECT:
        v->connecting = true;
        wolfSSL_connect(v->c.ssl);
        break;
    case CARRY:
        carry(v, (size_t)next(in) * 4);
        break;
    case ANSWER:
        for (size_t n = next(in); n-- && v->c.server.app_out.len < HIGH;)
            sp_buf_append(&v->c.server.app_out, "answer", 6);
        turn(v, HIGH);
        break;
    case READ:
        if (v->connecting)
            wolfSSL_read(v->c.ssl, bytes, sizeof(bytes));
        break;
    case COPY:
        copy(v, r, next(in));
        break;
    case TURN:
        turn(v, (size_t)1 << (next(in) & 15));
        break;
    case NEW_KEYS:
        if (wolfSSL_is_init_finished(v->c.ssl))
            wolfSSL_update_keys(v->c.ssl);
        break;
    case GONE:
        v->disturbed = true;
        sp_tls_eof(v->c.server.tls);
        break;
    case SHUT:
        v->disturbed = true;
        sp_tls_shutdown(v->c.server.tls, &v->c.server.net_out);
        break;
    default:
        change(v, act, in);
    }
}

static void settle(struct visit *v)
{
    char bytes[4096];
    for (unsigned i = 0; i < 8 && wolfSSL_connect(v->c.ssl) != WOLFSSL_SUCCESS; i++)
        carry(v, 0);
    carry(v, 0);
    if (v->disturbed || v->said_early > MOST)
        return;
    assert(v->c.server.state == SP_TLS_OPEN && v->c.server.net_in.len == 0);
    assert(v->heard == v->said || (!v->hears && v->said == v->said_early && sp_tls_early_fate(v->c.server.tls) != SP_TLS_EARLY_ACCEPTED));
    while (wolfSSL_read(v->c.ssl, bytes, sizeof(bytes)) > 0)
        turn(v, HIGH);
    assert(v->c.server.app_out.len == 0 && v->c.server.net_out.len == 0);
}

/* True: the client comes once more, with the same ticket. */
static bool visit(struct record *r, WOLFSSL_SESSION *ticket, struct input *in)
{
    static const char *const alpn[] = {"h2", "h2", "h2", "http/1.1"};
    struct visit v = {0};
    bool again = false;
    uint8_t how = next(in);
    early_begin(&v.c, server, alpn[how & 3], ticket);
    if (how & 4)
        wolfSSL_NoKeyShares(v.c.ssl); /* it is asked to retry */
    for (unsigned copies = 0; in->at < in->end && !again;) {
        enum act act = next(in) % N_ACTS;
        again = act == COME_AGAIN;
        if (!again && (act != COPY || copies++ < COPIES))
            act_on(&v, r, act, in);
    }
    settle(&v);
    count(r, v.c.server.tls);
    early_end(&v.c);
    return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, data + size};
    struct record r = {0};
    if (!server) {
        sp_tls_global_init();
        server = kit_server(EARLY(", max_bytes: 1000, window: 1s"));
        atexit(done);
    }
    WOLFSSL_SESSION *ticket = early_ticket(server, "h2");
    for (unsigned i = 0; i < VISITS && visit(&r, ticket, &in); i++) {
    }
    wolfSSL_SESSION_free(ticket);
    return 0;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)data;
    (void)size;
    return 0;
}
#endif
