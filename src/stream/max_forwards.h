/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Max-Forwards (RFC 9110 section 7.6.2): how many more times a TRACE or OPTIONS may be forwarded. Counted once for each time that
 * a request goes on, behind the gates. Any thread.
 */
#ifndef SP_STREAM_MAX_FORWARDS_H
#define SP_STREAM_MAX_FORWARDS_H

#include "http/headers.h"

enum sp_forwards {
    SP_FORWARDS_GO,   /* it may go on; the value is one less now */
    SP_FORWARDS_LAST, /* this is its last recipient */
    SP_FORWARDS_BAD   /* no number, or there are two */
};

/* Of other methods the field says nothing, and is left alone. */
enum sp_forwards sp_max_forwards(struct sp_headers *request);

#endif
