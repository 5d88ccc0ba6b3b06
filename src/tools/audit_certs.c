/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the config names: certificates, keys, secrets and the files that they are in. */
#include <sys/stat.h>

#include "config/descriptor.h"
#include "config/secret.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "tools/audit_look.h"

typedef Envoy__Config__Core__V3__DataSource Source;
typedef Envoy__Extensions__TransportSockets__Tls__V3__TlsCertificate Certificate;

#define CERTIFICATE_DESC &envoy__extensions__transport_sockets__tls__v3__tls_certificate__descriptor
#define VALIDATION_DESC &envoy__extensions__transport_sockets__tls__v3__certificate_validation_context__descriptor
#define SOURCE(name) ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_##name

enum { DAY = 86400, MIN_RSA_BITS = 2048 };

/* ---- certificates ---- */

struct certs {
    struct sp_arena arena;
    struct sp_secret pem;
    struct sp_x509 *v; /* n of them */
    unsigned n;
};

enum { MAX_CERTS = 1024 };

static void certs_done(struct certs *c)
{
    sp_secret_done(&c->pem);
    sp_arena_done_wipe(&c->arena);
}

/* What cannot be read now was reported when the config was compiled. */
static void certs_read(struct certs *c, const struct sp_audit *a, const Source *source)
{
    struct sp_diag diag;
    const char *why;
    struct sp_pem block;
    *c = (struct certs){0};
    sp_arena_init(&c->arena);
    if (!source)
        return;
    sp_diag_init(&diag);
    if (sp_secret_read(a->doc, &diag, source, 0, &c->pem) < 0)
        c->pem = (struct sp_secret){0};
    sp_diag_done(&diag);
    struct sp_str rest = sp_secret_str(&c->pem);
    c->v = sp_arena_zalloc(&c->arena, MAX_CERTS * sizeof(*c->v));
    while (c->n < MAX_CERTS && sp_pem_next(&rest, &c->arena, &block, &why) > 0)
        if (sp_str_eq(block.label, SP_STR("CERTIFICATE")) && sp_x509_parse(block.der, &c->arena, &c->v[c->n], &why) == 0)
            c->n++;
}

/* The certificates that we show, with the place of each found in its message. */
static bool chain_of(struct certs *c, const struct sp_audit *a, const ProtobufCMessage *msg)
{
    if (msg->descriptor != CERTIFICATE_DESC)
        return false;
    certs_read(c, a, ((const Certificate *)msg)->certificate_chain);
    return true;
}

/* The first of the chain to end, and in how many seconds; leaf alone says what peers see first. */
static int64_t life_of(const struct certs *c, int64_t now)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; i < c->n; i++)
        least = SP_MIN(least, c->v[i].not_after - now);
    return least;
}

static void ends_between(struct sp_audit *a, const ProtobufCMessage *msg, int64_t from, int64_t to, const char *what)
{
    struct certs c;
    if (!chain_of(&c, a, msg))
        return;
    int64_t life = c.n ? life_of(&c, a->now) : to;
    if (life >= from && life < to) {
        int days = (int)((life < 0 ? -life : life) / DAY);
        sp_audit_found(a, msg, "certificate_chain", -1, "%s %d day%s%s", what, days, days == 1 ? "" : "s", life < 0 ? " ago" : "");
    }
    certs_done(&c);
}

static void expired(struct sp_audit *a, const ProtobufCMessage *msg)
{
    ends_between(a, msg, INT64_MIN, 0, "a certificate of it expired");
}

static void expires_7d(struct sp_audit *a, const ProtobufCMessage *msg)
{
    ends_between(a, msg, 0, 7 * DAY, "a certificate of it expires in");
}

static void expires_30d(struct sp_audit *a, const ProtobufCMessage *msg)
{
    ends_between(a, msg, 7 * DAY, 30 * DAY, "a certificate of it expires in");
}

static void not_yet(struct sp_audit *a, const ProtobufCMessage *msg)
{
    struct certs c;
    if (!chain_of(&c, a, msg))
        return;
    for (unsigned i = 0; i < c.n; i++)
        if (c.v[i].not_before > a->now) {
            sp_audit_found(a, msg, "certificate_chain", -1, "a certificate of it is not valid yet");
            break;
        }
    certs_done(&c);
}

static bool is_weak_key(const struct sp_public_key *k)
{
    return k->kind == SP_KEY_UNKNOWN || (k->kind == SP_KEY_RSA && k->bits < MIN_RSA_BITS);
}

/* A root's own signature is nothing that anybody checks. */
static bool is_weak_signature(const struct sp_x509 *x)
{
    return x->signature.kind == SP_SIG_UNKNOWN && !sp_str_eq(x->issuer, x->subject);
}

