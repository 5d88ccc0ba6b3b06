/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_records.h"

#include <assert.h>

#include <wolfssl/error-ssl.h>

enum {
    RECORD_DATA = 16384,   /* plaintext of the largest record */
    RECORD_HEAD = 5,
    RECORD_WIRE = 16384 + 2048,
    EARNS_ONE = 65536,     /* bytes of data that make up for one record without */
    RECORD_MORE = 64,      /* head, content type, tag, and what wolfSSL counts beside them */
    PART_OF_RECORD = 8192, /* so much is taken though its record is not whole: a small net_in would never hold one */
    READ_ROOM = 4096,      /* wolfSSL_read is not asked for less */
    SHORT = 2048,          /* but where all that came is no more than that; records up to it are made in a chunk that connections share */
    TAIL = 4096,           /* so little left over does not wait for net_out to be sent: it would be a write of its own */
};

/* For the call of wolfSSL that is under way. */
static _Thread_local struct {
    const WOLFSSL *ssl; /* NULL: nothing is lent */
    const struct sp_buf *net_in;
    char *in, *out;
    size_t in_room, out_room;
    size_t sent; /* bytes of the record at `out` that were */
} loan;
static _Thread_local struct sp_tls_loans lent;

/* In the wolfSSL that scripts/deps builds: forgets what was lent, however its call ended. */
extern void sp_tls_loan_over(WOLFSSL *ssl) __attribute__((weak));

unsigned char *sp_tls_lend_in(WOLFSSL *ssl, unsigned size)
{
    /* Only what is there to its end: nothing of it may be left in there when the call is over. */
    if (loan.ssl != ssl || !loan.in || size > loan.in_room || loan.net_in->len < size)
        return NULL;
    lent.in++;
    return (unsigned char *)loan.in;
}

unsigned char *sp_tls_lend_out(WOLFSSL *ssl, const unsigned char *data, unsigned size)
{
    if (loan.ssl != ssl || !loan.out || loan.sent || size > loan.out_room || (const char *)data != loan.out + RECORD_HEAD)
        return NULL;
    lent.out++;
    return (unsigned char *)loan.out;
}

struct sp_tls_loans sp_tls_lent(void)
{
    return lent;
}

bool sp_tls_sent_in_place(const char *p, size_t n)
{
    if (!loan.out || p != loan.out)
        return false;
    loan.sent = n;
    return true;
}

static void end_loan(struct sp_tls *t)
{
    if (sp_tls_loan_over)
        sp_tls_loan_over(t->ssl);
    loan.ssl = NULL;
    loan.in = loan.out = NULL;
}

void sp_tls_records_begin(struct sp_tls *t)
{
    assert(t && t->ssl);
    int most = wolfSSL_GetMaxOutputSize(t->ssl);
    t->most = (uint16_t)(most > 0 ? SP_MIN(most, RECORD_DATA) : RECORD_DATA);
    t->lends = wolfSSL_version(t->ssl) == TLS1_3_VERSION;
}

/* Whether wolfSSL_read can be expected to do something. *ret_whole: the body of the next record, if all of that is here; else 0. */
static bool readable(const struct sp_tls *t, size_t *ret_whole)
{
    const struct sp_tls_frame *f = &t->frame;
    uint8_t head[RECORD_HEAD];
    *ret_whole = 0;
    if (wolfSSL_pending(t->ssl) > 0)
        return true;
    if (f->n_head)
        return t->in->len >= PART_OF_RECORD || t->in->len >= (f->n_head < RECORD_HEAD ? 1u : f->left);
    if (sp_buf_peek(t->in, head, RECORD_HEAD) < RECORD_HEAD)
        return false;
    size_t body = (size_t)head[3] << 8 | head[4];
    if (body && t->in->len >= RECORD_HEAD + body)
        *ret_whole = body;
    return *ret_whole || t->in->len >= PART_OF_RECORD || body > RECORD_WIRE || t->in->len >= RECORD_HEAD + body;
}

