/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/der.h"

#include <assert.h>

bool sp_der_any(struct sp_der *d, uint8_t *ret_tag, struct sp_der *ret_body, struct sp_str *ret_whole)
{
    assert(d && ret_tag && ret_body);
    if (d->n < 2 || (d->p[0] & 0x1f) == 0x1f)
        return false;
    size_t head = 2, len = d->p[1];
    if (len >= 0x80) {
        size_t bytes = len & 0x7f;
        if (bytes == 0 || bytes > 3 || d->n < 2 + bytes)
            return false;
        len = 0;
        for (size_t i = 0; i < bytes; i++)
            len = len << 8 | d->p[2 + i];
        /* The shortest form, and no other. */
        if (len < 0x80 || len >> (8 * (bytes - 1)) == 0)
            return false;
        head += bytes;
    }
    if (len > d->n - head)
        return false;
    *ret_tag = d->p[0];
    *ret_body = (struct sp_der){d->p + head, len};
    if (ret_whole)
        *ret_whole = sp_str_n((const char *)d->p, head + len);
    d->p += head + len;
    d->n -= head + len;
    return true;
}

bool sp_der_is(const struct sp_der *d, uint8_t tag)
{
    return d->n && d->p[0] == tag;
}

bool sp_der_take(struct sp_der *d, uint8_t tag, struct sp_der *ret_body)
{
    uint8_t t;
    return sp_der_is(d, tag) && sp_der_any(d, &t, ret_body, NULL);
}

bool sp_der_take_whole(struct sp_der *d, uint8_t tag, struct sp_str *ret_whole)
{
    uint8_t t;
    struct sp_der body;
    return sp_der_is(d, tag) && sp_der_any(d, &t, &body, ret_whole);
}

bool sp_der_take_uint(struct sp_der *d, unsigned *ret)
{
    struct sp_der v;
    if (!sp_der_take(d, SP_DER_INTEGER, &v) || v.n == 0 || v.n > 4 || v.p[0] & 0x80)
        return false;
    if (v.n > 1 && v.p[0] == 0 && !(v.p[1] & 0x80))
        return false;
    unsigned x = 0;
    for (size_t i = 0; i < v.n; i++)
        x = x << 8 | v.p[i];
    *ret = x;
    return true;
}

bool sp_der_take_bool_or_false(struct sp_der *d, bool *ret)
{
    struct sp_der v;
    *ret = false;
    if (!sp_der_is(d, SP_DER_BOOLEAN))
        return true;
    if (!sp_der_take(d, SP_DER_BOOLEAN, &v) || v.n != 1 || (v.p[0] != 0 && v.p[0] != 0xff))
        return false;
    *ret = v.p[0] != 0;
    return true;
}

bool sp_der_take_bits(struct sp_der *d, struct sp_str *ret)
{
    struct sp_der v;
    if (!sp_der_take(d, SP_DER_BIT_STRING, &v) || v.n < 1 || v.p[0] != 0)
        return false;
    *ret = sp_str_n((const char *)v.p + 1, v.n - 1);
    return true;
}

static bool digits(const uint8_t *p, int *ret)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return false;
    *ret = (p[0] - '0') * 10 + (p[1] - '0');
    return true;
}

/* Days since 1970 of a date of the Gregorian calendar. */
static int64_t days(int64_t y, int m, int d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool valid_day(int year, int month, int day)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= lengths[month - 1] + (month == 2 && leap);
}

bool sp_der_take_time(struct sp_der *d, int64_t *ret)
{
    struct sp_der v;
    uint8_t tag;
    int century = 0, part[6];
    if (!sp_der_any(d, &tag, &v, NULL) || (tag != SP_DER_UTC_TIME && tag != SP_DER_GENERAL_TIME))
        return false;
    const uint8_t *p = v.p;
    bool general = tag == SP_DER_GENERAL_TIME;
    if (v.n != (general ? 15 : 13) || p[v.n - 1] != 'Z')
        return false;
    if (general && !digits(p, &century))
        return false;
    p += general ? 2 : 0;
    for (size_t i = 0; i < SP_ARRAY_LEN(part); i++)
        if (!digits(p + 2 * i, &part[i]))
            return false;
    int year = general ? century * 100 + part[0] : part[0] < 50 ? 2000 + part[0] : 1900 + part[0];
    if (!valid_day(year, part[1], part[2]) || part[3] > 23 || part[4] > 59 || part[5] > 59)
        return false;
    *ret = days(year, part[1], part[2]) * 86400 + ((int64_t)part[3] * 60 + part[4]) * 60 + part[5];
    return true;
}
