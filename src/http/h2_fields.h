/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_h2_fields: makes an sp_headers of the fields of one HTTP/2 header block as HPACK yields them, and judges it: RFC
 * 9113 section 8.2 and 8.3, RFC 9110's rules on names and values, and the configured limits.  nghttp2's own HTTP rules
 * are off: these are stricter, say what was wrong, and cost a third.
 *
 * A connection decodes one block at a time, so one of these is part of it (http/h2_conn.h).  One thread.  Kept bytes
 * are copied into the headers' arena, unless they are static.
 */
#ifndef SP_HTTP_H2_FIELDS_H
#define SP_HTTP_H2_FIELDS_H

#include "http/codec.h"

enum sp_h2_block { SP_H2_REQUEST, SP_H2_RESPONSE, SP_H2_TRAILERS };

enum sp_h2_verdict {
    SP_H2_GOOD,
    SP_H2_MALFORMED,
    SP_H2_TOO_LARGE,    /* max_header_bytes */
    SP_H2_TOO_MANY,     /* max_headers */
    SP_H2_URL_TOO_LONG, /* max_url_bytes */
    SP_H2_UNDERSCORE,   /* a name with '_', and the config says to refuse */
};

struct sp_h2_fields {
    const struct sp_codec_config *config;
    struct sp_headers *h; /* NULL: nothing is kept */
    enum sp_h2_block kind;
    enum sp_h2_verdict verdict; /* the first that was not good */
    const char *detail;         /* static; "http2.invalid_header_value" and so on */
    unsigned n_fields, n_regular; /* all that were decoded, kept or not; those that are no pseudo-headers */
    size_t n_bytes;
    unsigned n_crumbs;          /* Cookie fields */
    unsigned n_underscores;     /* dropped */
    int64_t content_length;     /* -1: none */
    struct sp_str host;
    bool regular, pseudo;       /* a regular field, a pseudo-header field was seen */
};

/* `h` is initialised and empty, or NULL to decode for HPACK's sake only. */
void sp_h2_fields_begin(struct sp_h2_fields *f, const struct sp_codec_config *config, enum sp_h2_block kind,
                        struct sp_headers *h);
/* A field's bytes are borrowed for the call, or for ever where they are static. */
struct sp_h2_field {
    struct sp_str name, value;
    bool name_static, value_static, never_index;
};
/* False: the block is so far over the limits that going on would be work for nothing; the connection must close. */
bool sp_h2_fields_add(struct sp_h2_fields *f, const struct sp_h2_field *field);
/* The block is complete: checks the whole, joins cookies, sets h->bytes. */
enum sp_h2_verdict sp_h2_fields_end(struct sp_h2_fields *f);

#endif
