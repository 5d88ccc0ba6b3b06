/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the connection manager changes in a request's head once the gates have let it pass: headers that only we may
 * write are taken away or set (x-envoy-*, x-forwarded-*, x-request-id, via, x-forwarded-client-cert), by who the client
 * is and how far it is believed.  As Envoy; beyond it, what a stranger says in x-forwarded-for, -host, -port,
 * forwarded, and in the headers that CDNs have for the client's address, is dropped.
 */
#ifndef SP_STREAM_SANITIZE_H
#define SP_STREAM_SANITIZE_H

#include "stream/hcm_impl.h"

enum { SP_SANITIZE_ADDS = 10 }; /* lines that may be added */

/* Sets info->request_id. */
void sp_sanitize_request(const struct sp_hcm *hcm, struct sp_stream_info *info, const struct sp_client *client,
                         struct sp_headers *h);
/* No trailer has a name that above means anything: an origin that takes trailers for headers would believe it. */
void sp_sanitize_trailers(const struct sp_hcm *hcm, struct sp_headers *t);
/* A version 4 UUID as text, 36 bytes, in the arena. */
struct sp_str sp_request_id_new(struct sp_arena *arena);
/* May be passed on as a Referer: a URL without fragment and user, or a relative one (RFC 9110 section 10.1.3). */
bool sp_referer_valid(struct sp_str value);

#endif
