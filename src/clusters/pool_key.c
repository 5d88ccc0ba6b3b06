/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/pool_key.h"

#include <assert.h>
#include <string.h>

bool sp_pool_key_eq(const struct sp_pool_key *a, const struct sp_pool_key *b)
{
    assert(a && b);
    return a->host == b->host && a->kind == b->kind && a->routing == b->routing && sp_str_eq(a->sni, b->sni) && sp_str_eq(a->verify_name, b->verify_name) && sp_str_eq(a->first, b->first);
}

uint64_t sp_pool_key_hash(const struct sp_pool_key *k)
{
    assert(k);
    struct {
        const struct sp_host *host;
        uint64_t sni, verify_name, first, kind;
    } all = {k->host, sp_str_hash(k->sni), sp_str_hash(k->verify_name), sp_str_hash(k->first), (uint64_t)k->kind << 8 | (uint64_t)k->routing};
    return sp_str_hash(sp_str_n((const char *)&all, sizeof(all)));
}

void sp_pool_key_copy(struct sp_pool_key *to, const struct sp_pool_key *from, char *room)
{
    assert(to && from && room);
    *to = *from;
    to->conn = NULL;
    struct sp_str *const names[] = {&to->sni, &to->verify_name, &to->first};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        char *copy = room;
        if (names[i]->len)
            room = mempcpy(room, names[i]->ptr, names[i]->len);
        names[i]->ptr = copy;
    }
}
