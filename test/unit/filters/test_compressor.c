/* SPDX-License-Identifier: GPL-2.0-or-later */
/* compressor: what goes in comes out again, in pieces and with trailers; beside test_envoy_filters. */
#include "fake_chain.h"

#include <brotli/decode.h>
#include <stdio.h>
#include <zlib.h>

#include "envoy/extensions/filters/http/compressor/v3/compressor.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define OPS &sp_compressor_ops
#define DESC &envoy__extensions__filters__http__compressor__v3__compressor__descriptor
#define LIBRARY(name, type) \
    "compressor_library: {name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.compression." name ".compressor.v3." type "}}\n"

enum { SIZE = 200000 };

static char text[SIZE], back[SIZE + 1], packed[SIZE];
static struct fake_stream s;

static void begin(struct fake_config **c, struct sp_filter **f, const char *yaml, const char *accepts, const char *response)
{
    *c = fake_config_new(OPS, DESC, yaml);
    fake_stream_init(&s, "/");
    fake_header(&s, "accept-encoding", accepts);
    *f = fake_filter(&s, *c);
    (*c)->ops->decode_headers(*f, &s.request, true);
    t_headers(&s.response, &s.arena, response);
    s.has_response = true;
    assert_int_equal((*c)->ops->encode_headers(*f, &s.response, false), SP_CONTINUE);
}

static void finish(struct fake_config *c, struct sp_filter *f)
{
    c->ops->destroy(f);
    sp_buf_clear(&s.injected);
    fake_stream_done(&s);
    fake_config_free(c);
}

/* Bytes that are neither all the same nor noise. */
static void fill(void)
{
    for (unsigned i = 0; i < SIZE; i++)
        text[i] = "the quick brown fox "[(i * i / 7 + i) % 20];
}

static size_t unpacked(const struct sp_buf *b, bool brotli)
{
    size_t n = sp_buf_peek(b, packed, b->len), out = SIZE + 1;
    assert_true(n < SIZE);
    if (brotli) {
        assert_int_equal(BrotliDecoderDecompress(n, (uint8_t *)packed, &out, (uint8_t *)back), BROTLI_DECODER_RESULT_SUCCESS);
        return out;
    }
    z_stream z = {.next_in = (Bytef *)packed, .avail_in = (uInt)n, .next_out = (Bytef *)back, .avail_out = SIZE + 1};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    out = z.total_out;
    inflateEnd(&z);
    return out;
}

static void round_trip(const char *yaml, const char *encoding, bool trailers)
{
    struct fake_config *c;
    struct sp_filter *f;
    struct sp_buf out, b;
    begin(&c, &f, yaml, encoding, ":status: 200\ncontent-type: text/plain; charset=utf-8\ncontent-length: 200000\netag: \"x\"\naccept-ranges: bytes");
    assert_string_equal(t_c(&s.arena, sp_headers_get_id(&s.response, SP_H_CONTENT_ENCODING)), encoding);
    assert_false(sp_headers_find_id(&s.response, SP_H_CONTENT_LENGTH, NULL) || sp_headers_find_id(&s.response, SP_H_ETAG, NULL));
    sp_buf_init(&out);
    for (size_t at = 0, n; at < SIZE; at += n) {
        n = SP_MIN((size_t)(at % 3 ? 7777 : 50000), SIZE - at);
        sp_buf_init(&b);
        sp_buf_append(&b, text + at, n);
        assert_int_equal(c->ops->encode_data(f, &b, !trailers && at + n == SIZE), SP_CONTINUE);
        assert_true(b.len > 0); /* nothing waits in the library */
        sp_buf_move(&out, &b);
    }
    if (trailers) {
        struct sp_headers t;
        t_headers(&t, &s.arena, "a: b");
        c->ops->encode_trailers(f, &t);
        sp_buf_move(&out, &s.injected);
    }
    assert_true(out.len < SIZE / 2);
    assert_int_equal(unpacked(&out, strcmp(encoding, "br") == 0), SIZE);
    assert_memory_equal(back, text, SIZE);
    sp_buf_clear(&out);
    finish(c, f);
}

static void test_round_trips(void **state)
{
    fill();
    for (int trailers = 0; trailers < 2; trailers++) {
        round_trip(LIBRARY("gzip", "Gzip"), "gzip", trailers);
        round_trip("compressor_library: {name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip, "
                   "memory_level: 9, window_bits: 15, compression_level: BEST_SPEED, compression_strategy: FILTERED}}", "gzip", trailers);
        round_trip(LIBRARY("brotli", "Brotli"), "br", trailers);
    }
}

static void left_alone(const char *accepts, const char *response)
{
    struct fake_config *c;
    struct sp_filter *f;
    struct sp_buf b;
    begin(&c, &f, LIBRARY("gzip", "Gzip"), accepts, response);
    sp_buf_init(&b);
    sp_buf_append(&b, "abc", 3);
    c->ops->encode_data(f, &b, true);
    assert_int_equal(b.len, 3);
    sp_buf_clear(&b);
    finish(c, f);
}

static void test_left_alone(void **state)
{
    left_alone("br", ":status: 200\ncontent-type: text/plain");
    left_alone("gzip;q=0", ":status: 200\ncontent-type: text/plain");
    left_alone("gzip", ":status: 200\ncontent-type: image/png");
    left_alone("gzip", ":status: 200\ncontent-type: text/plain\ncontent-length: 29");
    left_alone("gzip", ":status: 200\ncontent-type: text/plain\ncontent-encoding: br");
    left_alone("gzip", ":status: 206\ncontent-type: text/plain\ncontent-range: bytes 0-9/100"); /* ranges are of these bytes */
    left_alone("gzip", ":status: 200\ncontent-type: text/plain\ncache-control: no-transform");
}

static void test_refused(void **state)
{
    fake_config_refused(OPS, DESC, "{}", "compressor_library");
    fake_config_refused(OPS, DESC, LIBRARY("gzip", "Gzip, window_bits: 8"), "window_bits");
    fake_config_refused(OPS, DESC, LIBRARY("brotli", "Brotli, quality: 12"), "quality");
    fake_config_refused(OPS, DESC, "compressor_library: {name: l, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}",
                        "is no compressor that is run here (Gzip, Brotli)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
