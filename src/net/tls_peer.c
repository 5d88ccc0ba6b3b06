/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_peer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"

enum { SCRATCH = 16 * 1024 };

static struct sp_str sha256_hex(struct sp_arena *arena, struct sp_str of)
{
    uint8_t digest[32];
    sp_sha256(of, digest);
    return sp_hex(arena, digest, sizeof(digest));
}

struct sp_str sp_tls_serial_text(struct sp_arena *arena, struct sp_str serial)
{
    while (serial.len > 1 && serial.ptr[0] == 0)
        serial = sp_str_sub(serial, 1, serial.len);
    return sp_hex(arena, serial.ptr, serial.len);
}

void sp_tls_peer_names(const struct sp_x509 *cert, struct sp_tls_info *info)
{
    assert(cert && info);
    info->peer_dns = cert->dns, info->n_peer_dns = cert->n_dns;
    info->peer_uri = cert->uri, info->n_peer_uri = cert->n_uri;
    info->peer_email = cert->email, info->n_peer_email = cert->n_email;
    info->peer_ip = cert->ip, info->n_peer_ip = cert->n_ip;
    info->peer_other = cert->other, info->n_peer_other = cert->n_other;
    info->peer_not_before = cert->not_before;
    info->peer_not_after = cert->not_after;
}

void sp_tls_peer_describe(const struct sp_x509 *cert, struct sp_arena *a, struct sp_tls_info *info)
{
    assert(cert && a && info);
    info->peer_subject = sp_x509_name_text(a, cert->subject);
    info->peer_issuer = sp_x509_name_text(a, cert->issuer);
    info->peer_serial = sp_tls_serial_text(a, cert->serial);
    info->peer_sha256 = sha256_hex(a, cert->der);
    info->peer_spki_sha256 = sha256_hex(a, cert->spki);
    sp_tls_peer_names(cert, info);
}

static int fill(struct sp_tls_peer *p, const struct sp_str *ders, unsigned n, const char **ret_why)
{
    struct sp_arena *a = &p->arena;
    if (sp_x509_parse(sp_arena_str(a, ders[0]), a, &p->cert, ret_why) < 0)
        return -EINVAL;
    struct sp_str *others = n > 1 ? sp_arena_alloc(a, (n - 1) * sizeof(*others)) : NULL;
    for (unsigned i = 1; i < n; i++)
        others[i - 1] = sp_arena_str(a, ders[i]);
    p->others = others;
    p->n_others = n - 1;
    struct sp_tls_info told;
    sp_tls_peer_describe(&p->cert, a, &told);
    p->subject = told.peer_subject;
    p->issuer = told.peer_issuer;
    p->serial = told.peer_serial;
    p->sha256 = told.peer_sha256;
    p->spki_sha256 = told.peer_spki_sha256;
    return 0;
}

/* Lets an arena begin with memory that is not its own. */
static void begin_in(struct sp_arena *a, void *memory, size_t size)
{
    sp_arena_init(a);
    a->cur = memory;
    a->end = a->cur + size;
}

/*
 * Once to see how much it takes, then into memory of that size: it lives as long as the connection does, and an arena's
 * block is several times as large.
 */
struct sp_tls_peer *sp_tls_peer_new(const struct sp_str *ders, unsigned n, const char **ret_why)
{
    _Alignas(16) char scratch[SCRATCH];
    struct sp_tls_peer trial = {0};
    assert(ders && n && ret_why);
    begin_in(&trial.arena, scratch, sizeof(scratch));
    int r = fill(&trial, ders, n, ret_why);
    bool fits = !trial.arena.head;
    size_t used = (size_t)(trial.arena.cur - scratch);
    sp_arena_done(&trial.arena);
    if (r < 0)
        return NULL;
    struct sp_tls_peer *p = sp_xcalloc(1, sizeof(*p) + (fits ? used : 0));
    begin_in(&p->arena, p->memory, fits ? used : 0);
    p->refs = 1;
    r = fill(p, ders, n, ret_why);
    assert(r == 0);
    return p;
}

struct sp_tls_peer *sp_tls_peer_ref(struct sp_tls_peer *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void sp_tls_peer_unref(struct sp_tls_peer *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    sp_arena_done(&p->arena);
    free(p);
}

void sp_tls_peer_tell(const struct sp_tls_peer *p, struct sp_tls_info *info)
{
    if (!p)
        return;
    info->peer_presented = true;
    info->peer_verified = p->verified;
    info->peer_subject = p->subject;
    info->peer_issuer = p->issuer;
    info->peer_serial = p->serial;
    info->peer_sha256 = p->sha256;
    info->peer_spki_sha256 = p->spki_sha256;
    sp_tls_peer_names(&p->cert, info);
}
