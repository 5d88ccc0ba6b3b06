/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/local_health.h"

static atomic_bool failing;

void sp_local_health_fail(bool yes)
{
    atomic_store_explicit(&failing, yes, memory_order_relaxed);
}

bool sp_local_health_failing(void)
{
    return atomic_load_explicit(&failing, memory_order_relaxed);
}
