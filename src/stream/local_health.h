/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process was told to let its clients know, so that what stands in front stops sending: that it is not well
 * (/healthcheck/fail), that connections shall end with their next answer (/drain_listeners?graceful).  Of the process; written by the main thread, read by all.
 */
#ifndef SP_STREAM_LOCAL_HEALTH_H
#define SP_STREAM_LOCAL_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>

void sp_local_health_fail(bool failing);
bool sp_local_health_failing(void);

enum sp_local_word { SP_LOCAL_FAILING = 1, SP_LOCAL_DRAINS = 2, SP_LOCAL_DRAINS_INBOUND = 4 };
/* All listeners, or those that are INBOUND. Nothing ends it. */
void sp_local_drain(bool inbound_only);
/* All that is so. */
unsigned sp_local_words(void);

#endif
