/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/ocsp.h"

#include <assert.h>
#include <errno.h>

#include "crypto/hash.h"

enum { SKEW_S = 300, MAX_CERTS = 8, MAX_RESPONSES = 64, REQUEST_MAX = 256 };

static const struct sp_str oid_sha1 = SP_STR_INIT("\x2b\x0e\x03\x02\x1a"),
                           oid_basic = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x30\x01\x01"),
                           oid_nonce = SP_STR_INIT("\x2b\x06\x01\x05\x05\x07\x30\x01\x02");

void sp_ocsp_id(const struct sp_x509 *cert, const struct sp_x509 *issuer, struct sp_ocsp_id *ret)
{
    assert(cert && issuer && ret);
    sp_sha1(issuer->subject, ret->issuer_name);
    sp_sha1(issuer->key.bytes, ret->issuer_key);
    ret->serial = cert->serial;
}

/* ---- the question ---- */

/* DER is written from its end: a head needs the length of what stands behind it. */
struct writer {
    uint8_t *p, *begin;
};

static void put(struct writer *w, const void *bytes, size_t n)
{
    assert((size_t)(w->p - w->begin) >= n);
    w->p -= n;
    if (n)
        memcpy(w->p, bytes, n);
}

/* The head of what was put since `end`. */
static void head(struct writer *w, uint8_t tag, const uint8_t *end)
{
    size_t n = (size_t)(end - w->p);
    assert(n < 256);
    uint8_t bytes[3] = {tag, 0x81, (uint8_t)n};
    if (n < 128)
        put(w, (uint8_t[]){tag, (uint8_t)n}, 2);
    else
        put(w, bytes, 3);
}

static void put_octets(struct writer *w, uint8_t tag, const void *bytes, size_t n)
{
    const uint8_t *end = w->p;
    put(w, bytes, n);
    head(w, tag, end);
}

/* requestExtensions with the nonce alone. */
static void put_nonce(struct writer *w, const uint8_t *nonce)
{
    const uint8_t *end = w->p;
    put_octets(w, SP_DER_OCTET_STRING, nonce, SP_OCSP_NONCE);
    head(w, SP_DER_OCTET_STRING, end);
    put_octets(w, SP_DER_OID, oid_nonce.ptr, oid_nonce.len);
    head(w, SP_DER_SEQUENCE, end);
    head(w, SP_DER_SEQUENCE, end);
    head(w, SP_DER_CONTEXT_CONS(2), end);
}

static void put_id(struct writer *w, const struct sp_ocsp_id *id)
{
    const uint8_t *end = w->p;
    put_octets(w, SP_DER_INTEGER, id->serial.ptr, id->serial.len);
    put_octets(w, SP_DER_OCTET_STRING, id->issuer_key, sizeof(id->issuer_key));
    put_octets(w, SP_DER_OCTET_STRING, id->issuer_name, sizeof(id->issuer_name));
    const uint8_t *algorithm = w->p;
    put_octets(w, SP_DER_NULL, NULL, 0);
    put_octets(w, SP_DER_OID, oid_sha1.ptr, oid_sha1.len);
    head(w, SP_DER_SEQUENCE, algorithm);
    head(w, SP_DER_SEQUENCE, end);
}

struct sp_str sp_ocsp_request(const struct sp_ocsp_id *id, const uint8_t *nonce, struct sp_arena *arena)
{
    assert(id && id->serial.len <= 32 && arena);
    uint8_t *out = sp_arena_alloc(arena, REQUEST_MAX);
    struct writer w = {out + REQUEST_MAX, out};
    const uint8_t *end = w.p;
    if (nonce)
        put_nonce(&w, nonce);
    const uint8_t *list = w.p;
    put_id(&w, id);
    head(&w, SP_DER_SEQUENCE, list); /* Request */
    head(&w, SP_DER_SEQUENCE, list); /* requestList */
    head(&w, SP_DER_SEQUENCE, end);  /* TBSRequest */
    head(&w, SP_DER_SEQUENCE, end);
    return sp_str_n((const char *)w.p, (size_t)(end - w.p));
}

