/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe by a connection, and bytes sent and expected (TcpHealthCheck). */
#ifndef SP_CLUSTERS_PROBE_TCP_H
#define SP_CLUSTERS_PROBE_TCP_H

#include "clusters/probe.h"

struct sp_probe *sp_probe_tcp_new(void);

#endif
