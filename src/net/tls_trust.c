/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_trust.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/keep.h"
#include "config/live.h"
#include "config/secret.h"

typedef Envoy__Extensions__TransportSockets__Tls__V3__CertificateValidationContext Validation;
typedef Envoy__Config__Core__V3__DataSource Source;
typedef Sallyport__Tls__V1__Revocation Revocation;

enum { DEFAULT_DEPTH = 100 };

struct sp_tls_trust {
    struct sp_kept kept;
    struct sp_arena arena;
    const struct sp_doc *doc; /* while it is compiled */
    const Source *ca, *crl;   /* NULL: none */
    const char *path;         /* of the CA set */
    struct sp_x509_check check;
    struct sp_x509_trust *fixed; /* or: */
    struct sp_live_set *set;
    struct sp_live *live;
};

static bool is_file(const Source *s)
{
    return s && s->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
}

static int add_pem(const struct sp_tls_trust *t, struct sp_diag *diag, const Source *source, struct sp_x509_trust *trust,
                   int (*add)(struct sp_x509_trust *, struct sp_str, char *))
{
    struct sp_secret text = {0};
    char why[SP_X509_WHY_MAX];
    if (sp_secret_read(t->doc, diag, source, SP_SECRET_LARGE | (t->live ? SP_SECRET_LIVE : 0), &text) < 0)
        return -1;
    int r = add(trust, sp_secret_str(&text), why);
    if (r < 0)
        sp_source_err(t->doc, diag, source, NULL, "cannot be used: %s", why);
    sp_secret_done(&text);
    return r;
}

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    const struct sp_tls_trust *t = ctx;
    struct sp_x509_trust *trust = sp_x509_trust_new();
    (void)old;
    if (add_pem(t, diag, t->ca, trust, sp_x509_trust_add) == 0 &&
        (!t->crl || add_pem(t, diag, t->crl, trust, sp_x509_trust_add_crl) == 0))
        return trust;
    sp_x509_trust_free(trust);
    return NULL;
}

static void unload(void *value)
{
    sp_x509_trust_free(value);
}

static const struct sp_live_kind kind = {.name = "CA set", .load = load, .free = unload};

/* Where distributions keep the roots that they trust. */
static const char *system_roots(void)
{
    static const char *const paths[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < SP_ARRAY_LEN(paths); i++)
        if (access(paths[i], R_OK) == 0)
            return paths[i];
    return NULL;
}

static Source *file_source(struct sp_arena *arena, const char *path)
{
    Source *s = sp_arena_alloc(arena, sizeof(*s));
    *s = (Source)ENVOY__CONFIG__CORE__V3__DATA_SOURCE__INIT;
    s->specifier_case = ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_FILENAME;
    s->filename = (char *)(uintptr_t)path;
    return s;
}

static bool find_ca(struct sp_tls_trust *t, struct sp_diag *diag, const Validation *msg)
{
    t->ca = msg->trusted_ca;
    t->crl = msg->crl;
    t->path = is_file(t->ca) ? sp_arena_str(&t->arena, sp_str_c(t->ca->filename)).ptr : "<inline>";
    if (t->ca || !msg->system_root_certs)
        return t->ca;
    const char *roots = system_roots();
    if (!roots) {
        sp_doc_err(t->doc, diag, msg, "system_root_certs", -1,
                   "this system keeps no CA bundle where one would be (install ca-certificates, or name a file in trusted_ca)");
        return false;
    }
    t->ca = file_source(&t->arena, roots);
    t->path = "<system>";
    return true;
}

static void take_policy(struct sp_tls_trust *t, struct sp_diag *diag, const Validation *msg)
{
    const Revocation *r = sp_tls_revocation(t->doc, diag, msg);
    struct sp_x509_check *c = &t->check;
    unsigned depth = msg->max_verify_depth ? msg->max_verify_depth->value : DEFAULT_DEPTH;
    c->max_depth = depth ? depth - 1 : 0; /* Envoy counts the trusted certificate */
    c->allow_expired = msg->allow_expired_certificate;
    c->crl_leaf_only = msg->only_verify_leaf_cert_crl;
    if (!r)
        return;
    c->crl_optional = r->missing_crl == SALLYPORT__TLS__V1__REVOCATION__MISSING_CRL__ALLOW_MISSING;
    c->crl_grace = r->expired_crl_grace ? r->expired_crl_grace->seconds : 0;
    if (!msg->crl && (c->crl_optional || r->expired_crl_grace))
        sp_doc_err(t->doc, diag, r, NULL, -1, "there is no list that it could hold for (set crl)");
}

static void give_back(void *owner)
{
    struct sp_tls_trust *t = owner;
    sp_x509_trust_free(t->fixed);
    sp_arena_done(&t->arena);
    free(t);
}

/* What it watches may be in use by a document for a little longer. */
static void last_unref(struct sp_kept *k)
{
    struct sp_tls_trust *t = SP_CONTAINER_OF(k, struct sp_tls_trust, kept);
    if (t->set)
        sp_live_set_unref(t->set);
    else
        give_back(t);
}

static const struct sp_kept_kind kept_kind = {"CA set", last_unref};

