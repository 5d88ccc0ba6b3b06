/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The strict HTTP/1 parser (RFC 9112), without I/O: message heads, and bodies framed by length, by chunks or by the
 * connection's end.  Input may come in pieces of any size; the result does not depend on where it was cut, and no byte
 * is looked at twice.  Owned by a codec (http/h1); one thread.
 *
 * What two parsers could read differently is refused: lines end with CRLF only, no control character stands anywhere,
 * names are tokens up to their colon, no line is folded; one Host, one Content-Length of digits, never with
 * Transfer-Encoding (unless h1_allow_chunked_length), which is "chunked" or nothing and never of HTTP/1.0; chunk sizes
 * are at most 16 hexadecimal digits.  Trailers never join the headers.
 */
#ifndef SP_HTTP_H1_PARSE_H
#define SP_HTTP_H1_PARSE_H

#include "http/codec.h"

/* X(enum suffix, RESPONSE_CODE_DETAILS, status of the answer, enum sp_codec_event) */
#define SP_H1_ERRORS(X) \
    X(BARE_LF, "http1.bare_lf", 400, BAD_REQUEST) \
    X(BARE_CR, "http1.bare_cr", 400, BAD_REQUEST) \
    X(CHARACTER, "http1.invalid_characters", 400, BAD_REQUEST) \
    X(EMPTY_LINES, "http1.empty_lines", 400, BAD_REQUEST) \
    X(REQUEST_LINE, "http1.invalid_request_line", 400, BAD_REQUEST) \
    X(STATUS_LINE, "http1.invalid_status_line", 400, BAD_REQUEST) \
    X(METHOD, "http1.invalid_method", 400, BAD_REQUEST) \
    X(METHOD_TOO_LONG, "http1.method_too_long", 501, BAD_REQUEST) \
    X(URL, "http1.invalid_url", 400, BAD_REQUEST) \
    X(SCHEME, "http1.invalid_scheme", 400, BAD_REQUEST) \
    X(SCHEME_MISMATCH, "http1.https_url_on_plaintext_connection", 403, BAD_REQUEST) \
    X(URL_TOO_LONG, "http1.url_too_long", 414, URL_TOO_LONG) \
    X(HEADERS_TOO_LARGE, "http1.headers_too_large", 431, HEADERS_TOO_LARGE) \
    X(TOO_MANY_HEADERS, "http1.too_many_headers", 431, TOO_MANY_HEADERS) \
    X(LOW_VERSION, "low_version", 426, BAD_REQUEST) \
    X(VERSION, "http1.unsupported_version", 505, BAD_REQUEST) \
    X(FOLDED, "http1.folded_header", 400, BAD_REQUEST) \
    X(NAME, "http1.invalid_header_name", 400, BAD_REQUEST) \
    X(LENGTH, "http1.invalid_content_length", 400, BAD_REQUEST) \
    X(LENGTHS, "http1.multiple_content_length", 400, BAD_REQUEST) \
    X(LENGTH_NOT_ALLOWED, "http1.content_length_not_allowed", 400, BAD_REQUEST) \
    X(LENGTH_AND_CHUNKED, "http1.content_length_and_chunked_not_allowed", 400, BAD_REQUEST) \
    X(ENCODING, "http1.invalid_transfer_encoding", 501, BAD_REQUEST) \
    X(ENCODING_NOT_ALLOWED, "http1.transfer_encoding_not_allowed", 400, BAD_REQUEST) \
    X(NO_HOST, "missing_host_header", 400, BAD_REQUEST) \
    X(HOSTS, "http1.multiple_host", 400, BAD_REQUEST) \
    X(HOST, "http.invalid_authority", 400, BAD_REQUEST) \
    X(CONNECTION, "http1.connection_header_rejected", 400, BAD_REQUEST) \
    X(UPGRADE, "http1.invalid_upgrade", 400, BAD_REQUEST) \
    X(UPGRADE_BODY, "http1.upgrade_with_body", 400, BAD_REQUEST) \
    X(UNDERSCORE, "http1.unexpected_underscore", 400, REQUESTS_REJECTED_UNDERSCORE) \
    X(CHUNK_SIZE, "http1.invalid_chunk_size", 400, BAD_REQUEST) \
    X(CHUNK_END, "http1.invalid_chunk_end", 400, BAD_REQUEST) \
    X(CHUNK_EXTENSION, "http1.chunk_extensions_too_large", 400, BAD_REQUEST) \
    X(TRAILERS_TOO_LARGE, "http1.trailers_too_large", 431, HEADERS_TOO_LARGE) \
    X(UNSOLICITED, "http1.unsolicited_response", 400, BAD_REQUEST) \
    X(SWITCHED, "http1.unexpected_switch_of_protocols", 400, BAD_REQUEST) \
    X(INFORMATIONAL, "http1.too_many_informational_responses", 400, BAD_REQUEST)

enum sp_h1_err {
    SP_H1E_NONE,
#define X(id, detail, status, event) SP_H1E_##id,
    SP_H1_ERRORS(X)
#undef X
    SP_H1E_COUNT
};

