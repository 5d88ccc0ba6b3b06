/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A door for simulation: a connection manager compiled from YAML with the real gates and jwt_authn on the real chain, a
 * fake codec stream in front, and a fake router at the end, which keeps what an origin would get.
 */
#ifndef TEST_SIM_DOOR_FIX_H
#define TEST_SIM_DOOR_FIX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/codec.h"
#include "stream/stream.h"
#include "support/config.h"

struct door {
    struct t_config config;
    struct sp_hcm *hcm;
    struct sp_turn turn;
    struct sp_conn_info conn; /* of 192.0.2.5 */
    struct sp_stream_owner owner;
    struct sp_codec_ops codec_ops;
    struct sp_codec codec;
};

/* `filters`: the list without the router. `more`: other fields of the connection manager. `routes`: NULL for one. */
struct door *door_open(const char *filters, const char *more, const char *routes);
/* With other filters than the gates, jwt_authn and the fake router. */
struct door *door_open_with(const struct sp_filter_ops *const *registry, const char *filters, const char *more, const char *routes);
/* What door_open does when the connection manager is there: d->hcm. */
void door_ready(struct door *d);
extern const struct sp_filter_ops door_router;
void door_close(struct door *d);
/* Of one that is not ready. */
void door_drop(struct door *d);
/* Compiles what must be refused; the errors have to contain `words`. */
void door_refused(const char *filters, const char *more, const char *routes, const char *words);
uint64_t door_stat(const char *name);

struct visit {
    struct sp_arena arena;
    struct sp_codec_stream cs;
    struct sp_headers request, response;
    struct sp_buf upstream_body, body;
    struct sp_headers *trailers; /* that the origin got */
    unsigned status;             /* that was answered; 0: none */
    struct sp_headers *head;
    bool reached, reset, up_cancelled;
    struct sp_source upstream;
};

/* One request, head only. `lines`: ":path: /x\nname: value\n"; GET https://a.test/ unless said. */
struct visit *visit_begin(struct door *d, const char *lines, bool end);
/* The same with this head; what it points to outlives the visit. */
struct visit *visit_of(struct door *d, const struct sp_headers *h, bool end);
void visit_data(struct visit *v, const char *text, bool end);
void visit_trailers(struct visit *v, const char *lines);
/* A whole GET, with what is asserted of it: 200 when the origin answered. */
struct visit *visit(struct door *d, const char *lines, unsigned status);
void visit_end(struct door *d, struct visit *v);
/* What the origin got, or the client: NULL when there is no such field. */
const char *got(const struct visit *v, const char *name);
const char *answered(const struct visit *v, const char *name);
const char *answered_body(const struct visit *v);
const char *visit_details(const struct visit *v);
struct sp_stream_info *visit_info(const struct visit *v);

#define T "type.googleapis.com/"
#define SHIELD(fields) "- {name: shield, typed_config: {\"@type\": " T \
    "sallyport.filters.http.origin_shield.v1.OriginShield, " fields "}}\n"
#define RESTRICTION(fields) "- {name: ip, typed_config: {\"@type\": " T \
    "sallyport.filters.http.ip_restriction.v1.IpRestriction, " fields "}}\n"
#define SECRET "proof: {secret_header: {secrets: [{name: k, value: {inline_string: 0123456789abcdef}}]}}"
#define KEY "x-origin-verify: 0123456789abcdef\n"

#endif
