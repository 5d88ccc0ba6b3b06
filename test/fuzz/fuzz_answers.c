/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What services answer that are asked, by the first byte: 'G' the body of a gRPC call, with a rate limit service's answer in it; 'R'
 * that answer alone; 'J' claims of a token or of an introspection; 'K' a public key in PEM, or a certificate; 'E' base64 of all kinds;
 * 'T' a format of times.  Nothing crashes or reads on behind the end; headers that come of it are headers; what is read is written
 * as it was.
 */
#include <jansson.h>

#include "base/json.h"
#include "clusters/grpc_frame.h"
#include "crypto/hash.h"
#include "crypto/jwk.h"
#include "filters/jwt_claims.h"
#include "filters/ratelimit_rls.h"
#include "head_lines.h"
#include "stream/caller.h"
#include "stream/time_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lines(const struct sp_header *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        CHECK(sp_header_name_valid(v[i].name) && sp_header_value_valid(v[i].value));
}

static void rate_limit(struct sp_str message, struct sp_arena *arena)
{
    struct sp_rls_answer a = {0};
    if (!sp_rls_answer(message, arena, &a))
        return;
    check_lines(a.response_headers, a.n_response_headers);
    check_lines(a.request_headers, a.n_request_headers);
    CHECK(sp_header_value_valid(a.limit) && sp_header_value_valid(a.remaining) && sp_header_value_valid(a.reset));
}

/* In two pieces, cut where the second byte says. */
static void grpc(struct sp_str text, struct sp_arena *arena)
{
    struct sp_buf body;
    struct sp_str message;
    if (text.len < 2)
        return;
    size_t cut = (uint8_t)text.ptr[0] % text.len;
    text = sp_str_sub(text, 1, text.len);
    cut = SP_MIN(cut, text.len);
    sp_buf_init(&body);
    sp_buf_append(&body, text.ptr, cut);
    sp_buf_append(&body, text.ptr + cut, text.len - cut);
    if (sp_grpc_unframe(&body, &message)) {
        char prefix[SP_GRPC_PREFIX];
        CHECK(message.len == text.len - SP_GRPC_PREFIX);
        sp_grpc_prefix(prefix, (uint32_t)message.len);
        CHECK(memcmp(prefix, text.ptr, sizeof(prefix)) == 0);
        rate_limit(message, arena);
    }
    sp_buf_clear(&body);
}

static void claims(struct sp_str text, struct sp_arena *arena)
{
    static const struct sp_str names[] = {SP_STR_INIT("sub"), SP_STR_INIT("a.b"), SP_STR_INIT("a"), SP_STR_INIT("aud")};
    struct sp_jwt_claims c;
    struct sp_caller caller = {0};
    json_t *root = sp_json_load(text, 8, 500);
    if (!root)
        return;
    if (json_is_object(root)) {
        sp_jwt_caller(root, &caller);
        if (sp_jwt_claims_read(root, &c) == SP_JWT_OK) {
            sp_jwt_claims_check_time(&c, 1800000000, 60);
            sp_jwt_claims_audience_ok(&c, names, 2);
        }
        for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
            const json_t *claim = sp_jwt_claim(root, names[i]);
            if (claim)
                CHECK(sp_header_value_valid(sp_jwt_claim_text(claim, arena)));
        }
    }
    struct sp_str out = sp_jwt_json(root, arena);
    json_t *again = sp_json_load(out, 8, 500);
    CHECK(again && json_equal(root, again));
    json_decref(again);
    json_decref(root);
}

/* What decodes has one spelling only. */
static void base64(struct sp_str text, struct sp_arena *arena)
{
    struct sp_str out;
    for (unsigned kind = SP_BASE64; kind <= SP_BASE64URL_PAD; kind++)
        if (sp_base64_decode(arena, kind, text, &out) == 0)
            CHECK(sp_str_eq(sp_base64_encode(arena, kind, out), text));
}

static void times(struct sp_str text, struct sp_arena *arena)
{
    char why[SP_TIME_WHY_MAX] = "", out[SP_TIME_TEXT_MAX];
    struct sp_time_format *f = sp_time_format_new(text, false, arena, why);
    CHECK(f || *why);
    if (f) {
        CHECK(sp_time_format_write(f, 1700000000123456789, out) <= sizeof(out));
        CHECK(sp_time_format_write(f, -1, out) <= sizeof(out));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct sp_arena arena;
    struct sp_jwk key;
    struct sp_str text = sp_str_n((const char *)data + 1, size - 1);
    sp_arena_init(&arena);
    switch (data[0]) {
    case 'G':
        grpc(text, &arena);
        break;
    case 'R':
        rate_limit(text, &arena);
        break;
    case 'J':
        claims(text, &arena);
        break;
    case 'K':
        sp_jwk_from_pem(text, &arena, &key);
        break;
    case 'E':
        base64(text, &arena);
        break;
    case 'T':
        times(text, &arena);
        break;
    default:
        break;
    }
    sp_arena_done(&arena);
    return 0;
}
