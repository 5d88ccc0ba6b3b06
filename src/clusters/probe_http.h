/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe by an HTTP/1.1 or HTTP/2 request (HttpHealthCheck). */
#ifndef SP_CLUSTERS_PROBE_HTTP_H
#define SP_CLUSTERS_PROBE_HTTP_H

#include "clusters/probe.h"

struct sp_probe *sp_probe_http_new(void);

#endif
