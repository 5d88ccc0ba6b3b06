/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of nghttp2's sessions: a dozen small blocks for each request, from those that the thread keeps
 * (base/blocks.h).  One thread a session.
 */
#ifndef SP_HTTP_H2_MEM_H
#define SP_HTTP_H2_MEM_H

#include <nghttp2/nghttp2.h>

/* For nghttp2_session_*_new3, which copies it. */
nghttp2_mem *sp_h2_mem(void);

#endif