/* ---- the answer ---- */

struct reader {
    const struct sp_ocsp_check *check;
    struct sp_str tbs;
    struct sp_signature signature;
    struct sp_der responder; /* ResponderID's content, by its tag */
    uint8_t responder_tag;
    struct sp_der certs;     /* of [0], may be empty */
    const char *why;
};

static bool bad(struct reader *r, const char *why)
{
    r->why = why;
    return false;
}

/* Of a response or of one answer in it. What is critical we would have to understand, and do not. */
static bool extensions(struct reader *r, struct sp_der wrapped, struct sp_str *ret_nonce)
{
    struct sp_der list, ext, oid, body, nonce;
    bool critical;
    if (!sp_der_take(&wrapped, SP_DER_SEQUENCE, &list) || wrapped.n)
        return bad(r, "malformed extensions");
    while (list.n) {
        if (!sp_der_take(&list, SP_DER_SEQUENCE, &ext) || !sp_der_take(&ext, SP_DER_OID, &oid) ||
            !sp_der_take_bool_or_false(&ext, &critical) || !sp_der_take(&ext, SP_DER_OCTET_STRING, &body) || ext.n)
            return bad(r, "malformed extensions");
        if (ret_nonce && sp_str_eq(sp_der_str(oid), oid_nonce)) {
            if (!sp_der_take(&body, SP_DER_OCTET_STRING, &nonce) || body.n || ret_nonce->ptr)
                return bad(r, "malformed nonce");
            *ret_nonce = sp_der_str(nonce);
        } else if (critical) {
            return bad(r, "a critical extension that is not known");
        }
    }
    return true;
}

static bool same_id(const struct sp_ocsp_id *id, struct sp_der d)
{
    struct sp_der algorithm, oid, name, key, serial;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &algorithm) || !sp_der_take(&d, SP_DER_OCTET_STRING, &name) ||
        !sp_der_take(&d, SP_DER_OCTET_STRING, &key) || !sp_der_take(&d, SP_DER_INTEGER, &serial) || d.n ||
        !sp_der_take(&algorithm, SP_DER_OID, &oid))
        return false;
    return sp_str_eq(sp_der_str(oid), oid_sha1) && name.n == sizeof(id->issuer_name) && key.n == sizeof(id->issuer_key) &&
           memcmp(name.p, id->issuer_name, name.n) == 0 && memcmp(key.p, id->issuer_key, key.n) == 0 &&
           sp_str_eq(sp_der_str(serial), id->serial);
}

static bool times(struct reader *r, struct sp_der *d, struct sp_ocsp_answer *a)
{
    const struct sp_ocsp_check *c = r->check;
    struct sp_der v;
    if (!sp_der_is(d, SP_DER_GENERAL_TIME) || !sp_der_take_time(d, &a->this_update))
        return bad(r, "malformed thisUpdate");
    if (sp_der_is(d, SP_DER_CONTEXT_CONS(0)) &&
        (!sp_der_take(d, SP_DER_CONTEXT_CONS(0), &v) || !sp_der_is(&v, SP_DER_GENERAL_TIME) ||
         !sp_der_take_time(&v, &a->next_update) || v.n || a->next_update <= 0))
        return bad(r, "malformed nextUpdate");
    if (c->any_time)
        return true;
    if (a->this_update > c->now + SKEW_S)
        return bad(r, "the answer is not valid yet");
    if (a->next_update ? c->now > a->next_update : c->now > a->this_update + c->max_age + SKEW_S)
        return bad(r, "the answer is out of date");
    return true;
}

