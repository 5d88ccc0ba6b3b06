/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that events of hosts go to, one JSON object a line, in Envoy's form: HealthCheck.event_log_path and event_logger,
 * ClusterManager.OutlierDetection.event_log_path.  They are files as access logs are (stream/log_file.h): nobody waits for the
 * disk, SIGUSR1 opens them anew, what is dropped counts in access_log.dropped.  Owned by the cluster; written by the prober.
 */
#ifndef SP_CLUSTERS_EVENT_LOG_H
#define SP_CLUSTERS_EVENT_LOG_H

#include <jansson.h>

#include "config/doc.h"
#include "net/addr.h"

struct sp_event_log;

/* Opens one file more and makes *log, if it is NULL. False after an error about msg's field. */
bool sp_event_log_add(struct sp_event_log **log, const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                      const char *path);
void sp_event_log_free(struct sp_event_log *log); /* NULL-safe */
/* Writes and frees the object. On a thread that counts (sp_stats_thread). */
/* Takes the event; NULL (there was no memory for it) counts as dropped. */
void sp_event_log_put(const struct sp_event_log *log, json_t *event);

/* Values: text that is no UTF-8 becomes "?"; an address is Envoy's core.v3.Address; a moment has milliseconds, where there are any. */
json_t *sp_event_text(struct sp_str s);
json_t *sp_event_address(const struct sp_addr *a);
json_t *sp_event_time(uint64_t wall_ns);

#endif
