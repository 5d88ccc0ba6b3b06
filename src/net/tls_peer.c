/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_peer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"

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

struct sp_tls_peer *sp_tls_peer_new(struct sp_str der, const char **ret_why)
{
    assert(ret_why);
    struct sp_tls_peer *p = sp_xcalloc(1, sizeof(*p));
    p->refs = 1;
    sp_arena_init(&p->arena);
    if (sp_x509_parse(sp_arena_str(&p->arena, der), &p->arena, &p->cert, ret_why) < 0) {
        sp_tls_peer_unref(p);
        return NULL;
    }
    p->subject = sp_x509_name_text(&p->arena, p->cert.subject);
    p->issuer = sp_x509_name_text(&p->arena, p->cert.issuer);
    p->serial = sp_tls_serial_text(&p->arena, p->cert.serial);
    p->sha256 = sha256_hex(&p->arena, p->cert.der);
    p->spki_sha256 = sha256_hex(&p->arena, p->cert.spki);
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
    info->peer_dns = p->cert.dns, info->n_peer_dns = p->cert.n_dns;
    info->peer_uri = p->cert.uri, info->n_peer_uri = p->cert.n_uri;
    info->peer_email = p->cert.email, info->n_peer_email = p->cert.n_email;
    info->peer_ip = p->cert.ip, info->n_peer_ip = p->cert.n_ip;
    info->peer_not_before = p->cert.not_before;
    info->peer_not_after = p->cert.not_after;
}
