/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/x509.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>

enum { MAX_EXTENSIONS = 64, OID_EXT_LEN = 3 };

/* The last byte of 2.5.29.x. */
enum extension {
    EXT_SUBJECT_KEY_ID = 14,
    EXT_KEY_USAGE = 15,
    EXT_SUBJECT_ALT_NAME = 17,
    EXT_BASIC_CONSTRAINTS = 19,
    EXT_NAME_CONSTRAINTS = 30,
    EXT_POLICIES = 32,
    EXT_AUTHORITY_KEY_ID = 35,
    EXT_EXT_KEY_USAGE = 37,
    STATUS_REQUEST = 5, /* RFC 6066 */
};

enum general_name { NAME_OTHER = 0, NAME_EMAIL = 1, NAME_DNS = 2, NAME_DIRECTORY = 4, NAME_URI = 6, NAME_IP = 7 };

struct reader {
    struct sp_arena *arena;
    struct sp_x509 *out;
    const char *why;
    bool v3;
};

static bool bad(struct reader *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static struct sp_str ip_text(struct sp_arena *a, struct sp_der v)
{
    char text[INET6_ADDRSTRLEN];
    inet_ntop(v.n == 4 ? AF_INET : AF_INET6, v.p, text, sizeof(text));
    return sp_arena_str(a, sp_str_c(text));
}

/* Names in IA5String: a NUL or a control byte in one would read as another name elsewhere. */
static bool printable(struct sp_der v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] >= 127)
            return false;
    return v.n > 0;
}

struct names {
    struct sp_str *v;
    unsigned n;
};

static void add(struct names *n, struct sp_str name)
{
    n->v[n->n++] = name;
}

static bool other_name(struct sp_der d)
{
    struct sp_der oid, value;
    return sp_der_take(&d, SP_DER_OID, &oid) && sp_der_take(&d, SP_DER_CONTEXT_CONS(0), &value) && d.n == 0;
}

static bool alt_name(struct reader *r, uint8_t tag, struct sp_der v, struct names lists[7])
{
    if (tag == SP_DER_CONTEXT_CONS(NAME_DIRECTORY)) {
        struct sp_str whole;
        if (!sp_der_take_whole(&v, SP_DER_SEQUENCE, &whole) || v.n)
            return false;
        add(&lists[4], whole);
        return true;
    }
    switch (tag & 0xe0) {
    case 0x80: /* primitive */
        break;
    case 0xa0:
        add(&lists[6], sp_der_str(v));
        return tag != SP_DER_CONTEXT_CONS(NAME_OTHER) || other_name(v);
    default:
        return false;
    }
    switch (tag & 0x1f) {
    case NAME_DNS:
        add(&lists[0], sp_der_str(v));
        return printable(v);
    case NAME_URI:
        add(&lists[1], sp_der_str(v));
        return printable(v);
    case NAME_EMAIL:
        add(&lists[2], sp_der_str(v));
        return printable(v);
    case NAME_IP:
        if (v.n != 4 && v.n != 16)
            return false;
        add(&lists[3], ip_text(r->arena, v));
        add(&lists[5], sp_der_str(v));
        return true;
    default: /* of a kind that nobody asks for */
        add(&lists[6], SP_STR_NULL);
        return true;
    }
}

static bool alt_names(struct reader *r, struct sp_der d)
{
    struct sp_der list, v;
    struct names lists[7];
    uint8_t tag;
    unsigned n = 0;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &list) || d.n || list.n == 0)
        return bad(r, "malformed subjectAltName");
    for (struct sp_der i = list; i.n; n++)
        if (n == SP_X509_MAX_NAMES || !sp_der_any(&i, &tag, &v, NULL))
            return bad(r, "malformed subjectAltName");
    for (size_t i = 0; i < SP_ARRAY_LEN(lists); i++)
        lists[i] = (struct names){sp_arena_alloc(r->arena, n * sizeof(struct sp_str)), 0};
    while (list.n)
        if (!sp_der_any(&list, &tag, &v, NULL) || !alt_name(r, tag, v, lists))
            return bad(r, "malformed subjectAltName");
    struct sp_x509 *x = r->out;
    x->dns = lists[0].v, x->n_dns = lists[0].n;
    x->uri = lists[1].v, x->n_uri = lists[1].n;
    x->email = lists[2].v, x->n_email = lists[2].n;
    x->ip = lists[3].v, x->n_ip = lists[3].n;
    x->ip_bytes = lists[5].v;
    x->directory = lists[4].v, x->n_directory = lists[4].n;
    x->other = lists[6].v, x->n_other = lists[6].n;
    return true;
}

