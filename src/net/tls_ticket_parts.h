/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session ticket as wolfSSL lays it out: what both ways of sealing one have in common.  Private to net/tls*. */
#ifndef SP_NET_TLS_TICKET_PARTS_H
#define SP_NET_TLS_TICKET_PARTS_H

#include "base/str.h"

enum {
    SP_TICKET_NAME = 16, /* half of it says which key, half is the time of issue in seconds */
    SP_TICKET_IV = 16,
    SP_TICKET_MAC = 32,
    SP_TICKET_CONTEXT = 32,
    SP_TICKET_BINDING_MAX = 512,
};

/* It is sealed and opened in place. */
struct sp_ticket_parts {
    uint8_t *name, *iv, *mac; /* SP_TICKET_NAME, _IV, _MAC bytes */
    uint8_t *p;
    size_t n, size; /* of p: what it holds, what it has room for */
    uint8_t note;   /* to seal, under random keys: stands in the name, and is as good as the seal */
};

static inline void sp_ticket_put_time(uint8_t out[8], uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static inline uint64_t sp_ticket_get_time(const uint8_t in[8])
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v = v << 8 | in[i];
    return v;
}

/* A name under random keys: its time has 56 bits, the note stands above them. */
static inline void sp_ticket_name_read(const uint8_t name[SP_TICKET_NAME], uint64_t *ret_issued_s, uint8_t *ret_note)
{
    uint64_t v = sp_ticket_get_time(name + SP_TICKET_NAME / 2);
    *ret_issued_s = v & UINT64_MAX >> 8;
    *ret_note = (uint8_t)(v >> 56);
}

#endif
