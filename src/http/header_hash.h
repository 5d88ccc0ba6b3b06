/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Written by scripts/gen_header_hash: where in a table of slots each known header name stands.
 * Part of http/headers.c. */
#ifndef SP_HTTP_HEADER_HASH_H
#define SP_HTTP_HEADER_HASH_H

enum { HASH_SLOTS = 256, HASH_A = 167, HASH_B = 161, HASH_C = 156 };

/* The name's length and three of its bytes, none of which two names have in common. */
static inline unsigned header_slot(const char *p, size_t n)
{
    return (unsigned)(n + HASH_A * (size_t)(unsigned char)p[n / 2] + HASH_B * (size_t)(unsigned char)p[n * 3 / 4] +
                      HASH_C * (size_t)(unsigned char)p[n - 1]) %
           HASH_SLOTS;
}

static const uint8_t header_slots[HASH_SLOTS] = {
    [9] = SP_H_ACCEPT,
    [14] = SP_H_HTTP2_SETTINGS,
    [17] = SP_H_X_ENVOY_INTERNAL,
    [22] = SP_H_X_FORWARDED_CLIENT_CERT,
    [24] = SP_H_GRPC_STATUS,
    [26] = SP_H_RANGE,
    [36] = SP_H_FORWARDED,
    [43] = SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES,
    [44] = SP_H_X_REQUEST_ID,
    [48] = SP_H_X_ENVOY_ORIGINAL_HOST,
    [50] = SP_H_X_FORWARDED_FOR,
    [55] = SP_H_VARY,
    [58] = SP_H_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER,
    [59] = SP_H_X_ENVOY_RETRIABLE_STATUS_CODES,
    [63] = SP_H_X_ORIGIN_VERIFY,
    [69] = SP_H_AGE,
    [72] = SP_H_ORIGIN,
    [74] = SP_H_SET_COOKIE,
    [79] = SP_H_X_ENVOY_ORIGINAL_URL,
    [81] = SP_H_IF_NONE_MATCH,
    [84] = SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE,
    [93] = SP_H_CONTENT_TYPE,
    [97] = SP_H_X_FORWARDED_PROTO,
    [98] = SP_H_X_ENVOY_MAX_RETRIES,
    [100] = SP_H_X_FORWARDED_HOST,
    [102] = SP_H_CACHE_CONTROL,
    [104] = SP_H_COOKIE,
    [108] = SP_H_X_FORWARDED_PORT,
    [110] = SP_H_X_ENVOY_EXTERNAL_ADDRESS,
    [111] = SP_H_IF_MODIFIED_SINCE,
    [114] = SP_H_X_ENVOY_IP_TAGS,
    [120] = SP_H_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    [123] = SP_H_X_ENVOY_RETRY_GRPC_ON,
    [124] = SP_H_GRPC_MESSAGE,
    [131] = SP_H_TRAILER,
    [134] = SP_H_USER_AGENT,
    [136] = SP_H_AUTHORIZATION,
    [137] = SP_H_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
    [139] = SP_H_LOCATION,
    [140] = SP_H_LAST_MODIFIED,
    [143] = SP_H_X_ENVOY_RETRY_ON,
    [151] = SP_H_X_ENVOY_DOWNSTREAM_SERVICE_NODE,
    [154] = SP_H_ACCEPT_ENCODING,
    [155] = SP_H_CONTENT_ENCODING,
    [159] = SP_H_VIA,
    [173] = SP_H_HOST,
    [176] = SP_H_CONNECTION,
    [185] = SP_H_X_ENVOY_UPSTREAM_ALT_STAT_NAME,
    [190] = SP_H_X_ENVOY_ATTEMPT_COUNT,
    [193] = SP_H_DATE,
    [194] = SP_H_WWW_AUTHENTICATE,
    [203] = SP_H_X_ENVOY_OVERLOADED,
    [204] = SP_H_ALLOW,
    [206] = SP_H_PROXY_CONNECTION,
    [210] = SP_H_RETRY_AFTER,
    [213] = SP_H_UPGRADE,
    [214] = SP_H_ETAG,
    [215] = SP_H_X_ENVOY_RATELIMITED,
    [218] = SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
    [220] = SP_H_EXPECT,
    [224] = SP_H_X_ENVOY_ORIGINAL_PATH,
    [230] = SP_H_KEEP_ALIVE,
    [231] = SP_H_REFERER,
    [239] = SP_H_X_ENVOY_DECORATOR_OPERATION,
    [246] = SP_H_TE,
    [247] = SP_H_CONTENT_LENGTH,
    [249] = SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME,
    [251] = SP_H_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
    [252] = SP_H_X_ENVOY_FORCE_TRACE,
    [253] = SP_H_SERVER,
    [255] = SP_H_TRANSFER_ENCODING,
};

#endif
