/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/message.h"

#include <assert.h>

const char *sp_abort_name(enum sp_abort why)
{
    static const char *const names[] = {
        [SP_ABORT_NONE] = "none",           [SP_ABORT_RESET] = "reset",         [SP_ABORT_CLOSED] = "closed",
        [SP_ABORT_REFUSED] = "refused",     [SP_ABORT_PROTOCOL] = "protocol",   [SP_ABORT_TOO_LARGE] = "too_large",
        [SP_ABORT_TIMEOUT] = "timeout",     [SP_ABORT_CONNECT] = "connect",     [SP_ABORT_LOCAL] = "local",
        [SP_ABORT_CANCEL] = "cancel",
    };
    assert((size_t)why < SP_ARRAY_LEN(names));
    return names[why];
}
