/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of formats, header changes and access logs share: a stream about which everything is known.
 */
#ifndef TEST_UNIT_STREAM_FORMAT_SUPPORT_H
#define TEST_UNIT_STREAM_FORMAT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/format.h"
#include "support/config.h"

struct t_stream {
    struct sp_arena arena;
    struct sp_conn_info conn;
    struct sp_tls_info tls;
    struct sp_stream_info info;
    struct sp_headers request, response, trailers;
    struct sp_format_input in; /* of all these */
};

/* A request at 2023-11-14T22:13:20.123456789Z from 203.0.113.9 through 192.0.2.1, 345 ms long; no headers yet. */
void t_stream_init(struct t_stream *s);
void t_stream_done(struct t_stream *s);
void t_stream_metadata(struct t_stream *s, const char *ns, const char *key, const char *json);

/* A format's text, in a static buffer; when it does not compile, what was said about it, without its place. */
const char *t_text(struct t_stream *s, const char *text_format);
/* The same of a SubstitutionFormatString in YAML. The test fails unless exactly `said` is reported. */
const char *t_format(struct t_stream *s, const char *yaml, const char *said);
/* As a header value. */
const char *t_value(struct t_stream *s, const char *text_format);

#endif
