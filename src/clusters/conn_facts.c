/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/conn_facts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

void sp_conn_facts_unref(struct sp_conn_facts *f)
{
    if (!f || --f->refs)
        return;
    sp_arena_done(&f->arena);
    free(f);
}

static void copy_str(struct sp_arena *a, struct sp_str *s)
{
    *s = s->len ? sp_arena_str(a, *s) : SP_STR_NULL;
}

static void copy_list(struct sp_arena *a, const struct sp_str **list, unsigned n)
{
    if (!n)
        return;
    struct sp_str *to = sp_arena_alloc(a, n * sizeof(*to));
    for (unsigned i = 0; i < n; i++) {
        to[i] = (*list)[i];
        copy_str(a, &to[i]);
    }
    *list = to;
}

struct sp_conn_facts *sp_conn_facts_new(const struct sp_tls_info *from)
{
    assert(from);
    struct sp_conn_facts *f = sp_xcalloc(1, sizeof(*f));
    f->refs = 1;
    sp_arena_init(&f->arena);
    f->tls = *from;
    struct sp_str *all[] = {&f->tls.version, &f->tls.cipher, &f->tls.sni, &f->tls.alpn, &f->tls.peer_subject,
                            &f->tls.peer_issuer, &f->tls.peer_serial, &f->tls.peer_sha256, &f->tls.peer_spki_sha256,
                            &f->tls.local_subject};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        copy_str(&f->arena, all[i]);
    copy_list(&f->arena, &f->tls.peer_dns, f->tls.n_peer_dns);
    copy_list(&f->arena, &f->tls.peer_uri, f->tls.n_peer_uri);
    copy_list(&f->arena, &f->tls.peer_email, f->tls.n_peer_email);
    copy_list(&f->arena, &f->tls.peer_ip, f->tls.n_peer_ip);
    copy_list(&f->arena, &f->tls.local_uri, f->tls.n_local_uri);
    copy_list(&f->arena, &f->tls.local_dns, f->tls.n_local_dns);
    return f;
}