struct sp_h1_error {
    const char *detail;
    uint16_t status;
    uint8_t event; /* enum sp_codec_event */
};
/* Of an error other than SP_H1E_NONE. */
const struct sp_h1_error *sp_h1_error(enum sp_h1_err err);

enum sp_h1_step { SP_H1_MORE, SP_H1_DONE, SP_H1_BAD };

enum sp_h1_kind { SP_H1_REQUEST, SP_H1_RESPONSE, SP_H1_TRAILERS };

enum { SP_H1_ENDS = 64 };

/* A head (or trailers) that is being read. Small: every idle connection has one. */
struct sp_h1_head {
    uint8_t kind;           /* enum sp_h1_kind */
    uint8_t err;            /* enum sp_h1_err, after SP_H1_BAD */
    bool cr;                /* the last byte was CR */
    uint8_t empty_lines;    /* before a request */
    uint8_t version;        /* enum sp_protocol */
    uint8_t method_len;     /* requests */
    uint16_t status;        /* responses */
    uint32_t lines;         /* that are complete, the first included, without the empty one */
    uint32_t total;         /* bytes so far */
    uint32_t line_at;       /* where the line under way begins */
    uint32_t limit;         /* of bytes, as far as the first line or the whole head may go */
    uint32_t tail;          /* SP_H1_DONE: so many of the bytes are still in `in` */
    uint32_t target_at, target_len; /* requests */
    struct sp_buf partial;  /* the bytes before the tail */
    /* Offsets of the first lines' CR, SP_H1_ENDS of them: the thread's own while the head comes in one piece, or `kept`, so
     * that an idle connection has none. */
    uint32_t *ends, *kept;
};

/* What a head says besides the headers that are passed on. */
struct sp_h1_info {
    bool has_length, chunked;
    bool keep_alive; /* RFC 9112 section 9.3: by version and Connection */
    bool expect_continue;
    bool suspicious; /* nothing may follow on this connection after the message */
    uint64_t length;
    enum sp_h1_err soft; /* well framed, but to be refused */
    unsigned underscores_dropped;
};

void sp_h1_head_init(struct sp_h1_head *p, enum sp_h1_kind kind);
/* Forgets what was read and frees it. */
void sp_h1_head_done(struct sp_h1_head *p);
/* Nothing but empty lines came so far. */
static inline bool sp_h1_head_idle(const struct sp_h1_head *p)
{
    return p->total == 0 && p->lines == 0;
}
/*
 * Reads on. SP_H1_MORE: all of `in` was taken. SP_H1_DONE: the head is complete; call sp_h1_head_take with the same
 * `in`. SP_H1_BAD: p->err.
 */
enum sp_h1_step sp_h1_head_feed(struct sp_h1_head *p, const struct sp_codec_config *config, struct sp_buf *in);
/*
 * After SP_H1_DONE: moves the head into the arena and parses it. Returns SP_H1E_NONE or why it is refused; even then it
 * was taken out of `in`. Leaves p as after sp_h1_head_init.
 */
enum sp_h1_err sp_h1_head_take(struct sp_h1_head *p, const struct sp_codec_config *config, struct sp_buf *in,
                               struct sp_arena *arena, struct sp_headers *ret_headers, struct sp_h1_info *ret_info);

enum sp_h1_body_kind { SP_H1_NO_BODY, SP_H1_LENGTH, SP_H1_CHUNKED, SP_H1_UNTIL_EOF };

/* A body that is being read. */
struct sp_h1_body {
    uint8_t kind;        /* enum sp_h1_body_kind */
    uint8_t err;         /* enum sp_h1_err, after SP_H1_BAD */
    uint8_t state;       /* of chunked */
    bool over;
    unsigned digits;     /* of the chunk size */
    uint64_t left;       /* bytes of the body or the chunk */
    size_t extensions;   /* bytes of them, so far as they exceed the data */
};

void sp_h1_body_init(struct sp_h1_body *b, enum sp_h1_body_kind kind, uint64_t length);
/*
 * Reads on, moving body bytes to `out` (NULL: dropped). SP_H1_DONE: the body is over; for SP_H1_CHUNKED the trailers
 * were read into `trailers`, which is to be taken from the same `in` (lines == 0: there were none; it is taken
 * already). `trailers` must have been initialised with SP_H1_TRAILERS.
 */
enum sp_h1_step sp_h1_body_feed(struct sp_h1_body *b, const struct sp_codec_config *config, struct sp_h1_head *trailers,
                                struct sp_buf *in, struct sp_buf *out);

/* For h1_parse's own files. */
/* Sorts out a request's target, before the fields are parsed: path, scheme, authority. */
enum sp_h1_err sp_h1_target(struct sp_headers *h, const struct sp_codec_config *config, struct sp_str target);
/* Parses the field lines of a head that lies at `base`; the first line is done. */
enum sp_h1_err sp_h1_fields(struct sp_h1_head *p, const struct sp_codec_config *config, char *base,
                            struct sp_headers *h, struct sp_h1_info *info);

#endif
