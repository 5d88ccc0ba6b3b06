/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_h2_nv: an sp_headers as the array of names and values that nghttp2 packs.  Bytes are borrowed: they must live
 * until the frame was packed, which http/h2_send does in the same call.  Fields that HTTP/2 must not carry (RFC 9113
 * section 8.2.2) are left out; secrets are marked so that they enter no HPACK table (RFC 7541 section 7.1.3).  One
 * thread.
 */
#ifndef SP_HTTP_H2_NV_H
#define SP_HTTP_H2_NV_H

#include <nghttp2/nghttp2.h>

#include "http/headers.h"

enum sp_h2_nv_kind { SP_H2_NV_REQUEST, SP_H2_NV_RESPONSE, SP_H2_NV_TRAILERS };

enum { SP_H2_NV_STACK = 96 };

struct sp_h2_nv {
    nghttp2_nv *v;
    size_t n;
    nghttp2_nv stack[SP_H2_NV_STACK]; /* enough for most; else `v` is from the arena */
    char status[3];
};

/*
 * The result points into itself: do not copy it. Values that are another one in almost every message (a request's id, how
 * long it took) do not enter the table, which they would fill, unless `name_too`: then the name is found there from now on.
 */
void sp_h2_nv_build(struct sp_h2_nv *to, enum sp_h2_nv_kind kind, const struct sp_headers *h, struct sp_arena *arena,
                    bool name_too);

#endif