/* No more can come of it than what a chunk that connections share has room for. */
static bool short_input(const struct sp_tls *t)
{
    return t->in->len + (size_t)wolfSSL_pending(t->ssl) <= SHORT;
}

/*
 * Where the next data goes: committed at once, since wolfSSL may have an answer to send (KeyUpdate), which must not go to the same place
 * of a chunk that both share. A whole record is opened where it stands.
 */
static char *make_room(struct sp_tls *t, struct sp_buf *app_in, size_t whole, size_t *ret_room)
{
    bool lends = t->lends && whole && whole <= SP_CHUNK_SIZE + SP_CHUNK_SLACK;
    char *p;
    if (short_input(t)) {
        p = sp_buf_reserve_shared(app_in, SHORT, ret_room);
        *ret_room = SHORT;
    } else if (lends) {
        p = sp_buf_reserve_whole(app_in, whole);
        *ret_room = whole;
    } else {
        p = sp_buf_reserve(app_in, READ_ROOM, ret_room);
    }
    sp_buf_commit(app_in, *ret_room);
    loan.ssl = lends ? t->ssl : NULL;
    loan.in = lends ? p : NULL;
    loan.in_room = *ret_room;
    loan.net_in = t->in;
    return p;
}

/* A key update costs us two derivations of keys and an answer: one before each byte of data is a flood, too. */
static void count_wasted(struct sp_tls *t, uint32_t n)
{
    t->wasted = (uint16_t)(t->wasted + (t->quiet > 1 ? t->quiet - 1u : 0));
    t->quiet = 0;
    t->earned += n;
    if (t->earned < EARNS_ONE)
        return;
    t->wasted -= (uint16_t)SP_MIN((uint32_t)t->wasted, t->earned / EARNS_ONE);
    t->earned %= EARNS_ONE;
}

int sp_tls_read_data(struct sp_tls *t, struct sp_buf *app_in, size_t high_water)
{
    assert(t && app_in);
    size_t whole;
    while (app_in->len < high_water && readable(t, &whole)) {
        size_t room;
        char *p = make_room(t, app_in, whole, &room);
        int n = wolfSSL_read(t->ssl, p, (int)room);
        if (loan.ssl)
            end_loan(t);
        sp_buf_cut(app_in, room - (n > 0 ? (size_t)n : 0));
        if (n > 0) {
            count_wasted(t, (uint32_t)n);
            continue;
        }
        int err = wolfSSL_get_error(t->ssl, n);
        return t->why || err != WOLFSSL_ERROR_WANT_READ ? err : 0;
    }
    return 0;
}

/* One record, at most t->most bytes of app_out. What wolfSSL returned. */
static int write_record(struct sp_tls *t, const struct sp_buf *app_out)
{
    size_t n = SP_MIN(app_out->len, (size_t)t->most), room = n + RECORD_MORE;
    struct sp_buf record;
    sp_buf_init(&record); /* apart: wolfSSL may have a record of its own to send before */
    char *p = room <= SHORT ? sp_buf_reserve_shared(&record, room, &(size_t){0}) : sp_buf_reserve_whole(&record, room);
    sp_buf_commit(&record, room);
    sp_buf_peek(app_out, p + RECORD_HEAD, n);
    loan.sent = 0;
    loan.out_room = room;
    loan.out = t->lends ? p : NULL;
    loan.ssl = t->lends ? t->ssl : NULL;
    int written = wolfSSL_write(t->ssl, p + RECORD_HEAD, (int)n);
    if (loan.ssl)
        end_loan(t);
    sp_buf_cut(&record, room - loan.sent);
    sp_buf_move(t->out, &record);
    return written;
}

int sp_tls_write_data(struct sp_tls *t, struct sp_buf *app_out, size_t high_water)
{
    assert(t && app_out);
    while (app_out->len && (t->out->len < high_water || app_out->len <= TAIL)) {
        int n = write_record(t, app_out);
        if (n <= 0)
            return wolfSSL_get_error(t->ssl, n);
        sp_buf_drain(app_out, (size_t)n);
    }
    return 0;
}
