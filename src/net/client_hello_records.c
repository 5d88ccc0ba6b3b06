/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/client_hello_records.h"

#include <assert.h>
#include <errno.h>

enum {
    RECORD_HEAD = 5,
    HANDSHAKE_HEAD = 4,
    RECORD_MAX = 16384,
    RECORDS_MAX = 64,
    WIRE_MAX = 65536,
    /* So that the records' heads, and a ChangeCipherSpec, fit beside it. */
    MESSAGE_MAX = WIRE_MAX - RECORDS_MAX * RECORD_HEAD - 16,
};

enum { TYPE_CHANGE_CIPHER_SPEC = 20, TYPE_HANDSHAKE = 22, MSG_CLIENT_HELLO = 1 };

/* Copies bytes from anywhere in the buffer; false when there are not so many. */
static bool bytes_at(const struct sp_buf *in, size_t at, void *out, size_t n)
{
    if (at > in->len || n > in->len - at)
        return false;
    const struct sp_seg *s = in->head;
    for (; s && at >= s->len; s = s->next)
        at -= s->len;
    for (char *to = out; n; s = s->next, at = 0) {
        assert(s);
        size_t k = SP_MIN(s->len - at, n);
        memcpy(to, s->ptr + at, k);
        to += k;
        n -= k;
    }
    return true;
}

/* What one record's head says, as far as its bytes are there: 1 all, 0 not all, -EPROTO not such a record. */
static int record_head(const struct sp_buf *in, size_t at, uint8_t type, size_t *ret_len)
{
    uint8_t h[RECORD_HEAD];
    size_t n = SP_MIN(in->len - SP_MIN(at, in->len), sizeof(h));
    bytes_at(in, at, h, n);
    if ((n > 0 && h[0] != type) || (n > 1 && h[1] != 3) || (n > 2 && h[2] > 4))
        return -EPROTO;
    if (n < sizeof(h))
        return 0;
    *ret_len = (size_t)h[3] << 8 | h[4];
    return *ret_len > 0 && *ret_len <= RECORD_MAX ? 1 : -EPROTO;
}

/* The length that the handshake's head gives; that head may be spread over records too. */
static int message_size(const struct sp_buf *in, size_t at, size_t *ret_size, const char **ret_why)
{
    uint8_t head[HANDSHAKE_HEAD];
    unsigned n = 0;
    while (n < HANDSHAKE_HEAD) {
        size_t len;
        int r = record_head(in, at, TYPE_HANDSHAKE, &len);
        if (r <= 0)
            return r;
        at += RECORD_HEAD;
        for (size_t i = 0; i < len && n < HANDSHAKE_HEAD; i++, n++) {
            if (!bytes_at(in, at + i, &head[n], 1))
                return 0;
            if (head[0] != MSG_CLIENT_HELLO)
                return -EPROTO;
        }
        at += len;
    }
    *ret_size = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (*ret_size <= MESSAGE_MAX)
        return 1;
    *ret_why = "TLS error: the ClientHello is too long";
    return -EPROTO;
}

/* The message in one piece, copied into the arena. */
static int gather(const struct sp_buf *in, size_t at, size_t size, struct sp_arena *arena, struct sp_str *ret,
                  const char **ret_why)
{
    size_t whole = HANDSHAKE_HEAD + size, len, got = 0, first = at;
    for (unsigned n = 0; got < whole; n++) {
        int r = n < RECORDS_MAX ? record_head(in, at, TYPE_HANDSHAKE, &len) : -EPROTO;
        if (r <= 0) {
            if (n == RECORDS_MAX)
                *ret_why = "TLS error: the ClientHello is spread over too many records";
            return r;
        }
        at += RECORD_HEAD + len;
        got += len;
    }
    /* Nothing may follow in the same record: the client waits for our answer. */
    if (got != whole) {
        *ret_why = "TLS error: bytes behind the ClientHello in its record";
        return -EPROTO;
    }
    if (at > in->len)
        return 0;
    char *p = sp_arena_alloc(arena, whole);
    at = first;
    for (size_t done = 0; done < whole; done += len, at += len) {
        record_head(in, at, TYPE_HANDSHAKE, &len);
        at += RECORD_HEAD;
        bytes_at(in, at, p + done, len);
    }
    *ret = sp_str_n(p + HANDSHAKE_HEAD, size);
    return 1;
}

static int gather_at(const struct sp_buf *in, size_t at, struct sp_arena *arena, struct sp_str *ret, const char **ret_why)
{
    size_t size = 0;
    const char *why = "TLS error: not a TLS ClientHello";
    int r = message_size(in, at, &size, &why);
    if (r > 0)
        r = in->len - at < RECORD_HEAD + HANDSHAKE_HEAD + size ? 0 : gather(in, at, size, arena, ret, &why);
    if (r < 0)
        *ret_why = why;
    return r;
}

int sp_client_hello_gather(const struct sp_buf *in, bool again, struct sp_arena *arena, struct sp_str *ret,
                           const char **ret_why)
{
    assert(in && arena && ret && ret_why);
    uint8_t first;
    size_t len = 0, at = 0;
    if (again && bytes_at(in, 0, &first, 1) && first == TYPE_CHANGE_CIPHER_SPEC) {
        int r = record_head(in, 0, TYPE_CHANGE_CIPHER_SPEC, &len);
        if (r == 0)
            return 0;
        if (r < 0 || len != 1) {
            *ret_why = "TLS error: malformed ChangeCipherSpec";
            return -EPROTO;
        }
        at = RECORD_HEAD + 1;
    }
    return at > in->len ? 0 : gather_at(in, at, arena, ret, ret_why);
}
