/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_headers: one message's head (or trailers): the pseudo-headers as fields, the rest as an ordered list of lines
 * with lower-case names (RFC 9110 section 5, RFC 9113 section 8.3).  All bytes live in the arena it was made with
 * (a stream's) or are static.  HTTP/1's Host becomes `authority` and never stands in the list.  One thread.
 *
 * Names of known headers carry an id, so that look-ups compare a byte, not a string.
 */
#ifndef SP_HTTP_HEADERS_H
#define SP_HTTP_HEADERS_H

#include "base/arena.h"

/* X(enum suffix, "name"): keep sorted by name; after a change run scripts/gen_header_hash > src/http/header_hash.h. */
#define SP_HEADER_TABLE(X) \
    X(ACCEPT, "accept") X(ACCEPT_ENCODING, "accept-encoding") X(AGE, "age") X(ALLOW, "allow") \
    X(AUTHORIZATION, "authorization") X(CACHE_CONTROL, "cache-control") X(CONNECTION, "connection") \
    X(CONTENT_ENCODING, "content-encoding") X(CONTENT_LENGTH, "content-length") X(CONTENT_TYPE, "content-type") \
    X(COOKIE, "cookie") X(DATE, "date") X(ETAG, "etag") X(EXPECT, "expect") X(FORWARDED, "forwarded") \
    X(GRPC_MESSAGE, "grpc-message") X(GRPC_STATUS, "grpc-status") X(HOST, "host") \
    X(HTTP2_SETTINGS, "http2-settings") X(IF_MODIFIED_SINCE, "if-modified-since") X(IF_NONE_MATCH, "if-none-match") \
    X(KEEP_ALIVE, "keep-alive") X(LAST_MODIFIED, "last-modified") X(LOCATION, "location") X(ORIGIN, "origin") \
    X(PROXY_CONNECTION, "proxy-connection") X(RANGE, "range") X(REFERER, "referer") X(RETRY_AFTER, "retry-after") \
    X(SERVER, "server") X(SET_COOKIE, "set-cookie") X(TE, "te") X(TRACEPARENT, "traceparent") X(TRACESTATE, "tracestate") \
    X(TRAILER, "trailer") \
    X(TRANSFER_ENCODING, "transfer-encoding") X(UPGRADE, "upgrade") X(USER_AGENT, "user-agent") X(VARY, "vary") \
    X(VIA, "via") X(WWW_AUTHENTICATE, "www-authenticate") X(X_CLIENT_TRACE_ID, "x-client-trace-id") \
    X(X_ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count") \
    X(X_ENVOY_DECORATOR_OPERATION, "x-envoy-decorator-operation") \
    X(X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER, "x-envoy-downstream-service-cluster") \
    X(X_ENVOY_DOWNSTREAM_SERVICE_NODE, "x-envoy-downstream-service-node") \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms") \
    X(X_ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address") X(X_ENVOY_FORCE_TRACE, "x-envoy-force-trace") \
    X(X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT, "x-envoy-hedge-on-per-try-timeout") X(X_ENVOY_INTERNAL, "x-envoy-internal") \
    X(X_ENVOY_IP_TAGS, "x-envoy-ip-tags") X(X_ENVOY_MAX_RETRIES, "x-envoy-max-retries") \
    X(X_ENVOY_ORIGINAL_HOST, "x-envoy-original-host") X(X_ENVOY_ORIGINAL_PATH, "x-envoy-original-path") \
    X(X_ENVOY_ORIGINAL_URL, "x-envoy-original-url") X(X_ENVOY_OVERLOADED, "x-envoy-overloaded") \
    X(X_ENVOY_RATELIMITED, "x-envoy-ratelimited") \
    X(X_ENVOY_RETRIABLE_HEADER_NAMES, "x-envoy-retriable-header-names") \
    X(X_ENVOY_RETRIABLE_STATUS_CODES, "x-envoy-retriable-status-codes") \
    X(X_ENVOY_RETRY_GRPC_ON, "x-envoy-retry-grpc-on") X(X_ENVOY_RETRY_ON, "x-envoy-retry-on") \
    X(X_ENVOY_UPSTREAM_ALT_STAT_NAME, "x-envoy-upstream-alt-stat-name") \
    X(X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS, "x-envoy-upstream-rq-per-try-timeout-ms") \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE, "x-envoy-upstream-rq-timeout-alt-response") \
    X(X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS, "x-envoy-upstream-rq-timeout-ms") \
    X(X_ENVOY_UPSTREAM_SERVICE_TIME, "x-envoy-upstream-service-time") \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert") X(X_FORWARDED_FOR, "x-forwarded-for") \
    X(X_FORWARDED_HOST, "x-forwarded-host") X(X_FORWARDED_PORT, "x-forwarded-port") \
    X(X_FORWARDED_PROTO, "x-forwarded-proto") X(X_ORIGIN_VERIFY, "x-origin-verify") X(X_REQUEST_ID, "x-request-id")

enum sp_header_id {
    SP_H_OTHER,
#define X(id, name) SP_H_##id,
    SP_HEADER_TABLE(X)
#undef X
    SP_H_COUNT
};

/* The id of a lower-case name, SP_H_OTHER when it is not in the table. */
enum sp_header_id sp_header_id(struct sp_str name);
/* The name of an id other than SP_H_OTHER: static, lower-case. */
struct sp_str sp_header_name(enum sp_header_id id);

struct sp_header {
    struct sp_str name; /* lower-case */
    struct sp_str value;
    uint8_t id;         /* enum sp_header_id */
    bool never_index;   /* RFC 7541 section 6.2.3: sensitive, must not enter an HPACK table */
    bool secret;        /* this gateway put a secret of its own there: never shown, never indexed */
};

enum sp_protocol { SP_HTTP_10, SP_HTTP_11, SP_HTTP_2 };

struct sp_headers {
    struct sp_arena *arena;
    struct sp_header *v; /* n of them, in order */
    unsigned n, cap;
    /* Requests. Empty when absent. `path` is the request target with its query, as received. */
    struct sp_str method, scheme, authority, path;
    struct sp_str protocol; /* that a request offers to switch to, and that a response has switched to (http/codec.h) */
    bool cert_presented, cert_validated; /* of the client, for RouteMatch.tls_context; set by whoever matches routes */
    /* Responses. 0 in requests and trailers. */
    unsigned status;
    enum sp_protocol version; /* how it came in */
    size_t bytes;             /* of all names and values as received, for limits and the access log: set by the codec */
};

/* CONNECT is an offer to switch protocols, too: to this one, which a client can name in no other way. */
#define SP_CONNECT SP_STR("CONNECT")
static inline bool sp_is_connect(const struct sp_headers *request)
{
    return request->protocol.len && sp_str_eq(request->method, SP_CONNECT);
}

void sp_headers_init(struct sp_headers *h, struct sp_arena *arena);
/* Deep copy into another arena (retries, shadowing). */
void sp_headers_copy(struct sp_headers *to, struct sp_arena *arena, const struct sp_headers *from);

/* Room for n lines more without a further allocation. */
void sp_headers_reserve(struct sp_headers *h, unsigned n);
/* Adds a line. Bytes are borrowed: they must live as long as the arena. `name` is lower-case. */
void sp_headers_add(struct sp_headers *h, struct sp_str name, struct sp_str value);
void sp_headers_add_id(struct sp_headers *h, enum sp_header_id id, struct sp_str value);
/* Replaces all lines of that name by one (at the first one's place). */
void sp_headers_set(struct sp_headers *h, struct sp_str name, struct sp_str value);
void sp_headers_set_id(struct sp_headers *h, enum sp_header_id id, struct sp_str value);
/* Adds a line whose value is a secret of this gateway's, or replaces all lines of that name and what is alike by it. */
void sp_headers_add_secret(struct sp_headers *h, struct sp_str name, struct sp_str value);
void sp_headers_set_secret(struct sp_headers *h, struct sp_str name, struct sp_str value);
/* The first line of that name, or NULL. `after` (or NULL) continues a search behind a found line. */
struct sp_header *sp_headers_find(const struct sp_headers *h, struct sp_str name, const struct sp_header *after);
struct sp_header *sp_headers_find_id(const struct sp_headers *h, enum sp_header_id id, const struct sp_header *after);
/* The first line's value; a NULL slice when there is none. */
struct sp_str sp_headers_get(const struct sp_headers *h, struct sp_str name);
struct sp_str sp_headers_get_id(const struct sp_headers *h, enum sp_header_id id);
unsigned sp_headers_count(const struct sp_headers *h, struct sp_str name);
/* All lines of that name joined by ", " (RFC 9110 section 5.3), in the arena if there are several. */
struct sp_str sp_headers_joined(const struct sp_headers *h, struct sp_str name);
/* Removes every line of that name; returns how many. */
unsigned sp_headers_remove(struct sp_headers *h, struct sp_str name);
unsigned sp_headers_remove_id(struct sp_headers *h, enum sp_header_id id);
/* The same, with the lines whose names differ in '_' for '-' only: to CGI, WSGI and their like x_user is x-user. */
unsigned sp_headers_remove_alike(struct sp_headers *h, struct sp_str name);
/* Those lines alone: the ones of that very name stay. */
unsigned sp_headers_remove_lookalikes(struct sp_headers *h, struct sp_str name);
/* The known name that `name` is with '-' for '_'; SP_H_OTHER also when it has no '_'. */
enum sp_header_id sp_header_id_alike(struct sp_str name);

/* What frames messages or belongs to one connection (RFC 9110 section 7.6.1): the codecs' own, nobody else's to write. */
bool sp_header_is_framing(enum sp_header_id id);
/* Not what frames, routes, authenticates, says how to read the content, or what we trust (RFC 9110 section 6.5.1). */
bool sp_header_may_trail(enum sp_header_id id);
/* RFC 9110 token characters, no upper case. */
bool sp_header_name_valid(struct sp_str name);
/* Field-value bytes: no CTL but HTAB, no leading or trailing space. */
bool sp_header_value_valid(struct sp_str value);

/* RFC 9110 token characters, any case, at most 32 of them (longer ones no one uses). */
bool sp_method_valid(struct sp_str method);
/*
 * What no honest client sends: "get", which is not GET (RFC 9110 section 9.1), but would be to an origin that folds case, past
 * whoever matched methods here; and PRI (RFC 9113 section 3.4).
 */
bool sp_method_forged(struct sp_str method);
/*
 * uri-host [ ":" port ] of RFC 3986, host not empty, port at most 65535, and without the userinfo that RFC 9110 section
 * 4.2.4 warns of. No '%' either: an origin may decode what routes were not matched by.
 */
bool sp_authority_valid(struct sp_str authority);
/* And a port that is not 0: what CONNECT asks for (RFC 9110 section 9.3.6). */
bool sp_connect_target_valid(struct sp_str authority);

/* "OK", "Not Found" ...; "Unknown" for a status without one. Static. */
struct sp_str sp_status_reason(unsigned status);
/* What a request hears that a codec refused, by the detail of its error: the reason, or nothing of what Envoy's connection manager refuses. */
struct sp_str sp_refusal_body(unsigned status, const char *detail);

#endif
