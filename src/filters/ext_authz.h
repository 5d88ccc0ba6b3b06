/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ext_authz and its way of asking (ext_authz_http.c) agree on: the service, compiled, and its answer.  For src/filters
 * only.
 */
#ifndef SP_FILTERS_EXT_AUTHZ_H
#define SP_FILTERS_EXT_AUTHZ_H

#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "filters/fetch.h"
#include "route/matcher.h"
#include "stream/format.h"

/* Header names by a ListStringMatcher. */
struct sp_name_list {
    struct sp_string_matcher **v; /* n of them */
    size_t n;
};

struct sp_authz_http {
    struct sp_fetch_target target;
    struct sp_str prefix; /* of paths */
    struct sp_name_list ask, not_ask;              /* which headers of the request are sent */
    struct sp_name_list upstream, append, client, on_success, metadata; /* which of the answer count */
    struct {
        struct sp_str name;
        struct sp_format *value;
    } *add; /* n_add of them */
    size_t n_add;
    bool client_all;
};

enum sp_authz_verdict { SP_AUTHZ_OK, SP_AUTHZ_DENIED, SP_AUTHZ_ERROR };

/* What it says; all in the stream's arena. */
struct sp_authz_answer {
    enum sp_authz_verdict verdict;
    const char *why;                /* of an error; static */
    unsigned status;                /* of a no */
    struct sp_str body;
    struct sp_header *set, *append; /* of a yes: in the request */
    struct sp_header *client;       /* for the client: of a no in its answer, of a yes added to the response */
    struct sp_header *metadata;
    unsigned n_set, n_append, n_client, n_metadata;
    struct sp_str remove;           /* of a yes: names of request headers that go, with commas */
};

/* False after an error. */
bool sp_authz_http_init(struct sp_authz_http *s, const struct sp_filter_build *b, struct sp_arena *arena,
                        const Envoy__Extensions__Filters__Http__ExtAuthz__V3__ExtAuthz *msg);
void sp_authz_http_done(struct sp_authz_http *s);
/* Asks about the request as it is now; `body` may be empty. */
struct sp_http_call *sp_authz_http_ask(const struct sp_authz_http *s, struct sp_filter *f, struct sp_str body, bool partial,
                                       sp_http_call_cb *done, void *ctx);
void sp_authz_http_answer(const struct sp_authz_http *s, struct sp_arena *a, unsigned status, const struct sp_headers *h,
                          const struct sp_buf *body, struct sp_authz_answer *ret);

#endif
