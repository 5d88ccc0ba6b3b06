/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_h2_mem: the memory of one nghttp2 session.  nghttp2 takes and gives back a dozen small blocks for each request; a
 * few of each size are kept for the next.  Embedded in its connection, and given back with it, after the session.  One
 * thread.
 */
#ifndef SP_HTTP_H2_MEM_H
#define SP_HTTP_H2_MEM_H

#include <nghttp2/nghttp2.h>

enum { SP_H2_MEM_CLASSES = 8 };

struct sp_h2_mem_block;

struct sp_h2_mem {
    nghttp2_mem mem; /* what nghttp2 is given */
    struct sp_h2_mem_block *kept[SP_H2_MEM_CLASSES];
    unsigned n_kept[SP_H2_MEM_CLASSES];
};

/* It must not move afterwards. */
void sp_h2_mem_init(struct sp_h2_mem *m);
void sp_h2_mem_done(struct sp_h2_mem *m);

#endif