static bool basic_constraints(struct reader *r, struct sp_der d)
{
    struct sp_der seq;
    unsigned len;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take_bool_or_false(&seq, &r->out->is_ca))
        return bad(r, "malformed basicConstraints");
    if (seq.n == 0)
        return true;
    if (!sp_der_take_uint(&seq, &len) || seq.n || !r->out->is_ca)
        return bad(r, "malformed basicConstraints");
    r->out->path_len = (int)SP_MIN(len, 1000u);
    return true;
}

/* Bit 0 is the first byte's highest. */
static bool key_usage(struct reader *r, struct sp_der d)
{
    struct sp_der v;
    if (!sp_der_take(&d, SP_DER_BIT_STRING, &v) || d.n || v.n < 1 || v.n > 3 || v.p[0] > 7)
        return bad(r, "malformed keyUsage");
    r->out->has_key_usage = true;
    for (unsigned bit = 0; v.n > 1 && bit < 8; bit++)
        if (v.p[1] & (0x80 >> bit))
            r->out->key_usage |= 1u << bit;
    return true;
}

static bool ext_key_usage(struct reader *r, struct sp_der d)
{
    static const struct sp_str server = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x03\x01"),
                               client = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x03\x02"),
                               ocsp = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x03\x09"),
                               any = SP_STR_INIT("\x55\x1d\x25\x00");
    struct sp_der seq, oid;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || seq.n == 0)
        return bad(r, "malformed extKeyUsage");
    r->out->has_ext_usage = true;
    while (seq.n) {
        if (!sp_der_take(&seq, SP_DER_OID, &oid))
            return bad(r, "malformed extKeyUsage");
        struct sp_str name = sp_der_str(oid);
        r->out->ext_usage |= sp_str_eq(name, server) ? SP_EKU_SERVER
                             : sp_str_eq(name, client) ? SP_EKU_CLIENT
                             : sp_str_eq(name, ocsp)   ? SP_EKU_OCSP
                             : sp_str_eq(name, any)    ? SP_EKU_ANY
                                                       : 0;
    }
    return true;
}

/* RFC 7633: what a server with this certificate has to do. */
static bool tls_feature(struct reader *r, struct sp_der d)
{
    struct sp_der list;
    unsigned feature;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &list) || d.n)
        return bad(r, "malformed TLS feature");
    while (list.n) {
        if (!sp_der_take_uint(&list, &feature))
            return bad(r, "malformed TLS feature");
        r->out->must_staple |= feature == STATUS_REQUEST;
    }
    return true;
}

static bool extension(struct reader *r, struct sp_str oid, bool critical, struct sp_der body)
{
    static const struct sp_str feature = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x01\x18");
    if (sp_str_eq(oid, feature))
        return tls_feature(r, body);
    int which = oid.len == OID_EXT_LEN && memcmp(oid.ptr, "\x55\x1d", 2) == 0 ? (uint8_t)oid.ptr[2] : -1;
    switch (which) {
    case EXT_SUBJECT_ALT_NAME:
        return alt_names(r, body);
    case EXT_BASIC_CONSTRAINTS:
        return basic_constraints(r, body);
    case EXT_KEY_USAGE:
        return key_usage(r, body);
    case EXT_EXT_KEY_USAGE:
        return ext_key_usage(r, body);
    case EXT_NAME_CONSTRAINTS:
        r->out->name_constraints = sp_der_str(body);
        return body.n > 0 || bad(r, "malformed nameConstraints");
    case EXT_POLICIES: /* no policy is demanded here, so that any will do */
    case EXT_SUBJECT_KEY_ID:
    case EXT_AUTHORITY_KEY_ID:
        return true;
    default:
        r->out->unknown_critical |= critical;
        return true;
    }
}

static bool extensions(struct reader *r, struct sp_der d)
{
    struct sp_der list, ext, oid, body;
    struct sp_str seen[MAX_EXTENSIONS];
    unsigned n = 0;
    bool critical;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &list) || d.n || list.n == 0)
        return bad(r, "malformed extensions");
    while (list.n) {
        if (n == MAX_EXTENSIONS || !sp_der_take(&list, SP_DER_SEQUENCE, &ext) || !sp_der_take(&ext, SP_DER_OID, &oid) ||
            !sp_der_take_bool_or_false(&ext, &critical) || !sp_der_take(&ext, SP_DER_OCTET_STRING, &body) || ext.n)
            return bad(r, "malformed extensions");
        for (unsigned i = 0; i < n; i++)
            if (sp_str_eq(seen[i], sp_der_str(oid)))
                return bad(r, "an extension comes twice");
        seen[n++] = sp_der_str(oid);
        if (!extension(r, sp_der_str(oid), critical, body))
            return false;
    }
    return true;
}

