/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/local_health.h"

static _Atomic unsigned words;

void sp_local_health_fail(bool yes)
{
    if (yes)
        atomic_fetch_or_explicit(&words, SP_LOCAL_FAILING, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(&words, ~(unsigned)SP_LOCAL_FAILING, memory_order_relaxed);
}

bool sp_local_health_failing(void)
{
    return sp_local_words() & SP_LOCAL_FAILING;
}

void sp_local_drain(bool inbound_only)
{
    atomic_fetch_or_explicit(&words, inbound_only ? SP_LOCAL_DRAINS_INBOUND : SP_LOCAL_DRAINS, memory_order_relaxed);
}

unsigned sp_local_words(void)
{
    return atomic_load_explicit(&words, memory_order_relaxed);
}
