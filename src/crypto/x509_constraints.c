/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/x509_constraints.h"

#include <assert.h>

enum { NAME_EMAIL = 0x81, NAME_DNS = 0x82, NAME_DIRECTORY = 0xa4, NAME_URI = 0x86, NAME_IP = 0x87 };

/* "example.com" holds itself and all below, ".example.com" only what is below, "" everything. */
static bool dns_below(struct sp_str name, struct sp_str base)
{
    if (base.len == 0)
        return true;
    if (!sp_str_iends(name, base))
        return false;
    return name.len == base.len || base.ptr[0] == '.' || name.ptr[name.len - base.len - 1] == '.';
}

/* "*.example.com" could stand for an excluded "a.example.com". */
static bool wildcard_reaches(struct sp_str name, struct sp_str base)
{
    ptrdiff_t dot = sp_str_chr(base, '.');
    return sp_str_starts(name, SP_STR("*.")) && dot > 0 &&
           sp_str_ieq(sp_str_sub(name, 1, name.len), sp_str_sub(base, (size_t)dot, base.len));
}

/* A host is that host alone; ".example.com" is all below it. */
static bool host_within(struct sp_str host, struct sp_str base)
{
    if (base.len && base.ptr[0] == '.')
        return sp_str_iends(host, base) && host.len > base.len;
    return sp_str_ieq(host, base);
}

static bool email_within(struct sp_str name, struct sp_str base)
{
    ptrdiff_t at = sp_str_chr(name, '@'), base_at = sp_str_chr(base, '@');
    if (at < 0)
        return false;
    struct sp_str host = sp_str_sub(name, (size_t)at + 1, name.len);
    if (base_at < 0)
        return host_within(host, base);
    return sp_str_eq(sp_str_sub(name, 0, (size_t)at), sp_str_sub(base, 0, (size_t)base_at)) &&
           sp_str_ieq(host, sp_str_sub(base, (size_t)base_at + 1, base.len));
}

/* The host of scheme://user@host:port/path; empty where there is none. */
static struct sp_str uri_host(struct sp_str uri)
{
    ptrdiff_t at = sp_str_find(uri, SP_STR("://"));
    if (at < 0)
        return SP_STR_NULL;
    struct sp_str s = sp_str_sub(uri, (size_t)at + 3, uri.len);
    size_t n = 0;
    while (n < s.len && !strchr("/?#", s.ptr[n]))
        n++;
    s = sp_str_sub(s, 0, n);
    if ((at = sp_str_chr(s, '@')) >= 0)
        s = sp_str_sub(s, (size_t)at + 1, s.len);
    if ((at = sp_str_chr(s, ':')) >= 0)
        s = sp_str_sub(s, 0, (size_t)at);
    return s;
}

/* Address and mask, of one family. */
static bool ip_within(struct sp_str ip, struct sp_str base)
{
    if (base.len != 2 * ip.len)
        return false;
    for (size_t i = 0; i < ip.len; i++)
        if ((ip.ptr[i] ^ base.ptr[i]) & base.ptr[ip.len + i])
            return false;
    return true;
}

/* RFC 5280 section 7.1, without its folding of spaces: the same attributes, whatever kind of string and case they are in. */
static bool same_part(struct sp_str x, struct sp_str y)
{
    struct sp_der a = sp_der_over(x), b = sp_der_over(y), as, bs, one, other, oid, oid2, value, value2;
    uint8_t tag;
    if (!sp_der_take(&a, SP_DER_SET, &as) || !sp_der_take(&b, SP_DER_SET, &bs))
        return false;
    while (as.n && bs.n)
        if (!sp_der_take(&as, SP_DER_SEQUENCE, &one) || !sp_der_take(&bs, SP_DER_SEQUENCE, &other) ||
            !sp_der_take(&one, SP_DER_OID, &oid) || !sp_der_take(&other, SP_DER_OID, &oid2) ||
            !sp_str_eq(sp_der_str(oid), sp_der_str(oid2)) || !sp_der_any(&one, &tag, &value, NULL) ||
            !sp_der_any(&other, &tag, &value2, NULL) || !sp_str_ieq(sp_der_str(value), sp_der_str(value2)))
            return false;
    return as.n == bs.n;
}

