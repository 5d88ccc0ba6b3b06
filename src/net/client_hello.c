/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/client_hello.h"

#include <assert.h>
#include <errno.h>

#include "net/client_hello_records.h"

enum { MAX_EXTENSIONS = 64, MAX_SHARES = 16, MAX_IDENTITIES = 16, NAME_LEN_MAX = 255 };

enum extension {
    EXT_SERVER_NAME = 0,
    EXT_MAX_FRAGMENT = 1,
    EXT_STATUS_REQUEST = 5,
    EXT_GROUPS = 10,
    EXT_POINT_FORMATS = 11,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_ENCRYPT_THEN_MAC = 22,
    EXT_MASTER_SECRET = 23,
    EXT_RECORD_SIZE = 28,
    EXT_TICKET = 35,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_VERSIONS = 43,
    EXT_COOKIE = 44,
    EXT_PSK_MODES = 45,
    EXT_SIGNATURES_CERT = 50,
    EXT_KEY_SHARE = 51,
    EXT_RENEGOTIATION = 0xff01,
};

struct hello {
    struct sp_arena *arena;
    struct sp_client_hello *out;
    const char *why;
    uint16_t seen[MAX_EXTENSIONS];
    unsigned n_seen;
};

/* What is left to read of a message or of a part of it. */
struct span {
    const uint8_t *p;
    size_t n;
};

static bool take(struct span *s, size_t n, struct span *ret)
{
    if (s->n < n)
        return false;
    *ret = (struct span){s->p, n};
    s->p += n;
    s->n -= n;
    return true;
}

static bool take_u8(struct span *s, unsigned *ret)
{
    struct span v;
    if (!take(s, 1, &v))
        return false;
    *ret = v.p[0];
    return true;
}

static bool take_u16(struct span *s, unsigned *ret)
{
    struct span v;
    if (!take(s, 2, &v))
        return false;
    *ret = (unsigned)v.p[0] << 8 | v.p[1];
    return true;
}

static bool take_vec8(struct span *s, size_t min, struct span *ret)
{
    unsigned n;
    return take_u8(s, &n) && n >= min && take(s, n, ret);
}

static bool take_vec16(struct span *s, size_t min, struct span *ret)
{
    unsigned n;
    return take_u16(s, &n) && n >= min && take(s, n, ret);
}

/* The span is one vector and nothing else. */
static bool only_vec8(struct span s, size_t min, struct span *ret)
{
    return take_vec8(&s, min, ret) && s.n == 0;
}

static bool only_vec16(struct span s, size_t min, struct span *ret)
{
    return take_vec16(&s, min, ret) && s.n == 0;
}

static bool only_numbers(struct span s, struct sp_str *ret)
{
    struct span v;
    if (!only_vec16(s, 2, &v) || v.n % 2)
        return false;
    if (ret)
        *ret = sp_str_n((const char *)v.p, v.n);
    return true;
}

