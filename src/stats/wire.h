/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Protobuf's wire format, put together for what stats are told in. For stats/ only. */
#ifndef SP_STATS_WIRE_H
#define SP_STATS_WIRE_H

#include "stats/out.h"

enum { SP_WIRE_VARINT, SP_WIRE_FIXED64, SP_WIRE_BYTES };

static inline void sp_wire_varint(struct sp_out *o, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        sp_out_char(o, (char)(v | 0x80));
    sp_out_char(o, (char)v);
}

static inline void sp_wire_number(struct sp_out *o, unsigned field, uint64_t v)
{
    sp_wire_varint(o, field << 3 | SP_WIRE_VARINT);
    sp_wire_varint(o, v);
}

/* Eight bytes without a field: of a packed list. */
static inline void sp_wire_eight(struct sp_out *o, uint64_t v)
{
    char bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(v >> 8 * i);
    sp_out_put(o, sp_str_n(bytes, sizeof(bytes)));
}

static inline void sp_wire_eight_real(struct sp_out *o, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    sp_wire_eight(o, bits);
}

static inline void sp_wire_fixed64(struct sp_out *o, unsigned field, uint64_t v)
{
    sp_wire_varint(o, field << 3 | SP_WIRE_FIXED64);
    sp_wire_eight(o, v);
}

static inline void sp_wire_real(struct sp_out *o, unsigned field, double v)
{
    sp_wire_varint(o, field << 3 | SP_WIRE_FIXED64);
    sp_wire_eight_real(o, v);
}

static inline void sp_wire_bytes(struct sp_out *o, unsigned field, struct sp_str s)
{
    sp_wire_varint(o, field << 3 | SP_WIRE_BYTES);
    sp_wire_varint(o, s.len);
    sp_out_put(o, s);
}

/* What stands in `from`, which is empty then. */
static inline void sp_wire_message(struct sp_out *to, unsigned field, struct sp_out *from)
{
    sp_wire_bytes(to, field, sp_str_n(from->v, from->n));
    from->n = 0;
}

#endif
