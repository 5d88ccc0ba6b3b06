/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Written by scripts/gen_header_hash: where in a table of slots each known header name stands.
 * Part of http/headers.c. */
#ifndef SP_HTTP_HEADER_HASH_H
#define SP_HTTP_HEADER_HASH_H

enum { HASH_SLOTS = 256, HASH_A = 190, HASH_B = 116, HASH_C = 244 };

/* The name's length and three of its bytes, none of which two names have in common. */
static inline unsigned header_slot(const char *p, size_t n)
{
    return (unsigned)(n + HASH_A * (size_t)(unsigned char)p[n / 2] + HASH_B * (size_t)(unsigned char)p[n * 3 / 4] +
                      HASH_C * (size_t)(unsigned char)p[n - 1]) %
           HASH_SLOTS;
}

static const uint8_t header_slots[HASH_SLOTS] = {
    [0] = SP_H_TE,
    [4] = SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
    [6] = SP_H_SERVER,
    [7] = SP_H_CACHE_CONTROL,
    [19] = SP_H_X_ENVOY_ORIGINAL_PATH,
    [20] = SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
    [23] = SP_H_IF_NONE_MATCH,
    [28] = SP_H_PROXY_CONNECTION,
    [33] = SP_H_X_ENVOY_ATTEMPT_COUNT,
    [36] = SP_H_DATE,
    [38] = SP_H_WWW_AUTHENTICATE,
    [44] = SP_H_SET_COOKIE,
    [52] = SP_H_HTTP2_SETTINGS,
    [55] = SP_H_UPGRADE,
    [58] = SP_H_GRPC_MESSAGE,
    [60] = SP_H_CONTENT_TYPE,
    [61] = SP_H_X_ENVOY_MAX_RETRIES,
    [66] = SP_H_X_ENVOY_OVERLOADED,
    [68] = SP_H_LOCATION,
    [72] = SP_H_COOKIE,
    [73] = SP_H_X_ENVOY_FORCE_TRACE,
    [76] = SP_H_ACCEPT,
    [86] = SP_H_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
    [88] = SP_H_X_ENVOY_RETRY_ON,
    [89] = SP_H_VIA,
    [92] = SP_H_USER_AGENT,
    [95] = SP_H_IF_MODIFIED_SINCE,
    [97] = SP_H_TRAILER,
    [99] = SP_H_AUTHORIZATION,
    [104] = SP_H_EXPECT,
    [105] = SP_H_REFERER,
    [108] = SP_H_CONTENT_LENGTH,
    [116] = SP_H_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
    [122] = SP_H_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    [125] = SP_H_AGE,
    [126] = SP_H_HOST,
    [127] = SP_H_TRACEPARENT,
    [129] = SP_H_ACCEPT_ENCODING,
    [130] = SP_H_CONTENT_ENCODING,
    [131] = SP_H_X_ENVOY_ORIGINAL_HOST,
    [145] = SP_H_GRPC_STATUS,
    [150] = SP_H_X_ENVOY_INTERNAL,
    [152] = SP_H_X_FORWARDED_PORT,
    [153] = SP_H_RANGE,
    [156] = SP_H_TRACESTATE,
    [157] = SP_H_X_FORWARDED_CLIENT_CERT,
    [160] = SP_H_X_ENVOY_EXTERNAL_ADDRESS,
    [161] = SP_H_X_ENVOY_IP_TAGS,
    [163] = SP_H_X_CLIENT_TRACE_ID,
    [166] = SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES,
    [167] = SP_H_FORWARDED,
    [169] = SP_H_RETRY_AFTER,
    [173] = SP_H_X_ENVOY_RETRY_GRPC_ON,
    [175] = SP_H_X_ORIGIN_VERIFY,
    [181] = SP_H_X_ENVOY_DECORATOR_OPERATION,
    [182] = SP_H_X_REQUEST_ID,
    [183] = SP_H_X_FORWARDED_FOR,
    [184] = SP_H_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
    [197] = SP_H_X_ENVOY_RATELIMITED,
    [200] = SP_H_VARY,
    [213] = SP_H_X_FORWARDED_PROTO,
    [216] = SP_H_X_ENVOY_UPSTREAM_ALT_STAT_NAME,
    [218] = SP_H_ETAG,
    [224] = SP_H_KEEP_ALIVE,
    [226] = SP_H_X_ENVOY_ORIGINAL_URL,
    [228] = SP_H_ORIGIN,
    [229] = SP_H_ALLOW,
    [230] = SP_H_X_ENVOY_RETRIABLE_STATUS_CODES,
    [237] = SP_H_X_ENVOY_DOWNSTREAM_SERVICE_NODE,
    [239] = SP_H_TRANSFER_ENCODING,
    [240] = SP_H_CONNECTION,
    [243] = SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME,
    [247] = SP_H_LAST_MODIFIED,
    [248] = SP_H_X_FORWARDED_HOST,
};

#endif
