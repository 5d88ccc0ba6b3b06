/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pools of a host are told apart by, and what they make of connections. */
#include <assert.h>
#include <string.h>

#include "clusters/pool.h"

bool sp_pool_key_eq(const struct sp_pool_key *a, const struct sp_pool_key *b)
{
    assert(a && b && a->host == b->host && a->kind == b->kind);
    return a->routing == b->routing && sp_str_eq(a->sni, b->sni) && sp_str_eq(a->verify_name, b->verify_name) && sp_str_eq(a->first, b->first);
}

void sp_pool_key_copy(struct sp_pool_key *to, const struct sp_pool_key *from, char *room)
{
    assert(to && from && room);
    *to = *from;
    struct sp_str *const names[] = {&to->sni, &to->verify_name, &to->first};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        char *copy = room;
        if (names[i]->len)
            room = mempcpy(room, names[i]->ptr, names[i]->len);
        names[i]->ptr = copy;
    }
}

bool sp_pool_conn_stale(const struct sp_conn *c)
{
    assert(c);
    uint64_t limit = c->slot->cluster->options.stale_ns;
    return limit && c->h2 && !c->n_streams && c->slot->turn->now_ns - c->idle_since_ns > limit;
}

enum sp_ticket_failure sp_pool_conn_failure(const struct sp_conn *c, const struct sp_conn_end *end)
{
    assert(c && end);
    bool ours = c->refusal.len || end->why == SP_WIRE_LOCAL;
    return end->timed_out ? SP_TICKET_TIMEOUT : ours ? SP_TICKET_REFUSED : SP_TICKET_CONNECT;
}