static bool refuse(struct hello *h, const char *why)
{
    h->why = why;
    return false;
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/* One name, of the one type there is; RFC 6066 section 3. */
static bool server_name(struct hello *h, struct span s)
{
    struct span list, name;
    unsigned type;
    if (!only_vec16(s, 1, &list) || !take_u8(&list, &type) || type != 0 || !take_vec16(&list, 1, &name) || list.n)
        return false;
    if (name.n > 1 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n > NAME_LEN_MAX || name.p[name.n - 1] == '.')
        return false;
    char *out = sp_arena_alloc(h->arena, name.n + 1);
    for (size_t i = 0; i < name.n; i++) {
        out[i] = sp_ascii_lower((char)name.p[i]);
        if (!name_byte(out[i]) || (out[i] == '.' && (i == 0 || out[i - 1] == '.')))
            return false;
    }
    out[name.n] = 0;
    h->out->sni = sp_str_n(out, name.n);
    return true;
}

static bool alpn(struct hello *h, struct span s)
{
    struct span list, name;
    if (!only_vec16(s, 2, &list))
        return false;
    while (list.n) {
        if (!take_vec8(&list, 1, &name) || h->out->n_alpn == SP_CLIENT_HELLO_MAX_ALPN)
            return false;
        h->out->alpn[h->out->n_alpn++] = sp_str_n((const char *)name.p, name.n);
    }
    return true;
}

enum { GROUP_HYBRID = 4588, MLKEM_KEY = 1184, MLKEM_SEED = 32, MLKEM_PRIME = 3329 };

/*
 * X25519MLKEM768: FIPS 203 section 7.2 wants every coefficient of ML-KEM's key, twelve bits each, below its prime, which the library
 * does not look at.
 */
static bool good_hybrid(struct span share)
{
    unsigned bad = 0;
    for (size_t i = 0; i < MLKEM_KEY - MLKEM_SEED; i += 3) {
        const uint8_t *p = share.p + i;
        bad |= ((p[0] | (p[1] & 15u) << 8) >= MLKEM_PRIME) | ((p[1] >> 4 | p[2] << 4) >= MLKEM_PRIME);
    }
    return !bad;
}

/* 0: not a group whose size is known here. */
static size_t share_size(unsigned group)
{
    switch (group) {
    case 23: /* secp256r1 */
        return 65;
    case 24:
        return 97;
    case 25:
        return 133;
    case 29: /* x25519 */
        return 32;
    case 30: /* x448 */
        return 56;
    case GROUP_HYBRID:
        return MLKEM_KEY + 32;
    default:
        return 0;
    }
}

/* None at all is allowed: it asks for a HelloRetryRequest. */
static bool key_shares(struct span s)
{
    struct span list, share;
    uint16_t groups[MAX_SHARES];
    unsigned n = 0, group;
    if (!only_vec16(s, 0, &list))
        return false;
    while (list.n) {
        if (n == MAX_SHARES || !take_u16(&list, &group) || !take_vec16(&list, 1, &share))
            return false;
        if (share_size(group) && share_size(group) != share.n)
            return false;
        if (group == GROUP_HYBRID && !good_hybrid(share))
            return false;
        for (unsigned i = 0; i < n; i++)
            if (groups[i] == group)
                return false;
        groups[n++] = (uint16_t)group;
    }
    return true;
}

static bool versions(struct hello *h, struct span s)
{
    struct span list;
    unsigned v;
    if (!only_vec8(s, 2, &list) || list.n % 2)
        return false;
    while (take_u16(&list, &v))
        if (v == 0x0304)
            h->out->tls13 = true;
    return true;
}

/* As wolfSSL lays out its own: a name, an IV, the length of what follows but for the MAC behind it. */
static bool is_odd(struct span ticket)
{
    struct span head, rest;
    unsigned n;
    return !take(&ticket, 16 + 16, &head) || !take_u16(&ticket, &n) || !take(&ticket, n, &rest) || ticket.n != 32;
}

/* RFC 8446 section 4.2.11: as many binders as identities. */
static bool pre_shared_keys(struct hello *h, struct span s)
{
    struct span identities, binders, v, age;
    unsigned n = 0;
    if (!take_vec16(&s, 7, &identities) || !take_vec16(&s, 33, &binders) || s.n)
        return false;
    for (; identities.n; n++) {
        if (n == MAX_IDENTITIES || !take_vec16(&identities, 1, &v) || !take(&identities, 4, &age))
            return false;
        h->out->odd_ticket |= is_odd(v);
    }
    for (; binders.n; n--)
        if (n == 0 || !take_vec8(&binders, 32, &v))
            return false;
    return n == 0;
}

/* RFC 6066 section 8; other types than OCSP are the server's to ignore. */
static bool status_request(struct hello *h, struct span s)
{
    struct span responders, extensions;
    unsigned type;
    if (!take_u8(&s, &type))
        return false;
    h->out->wants_staple = type == 1;
    return type != 1 || (take_vec16(&s, 0, &responders) && take_vec16(&s, 0, &extensions) && s.n == 0);
}

static bool extension_body(struct hello *h, unsigned type, struct span s)
{
    struct span v;
    switch ((enum extension)type) {
    case EXT_SERVER_NAME:
        return server_name(h, s);
    case EXT_MAX_FRAGMENT:
        return s.n == 1 && s.p[0] >= 1 && s.p[0] <= 4;
    case EXT_STATUS_REQUEST:
        return status_request(h, s);
    case EXT_GROUPS:
        return only_numbers(s, &h->out->groups);
    case EXT_POINT_FORMATS:
    case EXT_PSK_MODES:
        return only_vec8(s, 1, &v);
    case EXT_SIGNATURES:
        return only_numbers(s, &h->out->signatures);
    case EXT_SIGNATURES_CERT:
        return only_numbers(s, NULL);
    case EXT_ALPN:
        return alpn(h, s);
    case EXT_ENCRYPT_THEN_MAC:
    case EXT_MASTER_SECRET:
        return s.n == 0;
    case EXT_EARLY_DATA:
        h->out->early_data = true;
        return s.n == 0;
    case EXT_RECORD_SIZE:
        return s.n == 2 && ((unsigned)s.p[0] << 8 | s.p[1]) >= 64;
    case EXT_TICKET:
        h->out->resumes |= s.n > 0;
        h->out->odd_ticket |= s.n > 0 && is_odd(s);
        return true;
    case EXT_PRE_SHARED_KEY:
        h->out->resumes = true;
        return pre_shared_keys(h, s);
    case EXT_VERSIONS:
        return versions(h, s);
    case EXT_COOKIE:
        return only_vec16(s, 1, &v);
    case EXT_KEY_SHARE:
        return key_shares(s);
    case EXT_RENEGOTIATION: /* a first handshake has nothing to renegotiate */
        return s.n == 1 && s.p[0] == 0;
    }
    return true;
}

static const char *extension_problem(unsigned type)
{
    switch ((enum extension)type) {
    case EXT_SERVER_NAME:
        return "TLS error: malformed server name in the ClientHello";
    case EXT_ALPN:
        return "TLS error: malformed ALPN in the ClientHello";
    case EXT_KEY_SHARE:
        return "TLS error: malformed or repeated key share in the ClientHello";
    case EXT_PRE_SHARED_KEY:
        return "TLS error: malformed pre-shared key in the ClientHello";
    default:
        return "TLS error: malformed extension in the ClientHello";
    }
}

static bool seen(const struct hello *h, unsigned type)
{
    for (unsigned i = 0; i < h->n_seen; i++)
        if (h->seen[i] == type)
            return true;
    return false;
}

static bool extensions(struct hello *h, struct span s)
{
    struct span body;
    unsigned type;
    while (s.n) {
        if (!take_u16(&s, &type) || !take_vec16(&s, 0, &body))
            return refuse(h, "TLS error: malformed extensions in the ClientHello");
        if (seen(h, type))
            return refuse(h, "TLS error: an extension comes twice in the ClientHello");
        if (h->n_seen == MAX_EXTENSIONS)
            return refuse(h, "TLS error: too many extensions in the ClientHello");
        h->seen[h->n_seen++] = (uint16_t)type;
        if (!extension_body(h, type, body))
            return refuse(h, extension_problem(type));
        if (type == EXT_PRE_SHARED_KEY && (s.n || !seen(h, EXT_PSK_MODES)))
            return refuse(h, extension_problem(type));
    }
    return true;
}

static bool message(struct hello *h, struct span s)
{
    struct span random, session, ciphers, compressions, exts;
    unsigned version;
    if (!take_u16(&s, &version) || version >> 8 != 3 || !take(&s, 32, &random) || !take_vec8(&s, 0, &session) ||
        session.n > 32 || !take_vec16(&s, 2, &ciphers) || ciphers.n % 2 || !take_vec8(&s, 1, &compressions))
        return refuse(h, "TLS error: malformed ClientHello");
    if (!memchr(compressions.p, 0, compressions.n))
        return refuse(h, "TLS error: the ClientHello demands compression");
    h->out->ciphers = sp_str_n((const char *)ciphers.p, ciphers.n);
    for (size_t i = 0; i < ciphers.n; i += 2)
        h->out->fallback |= ciphers.p[i] == 0x56 && ciphers.p[i + 1] == 0;
    h->out->resumes = session.n > 0;
    if (s.n == 0) /* extensions are optional before TLS 1.3 */
        return true;
    if (!only_vec16(s, 0, &exts))
        return refuse(h, "TLS error: malformed extensions in the ClientHello");
    if (!extensions(h, exts))
        return false;
    if (h->out->tls13 && compressions.n != 1)
        return refuse(h, "TLS error: the ClientHello demands compression");
    /* TLS 1.3 fills the session id for the sake of middleboxes: there it says nothing. */
    if (h->out->tls13 && !seen(h, EXT_TICKET) && !seen(h, EXT_PRE_SHARED_KEY))
        h->out->resumes = false;
    return true;
}

static int parse(const struct sp_buf *in, bool again, struct sp_arena *arena, struct sp_client_hello *ret,
                 const char **ret_why)
{
    struct sp_str body;
    assert(in && arena && ret && ret_why);
    int r = sp_client_hello_gather(in, again, arena, &body, ret_why);
    if (r <= 0)
        return r;
    struct sp_client_hello out = {0};
    struct hello h = {.arena = arena, .out = &out};
    if (!message(&h, (struct span){(const uint8_t *)body.ptr, body.len})) {
        *ret_why = h.why;
        return -EPROTO;
    }
    *ret = out;
    return 1;
}

int sp_client_hello_parse(const struct sp_buf *in, struct sp_arena *arena, struct sp_client_hello *ret,
                          const char **ret_why)
{
    return parse(in, false, arena, ret, ret_why);
}

int sp_client_hello_parse_again(const struct sp_buf *in, struct sp_arena *arena, struct sp_client_hello *ret,
                                const char **ret_why)
{
    return parse(in, true, arena, ret, ret_why);
}