/* One SingleResponse, behind its certID. */
static bool single(struct reader *r, struct sp_der d, struct sp_ocsp_answer *a)
{
    struct sp_der v;
    uint8_t tag;
    if (!sp_der_any(&d, &tag, &v, NULL))
        return bad(r, "malformed answer");
    if (tag == SP_DER_CONTEXT(0) && v.n == 0)
        a->status = SP_OCSP_GOOD;
    else if (tag == SP_DER_CONTEXT_CONS(1))
        a->status = SP_OCSP_REVOKED;
    else if (tag == SP_DER_CONTEXT(2))
        a->status = SP_OCSP_UNKNOWN;
    else
        return bad(r, "malformed status");
    if (!times(r, &d, a))
        return false;
    if (sp_der_is(&d, SP_DER_CONTEXT_CONS(1))) {
        if (!sp_der_take(&d, SP_DER_CONTEXT_CONS(1), &v))
            return bad(r, "malformed extensions");
        if (!extensions(r, v, NULL))
            return false;
    }
    return d.n == 0 || bad(r, "malformed answer");
}

static bool find_answer(struct reader *r, struct sp_der list, struct sp_ocsp_answer *ret)
{
    struct sp_der one, id;
    bool found = false;
    for (unsigned n = 0; list.n; n++) {
        if (n == MAX_RESPONSES || !sp_der_take(&list, SP_DER_SEQUENCE, &one) || !sp_der_take(&one, SP_DER_SEQUENCE, &id))
            return bad(r, "malformed answer");
        if (!same_id(r->check->id, id))
            continue;
        if (found)
            return bad(r, "two answers about the same certificate");
        if (!single(r, one, ret))
            return false;
        found = true;
    }
    return found || bad(r, "it says nothing of this certificate");
}

static bool data(struct reader *r, struct sp_ocsp_answer *ret)
{
    struct sp_der d = sp_der_over(r->tbs), tbs, v, list;
    struct sp_str nonce = SP_STR_NULL;
    int64_t produced;
    unsigned version;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &tbs))
        return bad(r, "malformed response");
    if (sp_der_is(&tbs, SP_DER_CONTEXT_CONS(0)) &&
        (!sp_der_take(&tbs, SP_DER_CONTEXT_CONS(0), &v) || !sp_der_take_uint(&v, &version) || v.n || version != 0))
        return bad(r, "unknown version");
    if (!sp_der_any(&tbs, &r->responder_tag, &r->responder, NULL) || !sp_der_is(&tbs, SP_DER_GENERAL_TIME) ||
        !sp_der_take_time(&tbs, &produced) || !sp_der_take(&tbs, SP_DER_SEQUENCE, &list))
        return bad(r, "malformed response");
    if (sp_der_is(&tbs, SP_DER_CONTEXT_CONS(1))) {
        if (!sp_der_take(&tbs, SP_DER_CONTEXT_CONS(1), &v))
            return bad(r, "malformed extensions");
        if (!extensions(r, v, &nonce))
            return false;
    }
    if (tbs.n)
        return bad(r, "malformed response");
    if (r->check->nonce && !sp_str_eq(nonce, sp_str_n((const char *)r->check->nonce, SP_OCSP_NONCE)))
        return bad(r, "it does not have the nonce of the question");
    return find_answer(r, list, ret);
}

static bool is_responder(const struct reader *r, const struct sp_x509 *c)
{
    uint8_t hash[20];
    struct sp_der v = r->responder, key;
    if (r->responder_tag == SP_DER_CONTEXT_CONS(1))
        return sp_str_eq(sp_der_str(v), c->subject);
    if (r->responder_tag != SP_DER_CONTEXT_CONS(2) || !sp_der_take(&v, SP_DER_OCTET_STRING, &key) || v.n)
        return false;
    sp_sha1(c->key.bytes, hash);
    return key.n == sizeof(hash) && memcmp(key.p, hash, sizeof(hash)) == 0;
}

/* RFC 6960 section 4.2.2.2: the issuer itself made it a responder, for its own certificates. */
static bool delegated(const struct reader *r, const struct sp_x509 *c)
{
    const struct sp_x509 *issuer = r->check->issuer;
    return sp_str_eq(c->issuer, issuer->subject) && c->has_ext_usage && c->ext_usage & SP_EKU_OCSP && !c->unknown_critical &&
           (!c->has_key_usage || c->key_usage & SP_KU_DIGITAL_SIGNATURE) && c->not_before <= r->check->now &&
           r->check->now <= c->not_after && c->signature.kind != SP_SIG_UNKNOWN &&
           sp_signature_verify(&c->signature, &issuer->key, c->tbs);
}

