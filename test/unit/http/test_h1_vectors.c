/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests against what another parser makes of them (data/h11_vectors): what we take must be read by it the same, to the
 * byte, and what it refuses or waits for we must not take.  We may refuse more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "http/chars.h"
#include "unit/http/h1_dump.h"

static size_t unhex(const char *hex, char *to)
{
    size_t n = 0;
    for (; sp_hex_value(hex[0]) >= 0 && sp_hex_value(hex[1]) >= 0; hex += 2)
        to[n++] = (char)(sp_hex_value(hex[0]) << 4 | sp_hex_value(hex[1]));
    return n;
}

/* "METHOD BODY LEFT" as the file has it, of a request that was taken whole. */
static void describe(const struct sp_codec_config *config, const char *bytes, size_t n, char *to, size_t size)
{
    struct sp_h1_head head, trailers;
    struct sp_h1_body body;
    struct sp_h1_info info, unused;
    struct sp_arena arena;
    struct sp_headers h, t;
    struct sp_buf in, data;
    sp_arena_init(&arena);
    sp_buf_init(&in);
    sp_buf_init(&data);
    sp_h1_head_init(&head, SP_H1_REQUEST);
    sp_h1_head_init(&trailers, SP_H1_TRAILERS);
    sp_buf_append(&in, bytes, n);
    snprintf(to, size, "bad");
    enum sp_h1_step step = sp_h1_head_feed(&head, config, &in);
    if (step == SP_H1_DONE) {
        step = SP_H1_BAD;
        if (!sp_h1_head_take(&head, config, &in, &arena, &h, &info) && !info.soft) {
            enum sp_h1_body_kind kind = info.chunked      ? SP_H1_CHUNKED
                                        : info.has_length ? SP_H1_LENGTH
                                                          : SP_H1_NO_BODY;
            sp_h1_body_init(&body, kind, info.length);
            step = sp_h1_body_feed(&body, config, &trailers, &in, &data);
        }
    }
    if (step == SP_H1_DONE && trailers.lines && sp_h1_head_take(&trailers, config, &in, &arena, &t, &unused))
        step = SP_H1_BAD;
    if (step == SP_H1_MORE)
        snprintf(to, size, "more");
    if (step == SP_H1_DONE) {
        int at = snprintf(to, size, "ok %.*s %s", SP_STR_ARG(h.method), data.len ? "" : "-");
        for (size_t i = 0; i < data.len; i++) {
            char c[512];
            sp_buf_peek(&data, c, i + 1);
            at += snprintf(to + at, size - (size_t)at, "%02x", (unsigned char)c[i]);
        }
        snprintf(to + at, size - (size_t)at, " %zu", in.len);
    }
    sp_h1_head_done(&head);
    sp_h1_head_done(&trailers);
    sp_buf_clear(&in);
    sp_buf_clear(&data);
    sp_arena_done(&arena);
}

static void another_parser_agrees(void **state)
{
    struct sp_codec_config config;
    char path[4096], line[4096], bytes[2048], got[2048];
    const char *source = getenv("SALLYPORT_SOURCE_DIR");
    snprintf(path, sizeof(path), "%s/test/unit/http/data/h11_vectors.txt", source ? source : ".");
    FILE *f = fopen(path, "r");
    unsigned taken = 0, refused = 0;
    assert_non_null(f);
    sp_codec_config_init(&config, true);
    config.h1_accept_10 = true;
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        char *verdict = strchr(line, ' ') + 1;
        size_t n = unhex(line, bytes);
        describe(&config, bytes, n, got, sizeof(got));
        if (strcmp(got, "bad") == 0) {
            refused++;
            continue;
        }
        taken++;
        if (strcmp(got, verdict) != 0)
            fail_msg("%s\n  we read %s, h11 %s", line, got, verdict);
    }
    fclose(f);
    assert_in_range(taken, 60, 2000);
    assert_in_range(refused, 60, 2000);
    sp_buf_thread_done();
    sp_arena_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(another_parser_agrees)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
