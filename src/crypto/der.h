/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading DER (X.690): definite, shortest lengths and tags of one byte, which is all that certificates use; whatever
 * else is refused.  A sp_der is a cursor over bytes that somebody else owns.  Pure, any thread.
 */
#ifndef SP_CRYPTO_DER_H
#define SP_CRYPTO_DER_H

#include "base/str.h"

enum sp_der_tag {
    SP_DER_BOOLEAN = 0x01,
    SP_DER_INTEGER = 0x02,
    SP_DER_BIT_STRING = 0x03,
    SP_DER_OCTET_STRING = 0x04,
    SP_DER_NULL = 0x05,
    SP_DER_OID = 0x06,
    SP_DER_ENUMERATED = 0x0a,
    SP_DER_UTC_TIME = 0x17,
    SP_DER_GENERAL_TIME = 0x18,
    SP_DER_SEQUENCE = 0x30,
    SP_DER_SET = 0x31,
};
/* Context-specific tags, plain and constructed. */
#define SP_DER_CONTEXT(n) (0x80 | (n))
#define SP_DER_CONTEXT_CONS(n) (0xa0 | (n))

struct sp_der {
    const uint8_t *p;
    size_t n;
};

static inline struct sp_der sp_der_over(struct sp_str s)
{
    return (struct sp_der){(const uint8_t *)s.ptr, s.len};
}

static inline struct sp_str sp_der_str(struct sp_der d)
{
    return sp_str_n((const char *)d.p, d.n);
}

/* Takes the next element: its tag, content and (unless NULL) all of it with its head. False at the end or on bad DER. */
bool sp_der_any(struct sp_der *d, uint8_t *ret_tag, struct sp_der *ret_body, struct sp_str *ret_whole);
/* Takes the next element, which has to have this tag. */
bool sp_der_take(struct sp_der *d, uint8_t tag, struct sp_der *ret_body);
/* The same, with its head. */
bool sp_der_take_whole(struct sp_der *d, uint8_t tag, struct sp_str *ret_whole);
/* Whether the next element has this tag. */
bool sp_der_is(const struct sp_der *d, uint8_t tag);

/* An INTEGER of at most 2^31 - 1, not negative. */
bool sp_der_take_uint(struct sp_der *d, unsigned *ret);
/* A BOOLEAN, or false where the next element is none. */
bool sp_der_take_bool_or_false(struct sp_der *d, bool *ret);
/* A BIT STRING of whole bytes. */
bool sp_der_take_bits(struct sp_der *d, struct sp_str *ret);
/* UTCTime or GeneralizedTime as RFC 5280 section 4.1.2.5 writes them, to Unix seconds. */
bool sp_der_take_time(struct sp_der *d, int64_t *ret);

#endif