static void weak(struct sp_audit *a, const ProtobufCMessage *msg)
{
    struct certs c;
    if (!chain_of(&c, a, msg))
        return;
    for (unsigned i = 0; i < c.n; i++) {
        const char *who = i ? "an issuer in the chain" : "the certificate";
        if (is_weak_key(&c.v[i].key))
            sp_audit_found(a, msg, "certificate_chain", -1, "%s has a key that is too short, or of a kind that few peers take", who);
        if (is_weak_signature(&c.v[i]))
            sp_audit_found(a, msg, "certificate_chain", -1, "%s is signed with SHA-1 or what few peers take", who);
    }
    certs_done(&c);
}

/* A set of CAs in which one after the other ends is usual; when the last one does, nobody is trusted any more. */
static void cas_end(struct sp_audit *a, const ProtobufCMessage *msg)
{
    struct certs c;
    if (msg->descriptor != VALIDATION_DESC)
        return;
    certs_read(&c, a, ((const sp_look_validation *)msg)->trusted_ca);
    int64_t last = INT64_MIN;
    for (unsigned i = 0; i < c.n; i++)
        last = SP_MAX(last, c.v[i].not_after - a->now);
    if (c.n && last < 30 * DAY)
        sp_audit_found(a, msg, "trusted_ca", -1, last < 0 ? "no certificate of it is valid any more" : "the last certificate of it expires in %d days",
                       (int)(last / DAY));
    certs_done(&c);
}

/* ---- secrets ---- */

/* Public keys are no secret; shared ones are. */
static bool is_public(const char *field, const Source *source)
{
    return strcmp(field, "local_jwks") == 0 && (source->specifier_case != SOURCE(INLINE_STRING) || !strstr(source->inline_string, "oct"));
}

static void written(void *arg, const ProtobufCMessage *msg, const char *field, int index, const Source *source)
{
    bool here = source->specifier_case == SOURCE(INLINE_STRING) || source->specifier_case == SOURCE(INLINE_BYTES);
    if (here && !is_public(field, source))
        sp_audit_found(arg, msg, field, index, "a secret stands in the config itself");
}

static void inline_secret(struct sp_audit *a, const ProtobufCMessage *msg)
{
    sp_look_secrets(msg, written, a);
}

static void readable(void *arg, const ProtobufCMessage *msg, const char *field, int index, const Source *source)
{
    struct stat st;
    if (source->specifier_case == SOURCE(FILENAME) && !is_public(field, source) && stat(source->filename, &st) == 0 &&
        (st.st_mode & (S_IROTH | S_IWOTH)))
        sp_audit_found(arg, msg, field, index, "every user of this machine can %s %s", st.st_mode & S_IWOTH ? "change" : "read",
                       source->filename);
}

static void readable_secret(struct sp_audit *a, const ProtobufCMessage *msg)
{
    sp_look_secrets(msg, readable, a);
}

static const struct sp_audit_check checks[] = {
    {"certificate-expired", SP_AUDIT_HIGH, "a certificate has expired", "put a new one there", SP_CONTROL_OWN_TLS, .message = expired},
    {"certificate-expires-7d", SP_AUDIT_HIGH, "a certificate expires within 7 days", "renew it now", SP_CONTROL_OWN_TLS,
     .message = expires_7d},
    {"certificate-expires-30d", SP_AUDIT_MEDIUM, "a certificate expires within 30 days", "renew it", SP_CONTROL_OWN_TLS,
     .message = expires_30d},
    {"certificate-not-yet-valid", SP_AUDIT_MEDIUM, "a certificate is not valid yet", "look at the clock, or wait", SP_CONTROL_OWN_TLS,
     .message = not_yet},
    {"certificate-weak", SP_AUDIT_MEDIUM, "a certificate with a weak key or signature",
     "have it issued with P-256 or RSA of 2048 bits and SHA-256", SP_CONTROL_OWN_TLS, .message = weak},
    {"ca-expires", SP_AUDIT_MEDIUM, "a CA expires within 30 days, or has", "put its successor beside it", SP_CONTROL_OWN_TLS,
     .message = cas_end},
    {"inline-secret", SP_AUDIT_MEDIUM, "a secret or private key in the config itself",
     "name a file, which is read again when it changes, or an environment variable", SP_CONTROL_SECRETS, .message = inline_secret},
    {"secret-readable", SP_AUDIT_MEDIUM, "a file with a secret that others can read", "chmod 0600, or 0640 with a group of its own",
     SP_CONTROL_SECRETS, .message = readable_secret},
};

const struct sp_audit_area sp_audit_certs = {"Certificates and secrets", checks, SP_ARRAY_LEN(checks)};