static bool signed_well(struct reader *r, struct sp_arena *arena)
{
    const struct sp_x509 *issuer = r->check->issuer;
    if (r->signature.kind == SP_SIG_UNKNOWN)
        return bad(r, "its signature algorithm is not supported");
    if (is_responder(r, issuer))
        return sp_signature_verify(&r->signature, &issuer->key, r->tbs) || bad(r, "its signature is wrong");
    for (unsigned n = 0; r->certs.n && n < MAX_CERTS; n++) {
        struct sp_str der;
        struct sp_x509 c;
        const char *why;
        if (!sp_der_take_whole(&r->certs, SP_DER_SEQUENCE, &der))
            return bad(r, "malformed certificates");
        if (sp_x509_parse(der, arena, &c, &why) == 0 && is_responder(r, &c) && delegated(r, &c))
            return sp_signature_verify(&r->signature, &c.key, r->tbs) || bad(r, "its signature is wrong");
    }
    return bad(r, "nobody signed it who may answer for the issuer");
}

static bool basic(struct reader *r, struct sp_der d)
{
    struct sp_der seq, algorithm, v;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take_whole(&seq, SP_DER_SEQUENCE, &r->tbs) ||
        !sp_der_take(&seq, SP_DER_SEQUENCE, &algorithm) || !sp_signature_algorithm(algorithm, &r->signature) ||
        !sp_der_take_bits(&seq, &r->signature.bytes))
        return bad(r, "malformed response");
    if (seq.n && (!sp_der_take(&seq, SP_DER_CONTEXT_CONS(0), &v) || seq.n || !sp_der_take(&v, SP_DER_SEQUENCE, &r->certs) || v.n))
        return bad(r, "malformed response");
    return true;
}

static const char *const states[] = {"", "the responder calls the question malformed", "the responder has an internal error",
                                     "the responder asks to try later", "", "the responder wants a signed question",
                                     "the responder does not answer us"};

static bool response(struct reader *r, struct sp_str der)
{
    struct sp_der d = sp_der_over(der), seq, state, wrapped, bytes, oid, body;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take(&seq, SP_DER_ENUMERATED, &state) || state.n != 1)
        return bad(r, "it is no OCSP response");
    if (state.p[0] != 0)
        return bad(r, state.p[0] < SP_ARRAY_LEN(states) && *states[state.p[0]] ? states[state.p[0]] : "unknown state");
    if (!sp_der_take(&seq, SP_DER_CONTEXT_CONS(0), &wrapped) || seq.n || !sp_der_take(&wrapped, SP_DER_SEQUENCE, &bytes) ||
        wrapped.n || !sp_der_take(&bytes, SP_DER_OID, &oid) || !sp_der_take(&bytes, SP_DER_OCTET_STRING, &body) || bytes.n)
        return bad(r, "malformed response");
    return sp_str_eq(sp_der_str(oid), oid_basic) ? basic(r, body) : bad(r, "a kind of response that is not known");
}

int sp_ocsp_read(struct sp_str der, const struct sp_ocsp_check *check, struct sp_ocsp_answer *ret, const char **ret_why)
{
    assert(check && check->id && check->issuer && ret && ret_why);
    struct reader r = {.check = check};
    struct sp_ocsp_answer answer = {0};
    struct sp_arena arena;
    sp_arena_init(&arena);
    /* The signature last: it costs the most, and what is wrong otherwise is told more plainly. */
    bool good = response(&r, der) && data(&r, &answer) && signed_well(&r, &arena);
    sp_arena_done(&arena);
    if (!good) {
        assert(r.why);
        *ret_why = r.why;
        return -EINVAL;
    }
    *ret = answer;
    return 0;
}
