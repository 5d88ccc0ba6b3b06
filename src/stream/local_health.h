/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether this process was told to say that it is not well (/healthcheck/fail), so that what stands in front stops sending.
 * Of the process; written by the main thread, read by all.
 */
#ifndef SP_STREAM_LOCAL_HEALTH_H
#define SP_STREAM_LOCAL_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>

void sp_local_health_fail(bool failing);
bool sp_local_health_failing(void);

#endif