/* The first parts of the name are those of the base. */
static bool directory_within(struct sp_str name, struct sp_str base)
{
    struct sp_der n = sp_der_over(name), b = sp_der_over(base), names, bases;
    struct sp_str x, y;
    if (!sp_der_take(&n, SP_DER_SEQUENCE, &names) || !sp_der_take(&b, SP_DER_SEQUENCE, &bases))
        return false;
    while (bases.n)
        if (!sp_der_take_whole(&bases, SP_DER_SET, &y) || !sp_der_take_whole(&names, SP_DER_SET, &x) || !same_part(x, y))
            return false;
    return true;
}

struct subtree {
    uint8_t tag;
    struct sp_str base;
};

static bool within(const struct subtree *t, struct sp_str name, bool excluded)
{
    switch (t->tag) {
    case NAME_DNS:
        return dns_below(name, t->base) || (excluded && wildcard_reaches(name, t->base));
    case NAME_EMAIL:
        return email_within(name, t->base);
    case NAME_URI:
        return host_within(uri_host(name), t->base);
    case NAME_IP:
        return ip_within(name, t->base);
    default:
        return directory_within(name, t->base);
    }
}

/* The next GeneralSubtree; only with no minimum and maximum, as RFC 5280 demands. */
static bool next(struct sp_der *list, struct subtree *ret)
{
    struct sp_der subtree, base;
    uint8_t tag;
    if (!sp_der_take(list, SP_DER_SEQUENCE, &subtree) || !sp_der_any(&subtree, &tag, &base, NULL) || subtree.n)
        return false;
    *ret = (struct subtree){tag, sp_der_str(base)};
    return tag == NAME_DNS || tag == NAME_EMAIL || tag == NAME_URI || tag == NAME_DIRECTORY ||
           (tag == NAME_IP && (base.n == 8 || base.n == 32));
}

static bool well_formed(struct sp_der list)
{
    struct subtree t;
    while (list.n)
        if (!next(&list, &t))
            return false;
    return true;
}

static bool one_good(struct sp_str name, uint8_t tag, struct sp_der permitted, struct sp_der excluded)
{
    struct subtree t;
    bool asked = false, found = false;
    while (!found && permitted.n && next(&permitted, &t))
        if (t.tag == tag) {
            asked = true;
            found = within(&t, name, false);
        }
    if (asked && !found)
        return false;
    while (excluded.n && next(&excluded, &t))
        /* Whether a URI without a host is excluded cannot be told. */
        if (t.tag == tag && (within(&t, name, true) || (tag == NAME_URI && uri_host(name).len == 0)))
            return false;
    return true;
}

static bool all_good(const struct sp_str *names, unsigned n, uint8_t tag, struct sp_der permitted, struct sp_der excluded)
{
    for (unsigned i = 0; i < n; i++)
        if (!one_good(names[i], tag, permitted, excluded))
            return false;
    return true;
}

bool sp_x509_within(const struct sp_x509 *c, struct sp_str constraints)
{
    struct sp_der d = sp_der_over(constraints), seq, permitted = {NULL, 0}, excluded = {NULL, 0};
    assert(c);
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n)
        return false;
    if (sp_der_is(&seq, SP_DER_CONTEXT_CONS(0)) && !sp_der_take(&seq, SP_DER_CONTEXT_CONS(0), &permitted))
        return false;
    if (sp_der_is(&seq, SP_DER_CONTEXT_CONS(1)) && !sp_der_take(&seq, SP_DER_CONTEXT_CONS(1), &excluded))
        return false;
    if (seq.n || !well_formed(permitted) || !well_formed(excluded))
        return false;
    static const struct sp_str nobody = SP_STR_INIT("\x30\x00");
    unsigned subject = !sp_str_eq(c->subject, nobody);
    return all_good(c->dns, c->n_dns, NAME_DNS, permitted, excluded) &&
           all_good(c->email, c->n_email, NAME_EMAIL, permitted, excluded) &&
           all_good(c->uri, c->n_uri, NAME_URI, permitted, excluded) &&
           all_good(c->ip_bytes, c->n_ip, NAME_IP, permitted, excluded) &&
           all_good(c->directory, c->n_directory, NAME_DIRECTORY, permitted, excluded) &&
           all_good(&c->subject, subject, NAME_DIRECTORY, permitted, excluded);
}
