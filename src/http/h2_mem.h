/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of nghttp2's sessions: a dozen small blocks for each request, from those that the thread keeps (base/blocks.h), and two
 * large ones, the table of its streams (4 KiB) and the buffer that it packs frames in (16 KiB).  These are empty while there
 * is no stream and nothing to send; they stand in pages of their own (base/pages.h), so that they can rest.  One thread a session.
 */
#ifndef SP_HTTP_H2_MEM_H
#define SP_HTTP_H2_MEM_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "base/pages.h"

/* Of a session, embedded in its connection; zero-initialise. */
struct sp_h2_mem {
    nghttp2_mem mem;
    struct sp_pages pages;
    bool has_table, has_frames; /* they stand in `pages`, one behind the other */
};

/* For nghttp2_session_*_new3, which copies it; m must not move afterwards. */
nghttp2_mem *sp_h2_mem_init(struct sp_h2_mem *m);
/* After the session. */
void sp_h2_mem_done(struct sp_h2_mem *m);
/* The session has no stream and nothing to send: the system gets back what it does not need until then. */
void sp_h2_mem_rest(struct sp_h2_mem *m);

#endif