/* Before the first load, so that no change is missed. */
static void watch(struct sp_tls_trust *t)
{
    char label[256];
    snprintf(label, sizeof(label), "%s%s%s", t->path, is_file(t->crl) ? " and " : "", is_file(t->crl) ? t->crl->filename : "");
    t->set = sp_live_set_new_kept(give_back, t);
    sp_live_set_files(t->set, sp_doc_files(t->doc));
    t->live = sp_live_new(t->set, &kind, sp_str_c(label), t, NULL);
    sp_secret_watch(t->live, t->ca);
    sp_secret_watch(t->live, t->crl);
}

static void warn_of_lists(const struct sp_tls_trust *t, struct sp_diag *diag, const struct sp_x509_trust *trust)
{
    if (sp_x509_trust_lists_until(trust) < time(NULL) - t->check.crl_grace)
        sp_doc_warn(t->doc, diag, t->crl, NULL, -1, "a list in it has expired: certificates of its issuer are refused until a new one is "
                                                    "put there");
}

static bool compile(struct sp_tls_trust *t, struct sp_diag *diag, const Validation *msg)
{
    take_policy(t, diag, msg);
    bool found = find_ca(t, diag, msg);
    if (found && (is_file(t->ca) || is_file(t->crl)))
        watch(t);
    void *value = found ? load(t, NULL, diag) : NULL;
    if (!value)
        return false;
    warn_of_lists(t, diag, value);
    if (t->live)
        sp_live_publish(t->live, value);
    else
        t->fixed = value;
    /* From now on it is its own. */
    t->ca = sp_source_copy(&t->arena, t->ca);
    t->crl = t->crl ? sp_source_copy(&t->arena, t->crl) : NULL;
    t->doc = NULL;
    if (t->set)
        sp_live_set_files(t->set, NULL);
    return true;
}

/* Whatever holds equal CAs and lists by an equal policy shares them: a thousand clusters may name one bundle. */
static void key_of(const struct sp_doc *doc, const Validation *msg, bool client, struct sp_hash *ret)
{
    static const char *const others[] = {"match_typed_subject_alt_names", "match_subject_alt_names", "verify_certificate_spki",
                                         "verify_certificate_hash", "trust_chain_verification", NULL};
    sp_doc_hash_text(doc, msg, others, ret);
    sp_hash_mix(ret, client ? SP_STR("client") : SP_STR("server"));
}

struct sp_tls_trust *sp_tls_trust_new(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg, bool client)
{
    assert(doc && diag && msg);
    struct sp_hash key;
    unsigned errors = diag->n_errors;
    key_of(doc, msg, client, &key);
    struct sp_kept *k = sp_keep_find(&kept_kind, &key);
    struct sp_tls_trust *t = k ? SP_CONTAINER_OF(k, struct sp_tls_trust, kept) : NULL;
    if (!t) {
        t = sp_xcalloc(1, sizeof(*t));
        sp_arena_init(&t->arena);
        t->doc = doc;
        t->check.purpose = client ? SP_X509_FOR_SERVER : SP_X509_FOR_CLIENT;
        if (!compile(t, diag, msg) || diag->n_errors > errors) {
            last_unref(&t->kept);
            return NULL;
        }
        sp_keep_add(&t->kept, &kept_kind, &key);
    }
    sp_tls_trust_use(t, doc);
    return t;
}

void sp_tls_trust_use(const struct sp_tls_trust *t, const struct sp_doc *doc)
{
    assert(t && doc);
    if (t->set)
        sp_live_set_use(sp_doc_live(doc), t->set);
}

void sp_tls_trust_free(struct sp_tls_trust *t)
{
    if (t)
        sp_kept_unref(&t->kept);
}

const struct sp_x509_trust *sp_tls_trust_now(const struct sp_tls_trust *t)
{
    assert(t);
    return t->live ? sp_live_get(t->live) : t->fixed;
}

struct sp_str sp_tls_trust_path(const struct sp_tls_trust *t)
{
    assert(t);
    return sp_str_c(t->path);
}

struct sp_x509_check sp_tls_trust_check(const struct sp_tls_trust *t, int64_t now)
{
    assert(t);
    struct sp_x509_check c = t->check;
    c.now = now;
    return c;
}

const Revocation *sp_tls_revocation(const struct sp_doc *doc, struct sp_diag *diag, const Validation *msg)
{
    assert(doc && diag && msg);
    if (!msg->custom_validator_config)
        return NULL;
    const Revocation *r = sp_doc_any_as(doc, msg->custom_validator_config->typed_config,
                                        &sallyport__tls__v1__revocation__descriptor);
    if (!r)
        sp_doc_err(doc, diag, msg->custom_validator_config, "typed_config", -1,
                   "no such validator (sallyport.tls.v1.Revocation is the one that is run)");
    return r;
}

const Sallyport__Tls__V1__Ocsp *sp_tls_revocation_ocsp(const struct sp_doc *doc, const Validation *msg)
{
    assert(doc && msg);
    const Revocation *r = msg->custom_validator_config ? sp_doc_any_as(doc, msg->custom_validator_config->typed_config,
                                                                       &sallyport__tls__v1__revocation__descriptor)
                                                       : NULL;
    return r ? r->ocsp : NULL;
}