/* What comes behind the key: unique ids of old, and the extensions. */
static bool tail(struct reader *r, struct sp_der *tbs)
{
    struct sp_der v;
    for (unsigned tag = 1; tag <= 2; tag++)
        if (sp_der_is(tbs, (uint8_t)SP_DER_CONTEXT(tag)) && !sp_der_take(tbs, (uint8_t)SP_DER_CONTEXT(tag), &v))
            return bad(r, "malformed certificate");
    if (tbs->n == 0)
        return true;
    if (!r->v3 || !sp_der_take(tbs, SP_DER_CONTEXT_CONS(3), &v) || tbs->n)
        return bad(r, "malformed certificate");
    return extensions(r, v);
}

static bool to_be_signed(struct reader *r, struct sp_der tbs, struct sp_str *ret_algorithm)
{
    struct sp_x509 *x = r->out;
    struct sp_der v, serial, validity, spki;
    unsigned version = 0;
    if (sp_der_is(&tbs, SP_DER_CONTEXT_CONS(0)) &&
        (!sp_der_take(&tbs, SP_DER_CONTEXT_CONS(0), &v) || !sp_der_take_uint(&v, &version) || v.n || version > 2))
        return bad(r, "malformed version");
    r->v3 = version == 2;
    if (!sp_der_take(&tbs, SP_DER_INTEGER, &serial) || serial.n == 0 || serial.n > 32)
        return bad(r, "malformed serial number");
    x->serial = sp_der_str(serial);
    if (!sp_der_take_whole(&tbs, SP_DER_SEQUENCE, ret_algorithm) || !sp_der_take_whole(&tbs, SP_DER_SEQUENCE, &x->issuer) ||
        !sp_der_take(&tbs, SP_DER_SEQUENCE, &validity) || !sp_der_take_whole(&tbs, SP_DER_SEQUENCE, &x->subject))
        return bad(r, "malformed certificate");
    if (!sp_der_take_time(&validity, &x->not_before) || !sp_der_take_time(&validity, &x->not_after) || validity.n)
        return bad(r, "malformed validity");
    if (!sp_der_take_whole(&tbs, SP_DER_SEQUENCE, &x->spki))
        return bad(r, "malformed public key");
    spki = sp_der_over(x->spki);
    if (!sp_public_key_take(&spki, &x->key))
        return bad(r, "malformed public key");
    return tail(r, &tbs);
}

static bool certificate(struct reader *r, struct sp_str der)
{
    struct sp_x509 *x = r->out;
    struct sp_der d = sp_der_over(der), cert, tbs, algorithm;
    struct sp_str inner, outer;
    if (der.len > SP_X509_MAX_DER)
        return bad(r, "too large");
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &cert) || d.n || !sp_der_take_whole(&cert, SP_DER_SEQUENCE, &x->tbs) ||
        !sp_der_take_whole(&cert, SP_DER_SEQUENCE, &outer) || !sp_der_take_bits(&cert, &x->signature.bytes) || cert.n)
        return bad(r, "malformed certificate");
    d = sp_der_over(x->tbs);
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &tbs) || !to_be_signed(r, tbs, &inner))
        return bad(r, "malformed certificate");
    if (!sp_str_eq(inner, outer))
        return bad(r, "its two signature algorithms differ");
    d = sp_der_over(outer);
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &algorithm) || !sp_signature_algorithm(algorithm, &x->signature))
        return bad(r, "malformed signature algorithm");
    return true;
}

int sp_x509_parse(struct sp_str der, struct sp_arena *arena, struct sp_x509 *ret, const char **ret_why)
{
    assert(arena && ret && ret_why);
    struct sp_x509 x = {.der = der, .path_len = -1};
    struct reader r = {.arena = arena, .out = &x};
    if (!certificate(&r, der)) {
        *ret_why = r.why;
        return -EINVAL;
    }
    /* Version 1 had no way to say it; roots of that age are trusted by being listed. */
    if (!r.v3 && sp_str_eq(x.issuer, x.subject))
        x.is_ca = true;
    *ret = x;
    return 0;
}
